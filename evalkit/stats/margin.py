"""When a candidate is not worse than a baseline, and the smallest loss that so many cases can rule out.

Needs numpy, so it is imported by name where it is used and not by the package.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.distributions import first_above, normal_quantile, two_sided_z
from evalkit.stats.intervals import Interval
from evalkit.stats.paired import Floats, tango_bounds, tango_score

_Z = two_sided_z(0.95)
_UNCHANGED = 0.91
"""How often an unchanged candidate is to be NOT WORSE: a little above 9 in 10, as the discordance is an estimate."""
_ENUMERATED = 1000
"""Up to so many cases every likely outcome is looked at; beyond, outcomes are as good as normal."""
_HAIR = 1e-9


class Verdict(StrEnum):
    """What the interval of (candidate - baseline) says about a candidate."""

    NOT_WORSE = "NOT WORSE"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"


def verdict(interval: Interval, margin: float) -> Verdict:
    """Judge a candidate.

    NOT WORSE: the interval's lower end is above -margin, so it lost less than the margin. REGRESSED: the upper end is
    below 0, so it lost something, and the lower end is below -margin. Else INCONCLUSIVE.

    Args:
        interval: of (candidate - baseline).
        margin: how much may be lost, 0 or more.
    """
    if interval.low > -margin:
        return Verdict.NOT_WORSE
    return Verdict.REGRESSED if interval.high < 0 and interval.low < -margin else Verdict.INCONCLUSIVE


@lru_cache(maxsize=1024)
def auto_margin(discordant: int, n: int) -> float:
    """Find the smallest margin at which an unchanged candidate, asked each case once, is NOT WORSE in 9 of 10 runs.

    An unchanged candidate does better and worse on equally many cases but for chance: the two counts are trinomial with
    half the discordance each. The margin is such that the lower end of Tango's 95 % interval is above its negative
    with a probability of 0.91.

    Args:
        discordant: cases on which candidate and baseline differ, 0..n.
        n: all cases, above 0.

    Returns:
        The margin, a hair above the smallest, 0..1.

    Raises:
        ValueError: the counts are impossible.
    """
    if not 0 <= discordant <= n or not n:
        raise ValueError(f"discordant must be within 0..n and n above 0, not {discordant} of {n}")
    smallest = _of_many(discordant, n) if n > _ENUMERATED else _of_few(discordant, n)
    return min(1.0, smallest + _HAIR)


def auto_margin_of_mean(interval: Interval, error: float) -> float:
    """Find the same for a mean difference, as of scores, of several trials or of clusters.

    Around no difference the lower end lies half the interval's width below the mean, which is normal.

    Args:
        interval: the 95 % interval of `clustered_difference`.
        error: its standard error.

    Returns:
        The margin, a hair above the smallest, 0..1.
    """
    return min(1.0, (interval.high - interval.low) / 2 + normal_quantile(_UNCHANGED) * error + _HAIR)


def _of_few(discordant: int, n: int) -> float:
    better, worse, chances = _outcomes(discordant / n, n)
    cases, ones = np.full_like(better, n), np.ones_like(better)

    def is_enough(margin: float) -> bool:
        # The lower end is above -margin just where a difference of -margin is rejected.
        return float(chances[tango_score(better, worse, cases, -margin * ones) > _Z].sum()) >= _UNCHANGED

    return first_above(is_enough, within=_HAIR)


def _of_many(discordant: int, n: int) -> float:
    below = normal_quantile(_UNCHANGED) * math.sqrt(discordant)
    low, _ = tango_bounds((discordant - below) / 2, (discordant + below) / 2, n)
    return -float(low)


def _outcomes(discordance: float, n: int) -> tuple[Floats, Floats, Floats]:
    """All likely counts of cases on which an unchanged candidate is better and worse, with their probabilities."""
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    differing, shares = _likely(n, discordance, log_factorials)
    splits = [_likely(int(count), 0.5, log_factorials) for count in differing]
    better = np.concatenate([counts for counts, _ in splits])
    total = np.repeat(differing, [len(counts) for counts, _ in splits])
    chances = np.concatenate([share * split for share, (_, split) in zip(shares, splits, strict=True)])
    return better.astype(np.float64), (total - better).astype(np.float64), chances


def _likely(n: int, p: float, log_factorials: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Numbers of successes within five standard deviations or so, and their binomial probabilities."""
    if p in {0, 1}:
        return np.array([round(n * p)]), np.ones(1)
    reach = 5 * math.sqrt(n * p * (1 - p)) + 5
    k = np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1)
    ways = log_factorials[n] - log_factorials[k] - log_factorials[n - k]
    return k, np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))
