"""JSON that users wrote: read strictly, with the place of every fault."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.types import Json

MAX_DEPTH: Final = 100
"""Levels to which values may be nested."""
TOO_DEEP: Final = f"values are nested more than {MAX_DEPTH} levels deep"


def parse_json(text: str, path: Path | str, first_line: int = 1) -> Json:
    """Parse a JSON text that starts on line `first_line` of the file `path`.

    Raises:
        ConfigError: not JSON, or JSON that others could not read back: duplicate keys, NaN, numbers beyond a float,
            half surrogate pairs, nesting deeper than 100 levels.
    """
    where = Location(path, first_line)
    try:
        value = _DECODER.decode(text)
        _check_portable(text, value)
    except json.JSONDecodeError as error:
        place = Location(path, first_line + error.lineno - 1, error.colno)
        raise ConfigError(f"this is not JSON: {error.msg}", where=place) from None
    except RecursionError:
        raise ConfigError(TOO_DEEP, where=where) from None
    except _FaultError as fault:
        raise ConfigError(str(fault), where=where) from None
    return value


class _FaultError(Exception):
    """JSON by its grammar, yet not usable."""


def _unique(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in value if names.count(name) > 1)
        raise _FaultError(f'the key "{twice}" is given twice in one object')
    return value


def _no_constant(name: str) -> Json:
    raise _FaultError(f"{name} is not JSON; use null or a string")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _FaultError(f"the number {digits[:40]} is too large")
    return number


def _exact(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise _FaultError("a number has too many digits; put it in quotes") from None


# Made once: for a file of many short lines, making it costs as much as using it.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_exact
)


def _check_portable(text: str, value: Json) -> None:
    if is_too_deep(text, value):
        raise _FaultError(TOO_DEEP)
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise _FaultError("a \\ud... escape without its other half is not a character") from None


def is_too_deep(text: str, value: Json) -> bool:
    """Whether a value is nested deeper than MAX_DEPTH; `text` is the JSON that it was parsed from."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
    return any(isinstance(item, (dict, list)) for item in level)


def _children(value: Json) -> Sequence[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()
