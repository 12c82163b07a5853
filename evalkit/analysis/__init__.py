"""From a run folder to figures: every one is recomputed from the journal's rows."""

from evalkit.analysis.rows import CallRow, Outcome, is_scorer_error
from evalkit.analysis.run_data import RunData, load_run
from evalkit.analysis.summary import ModelSummary, TagSummary, by_tag, summarise

__all__ = [
    "CallRow",
    "ModelSummary",
    "Outcome",
    "RunData",
    "TagSummary",
    "by_tag",
    "is_scorer_error",
    "load_run",
    "summarise",
]
