"""Baselines, and gates that hold runs against them."""
