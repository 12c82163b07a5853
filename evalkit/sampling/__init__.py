"""Choose a few inputs that stand for many. Pure functions on texts; no I/O."""
