"""What can be told of an answer in production, where nobody knows the right one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from evalkit.analysis.rows import CallRow, named_verdicts
from evalkit.scorers.refusal import Refusal
from evalkit.scorers.values import is_number
from evalkit.types import Json, Record, ScorerVerdict

REFUSAL: Final = "refusal"
CUT_OFF: Final = "cut off at the token limit"
EMPTY: Final = "empty answer"
LONG: Final = "long answer"
SHORT: Final = "short answer"
UNSURE: Final = "low mean logprob"
DISAGREES: Final = "its trials disagree"

WITHOUT_EXPECTED: Final = frozenset({"json", "json_schema", "length", "instructions", "finish_reason", "confidence"})
"""Scorers that judge by the answer alone, whatever their options: their verdicts can be had in production."""

_REFUSAL: Final = Refusal()


def signals(row: CallRow, answer: Record, checks: Collection[str]) -> Iterator[tuple[str, float]]:
    """Tell what speaks against an answer: the larger a value, the more so.

    Args:
        row: the call.
        answer: its record.
        checks: names of further scorers whose verdicts can be had in production.
    """
    output = answer.output or ""
    yield REFUSAL, float(_REFUSAL.score(answer, row.case).passed)
    yield CUT_OFF, float(answer.finish_reason == "length")
    yield EMPTY, float(not output.strip() and not answer.tool_calls)
    yield LONG, float(len(output))
    yield SHORT, -float(len(output))
    if (unsure := _unsure(answer.logprobs)) is not None:
        yield UNSURE, unsure
    for name, verdict in named_verdicts(row.verdict) if row.verdict else ():
        yield from _of_verdict(name, verdict, checks)


def _of_verdict(name: str, verdict: ScorerVerdict, checks: Collection[str]) -> Iterator[tuple[str, float]]:
    if verdict.scorer in WITHOUT_EXPECTED or verdict.scorer in checks:
        yield f"failed {name}", float(not verdict.score.passed)
    elif "label" in verdict.score.details:
        yield f"no label by {name}", float(verdict.score.details["label"] is None)


def _unsure(logprobs: Json) -> float | None:
    """Minus the mean log probability of the tokens; None where they are not known."""
    known = [float(pair[1]) for pair in logprobs or () if is_number(pair[1])]
    return -math.fsum(known) / len(known) if known else None


def gist(row: CallRow, answer: Record) -> str:
    """What an answer says, for comparison with others of the same model: the label it names, else its words."""
    for verdict in row.verdict.verdicts if row.verdict else ():
        if isinstance(label := verdict.score.details.get("label"), str):
            return label
    return " ".join((answer.output or "").casefold().split())


def majority(gists: Sequence[str]) -> tuple[int, int]:
    """The place of the first answer that says what most say, and how many say it."""
    most, times = Counter(gists).most_common(1)[0]
    return gists.index(most), times
