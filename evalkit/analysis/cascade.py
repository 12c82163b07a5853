"""Cascades: a cheap candidate answers first, and a strong one where the answer looks doubtful. Needs numpy.

Signals and thresholds are chosen on one half of the cases and tried on the other, and the other way round, for several
splits into halves; a case's part in a figure is what became of it while it was held out. So the figures are those of
choosing this way, not of the choice that happens to look best on these cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.cascade_data import Answers, Floats, Ints, Pair, Portfolio, pair_agreement, pair_calls
from evalkit.analysis.cascade_signals import LONG, SHORT, UNSURE
from evalkit.analysis.cascade_worth import Worth, oracle, worth

SPLITS: Final = 10
SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of answers to be escalated: each gives a threshold of a signal that has many values."""
MARGIN: Final = 0.02
ERRORS_ONLY: Final = "errors only"
_FEW: Final = 12
"""A signal with at most so many values takes each of them for a threshold."""


class Rule(NamedTuple):
    """When to escalate: where a signal is among the `share` of its largest values, or is at least `least`.

    An error, and an answer of which the signal is not known, are always escalated.
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
class Cascade:
    """A pair of candidates, and every way of escalating from one to the other.

    Attributes:
        pair: the two.
        cases: how many groups of cases it rests on; each is held out once per split.
        cheap, strong: what always asking one of them is worth.
        oracle: what perfect routing would be: a bound, not a policy.
        chosen: the rule chosen by all cases; None where no signal varies.
        held_out: what choosing a rule on one half is worth on the other.
        trials: every rule by itself.
    """

    pair: Pair
    cases: int
    cheap: Worth
    strong: Worth
    oracle: Worth
    chosen: Trial | None
    held_out: Worth | None
    trials: tuple[Trial, ...]


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
    found: list[Cascade] = []
    for cheap, strong in pairs:
        for pair in (pair_calls(of, cheap, strong), pair_agreement(of, cheap, strong)):
            if pair is not None and pair.cases > 1:
                found.append(_cascade(pair, margin, seed))
    return found


def ordered_pairs(of: Portfolio) -> list[tuple[Answers, Answers]]:
    """Every pair in which the first is the cheaper; where costs are unknown, the one that passes less often."""
    known = not any(np.isnan(one.usd_per_call) for one in of.answers)
    key = [(one.usd_per_call, one.rate) if known else (one.rate,) for one in of.answers]
    order = sorted(range(len(key)), key=lambda index: key[index])
    return [(of.answers[i], of.answers[j]) for at, i in enumerate(order) for j in order[at + 1 :] if key[i] < key[j]]


def _cascade(pair: Pair, margin: float, seed: int) -> Cascade:
    n = len(pair.groups)
    rules = _rules(pair)
    splits = list(halves(pair.groups, pair.tags, seed))
    everything = np.ones(n, dtype=np.bool_)
    tried = np.zeros((len(rules), n))
    picked = np.zeros(n)
    for held_out in splits:
        for test in (held_out, ~held_out):
            escalate = np.stack([_escalate(pair, rule, ~test)[0] for rule in rules])
            best = choose(pair, escalate, ~test, margin)
            tried[:, test] += escalate[:, test] / len(splits)
            picked[test] += escalate[best, test] / len(splits)
    final = [_escalate(pair, rule, everything) for rule in rules]
    trials = tuple(
        Trial(rule, threshold, worth(pair, share))
        for rule, (_, threshold), share in zip(rules, final, tried, strict=True)
    )
    best = choose(pair, np.stack([escalate for escalate, _ in final]), everything, margin)
    return Cascade(
        pair,
        pair.cases,
        cheap=worth(pair, np.zeros(n)),
        strong=worth(pair, np.ones(n), routed=True),
        oracle=worth(pair, oracle(pair), routed=True),
        chosen=trials[best],
        held_out=worth(pair, picked),
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
    return (pair.failed | np.isnan(column) | (column >= threshold)).astype(np.float64), threshold


def choose(pair: Pair, escalate: Floats, train: NDArray[np.bool_], margin: float) -> int:
    """Choose a rule by some of the units: the cheapest whose pass rate is at most `margin` below the strong one's.

    If none comes that close, the one with the best pass rate. Without costs, the fewest calls to the strong one.
    """
    cheap, strong = pair.passed[:, train]
    rates = (cheap + escalate[:, train] * (strong - cheap)).mean(axis=1)
    costs = (pair.usd[0] + escalate * pair.usd[1] if pair.priced else escalate)[:, train].mean(axis=1)
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
        return "only where the cheap one meets an error"
    if threshold is None or (rule.least == 1.0 and rule.signal not in {LONG, SHORT, UNSURE}):
        return rule.signal
    if rule.signal in {LONG, SHORT}:
        return f"answer of {abs(threshold):.0f} characters or {'more' if rule.signal == LONG else 'fewer'}"
    if rule.signal == UNSURE:
        return f"mean logprob {-threshold:.3g} or lower"
    return f"{rule.signal}: {threshold:.3g} or more"
