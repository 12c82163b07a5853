"""Run your own cases over every candidate model, and trust the numbers."""

__version__ = "0.1.0"
