"""Cascades: a cheap candidate answers first, and a strong one where the answer looks doubtful. Needs numpy.

Signals and thresholds are chosen on one half of the cases and tried on the other, and the other way round, for several
splits into halves; a case's part in a figure is what became of it while it was held out. So the figures are those of
choosing this way, not of the choice that happens to look best on these cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.cascade.data import Answers, Floats, Ints, Pair, Portfolio, pair_agreement, pair_calls
from evalkit.analysis.cascade.signals import DISAGREES, LONG, SHORT, UNSURE
from evalkit.analysis.cascade.worth import Worth, oracle, worth

SPLITS: Final = 10
SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of answers to be escalated: each gives a threshold of a signal that has many values."""
MARGIN: Final = 0.02
ERRORS_ONLY: Final = "errors only"
_FEW: Final = 12
"""A signal with at most so many values takes each of them for a threshold."""


class Aim(StrEnum):
    """What a rule is chosen for, on the cases that are not held out."""

    CLOSE = "close"
    """The cheapest rule whose pass rate is at most a margin below the strong candidate's; else the best pass rate."""
    GAIN = "gain"
    """The rule that lies furthest above picking a candidate by lot at the same cost."""


class Rule(NamedTuple):
    """When to escalate: where a signal is among the `share` of its largest values, or is at least `least`.

    An error, of which no signal is known, and an answer without it are always escalated.
    """

    signal: str
    share: float | None = None
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule, its threshold by all cases, and what it was worth on cases that were held out."""

    rule: Rule
    threshold: float | None
    held_out: Worth


@dataclass(frozen=True, slots=True)
class Choice:
    """The rule that an aim chooses by all cases, and what choosing on one half is worth on the other."""

    aim: Aim
    trial: Trial
    held_out: Worth


@dataclass(frozen=True, slots=True)
class Cascade:
    """A pair of candidates, and every way of escalating from one to the other.

    Attributes:
        pair: the two.
        cases: how many it rests on; each is held out once per split.
        cheap, strong: what always asking one of them is worth.
        oracle: what perfect routing would be: a bound, not a policy.
        choices: one per aim.
        trials: every rule by itself. To pick the best of them is to choose again: that is what `choices` are for.
    """

    pair: Pair
    cases: int
    cheap: Worth
    strong: Worth
    oracle: Worth
    choices: tuple[Choice, ...]
    trials: tuple[Trial, ...]

    @property
    def by_agreement(self) -> bool:
        """Whether the cheap one is asked as often as there are trials."""
        return DISAGREES in self.pair.signals


def cascades(of: Portfolio, pairs: Sequence[tuple[Answers, Answers]], *, margin: float, seed: int) -> list[Cascade]:
    """Try every cascade of each pair.

    Args:
        of: the run's answers.
        pairs: a cheap candidate and a strong one each.
        margin: how far below the strong one's pass rate a rule may be to be chosen for its cost, 0..1.
        seed: of the splits.

    Returns:
        One per pair, in their order, and one more where the cheap one's trials can be held against each other; pairs
        without two common cases are left out.
    """
    kinds = (kind(of, cheap, strong) for cheap, strong in pairs for kind in (pair_calls, pair_agreement))
    return [_cascade(pair, margin, seed) for pair in kinds if pair is not None and pair.sources > 1]


def _cascade(pair: Pair, margin: float, seed: int) -> Cascade:
    n = len(pair.groups)
    rules = _rules(pair)
    splits = list(halves(pair.groups, pair.tags, seed))
    tried = np.zeros((len(rules), n))
    picked = {aim: np.zeros(n) for aim in Aim}
    for test in (side for half in splits for side in (half, ~half)):
        escalate = np.stack([_escalate(pair, rule, ~test)[0] for rule in rules])
        tried[:, test] += escalate[:, test]
        for aim, sums in picked.items():
            sums[test] += escalate[choose(pair, escalate, ~test, aim, margin), test]
    everything = np.ones(n, dtype=np.bool_)
    final = [_escalate(pair, rule, everything) for rule in rules]
    trials = tuple(
        Trial(rule, threshold, worth(pair, times / len(splits)))
        for rule, (_, threshold), times in zip(rules, final, tried, strict=True)
    )
    now = np.stack([escalate for escalate, _ in final])
    return Cascade(
        pair,
        pair.cases,
        cheap=worth(pair, np.zeros(n)),
        strong=worth(pair, np.ones(n), routed=True),
        oracle=worth(pair, oracle(pair), routed=True),
        choices=tuple(
            Choice(aim, trials[choose(pair, now, everything, aim, margin)], worth(pair, sums / len(splits)))
            for aim, sums in picked.items()
        ),
        trials=trials,
    )


def _rules(pair: Pair) -> list[Rule]:
    """Every rule that a pair's signals give; those that never vary give none."""
    rules = [Rule(ERRORS_ONLY)]
    for name, column in pair.signals.items():
        values = np.unique(column[~np.isnan(column)])
        if len(values) < 2:
            continue
        if len(values) <= _FEW:
            rules += [Rule(name, least=float(value)) for value in values[1:]]
        else:
            rules += [Rule(name, share=share) for share in SHARES]
    return rules


def _escalate(pair: Pair, rule: Rule, train: NDArray[np.bool_]) -> tuple[Floats, float | None]:
    """Which units a rule escalates, its threshold taken from some of them; and that threshold."""
    if rule.signal == ERRORS_ONLY:
        return pair.failed.astype(np.float64), None
    column = pair.signals[rule.signal]
    threshold = rule.least
    if rule.share is not None:
        known = column[train & ~np.isnan(column)]
        threshold = float(np.quantile(known, 1 - rule.share, method="higher")) if known.size else None
    if threshold is None:
        return np.ones(len(column)), None
    return (np.isnan(column) | (column >= threshold)).astype(np.float64), threshold


def choose(pair: Pair, escalate: Floats, train: NDArray[np.bool_], aim: Aim, margin: float) -> int:
    """Choose a rule by some of the units. Without costs, the calls to the strong candidate count instead.

    Args:
        pair: the two candidates.
        escalate: what each rule escalates, shape (rules, units).
        train: the units to choose by.
        aim: what for.
        margin: of Aim.CLOSE.

    Returns:
        The number of the rule.
    """
    cheap, strong = pair.passed[:, train]
    rates = (cheap + escalate[:, train] * (strong - cheap)).mean(axis=1)
    usd = pair.usd[:, train] if pair.priced else np.stack([np.zeros_like(cheap), np.ones_like(cheap)])
    costs = (usd[0] + escalate[:, train] * usd[1]).mean(axis=1)
    if aim is Aim.GAIN:
        low, high = usd.mean(axis=1)
        share = np.clip((costs - low) / (high - low), 0, 1) if high > low else np.zeros_like(costs)
        return int(np.argmax(rates - share * (strong.mean() - cheap.mean())))
    good = rates >= strong.mean() - margin
    if good.any():
        return int(np.flatnonzero(good)[np.argmin(costs[good])])
    return int(np.lexsort((costs, -rates))[0])


def halves(
    groups: Ints, tags: Sequence[tuple[str, ...]], seed: int, splits: int = SPLITS
) -> Iterator[NDArray[np.bool_]]:
    """Split units into halves at random, as often as asked; each group stays together, each kind of tags is halved."""
    for fold in folds(groups, tags, 2, seed, splits):
        yield fold == 0


def folds(groups: Ints, tags: Sequence[tuple[str, ...]], count: int, seed: int, splits: int) -> Iterator[Ints]:
    """Deal units into so many parts at random, each group as a whole, those of the same tags evenly."""
    rng = np.random.default_rng(seed)
    numbers, first, index = np.unique(groups, return_index=True, return_inverse=True)
    strata = {kind: place for place, kind in enumerate(sorted({tags[at] for at in first}))}
    stratum = np.array([strata[tags[at]] for at in first])
    for _ in range(splits):
        order = np.lexsort((rng.random(len(numbers)), stratum))
        part = np.empty(len(numbers), dtype=np.int64)
        part[order] = (np.arange(len(numbers)) + rng.integers(count)) % count
        yield part[index]


def says(rule: Rule, threshold: float | None) -> str:
    """A rule in words."""
    if rule.signal == ERRORS_ONLY:
        return "errors of the cheap one, and nothing else"
    if threshold is None or (rule.least == 1.0 and rule.signal not in {LONG, SHORT, UNSURE}):
        return rule.signal
    if rule.signal in {LONG, SHORT}:
        return f"answer of {abs(threshold):.0f} characters or {'more' if rule.signal == LONG else 'fewer'}"
    if rule.signal == UNSURE:
        return f"mean logprob {-threshold:.3g} or lower"
    return f"{rule.signal}: {threshold:.3g} or more"
