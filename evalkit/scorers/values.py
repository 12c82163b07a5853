"""JSON values as people read them: as text to compare with, and in the short sentences of a verdict."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Final

from evalkit.types import Json

SHOWN_CHARS: Final = 80


def as_text(value: Json) -> str:
    """Spell a value the way JSON does (`true`, `null`, `3`, `2.5`); text is returned as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def show(value: Json, limit: int = SHOWN_CHARS) -> str:
    """Spell a value on one line of about `limit` characters, fit for a CSV cell; text stands in double quotes."""
    if isinstance(value, str):
        # Cut first: quoting ten megabytes to keep eighty characters would cost a second.
        return _quote(value) if len(value) <= limit else f"{_quote(value[:limit])}..."
    return clip(json.dumps(value, ensure_ascii=False, default=repr), limit)


def clip(text: str, limit: int = SHOWN_CHARS) -> str:
    """Put text on one line and cut it after `limit` characters."""
    line = " ".join(_encodable(text[: 4 * limit]).split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[:limit]}..."


def kind_of(value: Json) -> str:
    """Name the JSON type of a value with its article, e.g. "a list"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def is_number(value: Json) -> bool:
    """Whether a value is a number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_scalar(value: object) -> bool:
    """Whether a value is text, a number, a boolean or null."""
    return value is None or isinstance(value, (str, bool, int, float))


def comparable(text: str, *, ignore_case: bool) -> str:
    """Bring text to the form in which equal-looking strings are equal: Unicode NFC, optionally case folded."""
    text = unicodedata.normalize("NFC", text)
    # Folding may leave a sequence that NFC would compose, hence the second pass.
    return unicodedata.normalize("NFC", text.casefold()) if ignore_case else text


def _quote(text: str) -> str:
    return _encodable(json.dumps(text, ensure_ascii=False))


def _encodable(text: str) -> str:
    # A JSON escape can smuggle half a surrogate pair into a string; no UTF-8 file could hold it.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
