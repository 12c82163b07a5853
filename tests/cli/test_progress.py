"""Progress: lines for logs, bars for people."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evalkit.cli.progress import Lines, LiveProgress, make_progress
from evalkit.runner.manifest import RaceStop
from evalkit.types import CallScore, Record, RecordError


def record(model: str, *, error: bool = False) -> Record:
    return Record("id", model, "p", "c", 1, error=RecordError("timeout", "late") if error else None)


def score(*, passed: bool) -> CallScore:
    return CallScore("id", passed, float(passed))


def test_a_log_gets_lines_not_bars(capsys: pytest.CaptureFixture[str]) -> None:
    with make_progress({"m": 2}) as progress:
        assert isinstance(progress, Lines)
        progress.finished(record("m"), score(passed=True))
        progress.finished(record("m", error=True), score(passed=False))
        progress.gave_up("m", "no key")
        progress.dropped(RaceStop("m", "p", 10, "worse"))
        progress.stopping()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("m: 2/2 done, 1 passed, 1 errors")
    assert lines[1] == "m: given up: no key"
    assert lines[2] == "m (p): out of the race after 10 cases"
    assert lines[3].startswith("stopping")


def test_bars_show_counts_and_names_as_they_are() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with LiveProgress({"org/[b]model": 3, "other": 1}, console) as progress:
        progress.finished(record("org/[b]model"), score(passed=True))
        progress.finished(record("org/[b]model", error=True), score(passed=False))
        progress.gave_up("other", "down [red]")
        progress.dropped(RaceStop("org/[b]model", "p", 2, "worse"))
        progress.stopping()
    shown = screen.getvalue()
    assert "org/[b]model" in shown
    assert "2/3" in shown
    assert "1 passed, 1 errors" in shown
    assert "other: given up: down [red]" in shown
    assert "org/[b]model (p): out of the race after 2 cases" in shown
