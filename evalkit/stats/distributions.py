"""The distributions behind intervals and tests: normal, beta and binomial. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

_CONVERGED = 1e-14
_TINY = 1e-300
"""Stands in for a 0 that would be divided by."""


def normal_quantile(p: float) -> float:
    """Value below which a standard normal variable lies with probability `p`, between 0 and 1."""
    return NormalDist().inv_cdf(p)


def normal_two_sided(z: float) -> float:
    """Probability that a standard normal variable is at least as far from 0 as `z`; precise however small."""
    return math.erfc(abs(z) / math.sqrt(2))


def two_sided_z(confidence: float) -> float:
    """Two-sided normal quantile: 1.96 for 0.95.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
    """
    check_confidence(confidence)
    return normal_quantile((1 + confidence) / 2)


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is no fraction.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")


def beta_cdf(x: float, a: float, b: float) -> float:
    """Probability that a beta(a, b) variable is at most `x`: the regularised incomplete beta function I_x(a, b).

    By the continued fraction of M. Abramowitz, I. A. Stegun (1964), Handbook of mathematical functions, 26.5.8, on the
    side of the mean where it converges fast.

    Args:
        x: 0..1.
        a: above 0.
        b: above 0.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x >= (a + 1) / (a + b + 2):
        return 1 - _lower_tail(1 - x, b, a)
    return _lower_tail(x, a, b)


def _lower_tail(x: float, a: float, b: float) -> float:
    density = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(density) / a * _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Work out the fraction from its top, as W. J. Lentz (1976), Applied Optics 15:668-671, does."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value, m, change = d, 0, 0.0
    while abs(change - 1) > _CONVERGED:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            change = c * d
            value *= change
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_quantile(p: float, a: float, b: float) -> float:
    """Value below which a beta(a, b) variable lies with probability `p`, between 0 and 1."""
    return first_above(lambda x: beta_cdf(x, a, b) >= p)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Probability of at most `k` successes in `n` trials that succeed with probability `p`."""
    if k < 0:
        return 0.0
    return 1.0 if k >= n else beta_cdf(1 - p, n - k, k + 1)


def first_above(holds: Callable[[float], bool], within: float = 0.0) -> float:
    """Find the smallest number of 0..1 for which something holds that holds for all larger ones, too.

    Args:
        holds: tells it for a number; it is not asked for 0 and 1.
        within: how close is close enough; 0: to the last bit.

    Returns:
        The number, or one closely above for which it holds; 1 where it holds for none below.
    """
    low, high = 0.0, 1.0
    while high - low > within and low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
