"""Routing by tag: each kind of case goes to the candidate that does for it. Needs numpy: import it lazily.

For each kind the candidate is chosen on four fifths of the cases and tried on the rest, for several splits into fifths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.cascade.cascades import folds
from evalkit.analysis.cascade.data import Answers, Floats, Ints, Portfolio
from evalkit.analysis.cascade.worth import mean_of, mean_usd, weighted_p95
from evalkit.analysis.cost.monthly import Figure
from evalkit.stats import Interval
from evalkit.stats.paired import clustered_difference

FOLDS: Final = 5
SPLITS: Final = 4
LEAST: Final = 10
"""Cases of a kind, at least, from which a candidate is chosen for it; fewer go to the one chosen for all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way of routing comes to, with 95 % intervals by case. Costs and times are None where unknown."""

    rate: float
    interval: Interval
    usd_per_1k: Figure | None
    p95_ms: Figure | None


@dataclass(frozen=True, slots=True)
class Routing:
    """Routing by tag against one candidate for all.

    Attributes:
        cases: how many groups of cases it rests on.
        routes: which candidate each kind of case goes to, chosen by all cases; kinds too small to say are left out.
        default: the one that all other cases go to.
        by_tag: held out.
        single: one candidate for all, chosen in the same way; held out.
        over_single: the difference of their pass rates.
        oracle: the cheapest candidate that passes, case by case: a bound, not a policy.
    """

    cases: int
    routes: Mapping[tuple[str, ...], Answers]
    default: Answers
    by_tag: Outcome
    single: Outcome
    over_single: Figure
    oracle: Outcome


@dataclass(frozen=True, slots=True)
class _Table:
    """All candidates on the calls that all of them finished; shapes (candidates, units) and (units,)."""

    passed: Floats
    usd: Floats
    latency_ms: Floats
    groups: Ints
    kinds: Sequence[tuple[str, ...]]

    @property
    def priced(self) -> bool:
        return not bool(np.isnan(self.usd).any())


def route_by_tag(of: Portfolio, *, margin: float, seed: int) -> Routing | None:
    """Choose a candidate for each kind of case: the cheapest within a margin of the best pass rate at that kind.

    Where costs are unknown, the one that passes most often.

    Args:
        of: the run's answers.
        margin: how far below the best pass rate a candidate may be to be chosen for its cost, 0..1.
        seed: of the splits.

    Returns:
        None where there are not two candidates and two kinds of LEAST cases each.
    """
    kinds = _kinds(of.tags)
    if len(of.answers) < 2 or kinds is None:
        return None
    done = np.flatnonzero(~np.isnan(np.stack([one.passed for one in of.answers])).any(axis=0))
    table = _Table(
        np.stack([one.passed[done] for one in of.answers]),
        np.stack([one.usd[done] for one in of.answers]),
        np.stack([one.latency_ms[done] for one in of.answers]),
        of.groups[done % of.cases],
        [kinds[unit] for unit in done % of.cases],
    )
    cases = len(np.unique(table.groups))
    if cases < 2 * LEAST:
        return None
    routed, single = _held_out(table, margin, seed)
    routes, default = _routes(table, np.ones(len(done), dtype=np.bool_), margin)
    gain = clustered_difference(((routed - single) * table.passed).sum(axis=0).clip(-1, 1), table.groups.tolist())
    return Routing(
        cases,
        {kind: of.answers[place] for kind, place in sorted(routes.items())},
        of.answers[default],
        _outcome(table, routed),
        _outcome(table, single),
        Figure(gain.difference, gain.interval.low, gain.interval.high),
        _outcome(table, _oracle(table)),
    )


def _kinds(tags: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]] | None:
    """What tells cases apart: all their tags, or just the first, whichever leaves at least two kinds to choose for."""
    for kinds in (list(tags), [of[:1] for of in tags]):
        if sum(n >= LEAST for n in Counter(kinds).values()) > 1:
            return kinds
    return None


def _held_out(table: _Table, margin: float, seed: int) -> tuple[Floats, Floats]:
    """How often each candidate answers each unit while that is held out: routed by tag, and one for all."""
    routed, single = np.zeros_like(table.passed), np.zeros_like(table.passed)
    for fold in folds(table.groups, table.kinds, FOLDS, seed, SPLITS):
        for part in range(FOLDS):
            routes, default = _routes(table, fold != part, margin)
            test = np.flatnonzero(fold == part)
            single[default, test] += 1 / SPLITS
            chosen = np.array([routes.get(table.kinds[int(unit)], default) for unit in test], dtype=np.int64)
            routed[chosen, test] += 1 / SPLITS
    return routed, single


def _routes(table: _Table, train: NDArray[np.bool_], margin: float) -> tuple[dict[tuple[str, ...], int], int]:
    """The candidate for every kind that has cases enough, and the one for all others."""
    units: dict[tuple[str, ...], list[int]] = {}
    for unit in np.flatnonzero(train):
        units.setdefault(table.kinds[int(unit)], []).append(int(unit))
    routes = {
        kind: _best(table, of, margin)
        for kind, of in units.items()
        if len(np.unique(table.groups[of])) >= LEAST * (FOLDS - 1) // FOLDS
    }
    return routes, _best(table, np.flatnonzero(train).tolist(), margin)


def _best(table: _Table, units: Sequence[int], margin: float) -> int:
    rates = table.passed[:, units].mean(axis=1)
    if not table.priced:
        return int(np.argmax(rates))
    costs = np.where(rates >= rates.max() - margin, table.usd[:, units].mean(axis=1), np.inf)
    return int(np.argmin(costs))


def _oracle(table: _Table) -> Floats:
    """The cheapest candidate among those that pass each unit best."""
    best = table.passed >= table.passed.max(axis=0)
    cost = table.usd if table.priced else np.zeros_like(table.usd)
    chosen = np.argmin(np.where(best, cost, np.inf), axis=0)
    asked = np.zeros_like(table.passed)
    asked[chosen, np.arange(len(chosen))] = 1.0
    return asked


def _outcome(table: _Table, asked: Floats) -> Outcome:
    rate, interval = mean_of((asked * table.passed).sum(axis=0).clip(0, 1), table.groups)
    usd = mean_usd((asked * table.usd).sum(axis=0), table.groups) if table.priced else None
    timed = (asked > 0) & ~np.isnan(table.latency_ms)
    p95 = weighted_p95(table.latency_ms[timed], asked[timed]) if timed.any() else None
    return Outcome(rate, interval, usd and usd.times(1000), p95)
