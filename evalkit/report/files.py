"""The report files of a run folder, each written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from evalkit.analysis import RunData, by_tag, load_run, summarise
from evalkit.files import write_atomically
from evalkit.report.markdown import markdown
from evalkit.report.tables import cases_csv, models_csv, report_json


class ReportPaths(NamedTuple):
    """Where the reports of a run are."""

    markdown: Path
    models_csv: Path
    cases_csv: Path
    json: Path


def write_reports(folder: Path, run: RunData | None = None) -> ReportPaths:
    """Write report.md, models.csv, cases.csv and report.json of a run, however far it got.

    Args:
        folder: of the run.
        run: its data, if it has been read already.

    Raises:
        ConfigError: the folder is not a run, or one of its files is damaged.
        OSError: a report cannot be written.
    """
    run = run or load_run(folder)
    summaries, tags = summarise(run), by_tag(run)
    paths = ReportPaths(*(folder / name for name in ("report.md", "models.csv", "cases.csv", "report.json")))
    _write(paths.cases_csv, cases_csv(run))
    _write(paths.models_csv, models_csv(summaries))
    _write(paths.json, report_json(run, summaries, tags))
    _write(paths.markdown, markdown(run, summaries, tags))
    return paths


def _write(path: Path, text: str) -> None:
    """Write as UTF-8; half a surrogate pair, which JSON can carry and UTF-8 cannot, is written as its escape."""
    write_atomically(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
