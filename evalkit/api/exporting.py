"""Export cases and results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.stored import RESULTS, Place, Run
from evalkit.types import Suite

if TYPE_CHECKING:
    from evalkit.analysis import RunData
    from evalkit.exports.export import Exported


def export(
    what: Suite | Run | Place,
    out: Place,
    format: str | None = None,  # noqa: A002 - as the command line has it
    *,
    prompt: str | None = None,
    models_file: Place | None = None,
    allow_partial: bool = False,
    results: Place = RESULTS,
) -> Exported:
    """Write a suite's cases, or a run's results, in a format of others, as `evalkit export` does.

    >>> exported = evalkit.export("evals/triage.yaml", "cases.csv")
    >>> [str(path) for path in exported.files], list(exported.notes)
    (['cases.csv'], [])

    Args:
        what: a suite or its file, or a run.
        out: the file, or for formats of several files the folder, which must not be there.
        format: its name; by default told from the ending of `out`.
        prompt: the prompt whose messages are wanted, where a format has room for one.
        models_file: where the suite's models are configured.
        allow_partial: write what can be held although something would be lost.
        results: the folder in which runs are looked up.

    Returns:
        The files written, with notes on what was changed or lost. Nothing was written where something would be lost
        and `allow_partial` was not given.

    Raises:
        ConfigError: there is no such suite, run or format; or a file is there already.
        WriteError: a file cannot be written.
    """
    from evalkit.exports.export import export_to, source_of
    from evalkit.exports.options import ExportOptions

    if isinstance(what, Run):
        source: Suite | RunData = what.data
    else:
        source = what if isinstance(what, Suite) else source_of(str(what), Path(results))
    options = ExportOptions(prompt, Path(models_file) if models_file else None)
    return export_to(source, Path(out), format, options, allow_partial=allow_partial)
