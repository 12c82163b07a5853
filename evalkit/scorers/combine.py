"""One verdict on a call out of its scorers' verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from evalkit.types import CallScore, Case, Record, ScorerEntry, ScorerVerdict

# A mean of thirds must reach a threshold of two thirds whichever way its last bit was rounded.
_ROUNDING: Final = 1e-9


def combine(entries: Sequence[ScorerEntry], answer: Record, case: Case, threshold: float | None) -> CallScore:
    """Judge one call by all of its scorers.

    Args:
        entries: the scorers of this case.
        answer: the call's record. One that holds an error is no answer: it fails and no scorer sees it.
        case: the case that was asked.
        threshold: the weighted mean, 0 to 1, that passes; None: every scorer must pass.

    Raises:
        ScorerError: a scorer was at fault.
    """
    if answer.error is not None:
        return CallScore(answer.call_id, passed=False, value=0.0)
    verdicts = tuple(ScorerVerdict(entry.name, entry.scorer.score(answer, case)) for entry in entries)
    value = _mean(entries, verdicts)
    if threshold is None:
        # Nothing passes that no scorer looked at.
        passed = bool(verdicts) and all(verdict.score.passed for verdict in verdicts)
    else:
        passed = bool(verdicts) and value >= threshold - _ROUNDING
    return CallScore(answer.call_id, passed=passed, value=value, verdicts=verdicts)


def _mean(entries: Sequence[ScorerEntry], verdicts: Sequence[ScorerVerdict]) -> float:
    total = math.fsum(entry.weight for entry in entries)
    earned = math.fsum(e.weight * v.score.value for e, v in zip(entries, verdicts, strict=True))
    return earned / total if total else 0.0
