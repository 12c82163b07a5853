"""The one-line scripts of assertions and transforms: read, understood where they are mechanical, and never run."""
