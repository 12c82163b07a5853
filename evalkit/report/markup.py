"""Markdown from text that nobody has checked: model outputs, error messages, names and data of others.

Nothing that goes through `plain`, `code` or `html` can break out of its place, render as markup, link, notify a person
(`@name`), or reach the terminal as a control sequence.
"""

from __future__ import annotations

import html as stdlib_html
import re
import unicodedata
from collections.abc import Sequence

_LINE_ENDS = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff]")
_MENTION = re.compile(r"@(?=\w)")
_ENTITIES = str.maketrans({"\\": "&#92;", "|": "&#124;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"})
_SPECIAL = re.compile(r"[`*\[\]~]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.")
_BLOCK_START = re.compile(r"^(?:(?=[-+=#:])|(\d{1,9})(?=[.)](?: |$)))")
_PICTURES = 0x2400
_LONG = 12
"""Rows of a table that a page shows unasked."""
_ZERO_WIDTH = "\u200b"


def plain(text: str) -> str:
    """Text as part of a line or a table cell, with everything that markdown would read as markup taken literally."""
    line = _SPECIAL.sub(r"\\\g<0>", one_line(text, " ").strip().translate(_ENTITIES))
    return _without_mentions(_BLOCK_START.sub(r"\1\\", line))


def html(text: str) -> str:
    """Text inside an HTML tag, where markdown does not reach."""
    return _without_mentions(stdlib_html.escape(one_line(text, " ")))


def code(text: str, limit: int | None = None) -> str:
    """Text as a code span, on one line, at most `limit` characters of it. Not for table cells: a pipe ends them."""
    if not text:
        return "(empty)"
    shown = one_line(text if limit is None or len(text) <= limit else text[:limit], "\N{RETURN SYMBOL}")
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    # Markdown takes one space off both ends if both have one, and a backtick may not touch the fence.
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    rest = f" ... ({len(text):,} characters)" if limit is not None and len(text) > limit else ""
    return f"{fence}{pad}{shown}{pad}{fence}{rest}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A table as lines, padded so that it also reads as plain text.

    Args:
        header: one title per column; cells are markdown already.
        rows: cells, as many as the header has.
        left: how many leading columns hold text; the others are aligned right, as numbers are.
    """
    widths = [max(3, *(_width(line[index]) for line in (header, *rows))) for index in range(len(header))]
    rule = ["-" * width if index < left else "-" * (width - 1) + ":" for index, width in enumerate(widths)]
    lines = [
        [_padded(cell, width, index < left) for index, (cell, width) in enumerate(zip(row, widths, strict=True))]
        for row in (header, *rows)
    ]
    return [f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:])]


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines that show once a reader asks for them.

    Args:
        summary: what to click on, HTML already.
        lines: markdown.
    """
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>", ""]


def folded_if_long(noun: str, lines: Sequence[str]) -> list[str]:
    """A table, folded away if it has many rows. `noun` is what one of them is."""
    rows = len(lines) - 2
    return [*lines, ""] if rows <= _LONG else folded(f"{rows} {noun}s", lines)


def one_line(text: str, line_end: str = " ") -> str:
    """Text on one line, its control characters made visible: safe to print on a terminal."""
    return _UNPRINTABLE.sub(_visible, _LINE_ENDS.sub(line_end, text.replace("\t", " ")))


def _visible(match: re.Match[str]) -> str:
    """The picture of an ASCII control character, for others the replacement character."""
    char = match[0]
    return chr(_PICTURES + ord(char)) if char < " " else "\N{REPLACEMENT CHARACTER}"


def _without_mentions(text: str) -> str:
    return _MENTION.sub(f"@{_ZERO_WIDTH}", text)


def _padded(cell: str, width: int, left: bool) -> str:
    space = " " * (width - _width(cell))
    return cell + space if left else space + cell


def _width(text: str) -> int:
    """Columns on a terminal: East Asian characters take two, combining ones none."""
    return sum(
        0
        if unicodedata.combining(char) or char == _ZERO_WIDTH
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )
