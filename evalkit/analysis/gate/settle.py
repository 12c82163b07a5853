"""How much more would have to be asked to settle a comparison that is inconclusive."""

from __future__ import annotations

import bisect
import math
from typing import Final, NamedTuple

import numpy as np

from evalkit.analysis.paired import Difference
from evalkit.analysis.results import CaseResults
from evalkit.stats.distributions import normal_quantile
from evalkit.stats.paired import Pairs, tango_bounds
from evalkit.stats.power import cases_needed_for_mean

_MOST_CASES: Final = 100_000
_MOST_TRIALS: Final = 32
_POWER: Final = 0.8


class Settling(NamedTuple):
    """What would settle a comparison in four of five runs, if the true difference is the measured one.

    None: too many to be of use, or, for trials, unknown as each case was asked once.
    """

    cases: int | None
    trials: int | None


def settling(difference: Difference, margin: float, first: CaseResults, confidence: float = 0.95) -> Settling:
    """Estimate how many cases, or trials of the same cases, would settle a comparison.

    A drop beyond the margin is settled when it is shown to be one; anything else when the margin is out of reach.

    Args:
        difference: of the candidate to the baseline.
        margin: how much worse counts as as good.
        first: the candidate's results, on the compared cases.
        confidence: of the interval.
    """
    beyond = difference.difference < -margin
    gap = -difference.difference if beyond else difference.difference + margin
    variance = difference.error**2 * difference.cases
    if gap <= 0:
        return Settling(None, None)
    alpha, pairs = 1 - confidence, difference.pairs
    cases = cases_needed_for_mean(gap, variance, alpha=alpha) if variance > 0 else 0
    if pairs and not beyond:
        cases = max(cases, _cases_by_score(pairs, difference, margin, confidence))
    cases = max(difference.cases + 1, cases)
    known = (variance > 0 or pairs) and cases <= _MOST_CASES
    return Settling(cases if known else None, _trials(difference.cases, gap, variance, first, alpha))


def _cases_by_score(pairs: Pairs, difference: Difference, margin: float, confidence: float) -> int:
    """How many cases bring the lower end of Tango's interval above the margin, if they differ as often as these do.

    It is wider than a normal one where few cases differ, and not of no width where none does.
    """
    below = normal_quantile(_POWER) * difference.error * math.sqrt(difference.cases)

    def is_enough(cases: int) -> bool:
        factor = cases / difference.cases
        low, _ = tango_bounds(pairs.only_first * factor, pairs.only_second * factor, cases, confidence)
        return float(low) - below / math.sqrt(cases) > -margin

    return bisect.bisect_left(range(_MOST_CASES + 1), x=1, lo=difference.cases, key=is_enough)


def _trials(cases: int, gap: float, variance: float, first: CaseResults, alpha: float) -> int | None:
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
        if left <= 0 or cases_needed_for_mean(gap, left, alpha=alpha) <= cases:
            return trials
    return None
