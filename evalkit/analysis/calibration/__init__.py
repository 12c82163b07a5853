"""Judges against people's labels."""
