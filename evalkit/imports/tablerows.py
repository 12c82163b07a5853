"""Rows of tables in any format, each with its place and its values by column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from evalkit.errors import ConfigError, Location
from evalkit.imports.jsonfiles import read_document, read_lines, unreadable
from evalkit.suite.delimited import by_column, records
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

        return _stored(hub_rows(source, Location(source), named=True))
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"tables are not read from {source.suffix or 'a file without an ending'}",
            where=Location(source),
            remedy=f"save it as one of: {', '.join(_READERS)}",
        )
    return reader(source)


def _delimited(path: Path) -> Iterator[TableRow]:
    encoding = "utf-8-sig"
    try:
        with path.open("rb") as raw:
            encoding = _BOMS.get(raw.read(2), encoding)
        with path.open(encoding=encoding, newline="") as file:
            yield from _cells(file, path)
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeError:
        where = Location(path, _undecodable(path) if encoding == "utf-8-sig" else None)
        remedy = "save the file as UTF-8: in Excel as `CSV UTF-8`, elsewhere with `iconv -f WINDOWS-1252 -t UTF-8`"
        raise ConfigError("this is neither UTF-8 nor UTF-16", where=where, remedy=remedy) from None


def _undecodable(path: Path) -> int | None:
    """The number of the first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeError:
                return number
    return None


def _cells(file: TextIO, path: Path) -> Iterator[TableRow]:
    header: list[str] = []
    for record in records(file, path):
        if isinstance(record, ConfigError):
            if not header:
                raise record
            yield record.where or Location(path), record
        elif any(record.cells):
            if header:
                yield record.where, by_column(header, record)
            else:
                header = _header(record.cells, record.where)


def _header(cells: list[str], where: Location) -> list[str]:
    """Name every column; one without a name, or with another's, gets a number."""
    if len(cells) > _MOST_COLUMNS:
        raise ConfigError(f"the header has {len(cells):,} columns", where=where, remedy="keep the ones that matter")
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = cell.strip() or f"column {number}"
        names.append(f"{name} {number}" if name in names else name)
    return names


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

    return _stored(parquet_rows(path, named=True))


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
