"""evalkit from Python: the same power as the command line."""
