"""Sums, means and percentiles that know when they are unknown."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from evalkit.stats import Interval, quantile, wilson
from evalkit.stats.intervals import mean_interval

Groups: TypeAlias = Mapping[tuple[float, int], int]
"""Groups of values: how many groups there are of which sum and number of values."""

Ends: TypeAlias = tuple[float | None, float | None]
"""An interval's lower and upper end; None where there are too few values to give that end."""


class Mean(NamedTuple):
    """A mean of values within 0..1, with its 95 % interval."""

    value: float
    interval: Interval


def group_mean(groups: Groups) -> Mean | None:
    """The mean of values within 0..1, of which those of one group may depend on each other.

    The interval is Wilson's where each value is 0 or 1 and stands for itself, else as of
    `stats.clustered_mean_interval`.

    Returns:
        None where there is no value.
    """
    known = {(total, size): times for (total, size), times in groups.items() if size}
    count = sum(known.values())
    n = sum(size * times for (_, size), times in known.items())
    if not n:
        return None
    value = math.fsum(total * times for (total, _), times in known.items()) / n
    if all(size == 1 and total in {0, 1} for total, size in known):
        return Mean(value, wilson(sum(times for (total, _), times in known.items() if total), count))
    squares = math.fsum(times * (total - size * value) ** 2 for (total, size), times in known.items())
    return Mean(value, mean_interval(value, math.sqrt(squares) / n, count))


def percentiles(values: Sequence[float], *qs: float) -> tuple[float | None, ...]:
    """Sample quantiles; None each when there is no value."""
    ordered = sorted(values)
    return tuple(quantile(ordered, q) if ordered else None for q in qs)


class Total:
    """A sum that is unknown as soon as one part of it is: a part is not the whole."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._parts = 0
        self._unknown = False

    def add(self, part: float | None) -> None:
        """Add a part; None where unknown."""
        self._parts += 1
        if part is None:
            self._unknown = True
        else:
            self._sum += part

    def value(self) -> float | None:
        """The sum; None when a part is unknown or there is none."""
        return self._sum if self._parts and not self._unknown else None


class Share:
    """A ratio of two sums over the answers that report both."""

    def __init__(self) -> None:
        self._above = 0.0
        self._below = 0.0

    def add(self, above: float | None, below: float | None) -> None:
        """Add to both, or to neither where one is unknown."""
        if above is not None and below is not None:
            self._above += above
            self._below += below

    def value(self) -> float | None:
        """The ratio; None when the lower sum is 0."""
        return self._above / self._below if self._below else None


class CaseMean:
    """The mean of values within 0..1, of which those of one case (or source) may depend on each other.

    Takes three numbers of memory, and two more per case where trials repeat or cases share sources.

    Args:
        cases: how many there are.
        trials: how often each is asked at most.
        shared: whether cases share sources.
    """

    def __init__(self, cases: int, trials: int, *, shared: bool = False) -> None:
        self.n = 0
        self._mean = 0.0
        self._squares = 0.0
        clusters = cases if trials > 1 or shared else 0
        self._sums, self._times = array("d", bytes(8 * clusters)), array("I", bytes(4 * clusters))

    def add(self, unit: int, value: float) -> None:
        """Add a value, of the case (or source) of this number."""
        self.n += 1
        # As B. P. Welford (1962), Technometrics 4, 419-420: where all values are alike their spread comes out as 0.
        off = value - self._mean
        self._mean += off / self.n
        self._squares += off * (value - self._mean)
        if self._times:
            self._sums[unit] += value
            self._times[unit] += 1

    def value(self) -> float | None:
        """The mean; None where there is no value."""
        return self._mean if self.n else None

    def interval(self) -> Interval | None:
        """Its 95 % interval, as of `stats.clustered_mean_interval`; None where there is no value."""
        if not self.n:
            return None
        return mean_interval(self._mean, math.sqrt(self._squared_residuals()) / self.n, self._clusters())

    def mean(self) -> Mean | None:
        """Both; None where there is no value."""
        interval = self.interval()
        return Mean(self._mean, interval) if interval else None

    def _squared_residuals(self) -> float:
        if not self._times:
            return self._squares
        return math.fsum(
            (total - times * self._mean) ** 2 for total, times in zip(self._sums, self._times, strict=True)
        )

    def _clusters(self) -> int:
        return sum(map(bool, self._times)) or self.n
