"""Choosing a candidate by rules."""
