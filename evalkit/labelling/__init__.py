"""Set the expected output of each case at a terminal."""
