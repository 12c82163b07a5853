"""How a run looks while it runs: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from evalkit.cli.tally import Tally
from evalkit.report import format as fmt
from evalkit.report.markup import one_line
from evalkit.runner.manifest import RaceStop
from evalkit.types import CallScore, Record

_LINE_EVERY_S = 5.0
_STOPPING = "stopping: waiting for the calls in flight; Ctrl-C again drops them"


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
    return LiveProgress(totals, console) if console.is_terminal and not console.is_dumb_terminal else Lines(totals)


class Lines:
    """Plain lines, for logs: one per model every few seconds and when it is through."""

    def __init__(self, totals: Mapping[str, int]) -> None:
        self._tallies = {model: Tally(total) for model, total in totals.items()}
        self._start = time.monotonic()
        self._shown = dict.fromkeys(totals, self._start)

    def finished(self, record: Record, score: CallScore) -> None:
        """Count; print when it is time."""
        tally = self._tallies[record.model]
        tally.add(record, score)
        now = time.monotonic()
        if tally.done == tally.total or now - self._shown[record.model] >= _LINE_EVERY_S:
            self._shown[record.model] = now
            self._print(f"{record.model}: {_line(tally, now - self._start)}")

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


def _line(tally: Tally, elapsed_s: float) -> str:
    """All there is to say of a model's calls, in one line."""
    per_s = tally.done / elapsed_s if elapsed_s > 0 else None
    left_s = (tally.total - tally.done) / per_s if per_s else None
    parts = [
        f"{tally.done}/{tally.total} done, {tally.passed} passed, {tally.errors} errors",
        tally.rate,
        tally.speed,
        f"{fmt.rate(per_s)}/s",
        fmt.counted(tally.retries, "retry", "retries") if tally.retries else "",
        tally.in_flight,
        tally.cost if tally.cost_usd is not None else "",
        f"{elapsed_s:.0f} s" + (f", about {left_s:.0f} s left" if left_s else ""),
    ]
    return ", ".join(part for part in parts if part)


class Quiet(Lines):
    """Nothing but what went wrong."""

    def finished(self, record: Record, score: CallScore) -> None:
        """Say nothing."""

    def dropped(self, stop: RaceStop) -> None:
        """Say nothing: the report does."""


class LiveProgress:
    """A bar for each model, with as many figures as the terminal has room for."""

    def __init__(self, totals: Mapping[str, int], console: Console) -> None:
        self._bars = Bars(
            *_columns(max(map(len, totals), default=0), max(map(_digits, totals.values()), default=0), console.width),
            console=console,
            expand=True,
            refresh_per_second=5,
        )
        self._tallies = {model: Tally(total) for model, total in totals.items()}
        self._tasks: dict[str, TaskID] = {
            model: self._bars.add_task(model, total=total, tally=self._tallies[model])
            for model, total in totals.items()
        }

    def finished(self, record: Record, score: CallScore) -> None:
        """Move the model's bar."""
        self._tallies[record.model].add(record, score)
        self._bars.advance(self._tasks[record.model])

    def gave_up(self, model: str, reason: str) -> None:
        """Say why above the bars."""
        self._bars.console.print(Text(one_line(f"{model}: given up: {reason}"), style="red"))

    def limited(self, limits: Mapping[str, Callable[[], int]]) -> None:
        """Take note, for the bars."""
        _note(limits, self._tallies)

    def dropped(self, stop: RaceStop) -> None:
        """Say who and when above the bars."""
        self._bars.console.print(Text(one_line(_out(stop))))

    def stopping(self) -> None:
        """Say so above the bars."""
        self._bars.console.print(_STOPPING)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def _digits(total: int) -> int:
    return len(str(total))


def _columns(name: int, digits: int, width: int) -> list[ProgressColumn]:
    """Choose the columns that fit, by the characters of the longest name and of the largest number of calls."""
    widest = min(_NAME, width // 3)
    room = width - min(name, widest) - 2 * digits - _TIME_LEFT - 4
    shown: list[ProgressColumn] = []
    for column, wanted in _BY_WORTH.items():
        if wanted + 1 <= room:
            room -= wanted + 1
            shown.append(TallyColumn(column))
    order = list(_CELLS)
    shown.sort(key=lambda column: order.index(column.cell) if isinstance(column, TallyColumn) else 0)
    bar = [BarColumn(bar_width=min(room - 1, _BAR))] if room > _LEAST_BAR else []
    return [
        TextColumn("{task.description}", markup=False, table_column=Column(max_width=widest, no_wrap=True)),
        *bar,
        TextColumn("{task.completed:.0f}/{task.total:.0f}", table_column=Column(no_wrap=True, justify="right")),
        *shown,
        TimeRemainingColumn(compact=True),
    ]


def _passed(tally: Tally) -> Text:
    text = Text(f"{tally.passed} passed", style="green")
    return text.append(f", {tally.errors} errors", style="red") if tally.errors else text


_NAME: Final = 24
_BAR: Final = 40
_LEAST_BAR: Final = 8
_TIME_LEFT: Final = 5

_CELLS: Final[Mapping[str, Callable[[Tally, Task], Text]]] = {
    "passed": lambda tally, _: _passed(tally),
    "rate": lambda tally, _: Text(tally.rate if tally.done else "", "green"),
    "speed": lambda tally, _: Text(tally.speed if tally.latencies.count else ""),
    "cost": lambda tally, _: Text(tally.cost if tally.cost_usd is not None else ""),
    "retries": lambda tally, _: Text(f"{tally.retries} retries" if tally.retries else "", "yellow"),
    "limit": lambda tally, _: Text(tally.in_flight, "dim"),
    "per_s": lambda _, task: Text(f"{fmt.rate(task.speed)}/s" if task.speed else "-", "dim"),
}
"""The cells of a model's line, in their order."""

_BY_WORTH: Final = {"passed": 20, "rate": 19, "speed": 24, "per_s": 7, "cost": 9, "retries": 11, "limit": 10}
"""The characters that each takes, what matters most first: the last ones go first where there is little room."""


class TallyColumn(ProgressColumn):
    """One of the figures of a model's line."""

    def __init__(self, cell: str) -> None:
        super().__init__(table_column=Column(no_wrap=True, justify="right"))
        self.cell = cell

    def render(self, task: Task) -> Text:
        """Draw the cell."""
        return _CELLS[self.cell](task.fields["tally"], task)
