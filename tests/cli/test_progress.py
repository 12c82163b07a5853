"""Progress: lines for logs, bars for people."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from evalkit.cli.live import LiveTable
from evalkit.cli.progress import Lines, LiveProgress, make_progress
from evalkit.cli.tally import Tally
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
    assert lines[0].startswith("m: 2/2 done, 1 passed, 1 error, ")
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
    assert "50.0 %" in shown
    assert "other: given up: down [red]" in shown
    assert "org/[b]model (p): out of the race after 2 cases" in shown


ALL = ("done", "passed", "95 %", "errors", "p50", "p95", "$", "/s", "retries", "limit", "left")


@pytest.mark.parametrize(
    ("width", "gone"),
    [
        (36, {"95 %", "errors", "p50", "p95", "$", "/s", "retries", "limit"}),
        (60, {"p50", "$", "/s", "retries", "limit"}),
        (80, {"retries", "limit"}),
        (100, set()),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_shows_as_many_figures_as_it_has_room_for(
    monkeypatch: pytest.MonkeyPatch, width: int, gone: set[str], encoding: str
) -> None:
    monkeypatch.setattr("evalkit.cli.tally.Pace.per_s", lambda *_: 4.2)
    screen = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=screen, force_terminal=True, width=width, height=24, color_system=None)
    with LiveProgress({"a-model-with-a-name-that-goes-on-and-on": 3}, console) as progress:
        name = "a-model-with-a-name-that-goes-on-and-on"
        progress.limited({name: lambda: 8})
        call = Record("id", name, "p", "c", 1, latency_ms=200.0, attempts=3, cost_usd=0.5)
        progress.finished(call, score(passed=True))
        progress.finished(record(name, error=True), score(passed=False))
    screen.flush()
    text = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", screen.buffer.getvalue().decode(encoding)).replace("\r", "\n")
    heading, _, row = text.rstrip().replace("|", " ").splitlines()[-3:]
    assert [title for title in ALL if title not in heading] == [title for title in ALL if title in gone]
    figures = {"done": "2/3", "95 %": "9.5-90.5", "p95": "202 ms", "$": "0.50", "retries": " 2 ", "limit": " 8 "}
    assert [title for title, figure in figures.items() if title not in gone and figure not in row] == []
    assert max(map(len, text.splitlines())) <= width - 2, "a terminal's ^C must not break the last line"


def test_more_models_than_lines_leave_those_out_that_are_through() -> None:
    console = Console(file=io.StringIO(), width=80, height=10, color_system=None)
    tallies = {f"m{number}": Tally(1) for number in range(20)}
    table = LiveTable(tallies, console)
    for number in range(14):
        tallies[f"m{number}"].add(record("m"), score(passed=True))
    console.print(table.draw())
    heading, _, *rows, rest = console.file.getvalue().splitlines()
    assert heading.startswith("model")
    assert [row.split()[0] for row in rows] == [f"m{number}" for number in range(14, 20)]
    assert rest == "and 14 more models"


@pytest.mark.parametrize(("ci", "kind"), [("true", Lines), ("false", LiveProgress), ("", LiveProgress)])
def test_a_ci_service_gets_lines_even_at_a_terminal(monkeypatch: pytest.MonkeyPatch, ci: str, kind: type) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("CI", ci)
    assert isinstance(make_progress({"m": 1}), kind)


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
