"""Case files in plain formats: JSON Lines, JSON and CSV. Each reader yields rows with the line they stand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from evalkit.errors import ConfigError, Location
from evalkit.suite.delimited import Record, by_column, records
from evalkit.suite.jsontext import parse_json
from evalkit.suite.rows import Row, Rows
from evalkit.yaml12 import read_text


def jsonl_rows(path: Path, mend: Callable[[str], str] | None = None) -> Rows:
    """Read one case a line; blank lines are skipped.

    `mend` is handed each line before it is parsed, with U+FFFD for bytes that are not UTF-8; without it these are
    errors.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield _json_line(raw, path, number, mend)
    except OSError as error:
        raise _unreadable(path, error) from None


def _json_line(raw: bytes, path: Path, number: int, mend: Callable[[str], str] | None) -> Row | ConfigError:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace" if mend else "strict").rstrip("\r\n")
        return Row(parse_json(mend(text) if mend else text, path, number), Location(path, number))
    except UnicodeDecodeError as error:
        return _not_utf8(error, path, number)
    except ConfigError as error:
        return error


def json_rows(path: Path) -> Rows:
    """Read a list of cases."""
    rows = parse_json(read_text(path), path)
    if not isinstance(rows, list):
        raise ConfigError(
            "a .json case file holds a list of cases", where=Location(path, 1), remedy="or use .jsonl, a case a line"
        )
    for index, row in enumerate(rows, 1):
        yield Row(row, Location(f"{path} (entry {index})"))


def csv_rows(path: Path) -> Rows:
    """Read RFC 4180 with a header, or what spreadsheets write with `;` or a tab for the comma; every cell is text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _csv_rows(file, path)
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError as error:
        raise _first_bad_line(path, error) from None


def _csv_rows(file: TextIO, path: Path) -> Rows:
    header: list[str] | None = None
    for record in records(file, path):
        if isinstance(record, ConfigError):
            if header is None:
                raise record
            yield record
        elif header is None:
            header = _header(record)
        else:
            yield _csv_row(header, record)


def _header(record: Record) -> list[str]:
    """Take the names of the columns from a table's first record.

    Raises:
        ConfigError: a column has no name, or that of another.
    """
    names = [cell.strip() for cell in record.cells]
    if "" in names:
        raise ConfigError(f"column {names.index('') + 1} has no name", where=record.where)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f'two columns are called "{twice}"', where=record.where)
    return names


def _csv_row(header: list[str], record: Record) -> Row | ConfigError:
    data = by_column(header, record)
    if isinstance(data, ConfigError):
        return data
    return Row({name: cell for name, cell in data.items() if name != "id" or cell}, record.where)


def _first_bad_line(path: Path, error: UnicodeDecodeError) -> ConfigError:
    """Find the line that is not UTF-8: a text file is decoded by blocks and cannot tell."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                raw.decode()
            except UnicodeDecodeError as found:
                return _not_utf8(found, path, number)
    return _not_utf8(error, path)  # the file has changed since


def _not_utf8(error: UnicodeDecodeError, path: Path, line: int | None = None) -> ConfigError:
    words = f"the byte 0x{error.object[error.start]:02x} is not UTF-8"
    return ConfigError(words, where=Location(path, line), remedy="save the file as UTF-8")


def _unreadable(path: Path, error: OSError) -> ConfigError:
    words = f"the file cannot be read: {error.strerror or error}"
    return ConfigError(words, where=Location(path), remedy="check its permissions")
