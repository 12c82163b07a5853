"""Configured candidates, the provider table, parameters and prices."""
