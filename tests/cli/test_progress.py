"""Progress: lines for logs, bars for people."""

from __future__ import annotations

import io
import re

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


@pytest.mark.parametrize(
    ("width", "shown", "left_out"),
    [
        (30, ["2/3"], ["p50", "50.0 %"]),
        (60, ["2/3", "1 passed, 1 errors"], ["p50"]),
        (110, ["50.0 % [9.5-90.5]", "p50 202 ms, p95 202 ms"], ["retries"]),
        (160, ["1 passed, 1 errors", "$0.50", "2 retries"], []),
    ],
)
def test_a_terminal_shows_as_many_figures_as_it_has_room_for(width: int, shown: list[str], left_out: list[str]) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    with LiveProgress({"a-model": 3}, console) as progress:
        progress.finished(
            Record("id", "a-model", "p", "c", 1, latency_ms=200.0, attempts=3, cost_usd=0.5), score(passed=True)
        )
        progress.finished(record("a-model", error=True), score(passed=False))
    text = screen.getvalue()
    assert [one for one in shown if one not in text] == []
    assert [one for one in left_out if one in text] == []
    assert (
        max(len(line) for line in re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()) <= width
    )


def test_a_log_tells_all_there_is_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    with make_progress({"m": 2}) as progress:
        progress.limited({"m": lambda: 8, "judge": lambda: 1})
        progress.finished(record("m"), score(passed=True))
        progress.finished(
            Record("id", "m", "p", "c", 1, latency_ms=50.0, attempts=2, cost_usd=0.01), score(passed=True)
        )
    line = capsys.readouterr().err
    assert line.startswith("m: 2/2 done, 2 passed, 0 errors, 100 % [34.2-100.0], p50 50.4 ms, p95 50.4 ms, ")
    assert ", 1 retry, limit 8, $0.010, 0 s\n" in line


def test_quiet_shows_only_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with make_progress({"m": 1}, quiet=True) as progress:
        progress.finished(record("m"), score(passed=True))
        progress.dropped(RaceStop("m", "p", 10, "worse"))
        progress.gave_up("m", "no key")
    assert capsys.readouterr().err == "m: given up: no key\n"
