"""One planned call with everything known about it, and what that amounts to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from evalkit.types import Call, CallScore, Case, Record, RecordError, ScorerVerdict

SCORER_ERROR = "scorer"
"""The error kind of an answer that a scorer could not judge: no fault of the model, yet not a pass either."""


class Outcome(StrEnum):
    """What became of a planned call. The first three are finished and stand in the pass rate's denominator.

    A MISSING call was never finished; one that is NOT_ASKED was not needed: its candidate's race was over.
    """

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    MISSING = "missing"
    NOT_ASKED = "not asked"

    @property
    def is_finished(self) -> bool:
        """Whether the call has an end."""
        return self is not Outcome.MISSING and self is not Outcome.NOT_ASKED


@dataclass(frozen=True, slots=True)
class CallRow:
    """A planned call, its case, and its last record and score, as far as the run got.

    `needed` is False for a call that a race did without.
    """

    call: Call
    case: Case
    record: Record | None = None
    score: CallScore | None = None
    needed: bool = True

    answer: Record | None = field(init=False, repr=False, compare=False)
    """The record, if it holds an answer: only these have a latency, tokens and a cost."""
    error: RecordError | None = field(init=False, repr=False, compare=False)
    """Why the call has no verdict although it finished: the call failed, or a scorer did."""
    verdict: CallScore | None = field(init=False, repr=False, compare=False)
    """The score, if it is a verdict on an answer: neither call nor scorer failed."""
    outcome: Outcome = field(init=False, repr=False, compare=False)
    """What became of the call. An answer without a verdict (the run was killed in between) is missing."""

    def __post_init__(self) -> None:
        # Each is asked for many times on the way to a report, and a row never changes.
        error = self._why_no_verdict()
        known = object.__setattr__
        known(self, "answer", None if self.record is None or self.record.error else self.record)
        known(self, "error", error)
        known(self, "verdict", None if self.record is None or error else self.score)
        known(self, "outcome", Outcome.ERROR if error else self._outcome())

    def _why_no_verdict(self) -> RecordError | None:
        if self.record is None:
            return None
        if self.record.error:
            return self.record.error
        fault = self.score.no_verdict if self.score else None
        return None if fault is None else RecordError(SCORER_ERROR, fault)

    def _outcome(self) -> Outcome:
        if self.record is None or self.score is None:
            return Outcome.MISSING if self.needed or self.record else Outcome.NOT_ASKED
        return Outcome.PASSED if self.score.passed else Outcome.FAILED


def is_scorer_error(score: CallScore) -> bool:
    """Whether this stands for a scorer that failed rather than for a verdict."""
    return score.no_verdict is not None


def named_verdicts(score: CallScore) -> Iterator[tuple[str, ScorerVerdict]]:
    """Every verdict with its scorer's name; of several with one name, the later ones are numbered."""
    if len(score.verdicts) == 1:
        yield score.verdicts[0].scorer, score.verdicts[0]
        return
    seen: Counter[str] = Counter()
    for verdict in score.verdicts:
        seen[verdict.scorer] += 1
        number = seen[verdict.scorer]
        yield verdict.scorer if number == 1 else f"{verdict.scorer} ({number})", verdict


def fault_of(verdict: ScorerVerdict) -> str | None:
    """Why a scorer without a say gave no verdict, itself at fault; None where it gave one."""
    score = verdict.score
    if score.value is not None or score.details.keys() != {"error"}:
        return None
    return str(score.details["error"])
