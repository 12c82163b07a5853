"""Tables of text with a character between their cells: CSV of RFC 4180, and what spreadsheets call so elsewhere."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from evalkit.errors import ConfigError, Location

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "`|`"}
"""What may stand between cells. A table of one column has none of them, and is read as if it had the first."""


class Record(NamedTuple):
    """A header or a row, which may be several lines, with its place and what stands between its cells."""

    where: Location
    cells: list[str]
    separator: str


def records(file: TextIO, path: Path) -> Iterator[Record | ConfigError]:
    """Go through the records of a table, blank lines left out; one that is broken off does not end it.

    Args:
        file: the table, opened with `newline=""`.
        path: of the file.

    Raises:
        ConfigError: what separates cells cannot be told.
    """
    separator, skipped = _separator(file, path)
    reader = csv.reader(file, delimiter=separator, strict=True)
    while True:
        where = Location(path, skipped + reader.line_num + 1)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            remedy = "close every quote; a quote inside a cell is written twice"
            yield ConfigError(f"this is not CSV: {error}", where=where, remedy=remedy)
            continue
        if cells:
            yield Record(where, cells, separator)


def by_column(header: Sequence[str], row: Record) -> dict[str, str] | ConfigError:
    """Name the cells of a row by the header."""
    if len(row.cells) == len(header):
        return dict(zip(header, row.cells, strict=True))
    between = _NAMES.get(row.separator, f"`{row.separator}`")
    return ConfigError(
        f"this row has {len(row.cells)} cells, the header {len(header)}",
        where=row.where,
        remedy=f"put a cell that contains a {between}, a quote or a line break in double quotes; if it is not the "
        f"{between} that separates cells, say what does in a line before the header, such as `sep=;`",
    )


def _separator(file: TextIO, path: Path) -> tuple[str, int]:
    """Tell what stands between cells: a tab in .tsv, else what the first line says or fits header and first row.

    Returns:
        It, and how many lines come before the header: one where the first says `sep=;`, as Excel writes it. The file
        stands after these.
    """
    said = file.readline(1 << 20).rstrip("\r\n")
    if len(said) == len("sep=;") and said.lower().startswith("sep=") and said[-1] != '"':
        return said[-1], 1
    widths = {one: _widths(file, one) for one in _NAMES}
    file.seek(0)
    if path.suffix.lower() == ".tsv":
        return "\t", 0
    fitting = {one: found[0] for one, found in widths.items() if _fits(found)}
    if not fitting:
        return _likeliest(widths), 0
    first, *more = (one for one, cells in fitting.items() if one == "," or cells == max(fitting.values()))
    # A comma that fits may still be a part of words; with more cells than all others it is what CSV has.
    if more and fitting[first] <= fitting[more[0]]:
        words = f"it cannot be told whether `{first}` or `{more[0]}` separates the cells"
        remedy = f"say so in a line before the header: `sep={first}` or `sep={more[0]}`"
        raise ConfigError(words, where=Location(path, 1), remedy=remedy)
    return first, 0


def _widths(file: TextIO, separator: str) -> list[int]:
    """How many cells the header and the first row have, as far as they are there."""
    file.seek(0)
    filled = (cells for cells in csv.reader(file, delimiter=separator) if any(cells))
    widths: list[int] = []
    with contextlib.suppress(csv.Error):  # the header tells something even where the row is broken
        widths += (len(cells) for cells in islice(filled, 2))
    return widths


def _fits(widths: Sequence[int]) -> bool:
    """Tell whether the header has several cells, and the first row as many."""
    return bool(widths) and widths[0] > 1 and widths[-1] == widths[0]


def _likeliest(widths: Mapping[str, Sequence[int]]) -> str:
    """Choose where none fits: the comma if the header has one, else what both lines have; one column has neither."""
    common = {one: found[0] if found and min(found) > 1 else 0 for one, found in widths.items()}
    if (widths[","] or [0])[0] > 1 or not any(common.values()):
        return ","
    return max(common, key=lambda one: common[one])
