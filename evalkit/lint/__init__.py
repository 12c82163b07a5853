"""What makes a suite weak: checks of its cases, scorers and rules, and of what stored runs say of them. Pure."""
