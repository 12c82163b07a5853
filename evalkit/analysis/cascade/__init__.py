"""Cascades and routing: cheap candidates first, stronger ones where it pays."""
