"""What an unquoted YAML scalar means: the core schema of YAML 1.2, and what a reader would call text stays text."""

from __future__ import annotations

import math
import re
from typing import Any, Final, TypeAlias

Value: TypeAlias = Any
"""A plain value: None, bool, int, float, str, list or dict."""

_WORDS: Final[dict[str, Value]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SPECIAL_FLOATS: Final = {
    **{sign + word: float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NUMBER_STARTS: Final = frozenset("+-.0123456789")
_MAX_DIGITS: Final = 4000  # int() refuses more than 4,300; such a thing is an id, not a quantity


def plain(text: str, *, literal: bool) -> Value:
    """Read an unquoted scalar. Where `literal`, a number that would not be written back the same stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _MAX_DIGITS:
        return text
    number: Value = text
    if _INT.fullmatch(text):
        number = int(text, 0)
    elif _FLOAT.fullmatch(text):
        number = float(text)
    elif text in _SPECIAL_FLOATS:
        number = _SPECIAL_FLOATS[text]
    return text if literal and str(number) != text else number
