"""Intervals of latency percentiles, which know that answers to the same case may be alike."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from evalkit.analysis.figures import Ends
from evalkit.stats import quantile
from evalkit.stats.quantiles import quantile_interval

_CONFIDENCE = 0.95
_ROUNDING = 1e-9
_EACH_OF_TWO = 0.975
"""Two intervals of this confidence both hold at least 95 % of the time."""


def percentile_intervals(values: Sequence[float], cases: Sequence[int] | None = None) -> dict[str, Ends]:
    """The 95 % intervals of p50, p90, p95 and p99, by these names; empty where there is no value.

    Args:
        values: in any order.
        cases: the number of the case that each one belongs to; None: each belongs to another one.
    """
    return {f"p{q}": _interval(values, q / 100, cases, _CONFIDENCE) for q in (50, 90, 95, 99)} if values else {}


def tail_interval(values: Sequence[float], cases: Sequence[int] | None = None) -> Ends:
    """An interval of p95 / p50 that covers it at least 95 % of the time; arguments as of `percentile_intervals`."""
    if not values:
        return None, None
    (low, high), (slow_low, slow_high) = (_interval(values, q, cases, _EACH_OF_TWO) for q in (0.5, 0.95))
    return (
        slow_low / high if slow_low is not None and high else None,
        slow_high / low if slow_high is not None and low else None,
    )


def _interval(values: Sequence[float], q: float, cases: Sequence[int] | None, confidence: float) -> Ends:
    """The order-statistic interval, with the ranks that fewer independent values would give where cases repeat.

    R. S. Woodruff (1952), Confidence intervals for medians and other position measures, JASA 47:635-646: the share of
    values up to the quantile is as certain as that of so many independent ones.
    """
    ordered = sorted(values)
    if cases is None:
        return quantile_interval(ordered, q, confidence)
    n = len(ordered)
    effect = _design_effect(values, quantile(ordered, q), cases)
    independent = max(1, math.floor(n / effect + _ROUNDING))
    low, high = quantile_interval(range(1, independent + 1), q, confidence)
    # Rank r of so many stands for as many values of all as there are more of these.
    return (
        None if low is None else ordered[math.floor((low - 1) * n / independent)],
        None if high is None else ordered[math.ceil(high * n / independent) - 1],
    )


def _design_effect(values: Sequence[float], bound: float, cases: Sequence[int]) -> float:
    """How many times the variance of the share of values up to a bound is that of as many independent values.

    Where all values are up to the bound nothing tells, and those of a case count as one.
    """
    below: defaultdict[int, int] = defaultdict(int)
    sizes: defaultdict[int, int] = defaultdict(int)
    for value, case in zip(values, cases, strict=True):
        sizes[case] += 1
        below[case] += value <= bound
    n = len(values)
    share = sum(below.values()) / n
    single = n * share * (1 - share)
    clustered = math.fsum((below[case] - size * share) ** 2 for case, size in sizes.items())
    return max(1.0, clustered / single) if single else n / len(sizes)
