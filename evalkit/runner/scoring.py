"""Verdicts on records, during a run and again on a resumed one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evalkit.scorers import ScorerError, combine
from evalkit.types import CallScore, Case, Record, Score, ScorerEntry, ScorerVerdict, Suite


class Judge:
    """Judges records by the scorers of a suite."""

    def __init__(self, suite: Suite, cases: Iterable[Case]) -> None:
        self._threshold = suite.threshold
        self._cases: Mapping[str, tuple[Case, tuple[ScorerEntry, ...]]] = {
            case.id: (case, suite.scorers_for(case)) for case in cases
        }

    def judge(self, record: Record) -> CallScore:
        """Give the verdict on one record. An error is not an answer: it fails without asking a scorer."""
        case, scorers = self._cases[record.case_id]
        try:
            return combine(scorers, record, case, self._threshold)
        except ScorerError as error:
            return _no_verdict(record, error.message)
        except Exception as error:  # noqa: BLE001 - a fault in one scorer must not lose the run its paid answers
            return _no_verdict(record, f"a fault in a scorer: {type(error).__name__}: {error}")


def _no_verdict(record: Record, reason: str) -> CallScore:
    """Record that the scorer failed, not the model; reports count it as an error."""
    verdict = ScorerVerdict("scorer error", Score(0.0, passed=False, reason=reason, details={"error": reason}))
    return CallScore(record.call_id, passed=False, value=0.0, verdicts=(verdict,))
