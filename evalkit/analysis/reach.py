"""What a suite of this size can show, and what more cases or trials would. Needs numpy: import this module lazily."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from evalkit.analysis.differences import Comparison, Reach, Standing
from evalkit.analysis.paired import Difference
from evalkit.analysis.results import RunResults
from evalkit.stats.power import (
    cases_needed,
    cases_needed_for_mean,
    detectable_difference,
    detectable_mean_difference,
    variance_parts,
)

_ENOUGH_CASES, _ENOUGH_DISAGREEMENTS = 20, 5
"""Fewer say nothing dependable about what other cases would show."""
_TRIALS = 3
"""Trials to think of where each case was asked once; twice as many as there are where it was asked several times."""
_MORE = 4
"""So many times the cases show about half the difference."""


class _Scale(NamedTuple):
    """How size and detectable difference hang together for two candidates.

    Attributes:
        shown: by how many times the cases there are, the difference that they show.
        needed: by a difference, the cases that show it.
    """

    shown: Callable[[float], float]
    needed: Callable[[float], int]


class _Worth(NamedTuple):
    """How many times the cases there are some trials would be worth; at best, where nothing tells."""

    cases: float
    at_best: bool


def reach_of(pair: Comparison, difference: Difference, results: RunResults) -> Reach | None:
    """Work out what can be shown by how much two candidates disagree.

    Args:
        pair: the two.
        difference: the same, with what `pair` leaves out.
        results: of the run.

    Returns:
        None where it would be a guess.
    """
    independent = pair.cases if results.clusters is None else len(set(results.clusters))
    disagree = pair.passes.better + pair.passes.worse
    if independent < _ENOUGH_CASES or disagree < _ENOUGH_DISAGREEMENTS:
        return None
    scale = _scale(pair.cases, disagree, difference)
    trials, worth = _more_trials(pair, results)
    seen = abs(pair.passes.difference)
    needed = scale.needed(seen) if seen and pair.passes.standing is Standing.EVEN else 0
    return Reach(
        first=pair.first,
        second=pair.second,
        cases=pair.cases,
        disagree=disagree,
        detectable=scale.shown(1),
        trials=trials,
        with_trials=scale.shown(worth.cases),
        at_best=worth.at_best,
        more_cases=_MORE * pair.cases,
        with_more_cases=scale.shown(_MORE),
        cases_to_settle=needed if needed > pair.cases else None,
    )


def _scale(cases: int, disagree: int, difference: Difference) -> _Scale:
    if difference.pairs:
        discordance = disagree / cases
        return _Scale(
            lambda times: detectable_difference(round(cases * times), discordance),
            lambda wanted: cases_needed(wanted, discordance),
        )
    variance = difference.error**2 * cases  # where cases share sources, this has their dependence in it
    return _Scale(
        lambda times: detectable_mean_difference(cases, variance / times),
        lambda wanted: cases_needed_for_mean(wanted, variance),
    )


def _more_trials(pair: Comparison, results: RunResults) -> tuple[int, _Worth]:
    """So many trials, and how many times the cases they would be worth."""
    first, second = results.of(pair.first), results.of(pair.second)
    now = max(first.finished)
    parts = variance_parts(first.passed, first.finished, second.passed, second.finished) if now > 1 else None
    if parts and (after := parts.after(2 * now)):
        return 2 * now, _Worth(parts.after(now) / after, at_best=False)
    # Single trials do not tell what is chance. If all of it were, trials would be worth as much as cases.
    return _TRIALS * now, _Worth(_TRIALS, at_best=True)
