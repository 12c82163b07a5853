"""JavaScript's regular expressions as Python's, and texts as the plain patterns of JSON paths."""

from __future__ import annotations

import re
import warnings
from typing import Final

from evalkit.imports.promptfoo.scripts.tree import NotMechanicalError

_PIECE: Final = re.compile(r"\\u\{([0-9a-fA-F]+)\}|\\.|\(\?<(?![=!])|\[\^\]|\[\]|[\[\]$]|[^\\\[\]$(]+|.", re.DOTALL)
_FOREIGN: Final = re.compile(r"\\[pPc]|\\k<")
_FLAGS: Final = "ims"
_SPECIAL: Final = frozenset(".^$*+?()[]{}|\\-")


def python_pattern(source: str, flags: str = "") -> tuple[str, str]:
    """Write a JavaScript pattern as one of Python's, and its flags.

    Raises:
        NotMechanicalError: it has no equal, or is none in either language.
    """
    if _FOREIGN.search(source):
        raise NotMechanicalError("the pattern uses what Python's `re` does not have")
    pattern = "".join(_pieces(source, multiline="m" in flags))
    try:
        with warnings.catch_warnings(action="error"):
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, FutureWarning, DeprecationWarning) as error:
        raise NotMechanicalError(f"the pattern is none of Python's: {error}") from None
    return pattern, "".join(flag for flag in _FLAGS if flag in flags)


def _pieces(source: str, *, multiline: bool) -> list[str]:
    pieces: list[str] = []
    in_class = False
    for match in _PIECE.finditer(source):
        piece = match[0]
        if match[1]:
            piece = re.escape(chr(min(int(match[1], 16), 0x10FFFF)))
        elif piece == "\\/":
            piece = "/"
        elif not in_class:
            # JavaScript's `$` is the very end; Python's also stands before a last line end.
            piece = {"(?<": "(?P<", "[^]": r"[\s\S]", "[]": r"(?!)", "$": "$" if multiline else r"\Z"}.get(piece, piece)
            in_class = piece == "["
        elif piece in ("[", "[^]", "[]"):
            piece = "\\" + piece if piece == "[" else piece
            in_class = piece == "\\["
        elif piece == "]":
            in_class = False
        pieces.append(piece)
    return pieces


def plain_pattern(text: str, *, ignore_case: bool) -> str:
    """Write a text as a pattern (RFC 9485) that it alone matches, in any case if wanted."""
    return "".join(_character(one, ignore_case=ignore_case) for one in text)


def _character(one: str, *, ignore_case: bool) -> str:
    if ignore_case and one.lower() != one.upper() and len(one.lower()) == len(one.upper()) == 1:
        return f"[{one.upper()}{one.lower()}]"
    return "\\" + one if one in _SPECIAL else {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(one, one)


def whole_number_from(least: int) -> str:
    """A pattern of the decimal spelling of whole numbers from `least` on, which is 0 or more."""
    if least <= 0:
        return r"\d+"
    digits = str(least)
    longer = rf"[1-9]\d{{{len(digits)},}}"
    same = [
        f"{digits[:at]}[{int(digit) + 1}-9]" + r"\d" * (len(digits) - at - 1)
        for at, digit in enumerate(digits)
        if digit != "9"
    ]
    return "0*(?:" + "|".join([longer, *same, digits]) + ")"
