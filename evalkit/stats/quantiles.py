"""Quantiles of a sample, and how large a sample must be to bound one."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from evalkit.stats.distributions import binomial_cdf


def quantile(values: Sequence[float], q: float) -> float:
    """Sample quantile by linear interpolation between order statistics.

    Type 7 of R. J. Hyndman and Y. Fan (1996), Sample quantiles in statistical packages, The American Statistician
    50:361-365: the default of numpy, pandas and R, so that a recount agrees.

    Args:
        values: at least one number, in any order (sorted ones are cheapest).
        q: 0..1.

    Raises:
        ValueError: no values, or `q` not within 0..1.
    """
    if not values:
        raise ValueError("a quantile needs at least one value")
    if not 0 <= q <= 1:
        raise ValueError(f"q must be within 0..1, not {q}")
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return low + (high - low) * (position - below)


def quantile_interval(values: Sequence[float], q: float, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Interval of a quantile by order statistics, whatever the distribution.

    The number of values below the true quantile is binomial(n, q), so the r-th smallest value is above it with
    probability P(B < r): H. A. David, H. N. Nagaraja (2003), Order Statistics, 3rd ed., section 7.1. Each side is given
    at most half of what `confidence` leaves, so that the interval covers at least as often as it says.

    Args:
        values: independent values in any order.
        q: between 0 and 1.
        confidence: two-sided, between 0 and 1.

    Returns:
        Its lower and its upper end, each one of the values; None where there are too few values to give that end.

    Raises:
        ValueError: `q` or `confidence` is not between 0 and 1.
    """
    _check_fractions(q, confidence)
    ordered, n, tail = sorted(values), len(values), (1 - confidence) / 2

    def fewer(rank: int) -> float:
        """Probability that at most so many values lie below the quantile."""
        return binomial_cdf(rank, n, q)

    below = bisect_right(range(n), tail, key=fewer)
    above = bisect_left(range(n), 1 - tail, key=fewer)
    return ordered[below - 1] if below else None, ordered[above] if above < n else None


def min_n_for_upper_bound(q: float, confidence: float = 0.95) -> int:
    """Smallest sample whose maximum is an upper confidence bound of the q-quantile.

    The largest of n values lies above the q-quantile with probability 1 - q^n; half of what `confidence` leaves may be
    spent on this side (order-statistic interval: H. A. David, H. N. Nagaraja (2003), Order Statistics, 3rd ed., 7.1).
    So p95 needs 72 values and p99 needs 368 at 95 %.

    Args:
        q: between 0 and 1.
        confidence: of the two-sided interval, between 0 and 1.

    Raises:
        ValueError: an argument is not between 0 and 1.
    """
    _check_fractions(q, confidence)
    tail = (1 - confidence) / 2
    n = max(1, math.floor(math.log(tail) / math.log(q)))
    # The logarithms are a rounding step away from the answer; the condition itself decides.
    return n if q**n <= tail else n + 1


def _check_fractions(q: float, confidence: float) -> None:
    if not (0 < q < 1 and 0 < confidence < 1):
        raise ValueError(f"q and confidence must be between 0 and 1, not {q} and {confidence}")
