"""How much more would have to be asked to settle a comparison that is inconclusive."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from evalkit.analysis.paired import Difference
from evalkit.analysis.results import CaseResults
from evalkit.stats.power import cases_needed_for_mean

_MOST_CASES: Final = 100_000
_MOST_TRIALS: Final = 32


class Settling(NamedTuple):
    """What would settle a comparison in four of five runs, if the true difference is the measured one.

    None: too many to be of use, or, for trials, unknown as each case was asked once.
    """

    cases: int | None
    trials: int | None


def settling(difference: Difference, margin: float, first: CaseResults) -> Settling:
    """Estimate how many cases, or trials of the same cases, would settle a comparison.

    A drop beyond the margin is settled when it is shown to be one; anything else when the margin is out of reach.

    Args:
        difference: of the candidate to the baseline.
        margin: how much worse counts as as good.
        first: the candidate's results, on the compared cases.
    """
    beyond = difference.difference < -margin
    gap = -difference.difference if beyond else difference.difference + margin
    variance = difference.error**2 * difference.cases
    if gap <= 0 or variance <= 0:
        return Settling(None, None)
    cases = max(difference.cases + 1, cases_needed_for_mean(gap, variance))
    return Settling(cases if cases <= _MOST_CASES else None, _trials(difference.cases, gap, variance, first))


def _trials(cases: int, gap: float, variance: float, first: CaseResults) -> int | None:
    """How many trials bring the variance down far enough; the baseline's own part of it stays as it is."""
    passed, finished = (
        np.frombuffer(column, dtype=np.uint32).astype(np.float64) for column in (first.passed, first.finished)
    )
    several = finished >= 2
    if not several.any():
        return None
    p, n = passed[several] / finished[several], finished[several]
    within = float((p * (1 - p) * n / (n - 1)).mean())
    now = int(n.max())
    for trials in range(now + 1, _MOST_TRIALS + 1):
        left = variance - within / now + within / trials
        if left <= 0 or cases_needed_for_mean(gap, left) <= cases:
            return trials
    return None
