"""Confidence intervals of a proportion and of a mean of clustered values, both within 0..1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from evalkit.stats.distributions import beta_quantile, check_confidence, two_sided_z

_NEGLIGIBLE = 1e-12
"""A standard error below this is rounding noise of an exact 0: values lie in 0..1, so real ones are far larger."""


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether some value lies in both."""
        return self.low <= other.high and other.low <= self.high


def wilson(passed: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a proportion, without continuity correction.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22:209-212.

    Args:
        passed: successes, 0..n.
        n: independent trials. 0 is allowed: nothing is known then, so the interval is 0..1.
        confidence: two-sided, between 0 and 1.

    Raises:
        ValueError: `passed` is not within 0..n, or `confidence` not within 0..1.
    """
    _check_counts(passed, n)
    return _score_interval(passed, n, confidence)


def clopper_pearson(passed: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact interval of a proportion: it never covers less than `confidence`, and mostly covers more.

    C. J. Clopper, E. S. Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
    binomial, Biometrika 26:404-413. Its ends are quantiles of beta distributions.

    Args:
        passed: successes, 0..n.
        n: independent trials; 0 gives 0..1.
        confidence: two-sided, between 0 and 1.

    Raises:
        ValueError: `passed` is not within 0..n, or `confidence` not within 0..1.
    """
    _check_counts(passed, n)
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    low = beta_quantile(tail, passed, n - passed + 1) if passed else 0.0
    # The upper end is the lower end of the failures: so both have the same precision.
    high = 1 - beta_quantile(tail, n - passed, passed + 1) if passed < n else 1.0
    return Interval(low, high)


def _check_counts(passed: int, n: int) -> None:
    if not 0 <= passed <= n:
        raise ValueError(f"passed must be within 0..n, not {passed} of {n}")


def clustered_mean_interval(values_by_cluster: Sequence[Sequence[float]], confidence: float = 0.95) -> Interval:
    """Interval of the mean of clustered values, e.g. of a pass rate over several trials of each case.

    Values of one cluster may depend on each other; clusters are independent. The interval is that of `mean_interval`
    by the `clustered_standard_error`. So repeating a deterministic model changes nothing.

    Args:
        values_by_cluster: one sequence of values within 0..1 per cluster; empty clusters are ignored.
        confidence: two-sided, between 0 and 1.

    Returns:
        The interval; 0..1 when there is no value at all.

    Raises:
        ValueError: a value is not within 0..1, or `confidence` not within 0..1.
    """
    clusters = [values for values in values_by_cluster if values]
    n = sum(map(len, clusters))
    if not all(0 <= value <= 1 for values in clusters for value in values):
        raise ValueError("values must be within 0..1")
    mean = math.fsum(value for values in clusters for value in values) / n if n else 0.0
    return mean_interval(mean, clustered_standard_error(clusters), len(clusters), confidence)


def clustered_standard_error(values_by_cluster: Sequence[Sequence[float]]) -> float:
    """Standard error of the mean of values of which those of one cluster may depend on each other.

    E. Miller (2024), Adding error bars to evals, arXiv:2411.00640, section 2.2:

        SE = sqrt(sum over clusters c of (sum over i in c of (s_ic - mean))^2) / n

    Args:
        values_by_cluster: one sequence of values per cluster; empty clusters are ignored.

    Returns:
        The standard error; 0 where it cannot be told (one cluster, no value) or where nothing varies.
    """
    n = sum(map(len, values_by_cluster))
    if not n:
        return 0.0
    mean = math.fsum(value for values in values_by_cluster for value in values) / n
    residuals = (math.fsum(values) - len(values) * mean for values in values_by_cluster)
    return math.sqrt(math.fsum(residual**2 for residual in residuals)) / n


def mean_interval(mean: float, error: float, clusters: int, confidence: float = 0.95) -> Interval:
    """Interval of a mean within 0..1 by its standard error.

    It is Wilson's on the effective sample size mean (1 - mean) / error^2, which unlike mean +- z error keeps its
    coverage near 0 and 1 (C. Franco et al. (2019), Comparative study of confidence intervals for proportions in complex
    sample surveys, J. Surv. Stat. Methodol. 7, 334-364). Where the error is 0 (clusters all alike, or just one) the
    number of clusters stands in.

    Raises:
        ValueError: `confidence` is not within 0..1.
    """
    effective = clusters if error < _NEGLIGIBLE else mean * (1 - mean) / error**2
    return _score_interval(mean * effective, effective, confidence)


def _score_interval(successes: float, n: float, confidence: float) -> Interval:
    """Wilson's formula, which holds for a fractional number of successes as well."""
    z = two_sided_z(confidence)
    if n == 0:
        return Interval(0.0, 1.0)
    failures = n - successes
    centre = successes + z * z / 2
    half = z * math.sqrt(successes * failures / n + z * z / 4)
    total = n + z * z
    # The ends at no and at full success are exactly 0 and 1; the formula reaches them only up to rounding.
    low = 0.0 if successes <= 0 else max(0.0, (centre - half) / total)
    high = 1.0 if failures <= 0 else min(1.0, (centre + half) / total)
    return Interval(low, high)
