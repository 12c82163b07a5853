"""What a way of sharing calls among candidates is worth: pass rate, cost, time; and against chance. Needs numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evalkit.analysis.cascade.data import Floats, Ints, Pair
from evalkit.analysis.cost.monthly import Figure
from evalkit.analysis.cost.usage import ratio, student
from evalkit.stats import Interval
from evalkit.stats.intervals import mean_interval
from evalkit.stats.paired import clustered_difference
from evalkit.stats.quantiles import quantile_interval


@dataclass(frozen=True, slots=True)
class Worth:
    """What a policy comes to. Intervals are at 95 %, by case.

    Attributes:
        escalated: the share of calls that the strong candidate answers, 0..1.
        rate: the pass rate, 0..1.
        interval: of the rate.
        usd_per_1k: what a thousand calls cost; None where unknown.
        p95_ms: of the whole time until the answer; None without times.
        over_strong: the pass rate minus that of always asking the strong one.
        saving: the part of the strong one's cost that is saved, negative where it costs more; None where unknown.
        over_chance: the pass rate minus that of picking a candidate by lot for each call, at the same cost; or, where
            costs are unknown, minus that of escalating as many calls by lot. None where it cannot be told, as the two
            cost the same.
    """

    escalated: float
    rate: float
    interval: Interval
    usd_per_1k: Figure | None
    p95_ms: Figure | None
    over_strong: Figure
    saving: Figure | None
    over_chance: Figure | None


def worth(pair: Pair, escalate: Floats, *, routed: bool = False) -> Worth:
    """Work out what a cascade is worth.

    Args:
        pair: the two candidates.
        escalate: per unit, how often the strong one answers, 0..1.
        routed: whether it is known beforehand, so that the cheap one is not asked for nothing.
    """
    passed = pair.passed[0] + escalate * (pair.passed[1] - pair.passed[0])
    usd = pair.usd[0] * ((1 - escalate) if routed else 1.0) + escalate * pair.usd[1]
    rate, interval = mean_of(passed, pair.groups)
    return Worth(
        escalated=float(escalate.mean()),
        rate=rate,
        interval=interval,
        usd_per_1k=_per_1k(usd, pair) if pair.priced else None,
        p95_ms=_p95(pair, escalate, routed=routed),
        over_strong=_mean_difference(passed - pair.passed[1], pair.groups),
        saving=_saving(usd, pair) if pair.priced else None,
        over_chance=_over_chance(pair, passed, usd, escalate),
    )


def mean_of(values: Floats, groups: Ints) -> tuple[float, Interval]:
    """The mean of values of 0..1, with its interval by group."""
    sums, sizes = by_group(values, groups), by_group(np.ones_like(values), groups)
    mean = float(values.mean())
    error = math.sqrt(float(np.square(sums - mean * sizes).sum())) / len(values)
    return mean, mean_interval(mean, error, len(sums))


def by_group(values: Floats, groups: Ints) -> Floats:
    """The sum of the values of each group, in the order of its number."""
    _, index = np.unique(groups, return_inverse=True)
    return np.bincount(index, weights=values).astype(np.float64)


def _mean_difference(values: Floats, groups: Ints) -> Figure:
    found = clustered_difference(values.clip(-1, 1), groups.tolist())
    return Figure(found.difference, found.interval.low, found.interval.high)


def _mean(values: Floats, groups: Ints) -> Figure:
    """The mean of values that may lie anywhere, with Student's interval by group; two groups at least."""
    sums, sizes = by_group(values, groups), by_group(np.ones_like(values), groups)
    mean, count = float(values.mean()), len(sums)
    squares = float(np.square(sums - mean * sizes).sum()) * count / (count - 1)
    half = student(0.95, count - 1) * math.sqrt(squares) / len(values)
    return Figure(mean, mean - half, mean + half)


def mean_usd(usd: Floats, groups: Ints) -> Figure | None:
    """The mean cost of a call, with its interval by group."""
    return ratio(by_group(usd, groups).tolist(), by_group(np.ones_like(usd), groups).tolist())


def _per_1k(usd: Floats, pair: Pair) -> Figure | None:
    each = mean_usd(usd, pair.groups)
    return each and each.times(1000)


def _saving(usd: Floats, pair: Pair) -> Figure | None:
    part = ratio(by_group(usd, pair.groups).tolist(), by_group(pair.usd[1], pair.groups).tolist())
    if part is None:
        return None
    ends = [None if end is None else 1 - end for end in (part.high, part.low)]
    return Figure(1 - part.value, ends[0], ends[1])


def _p95(pair: Pair, escalate: Floats, *, routed: bool) -> Figure | None:
    """p95 of the time until the answer; a unit that is escalated every other time counts half with either time."""
    first, second = pair.latency_ms
    times = np.concatenate([first, second if routed else first + second])
    weights = np.concatenate([1 - escalate, escalate])
    known = ~np.isnan(times) & (weights > 0)
    if not known.any():
        return None
    return weighted_p95(times[known], weights[known])


def weighted_p95(times: Floats, weights: Floats) -> Figure:
    """p95 of weighted values: its value and order-statistic interval are those of as many values as the weights say."""
    order = np.argsort(times)
    reached = np.cumsum(weights[order])
    n = max(1, round(float(reached[-1])))
    # One value for each unit of weight, taken from its middle: the sample that the weights stand for.
    middles = (np.arange(n) + 0.5) * float(reached[-1]) / n
    sample = times[order][np.searchsorted(reached, middles)]
    low, high = quantile_interval(sample.tolist(), 0.95)
    return Figure(float(np.quantile(sample, 0.95)), low, high)


def _over_chance(pair: Pair, passed: Floats, usd: Floats, escalate: Floats) -> Figure | None:
    """How far a policy lies above the straight line between its two candidates, in pass rate over cost.

    Whoever picks one of them by lot for each call gets to any point of that line. With w the share of the way from the
    cheap one's cost to the strong one's at which the policy's cost lies, the gain is P - Pc - w (Ps - Pc); its error is
    that of the mean of each case's part in it (delta method), for w hangs on the cases as well. A policy that costs
    more than the strong one is held against the strong one.
    """
    costs = (
        np.stack([pair.usd[0], pair.usd[1], usd])
        if pair.priced
        else np.stack([0 * escalate, 0 * escalate + 1, escalate])
    )
    cheap, strong, own = costs.mean(axis=1)
    if strong <= cheap:
        return None
    share = (own - cheap) / (strong - cheap)
    gain = passed - pair.passed[0] - share * (pair.passed[1] - pair.passed[0])
    drift = (costs[2] - costs[0] - share * (costs[1] - costs[0])) / (strong - cheap)
    if share >= 1:
        return _mean_difference(passed - pair.passed[1], pair.groups)
    return _mean(gain - (pair.passed[1] - pair.passed[0]).mean() * drift, pair.groups)


def oracle(pair: Pair) -> Floats:
    """Whom perfect routing asks: the strong one where it alone passes."""
    return np.where(pair.passed[1] > pair.passed[0], 1.0, 0.0)
