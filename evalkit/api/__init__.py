"""evalkit from Python, with the same power as the command line.

Nothing here prints anything or ends the process unless it is asked to: what `evalkit` would say and exit with is
returned, or raised as an `EvalkitError`. The names are offered by `evalkit` itself: `evalkit.run(...)`.
"""

from evalkit.api.exporting import export
from evalkit.api.running import Step, run
from evalkit.api.stored import Run, compare, load_run, load_suite

__all__ = ["Run", "Step", "compare", "export", "load_run", "load_suite", "run"]
