"""The runs of a suite that lie beside one: what its report sets it against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from evalkit.report.html.history import PastRun
from evalkit.report.told import REPORT, read_told

_MOST: Final = 20
"""Runs that are looked at: reading more takes longer than a report should."""
_PAGE: Final = "report.html"


def past_runs(folder: Path) -> list[PastRun]:
    """The newest runs of the suite up to the one in this folder, which is the last; their ids begin with their date."""
    suite = getattr(read_told(folder / REPORT), "suite", None)
    return [run for path in reversed(list(_folders(folder))) if (run := _run(path, folder, suite))]


def _folders(folder: Path) -> Iterator[Path]:
    """The folder and those before it, the newest first."""
    yield folder
    try:
        beside = [path for path in folder.parent.iterdir() if path.name < folder.name and not path.is_symlink()]
    except OSError:
        return
    yield from sorted(beside, reverse=True)[: _MOST - 1]


def _run(path: Path, folder: Path, suite: object) -> PastRun | None:
    told = read_told(path / REPORT)
    if isinstance(told, str) or told.suite != suite:
        return None
    href = _PAGE if path == folder else f"../{quote(path.name)}/{_PAGE}"
    return PastRun(str(told.created_at), href, told.figures)
