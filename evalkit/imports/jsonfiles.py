"""JSON that other tools wrote: read with patience, as it need not be portable, and within bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from evalkit.errors import ConfigError, Location
from evalkit.suite.jsontext import TOO_DEEP, is_too_deep
from evalkit.types import Json

MAX_DOCUMENT: Final = 1 << 30
"""Bytes of one document, all of which is held in memory."""
MAX_LINE: Final = 64 << 20
"""Bytes of one line."""


def parse(raw: bytes, where: Location) -> Json:
    """Parse a document. NaN and numbers beyond a float are null, bytes that are no text become U+FFFD.

    Raises:
        ConfigError: not JSON, or nested too deeply.
    """
    try:
        told = raw.decode("utf-8-sig", "replace")
        value = _DECODER.decode(told)
    except json.JSONDecodeError as error:
        line = error.lineno if where.line is None else where.line + error.lineno - 1
        place = Location(where.path, line, error.colno)
        raise ConfigError(f"this is not JSON: {error.msg}", where=place) from None
    except RecursionError:
        raise ConfigError(TOO_DEEP, where=where) from None
    if is_too_deep(told, value):
        raise ConfigError(TOO_DEEP, where=where)
    return _mended(value) if "\\ud" in told.lower() else value


def read_document(path: Path) -> Json:
    """Read a file that is one JSON document.

    Raises:
        ConfigError: it cannot be read, is too large, or is not JSON.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    if len(raw) > MAX_DOCUMENT:
        raise ConfigError(f"is larger than {MAX_DOCUMENT >> 30} GiB", where=Location(path))
    return parse(raw, Location(path))


def read_lines(path: Path) -> Iterator[tuple[Location, Json | ConfigError]]:
    """Read JSON lines one by one; a line that cannot be parsed comes as its error, a blank one not at all.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(_lines(file), 1):
                if raw.strip():
                    yield _line(raw, Location(path, number))
    except OSError as error:
        raise unreadable(path, error) from None


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines, of which one that is too long is cut short: what follows it to its end is not read into memory."""
    while line := file.readline(MAX_LINE):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE)
        yield line


def _line(raw: bytes, where: Location) -> tuple[Location, Json | ConfigError]:
    if len(raw) >= MAX_LINE:
        return where, ConfigError(f"this line is longer than {MAX_LINE >> 20} MiB", where=where)
    try:
        return where, parse(raw, where)
    except ConfigError as error:
        return where, error


def unreadable(path: Path, error: OSError) -> ConfigError:
    """The error of a file that cannot be read."""
    remedy = "name a file in it" if isinstance(error, IsADirectoryError) else "check that the file may be read"
    return ConfigError(f"cannot be read: {error.strerror or error}", where=Location(path), remedy=remedy)


def _number(digits: str) -> float | None:
    found = float(digits)
    return found if math.isfinite(found) else None


def _whole(digits: str) -> int | None:
    try:
        return int(digits)
    except ValueError:  # more digits than Python is willing to convert
        return None


def _nothing(_: str) -> None:
    """NaN and the infinities."""


_DECODER: Final = json.JSONDecoder(parse_constant=_nothing, parse_float=_number, parse_int=_whole)


def _mended(value: Json) -> Json:
    """The same without halves of surrogate pairs, which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value
