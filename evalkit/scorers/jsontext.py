"""JSON found in what a model wrote: the whole text, a fenced block, or the first value embedded in prose.

Whatever the length and nesting of the text, reading it ends in linear time with a value or a reason.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Final, Never

from evalkit.scorers.values import clip
from evalkit.types import Json

MAX_DEPTH: Final = 100
_MAX_INT_DIGITS: Final = 300  # what a float can hold, so that no comparison overflows
_MAX_FENCES: Final = 100
_MAX_STARTS: Final = 500

_FENCE: Final = "```"
_INFO: Final = re.compile(r"[\w+.-]*\s*")
# Only where JSON can begin: braces of prose and formulas are passed over without an attempt.
_START: Final = re.compile(r"""\{(?=\s*["}])|\[(?=\s*["\[{\]\d\-tfn])""")


class NoJsonError(ValueError):
    """A text holds no JSON value that can be used; the message says why."""


def parse_json(text: str) -> Json:
    """Parse a text that is JSON from end to end; of a repeated key the last value counts.

    Raises:
        NoJsonError: it is not JSON, holds NaN, Infinity or a number out of range, or is nested too deeply.
    """
    try:
        value = _DECODER.decode(text.strip().removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise NoJsonError(f"not valid JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise NoJsonError("JSON nested too deeply") from error
    return within_depth(value)


def find_json(text: str, wanted: type | tuple[type, ...] = object) -> Json:
    """Find the JSON value a model's answer holds: the text itself, else the first fenced block, else embedded in prose.

    Args:
        text: the answer.
        wanted: the Python types looked for. Where none is found, a value of another type is returned if there is one.

    Raises:
        NoJsonError: there is none.
    """
    try:
        whole = parse_json(text)
    except NoJsonError as error:
        reason = error
    else:
        return whole
    other: list[Json] = []
    for value in _embedded(text):
        if isinstance(value, wanted):
            return value
        other = other or [value]
    if other:
        return other[0]
    # Where prose begins, the place at which it fails to be JSON helps nobody.
    detail = f" ({reason})" if text.lstrip().startswith(("{", "[")) else ""
    raise NoJsonError(f"no JSON found in the answer{detail}")


def _embedded(text: str) -> Iterator[Json]:
    yield from _in_fences(text)
    yield from _in_prose(text)


def _in_fences(text: str) -> Iterator[Json]:
    blocks = text.split(_FENCE, 2 * _MAX_FENCES)[1::2]
    for block in blocks:
        info = _INFO.match(block)
        # The info string may be the value itself, as in ```42```.
        for body in (block[info.end() :] if info else block, block):
            try:
                yield parse_json(body)
                break
            except NoJsonError:
                continue


def _in_prose(text: str) -> Iterator[Json]:
    """Yield the values that parse where a brace or bracket opens, passing over what each one covers.

    Failed attempts may overlap, so the work they do together is bounded by twice the text.
    """
    work, at = 2 * len(text), 0
    for _ in range(_MAX_STARTS):
        start = _START.search(text, at)
        if start is None or work < 0:
            return
        at = start.end()
        try:
            value, at = _DECODER.raw_decode(text, start.start())
            yield within_depth(value)
        except json.JSONDecodeError as error:
            work -= error.pos - start.start()
        except (NoJsonError, RecursionError):  # how far it came is not known
            work -= len(text) // 8


def within_depth(value: Json) -> Json:
    """Return the value if what walks it may recurse safely.

    Raises:
        NoJsonError: it is nested more than `MAX_DEPTH` levels deep.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for item in level for child in _children(item) if isinstance(child, (dict, list))]
        if not level:
            return value
    raise NoJsonError(f"JSON nested more than {MAX_DEPTH} levels deep")


def _children(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value if isinstance(value, list) else ())


def _integer(digits: str) -> int:
    if len(digits) > _MAX_INT_DIGITS:
        raise NoJsonError(f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NoJsonError(f"{clip(digits, 40)} is out of range")
    return value


def _reject(name: str) -> Never:
    raise NoJsonError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_reject)
