"""Two runs, models or prompts against each other."""
