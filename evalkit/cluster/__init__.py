"""The same run on an existing cluster: blocks of calls for workers that keep to common limits (Ray)."""
