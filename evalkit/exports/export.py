"""Export a suite's cases or a run's results: find them, make the files, write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from evalkit.analysis.compare.side import resolve_run
from evalkit.analysis.run_data import RunData, load_run
from evalkit.errors import ConfigError, Location
from evalkit.exports.formats import Format, format_of
from evalkit.exports.options import ExportOptions
from evalkit.exports.told import Told
from evalkit.exports.write import write_new
from evalkit.imports.draft import Note
from evalkit.suite import load_suite
from evalkit.types import Suite

_SUITES = (".yaml", ".yml")


class Exported(NamedTuple):
    """What was written, in which format, and what that could not hold. No files, where that was refused."""

    format: Format
    files: tuple[Path, ...]
    notes: Sequence[Note]

    @property
    def lost(self) -> int:
        """How many things are missing from the files."""
        return sum(note.lost for note in self.notes)


def source_of(what: str, results: Path, *, allow_code: bool = False) -> Suite | RunData:
    """Load what is to be exported.

    Args:
        what: a suite file, or a run's folder or id, or a suite's name for its newest run.
        results: the folder in which runs are looked up.
        allow_code: let the suite have scorers that run code; here they do not.

    Raises:
        ConfigError: it is neither, or cannot be used.
    """
    if Path(what).suffix in _SUITES and not Path(what).is_dir():
        return load_suite(Path(what), allow_code=allow_code)
    return load_run(resolve_run(what, results))


def export_to(
    source: Suite | RunData, out: Path, name: str | None, options: ExportOptions, *, allow_partial: bool = False
) -> Exported:
    """Write a suite's cases or a run's results.

    Args:
        source: the suite or the run.
        out: the file, or for formats of several the folder.
        name: of the format; None to tell it from the ending of `out`.
        options: how.
        allow_partial: write what can be held although something is lost.

    Raises:
        ConfigError: there is no such format; a file is there already; a row of the run is damaged.
        WriteError: a file cannot be written.
    """
    chosen = format_of("cases" if isinstance(source, Suite) else "results", name, out)
    told = Told(Location(source.path if isinstance(source, Suite) else source.folder))
    if isinstance(source, RunData) and not len(source.rows):
        raise ConfigError(f"the run {source.folder} has no calls")
    files = chosen.load()(source, options, told)
    written = write_new(files, out, lambda: allow_partial or not any(note.lost for note in told.notes()))
    return Exported(chosen, written, told.notes())
