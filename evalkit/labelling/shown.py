"""Texts of others as a terminal may show them: nothing in them moves the cursor, sets a colour or turns the writing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from evalkit.labelling.marks import Mark
from evalkit.labelling.source import Item
from evalkit.report.markup import one_line
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Json

SHOWN_CHARS: Final = 20_000
"""How much of a text is shown at first."""
_PICTURES: Final = 0x2400
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


class Part(NamedTuple):
    """A text with its title; both may hold anything."""

    title: str
    text: str


def cleaned(text: str) -> str:
    """Text of the same length without anything that could drive a terminal; line ends and tabs stay."""
    return _UNSAFE.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    char = match[0]
    return chr(_PICTURES + ord(char)) if char < " " else "\N{REPLACEMENT CHARACTER}"


def multiline(text: str, limit: int = SHOWN_CHARS) -> str:
    """Text of several lines, cut after so many characters."""
    body = cleaned(text[:limit].replace("\r\n", "\n")).expandtabs(4)
    more = len(text) - limit
    return body if more <= 0 else f"{body}\n[... {more:,} characters more: m shows them]"


def single_line(text: str, limit: int) -> str:
    """Text on one line of at most so many characters."""
    line = cleaned(one_line(text[: 4 * limit]))
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 3].rstrip()}..."


def in_full(value: Json) -> str:
    """A value as a person reads it: text as it is, else JSON over several lines."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def parts_of(item: Item) -> Iterator[Part]:
    """What a case says: each var, and what the user says in each turn."""
    for name, value in item.case.vars.items():
        yield Part(name, in_full(value))
    for number, turn in enumerate(item.case.turns, 2):
        yield Part(f"user, turn {number}", turn.user)


def said_of(mark: Mark) -> str:
    """What a person said of a case, in one text."""
    words = ["nothing" if mark.label is MISSING else as_text(mark.label)]
    words += ["unsure"] if mark.unsure else []
    words += [f"note: {mark.note}"] if mark.note else []
    return " | ".join(words)


def time_left(seconds: float | None) -> str:
    """A guess at how long it will take, in words; empty where there is none."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "under a minute left"
    return f"about {minutes} min left" if minutes < 60 else f"about {minutes // 60} h {minutes % 60:02} min left"
