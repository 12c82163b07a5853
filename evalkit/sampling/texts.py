"""Texts as they are compared: what a person would not call a difference is gone."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_NOT_WORDS: Final = re.compile(r"[\W_]+")
_POINTS: Final = re.compile(r"[\s.,;:!?'\"\u2018\u2019\u201c\u201d\u2026()]+")


def plain(text: str) -> str:
    """Leave the words of a text: one case, one space between, no punctuation.

    A text without any letter or digit is left as it is but for the space around it.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORDS.sub(" ", folded).strip() or folded.strip()


def verbatim(text: str) -> str:
    """Leave what makes two texts word for word the same: one case, no full stops and the like; `-` and `+` count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _POINTS.sub(" ", folded).strip() or folded.strip()
