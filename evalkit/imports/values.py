"""Values as other tools' files hold them, brought to what a run can keep. Whatever is of no use becomes None."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from evalkit.errors import ErrorKind
from evalkit.types import FINISH_REASONS, Json, RecordError, Score, ScorerVerdict

_EARLIEST: Final = 1_000_000_000.0
_LATEST: Final = 10_000_000_000.0
"""Moments in seconds since 1970 outside of which a number is no moment of an evaluation; milliseconds are larger."""
_MOST: Final = 1e15
_NAME_CHARS: Final = 100
_UNTAME: Final = re.compile(r"[^A-Za-z0-9._:/@-]+")
_REASON_CHARS: Final = 2_000
_ROUNDING: Final = 1e-9

_KINDS: Final = (
    (re.compile(r"rate.?limit|too many requests|\b429\b", re.IGNORECASE), ErrorKind.RATE_LIMIT),
    (re.compile(r"quota|insufficient (funds|credit|balance)|billing", re.IGNORECASE), ErrorKind.QUOTA),
    (re.compile(r"time.?out|timed out|deadline exceeded", re.IGNORECASE), ErrorKind.TIMEOUT),
    (re.compile(r"api.?key|unauthori[sz]ed|forbidden|authentication|\b40[13]\b", re.IGNORECASE), ErrorKind.AUTH),
    (re.compile(r"connection|ECONN|ENOTFOUND|fetch failed|resolve", re.IGNORECASE), ErrorKind.CONNECTION),
    (re.compile(r"overloaded|internal server|bad gateway|unavailable|\b5\d\d\b", re.IGNORECASE), ErrorKind.SERVER),
    (re.compile(r"not found|\b404\b", re.IGNORECASE), ErrorKind.NOT_FOUND),
    (re.compile(r"invalid.request|bad request|\b400\b", re.IGNORECASE), ErrorKind.INVALID_REQUEST),
)

_FINISHED: Final[Mapping[str, str]] = {
    **{reason: reason for reason in FINISH_REASONS},
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
}


def mapping(value: Json) -> Mapping[str, Json]:
    """A mapping; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Json) -> list[Json]:
    """A list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: Json) -> str:
    """Text as it is, nothing for null, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def number(value: Json) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def amount(value: Json) -> float | None:
    """A number that is not negative, and that sums and multiples of it stay numbers: a time, a cost."""
    found = number(value)
    return found if found is not None and 0 <= found <= _MOST else None


def count(value: Json) -> int | None:
    """A whole number that is not negative."""
    found = amount(value)
    return int(found) if found is not None and found.is_integer() else None


def share(value: Json) -> float | None:
    """A number from 0 to 1, or a boolean; what rounding put outside of that is put back."""
    if isinstance(value, bool):
        return float(value)
    found = number(value)
    if found is None or not -_ROUNDING <= found <= 1 + _ROUNDING:
        return None
    return min(1.0, max(0.0, found))


def moment(value: Json) -> str:
    """A moment as UTC in ISO 8601, from a text of that kind or a number of seconds or milliseconds; else nothing."""
    seconds = number(value)
    try:
        if isinstance(value, str):
            seconds = _in_utc(dt.datetime.fromisoformat(value.strip())).timestamp()
        if seconds is not None and seconds > _LATEST:
            seconds /= 1000
        if seconds is None or not _EARLIEST <= seconds <= _LATEST:
            return ""
        return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def first_moment(source: Path, *told: Json) -> str:
    """The first of these that is a moment; failing all, when the file was written."""
    found = next(filter(None, map(moment, told)), "")
    return found or moment(source.stat().st_mtime) or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _in_utc(found: dt.datetime) -> dt.datetime:
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def one_line(name: str, limit: int = _NAME_CHARS) -> str:
    """A name on one line, without control characters, and not too long."""
    line = " ".join("".join(char if char.isprintable() else " " for char in name[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def plain_name(description: str) -> str:
    """A name without blanks and signs, such as a row or an id can have; empty where nothing is left."""
    return _UNTAME.sub("-", description).strip("-.:/@_")[:_NAME_CHARS]


def finish_reason(value: Json) -> str | None:
    """Why a model stopped, in our words."""
    return _FINISHED.get(value.lower(), "other") if isinstance(value, str) and value else None


def failure(message: Json) -> RecordError:
    """An error of which another tool kept the words: its kind is told from these."""
    words = text(message).strip()[:_REASON_CHARS] or "no reason given"
    kind = next((kind for pattern, kind in _KINDS if pattern.search(words)), ErrorKind.INTERNAL)
    return RecordError(kind, words)


def verdict(
    name: str,
    value: float | None,
    *,
    passed: bool,
    reason: Json = None,
    weight: float = 1.0,
    details: Mapping[str, Json] | None = None,
) -> ScorerVerdict:
    """A verdict under a name that fits on a line, with its reason shortened."""
    score = Score(value, passed, text(reason)[:_REASON_CHARS], details or {})
    return ScorerVerdict(one_line(name) or "unnamed", score, weight)
