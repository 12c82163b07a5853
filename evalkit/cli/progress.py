"""How a run looks while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console

from evalkit.cli.live import LiveTable
from evalkit.cli.tally import Tally
from evalkit.report import format as fmt
from evalkit.report.markup import one_line
from evalkit.runner.manifest import RaceStop
from evalkit.types import CallScore, Record

_LINE_EVERY_S: Final = 5.0
_LINE_EVERY_AT_MOST_S: Final = 60.0
_LINE_EVERY_SHARE: Final = 0.1
"""Lines get rarer as a run goes on: a night's log is to be read by somebody."""

_STOPPING: Final = "stopping: waiting for the calls in flight; Ctrl-C again drops them"


def _out(stop: RaceStop) -> str:
    return f"{stop.model} ({stop.prompt}): out of the race after {stop.cases} cases"


class Progress(Protocol):
    """Shows a run's progress while it is entered."""

    def finished(self, record: Record, score: CallScore) -> None:
        """Show that a call is finished."""
        ...

    def gave_up(self, model: str, reason: str) -> None:
        """Show that a model cannot be asked."""
        ...

    def dropped(self, stop: RaceStop) -> None:
        """Show that a candidate has left the race."""
        ...

    def limited(self, limits: Mapping[str, Callable[[], int]]) -> None:
        """Show from now on how many calls each model may have in flight."""
        ...

    def stopping(self) -> None:
        """Show that the run ends early, once the calls in flight are finished."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make_progress(totals: Mapping[str, int], *, quiet: bool = False) -> Progress:
    """Choose the display that fits where the output goes, for so many calls of each model."""
    if quiet:
        return Quiet(totals)
    console = Console(stderr=True)
    live = console.is_terminal and not console.is_dumb_terminal and not _kept_as_log()
    return LiveProgress(totals, console) if live else Lines(totals)


def _kept_as_log() -> bool:
    """Whether a CI service keeps what is printed; some of them offer a terminal, and keep each redrawing of it."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


class Lines:
    """Plain lines, for logs: one per model every few seconds and when it is through."""

    def __init__(self, totals: Mapping[str, int]) -> None:
        self._tallies = {model: Tally(total) for model, total in totals.items()}
        self._shown = dict.fromkeys(totals, time.monotonic())

    def finished(self, record: Record, score: CallScore) -> None:
        """Count; print when it is time."""
        tally = self._tallies[record.model]
        tally.add(record, score)
        now = time.monotonic()
        pause = min(max(_LINE_EVERY_S, tally.elapsed_s * _LINE_EVERY_SHARE), _LINE_EVERY_AT_MOST_S)
        if tally.done == tally.total or now - self._shown[record.model] >= pause:
            self._shown[record.model] = now
            self._print(f"{record.model}: {_line(tally)}")

    def gave_up(self, model: str, reason: str) -> None:
        """Print why."""
        self._print(f"{model}: given up: {reason}")

    def limited(self, limits: Mapping[str, Callable[[], int]]) -> None:
        """Take note, for the lines to come."""
        _note(limits, self._tallies)

    def dropped(self, stop: RaceStop) -> None:
        """Print who and when."""
        self._print(_out(stop))

    def stopping(self) -> None:
        """Print that the run ends early."""
        self._print(_STOPPING)

    def _print(self, line: str) -> None:
        # Whoever reads the log may have left, which is no reason to stop a paid run.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(one_line(line) + "\n")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def _note(limits: Mapping[str, Callable[[], int]], tallies: Mapping[str, Tally]) -> None:
    for model, limit in limits.items():
        if model in tallies:
            tallies[model].limit = limit


def _line(tally: Tally) -> str:
    """All there is to say of a model's calls, in one line."""
    parts = [
        f"{tally.done}/{tally.total} done, {tally.passed} passed, {fmt.counted(tally.errors, 'error')}",
        tally.rate,
        tally.speed,
        f"{fmt.rate(tally.per_s)}/s",
        fmt.counted(tally.retries, "retry", "retries") if tally.retries else "",
        tally.in_flight,
        tally.cost if tally.cost_usd is not None else "",
        f"{tally.elapsed_s:.0f} s" + (f", about {tally.left_s:.0f} s left" if tally.left_s else ""),
    ]
    return ", ".join(part for part in parts if part)


class Quiet(Lines):
    """Nothing but what went wrong."""

    def finished(self, record: Record, score: CallScore) -> None:
        """Say nothing."""

    def dropped(self, stop: RaceStop) -> None:
        """Say nothing: the report does."""


class LiveProgress:
    """A live table, and above it what happens."""

    def __init__(self, totals: Mapping[str, int], console: Console) -> None:
        self._tallies = {model: Tally(total) for model, total in totals.items()}
        self._table = LiveTable(self._tallies, console)

    def finished(self, record: Record, score: CallScore) -> None:
        """Count."""
        self._tallies[record.model].add(record, score)

    def gave_up(self, model: str, reason: str) -> None:
        """Say why above the table."""
        self._table.say(f"{model}: given up: {reason}", "red")

    def limited(self, limits: Mapping[str, Callable[[], int]]) -> None:
        """Take note, for the table."""
        _note(limits, self._tallies)

    def dropped(self, stop: RaceStop) -> None:
        """Say who and when above the table."""
        self._table.say(_out(stop))

    def stopping(self) -> None:
        """Say so above the table."""
        self._table.say(_STOPPING)

    def __enter__(self) -> Self:
        self._table.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table.__exit__(kind, error, trace)
