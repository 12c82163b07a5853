"""The baseline that any model must beat: half an hour of regular expressions, for English messages.

It knows a few ways to give an order number and a name and some words for each kind of request. It was never tuned to
the suite's cases: a candidate that has seen the answers says nothing about the next message.
"""

from __future__ import annotations

import re

_ORDER_NUMBERS = (
    re.compile(r"\border\s*(?:number|no\.?|nr\.?|id)?\s*(?:is|:)?\s*#?\s*([A-Z]{0,4}-?\d[\d-]*)", re.IGNORECASE),
    re.compile(r"#([A-Z]{0,4}-?\d[\d-]*)"),
)

_WORD = r"[A-Z][\w'-]+"
_FULL_NAME = rf"{_WORD}(?: {_WORD}){{0,2}}"
_NAMES = (
    re.compile(rf"\b(?:[Mm]y name is|[Tt]his is|I am|I'm) ({_FULL_NAME})"),
    re.compile(rf"({_FULL_NAME}) here\b"),
    re.compile(rf"(?:[Rr]egards|[Ss]incerely|[Tt]hanks|[Cc]heers|[Bb]est wishes),?\s+({_FULL_NAME})"),
    re.compile(rf"[.!?\n-]\s*({_FULL_NAME})\s*$"),
)

# The first kind with a word in the message wins, so the more telling words stand first.
_REQUESTS = (
    ("cancel", re.compile(r"\bcancel", re.IGNORECASE)),
    ("refund", re.compile(r"\b(?:refund|money back|reimburse)", re.IGNORECASE)),
    ("exchange", re.compile(r"\b(?:exchange|swap|replace|broken|damaged|wrong (?:size|item|colour))", re.IGNORECASE)),
    ("change", re.compile(r"\b(?:change|instead|update|correct|address)", re.IGNORECASE)),
    ("status", re.compile(r"\b(?:where|when|track|arrive|deliver)", re.IGNORECASE)),
)


def extract(vars: dict[str, object]) -> dict[str, object]:  # noqa: A002 (a candidate is handed the case's vars)
    """Read an order out of `vars["message"]`.

    Returns:
        `name` and `order_number`, each None where no pattern matches, and `request`, "other" where no word is known.
    """
    message = str(vars["message"])
    return {
        "name": _first_match(_NAMES, message),
        "order_number": _first_match(_ORDER_NUMBERS, message),
        "request": next((kind for kind, words in _REQUESTS if words.search(message)), "other"),
    }


def _first_match(patterns: tuple[re.Pattern[str], ...], message: str) -> str | None:
    matches = (pattern.search(message) for pattern in patterns)
    return next((match.group(1) for match in matches if match), None)
