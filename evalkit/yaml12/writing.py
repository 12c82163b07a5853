"""Write plain values as YAML that `evalkit.yaml12` reads back as they were, and that a person likes to read.

Texts stand unquoted where that leaves no doubt, over several lines as a block (`|`), and else in double quotes. A
number that is no number (NaN, infinity) becomes null, and half a surrogate pair U+FFFD: neither can stand in a file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from evalkit.yaml12.scalars import Value, plain

WIDTH: Final = 110
"""How long a line may be before a list or a mapping is written over several; in characters."""

_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
_PLAIN: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./()+%$*@=&;?!'-]|[,:](?=[^\s,:\[\]{}])| (?=[^\s#]))*", re.ASCII)
_NOT_INSIDE: Final = re.compile("[,?:]")
_ESCAPED: Final = re.compile(
    '["\\\\]|[^\x20-\x7e\xa1-\xac\xae-\u1fff\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd'
    "\U00010000-\U0010ffff]"
)
_NOT_IN_BLOCK: Final = re.compile(
    "[^\n\x20-\x7e\xa0-\u1fff\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_OTHERS: Final = frozenset({"yes", "no", "on", "off"})
"""Words that are quoted for other readers' sake, which take them for true and false."""
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_MOST_KEY: Final = 500  # the parser finds no ':' further than 1,024 characters from the start of its key


def block(value: Value, indent: int = 0) -> Iterator[str]:
    """Write the entries of a mapping or a list, each on lines of its own.

    Args:
        value: a mapping with texts as keys, or a list; neither is empty.
        indent: how far to the right, in spaces.

    Yields:
        Lines, without their ends.
    """
    margin = " " * indent
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{margin}{flow_key(key)}:", item, indent)
        return
    for item in value:
        if isinstance(item, Mapping) and (len(item) == 1 or not _fits(item, indent + 2)):
            first, *rest = block(item, indent + 2)
            yield f"{margin}- {first[indent + 2 :]}"
            yield from rest
        else:
            yield from _entry(f"{margin}-", item, indent)


def flow(value: Value) -> str:
    """Write a value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow_key(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return _text(value, inside=True) if isinstance(value, str) else _word(value)


def flow_key(key: str) -> str:
    """Write the key of a mapping."""
    return key if _NAME.fullmatch(key) and _is_itself(key) else _quoted(key)


def can_write(value: Value) -> bool:
    """Whether every key is short enough for YAML."""
    if isinstance(value, Mapping):
        return all(len(key) <= _MOST_KEY and can_write(item) for key, item in value.items())
    return all(map(can_write, value)) if isinstance(value, (list, tuple)) else True


def comment(text: str, indent: int = 0, label: str = "") -> Iterator[str]:
    """Write a remark as comment lines, whatever characters it holds."""
    import textwrap

    margin = f"{' ' * indent}# "
    inert = _ESCAPED.sub(lambda match: match[0] if match[0] in '"\\\n' else _escape(match[0]), f"{label}{text}")
    for line in inert.splitlines():
        wrapped = textwrap.wrap(line, max(40, WIDTH - indent), break_long_words=False, break_on_hyphens=False)
        yield from (f"{margin}{part}" for part in wrapped)


def _entry(head: str, item: Value, indent: int) -> Iterator[str]:
    """Write what follows a key or a dash."""
    if isinstance(item, str):
        if lines := _literal(item, indent + 2):
            yield f"{head} {lines[0]}"
            yield from lines[1:]
        else:
            yield f"{head} {_text(item, inside=False)}"
    elif isinstance(item, (Mapping, list, tuple)) and not _fits(item, len(head)):
        yield head
        yield from block(item, indent + 2)
    else:
        yield f"{head} {flow(item)}"


def _fits(value: Value, column: int) -> bool:
    """Whether a list or a mapping is empty or short enough to stand on one line, and holds no text of several."""
    return not value or (not _has_lines(value) and len(flow(value)) <= WIDTH - column)


def _has_lines(value: Value) -> bool:
    if isinstance(value, str):
        return "\n" in value
    parts: Any = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_has_lines, parts))


def _literal(text: str, indent: int) -> list[str] | None:
    """Write a text of several lines as a block; None where it must be quoted."""
    if "\n" not in text.rstrip("\n") or text.endswith("\n\n") or text[0] in " \t\n" or _NOT_IN_BLOCK.search(text):
        return None
    lines = text.removesuffix("\n").split("\n")
    # A line of spaces alone would be lost by the first editor that trims.
    if any(line != line.rstrip() for line in lines):
        return None
    return ["|" if text.endswith("\n") else "|-", *(f"{' ' * indent}{line}" if line else "" for line in lines)]


def _text(text: str, *, inside: bool) -> str:
    safe = _PLAIN.fullmatch(text) and _is_itself(text) and not (inside and _NOT_INSIDE.search(text))
    return text if safe else _quoted(text)


def _is_itself(text: str) -> bool:
    """Whether an unquoted text is read as that text, here and elsewhere."""
    return plain(text, literal=True) == text and text.lower() not in _OTHERS


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda match: _escape(match[0]), text) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return _SHORT.get(character) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def _word(value: Value) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value)
