"""The live table of a run on a terminal: a row for each model, with as many figures as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from evalkit.cli.tally import Tally
from evalkit.report import format as fmt
from evalkit.report.markup import one_line
from evalkit.report.terminal import fitting, plain_table
from evalkit.stats.intervals import wilson

_REFRESH_PER_S: Final = 5
_NAME: Final = 16
_BAR: Final = 20
_ECHO: Final = 2
"""Characters at the end of a line that are left to the ^C which terminals show: a longer line would break."""
_BESIDE: Final = 4
"""Lines of the screen that are not models: the heading, its rule, those left out, and what is said above."""

_FIRST_TO_GO: Final = ("", "limit", "retries", "/s", "p50", "$", "errors", "p95", "95 %")
_ONLY_IF_ANY: Final = ("errors", "p50", "p95", "$", "retries", "limit")


class LiveTable:
    """The table, redrawn by itself while it is entered; it fits the window as it is at that moment."""

    def __init__(self, tallies: Mapping[str, Tally], console: Console) -> None:
        self._tallies = tallies
        self._console = console
        self._ended = False
        self._live = Live(
            console=console, get_renderable=self.draw, refresh_per_second=_REFRESH_PER_S, vertical_overflow="crop"
        )

    def say(self, line: str, style: str = "") -> None:
        """Print a line above the table."""
        self._console.print(Text(one_line(line), style))

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._live.stop()
        self._console.print()

    def draw(self) -> RenderableType:
        """Make the table as it is now."""
        size = self._console.size
        room = len(self._tallies) if self._ended else max(1, size.height - _BESIDE)
        shown = dict(self._tallies)
        if len(shown) > room:  # those that are through have least to tell
            ordered = sorted(shown, key=lambda name: shown[name].done == shown[name].total)
            shown = {name: shown[name] for name in self._tallies if name in ordered[:room]}
        plain = self._console.options.ascii_only or self._console.legacy_windows
        table = plain_table(_columns(shown, size.width - _ECHO, plain=plain))
        left_out = len(self._tallies) - len(shown)
        return Group(table, Text(f"and {left_out} more models", "dim")) if left_out else table


def _columns(tallies: Mapping[str, Tally], width: int, *, plain: bool) -> Mapping[str, list[Text]]:
    """Set the figures that fit; a name is cut where it would take more room than they leave."""
    names = [Text(one_line(name)) for name in tallies]
    figures = {title: [Text(*cell(tally)) for tally in tallies.values()] for title, cell in _cells(plain).items()}
    known = {
        title: cells
        for title, cells in figures.items()
        if title not in _ONLY_IF_ANY or any(cell.plain for cell in cells)
    }
    fitted = fitting({"model": names, **known}, _FIRST_TO_GO, width)
    others = sum(1 + max(cell_len(title), *(cell.cell_len for cell in cells)) for title, cells in fitted.items()) - 1
    others -= max(len("model"), *(name.cell_len for name in names))
    for name in names:
        name.truncate(max(width - others, 1), overflow="crop" if plain else "ellipsis")
    return {title: list(cells) for title, cells in fitted.items()}


_Cell = tuple[str, str]
"""A figure and its style."""


def _cells(plain: bool) -> Mapping[str, Callable[[Tally], _Cell]]:
    """The figures of a model, by their titles."""
    return {
        "": lambda tally: (_bar(tally, *("=." if plain else "━╌")), "cyan"),
        "done": lambda tally: (f"{tally.done}/{tally.total}", ""),
        "passed": lambda tally: (fmt.percent(tally.passed / tally.done) if tally.done else "", "bold"),
        "95 %": lambda tally: (fmt.interval(wilson(tally.passed, tally.done)) if tally.done else "", ""),
        "errors": lambda tally: (_some(tally.errors), "red"),
        "p50": lambda tally: (_duration(tally, 0.5), ""),
        "p95": lambda tally: (_duration(tally, 0.95), ""),
        "$": lambda tally: ("" if tally.cost_usd is None else fmt.usd(tally.cost_usd), ""),
        "/s": lambda tally: ("" if tally.per_s is None else fmt.rate(tally.per_s), "dim"),
        "retries": lambda tally: (_some(tally.retries), "yellow"),
        "limit": lambda tally: ("" if tally.limit is None else fmt.count(tally.limit()), "dim"),
        "left": lambda tally: (_left(tally), "dim"),
    }


def _bar(tally: Tally, full: str, empty: str) -> str:
    return (full * int(_BAR * tally.done / max(tally.total, 1))).ljust(_BAR, empty)


def _some(count: int) -> str:
    return fmt.count(count) if count else ""


def _duration(tally: Tally, q: float) -> str:
    latency = tally.latencies.quantile(q)
    return "" if latency is None else fmt.duration(latency)


def _left(tally: Tally) -> str:
    """How long it will still take; empty where nobody knows."""
    if tally.done == tally.total:
        return "done"
    return "" if tally.left_s is None else clock(tally.left_s)


def clock(seconds: float) -> str:
    """Seconds as people read them off a clock: 0:42, 12:05, 3:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
