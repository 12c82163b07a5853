"""From a plan of calls to a journal of records: pools, retries, scoring, resume."""
