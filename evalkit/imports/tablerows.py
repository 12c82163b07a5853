"""Rows of tables in any format, each with its place and its values by column."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from evalkit.errors import ConfigError, Location
from evalkit.imports.jsonfiles import read_document, read_lines, unreadable
from evalkit.suite.rows import Row
from evalkit.types import Json

TableRow: TypeAlias = tuple[Location, Mapping[str, Json] | ConfigError]
"""A row, or what is wrong with it."""

_MOST_COLUMNS: Final = 1_000
_LISTS: Final = ("rows", "data", "cases", "examples", "samples", "tests", "questions", "items", "train", "test")
_BOMS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def table_rows(source: Path | str) -> Iterator[TableRow]:
    """Read the rows of a table.

    Args:
        source: a file, or `hf://org/name?split=test`.

    Raises:
        ConfigError: what it is cannot be told, or nothing more of it can be read.
    """
    if isinstance(source, str):
        from evalkit.suite.tables import hub_rows

        return _stored(hub_rows(source, Location(source)))
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"tables are not read from {source.suffix or 'a file without an ending'}",
            where=Location(source),
            remedy=f"save it as one of: {', '.join(_READERS)}",
        )
    return reader(source)


def _delimited(path: Path) -> Iterator[TableRow]:
    try:
        with path.open("rb") as raw:
            encoding = _BOMS.get(raw.read(2), "utf-8-sig")
        with path.open(encoding=encoding, newline="") as file:
            yield from _cells(file, path)
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeError as error:
        remedy = "save the file as UTF-8"
        raise ConfigError(f"this is not text in UTF-8: {error}", where=Location(path), remedy=remedy) from None


def _cells(file: TextIO, path: Path) -> Iterator[TableRow]:
    first = file.readline(1 << 20)
    file.seek(0)
    reader = csv.reader(file, delimiter=_delimiter(first, path), strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            where = Location(path, line)
            line = reader.line_num + 1
            if not any(cells):
                continue
            if header:
                yield where, _row(header, cells, where)
            else:
                header = _header(cells, where)
    except csv.Error as error:
        remedy = "close every quote; a quote inside a cell is written twice"
        raise ConfigError(f"this is not CSV: {error}", where=Location(path, line), remedy=remedy) from None


def _delimiter(first: str, path: Path) -> str:
    """What stands between cells: a tab in .tsv, else what the header has most of."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t", key=first.count)


def _header(cells: list[str], where: Location) -> list[str]:
    """Name every column; one without a name, or with another's, gets a number."""
    if len(cells) > _MOST_COLUMNS:
        raise ConfigError(f"the header has {len(cells):,} columns", where=where, remedy="keep the ones that matter")
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = cell.strip() or f"column {number}"
        names.append(f"{name} {number}" if name in names else name)
    return names


def _row(header: list[str], cells: list[str], where: Location) -> Mapping[str, Json] | ConfigError:
    if len(cells) == len(header):
        return dict(zip(header, cells, strict=True))
    return ConfigError(
        f"this row has {len(cells)} cells, the header {len(header)}",
        where=where,
        remedy="put a cell that contains the separator, a quote or a line break in double quotes",
    )


def _json_lines(path: Path) -> Iterator[TableRow]:
    return ((where, _mapping(row, where)) for where, row in read_lines(path))


def _json(path: Path) -> Iterator[TableRow]:
    data = read_document(path)
    if isinstance(data, dict):
        data = next((data[name] for name in _LISTS if isinstance(data.get(name), list)), data)
    if not isinstance(data, list):
        raise ConfigError("there is no list of rows", where=Location(path), remedy="write [{...}, {...}]")
    for number, row in enumerate(data, 1):
        where = Location(f"{path} (entry {number})")
        yield where, _mapping(row, where)


def _mapping(row: Json | ConfigError, where: Location) -> Mapping[str, Json] | ConfigError:
    if isinstance(row, ConfigError):
        return row
    if not isinstance(row, dict):
        return ConfigError("a row is an object of columns and values", where=where, remedy='write {"column": ...}')
    return row


def _parquet(path: Path) -> Iterator[TableRow]:
    from evalkit.suite.tables import parquet_rows

    return _stored(parquet_rows(path))


def _stored(rows: Iterator[Row | ConfigError]) -> Iterator[TableRow]:
    for row in rows:
        where = row.where or Location("?")
        yield where, row if isinstance(row, ConfigError) else row.data


_READERS: Final[Mapping[str, Callable[[Path], Iterator[TableRow]]]] = {
    **dict.fromkeys((".csv", ".tsv"), _delimited),
    **dict.fromkeys((".jsonl", ".ndjson"), _json_lines),
    ".json": _json,
    ".parquet": _parquet,
}
