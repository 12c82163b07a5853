"""A read-only web app over a folder of runs, for this machine alone. Needs the extra `view`: import it lazily."""
