"""What makes a suite weak, found before it misleads."""
