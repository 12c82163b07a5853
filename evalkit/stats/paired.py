"""Two candidates on the same cases: how far apart they are, and how sure that is.

Needs numpy, so it is imported by name where it is used and not by the package.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.distributions import binomial_cdf, check_confidence, first_above, normal_two_sided, two_sided_z
from evalkit.stats.intervals import Interval

Floats: TypeAlias = NDArray[np.float64]
Number = TypeVar("Number", float, Floats)

_HALVINGS = 53
_HALF_BIT = 2.0**-54
_BATCH = 2_000_000
"""Numbers that are drawn at a time."""


class Pairs(NamedTuple):
    """On how many cases both candidates passed, just one of them, or neither."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        """How many cases there are."""
        return sum(self)

    @property
    def discordant(self) -> int:
        """On how many of them the candidates differ."""
        return self.only_first + self.only_second


class MeanDifference(NamedTuple):
    """A mean of differences.

    Attributes:
        difference: the mean, -1..1.
        error: its standard error; 0 where nothing varies or there is just one cluster.
        interval: its confidence interval, within -1..1; never without width.
        p: two-sided p-value of no difference. It is below 1 - confidence just where the interval leaves 0 out.
    """

    difference: float
    error: float
    interval: Interval
    p: float


def tango_interval(pairs: Pairs, confidence: float = 0.95) -> Interval:
    """Score interval of the difference of two paired proportions, first minus second.

    T. Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17:891-908. It keeps its coverage however few pairs are discordant; where fewer than
    about 1.5 are to be expected it covers more than 99 % at 95 %, as any interval must that keeps it elsewhere.

    Args:
        pairs: any of them may be 0.
        confidence: two-sided, between 0 and 1.

    Returns:
        The interval, within -1..1; all of that without any case.

    Raises:
        ValueError: a count is negative, or `confidence` not between 0 and 1.
    """
    _check(pairs)
    check_confidence(confidence)
    if not pairs.n:
        return Interval(-1.0, 1.0)
    first, second, z = float(pairs.only_first), float(pairs.only_second), two_sided_z(confidence)
    return Interval(-_upper_end_of_one(second, first, pairs.n, z), _upper_end_of_one(first, second, pairs.n, z))


def tango_bounds(
    only_first: ArrayLike, only_second: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Work out Tango's interval (see `tango_interval`) for many pairs at once.

    Args:
        only_first: pairs that only the first candidate passed; arrays or numbers that numpy can broadcast together,
            which need not be whole.
        only_second: pairs that only the second passed.
        n: all pairs, above 0.
        confidence: two-sided, between 0 and 1.

    Returns:
        The lower and the upper ends, within 1e-15.
    """
    z = two_sided_z(confidence)
    first, second, cases = np.broadcast_arrays(
        *(np.asarray(counts, dtype=np.float64) for counts in (only_first, only_second, n))
    )
    return -_upper_end(second, first, cases, z), _upper_end(first, second, cases, z)


def _upper_end_of_one(first: float, second: float, n: float, z: float) -> float:
    """The same as `_upper_end` for one pair, in plain numbers: a report has hundreds, and arrays of one are slow."""
    return 2 * first_above(lambda share: tango_score(first, second, n, 2 * share - 1) < -z, within=_HALF_BIT) - 1


def _upper_end(first: Floats, second: Floats, n: Floats, z: float) -> Floats:
    low = (first - second) / n
    high = np.ones_like(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = tango_score(first, second, n, middle) >= -z
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def tango_score(first: Number, second: Number, n: Number, difference: Number) -> Number:
    """Tango's statistic for the hypothesis that the true difference is D: standard normal if it is, falling with D.

        (b - c - n D) / sqrt(n (2 q + D (1 - D)))

    Here q is the likeliest probability, given D, that only the second candidate passes: the larger root of
    2 n q^2 + ((2 n - b + c) D - b - c) q - c D (1 - D) = 0.

    Args:
        first: pairs that only the first candidate passed (b); arrays of one shape, or all of them numbers.
        second: pairs that only the second passed (c).
        n: all pairs, above 0.
        difference: D, within -1..1.
    """
    a = 2 * n
    b = (a - first + second) * difference - first - second
    c = -second * difference * (1 - difference)
    q = (_not_negative(b * b - 4 * a * c) ** 0.5 - b) / (2 * a)
    variance = n * (2 * q + difference * (1 - difference))
    # Without any variance (no discordant pair and D = 0, or D = 1) the difference is 0 as well, up to rounding.
    score: Number = (first - second - n * difference) / (_not_negative(variance) + 1e-30) ** 0.5
    return score


def _not_negative(value: Number) -> Number:
    """The larger of a value and 0, where rounding may have left it a hair below; for numbers and arrays alike."""
    positive: Number = (value + abs(value)) / 2
    return positive


def bonett_price_interval(pairs: Pairs, confidence: float = 0.95) -> Interval:
    """Wald's interval of the difference of two paired proportions after adding a pair to each discordant count.

    D. G. Bonett, R. M. Price (2012), Adjusted Wald confidence interval for a difference of binomial proportions based
    on paired data, Journal of Educational and Behavioral Statistics 37:479-488. Simpler than Tango's.

    Raises:
        ValueError: a count is negative, or `confidence` not between 0 and 1.
    """
    _check(pairs)
    n = pairs.n + 2
    centre = (pairs.only_first - pairs.only_second) / n
    return _around(centre, math.sqrt(((pairs.discordant + 2) / n - centre**2) / n), confidence)


def mcnemar_exact(pairs: Pairs) -> float:
    """Two-sided p-value of no difference: the probability that discordant pairs fall at least as unevenly.

    Q. McNemar (1947), Note on the sampling error of the difference between correlated proportions or percentages,
    Psychometrika 12:153-157; by the binomial distribution. 1 without any discordant pair.

    Raises:
        ValueError: a count is negative.
    """
    _check(pairs)
    return min(1.0, 2 * binomial_cdf(min(pairs.only_first, pairs.only_second), pairs.discordant, 0.5))


def mcnemar_mid_p(pairs: Pairs) -> float:
    """McNemar's p-value with half the probability of the very split that was seen: less cautious than the exact one.

    M. W. Fagerland, S. Lydersen, P. Laake (2013), The McNemar test for binary matched-pairs data: mid-p and asymptotic
    are better than exact conditional, BMC Medical Research Methodology 13:91.

    Raises:
        ValueError: a count is negative.
    """
    _check(pairs)
    fewer = min(pairs.only_first, pairs.only_second)
    return min(1.0, sum(binomial_cdf(count, pairs.discordant, 0.5) for count in (fewer, fewer - 1)))


def clustered_difference(
    differences: ArrayLike, clusters: Collection[Hashable] | None = None, confidence: float = 0.95
) -> MeanDifference:
    """Mean of the cases' differences, where the cases of a cluster may go wrong together.

    The standard error is that of E. Miller (2024), Adding error bars to evals, arXiv:2411.00640, sections 2.2 and 4.2:
    the clustered one of the paired differences, times sqrt(G / (G - 1)) for G clusters.

    The interval and p are made as if there were two more clusters of the usual size, one better and one worse by the
    largest difference that any cluster shows (by 1 where none shows any). Where each case is a cluster of its own and
    was asked once, this is the interval of Bonett and Price (2012; see `bonett_price_interval`). So it keeps a width
    where all cases are ties, and in simulations (tests/stats/test_coverage.py) it covers at least 95 % from 20
    clusters on, be they unequal. The plain standard error covers 93 % there, even with quantiles of Student's t.

    Args:
        differences: per case, first minus second, each within -1..1.
        clusters: what each case belongs to, in the same order; None: each is a cluster of its own.
        confidence: two-sided, between 0 and 1.

    Raises:
        ValueError: there are no differences or not as many clusters, a difference is not within -1..1, or `confidence`
            is not between 0 and 1.
    """
    sums, sizes = _by_cluster(differences, clusters)
    difference, plain = _mean_and_error(sums, sizes)
    count = len(sums)
    error = plain * math.sqrt(count / (count - 1)) if count > 1 else 0.0
    centre, spread = _mean_and_error(*_with_two_more(sums, sizes))
    return MeanDifference(difference, error, _around(centre, spread, confidence), normal_two_sided(centre / spread))


def bootstrap_interval(
    differences: ArrayLike,
    clusters: Collection[Hashable] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Interval of the mean difference by drawing the clusters anew, with replacement: its percentiles.

    B. Efron, R. J. Tibshirani (1993), An introduction to the bootstrap, chapter 13. The two clusters that
    `clustered_difference` adds are drawn from as well.

    Args:
        differences: as for `clustered_difference`; so are the errors.
        clusters: likewise.
        confidence: two-sided, between 0 and 1.
        resamples: how often to draw.
        seed: the same one gives the same interval.
    """
    check_confidence(confidence)
    sums, sizes = _with_two_more(*_by_cluster(differences, clusters))
    count = len(sums)
    # Like clusters are drawn together: verdicts have few distinct differences.
    kinds, times = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    source = np.random.default_rng(seed)
    batch = max(1, _BATCH // len(kinds))
    means = np.empty(resamples)
    for start in range(0, resamples, batch):
        part = means[start : start + batch]
        drawn = source.multinomial(count, times / count, size=len(part)) @ kinds
        part[:] = drawn[:, 0] / drawn[:, 1]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def _by_cluster(differences: ArrayLike, clusters: Collection[Hashable] | None) -> tuple[Floats, Floats]:
    """The sum and the number of the differences in each cluster."""
    values = np.asarray(differences, dtype=np.float64)
    if not values.size:
        raise ValueError("a mean needs at least one difference")
    if not (np.abs(values) <= 1).all():
        raise ValueError("differences must be within -1..1")
    if clusters is None:
        return values, np.ones_like(values)
    if len(clusters) != values.size:
        raise ValueError(f"{values.size} differences need as many clusters, not {len(clusters)}")
    known: dict[Hashable, int] = {}
    places = [known.setdefault(cluster, len(known)) for cluster in clusters]
    return np.bincount(places, values).astype(np.float64), np.bincount(places).astype(np.float64)


def _with_two_more(sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    usual = sizes.mean()
    reach = usual * (np.abs(sums / sizes).max() or 1.0)
    return np.concatenate([sums, [reach, -reach]]), np.concatenate([sizes, [usual, usual]])


def _mean_and_error(sums: Floats, sizes: Floats) -> tuple[float, float]:
    total = sizes.sum()
    mean = sums.sum() / total
    return float(mean), math.sqrt(np.square(sums - mean * sizes).sum()) / float(total)


def _around(centre: float, error: float, confidence: float) -> Interval:
    half = two_sided_z(confidence) * error
    return Interval(max(-1.0, centre - half), min(1.0, centre + half))


def _check(pairs: Pairs) -> None:
    if min(pairs) < 0:
        raise ValueError(f"counts of pairs must not be negative: {pairs}")
