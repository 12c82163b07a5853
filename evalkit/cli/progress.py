"""How a run looks while it runs: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from evalkit.report.markup import one_line
from evalkit.runner.manifest import RaceStop
from evalkit.types import CallScore, Record

_LINE_EVERY_S = 5.0
_STOPPING = "stopping: waiting for the calls in flight; Ctrl-C again drops them"


def _out(stop: RaceStop) -> str:
    return f"{stop.model} ({stop.prompt}): out of the race after {stop.cases} cases"


@dataclass(slots=True)
class Tally:
    """What has happened to one model's calls so far. For the eye only: reports count the rows."""

    total: int
    done: int = 0
    passed: int = 0
    errors: int = 0

    def add(self, record: Record, score: CallScore) -> None:
        """Count a finished call."""
        self.done += 1
        self.passed += score.passed
        self.errors += record.error is not None


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

    def stopping(self) -> None:
        """Show that the run ends early, once the calls in flight are finished."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make_progress(totals: Mapping[str, int]) -> Progress:
    """Choose the display that fits where the output goes, for so many calls of each model."""
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
            self._print(
                f"{record.model}: {tally.done}/{tally.total} done, {tally.passed} passed, "
                f"{tally.errors} errors, {now - self._start:.0f} s"
            )

    def gave_up(self, model: str, reason: str) -> None:
        """Print why."""
        self._print(f"{model}: given up: {reason}")

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


class LiveProgress:
    """A bar for each model."""

    def __init__(self, totals: Mapping[str, int], console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TallyColumn(),
            RateColumn(),
            TimeRemainingColumn(compact=True),
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


class TallyColumn(ProgressColumn):
    """Passed and errors so far."""

    def render(self, task: Task) -> Text:
        """Draw the cell."""
        tally: Tally = task.fields["tally"]
        text = Text(f"{tally.passed} passed", style="green")
        return text.append(f", {tally.errors} errors", style="red") if tally.errors else text


class RateColumn(ProgressColumn):
    """Calls per second."""

    def render(self, task: Task) -> Text:
        """Draw the cell."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "-", style="dim")
