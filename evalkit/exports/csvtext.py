"""Tables as CSV text."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from evalkit.analysis.tidy import Cell
from evalkit.exports.told import Told
from evalkit.types import Case

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?")
_WORDS: Final = "a text begins with =, +, - or @, kept as it is, and a spreadsheet takes it for a formula"


class _UnixLines:
    """Where csv.writer writes to.

    Told to end lines with a bare line feed, the writer leaves a lone carriage return in a cell unquoted and readers
    break the row there. So it is left to end lines its own way, and that is undone here, row by row. The writer hands
    back what this does.
    """

    def write(self, row: str) -> str:
        return row.removesuffix("\r\n") + "\n"


def csv_lines(header: Sequence[str], rows: Iterable[Iterable[Cell]]) -> Iterator[str]:
    """A table as RFC 4180 text with line-feed line ends, row by row.

    Cells are written as they are, also those that a spreadsheet would take for a formula: to change them would falsify
    what a model said. `tell_formulas` tells of them.
    """
    line: Callable[[Iterable[Cell]], str] = csv.writer(_UnixLines(), lineterminator="\r\n").writerow
    yield line(header)
    decimals = [_decimals(name) for name in header]
    for row in rows:
        yield line(
            [
                value if value is None or type(value) is str else _cell(value, places)  # most are
                for value, places in zip(row, decimals, strict=True)
            ]
        )


def tell_formulas(row: Iterable[Cell], case: Case, told: Told) -> None:
    """Take down that a text of the row is run as a formula where the file is opened with a spreadsheet."""
    if any(isinstance(cell, str) and cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) for cell in row):
        told.changed("formula", _WORDS, case, remedy="import the file there with all columns as text")


def _decimals(column: str) -> int:
    """Microseconds, and costs down to a single token's."""
    if column.endswith("_usd"):
        return 10
    return 3 if column.endswith("_ms") else 6


def _cell(value: Cell, decimals: int) -> str | int | None:
    """What csv.writer would write differently, as text; the rest as it is."""
    if isinstance(value, float):
        return f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
