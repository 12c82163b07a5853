from evalkit.analysis import RunSummary
from evalkit.analysis.compare.compared import RunComparison as Comparison
from evalkit.analysis.decide.decision import Decision
from evalkit.analysis.gate.result import GateResult
from evalkit.api import Run, Step, compare, export, load_run, load_suite, run
from evalkit.errors import ConfigError, EvalkitError, NothingRanError
from evalkit.exports.export import Exported
from evalkit.types import Case, Suite

__version__: str

__all__ = [
    "Case",
    "Comparison",
    "ConfigError",
    "Decision",
    "EvalkitError",
    "Exported",
    "GateResult",
    "NothingRanError",
    "Run",
    "RunSummary",
    "Step",
    "Suite",
    "__version__",
    "compare",
    "export",
    "load_run",
    "load_suite",
    "run",
]
