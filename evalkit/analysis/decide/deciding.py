"""Decide which of a run's candidates to take, and what would change the answer."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from evalkit.analysis.cost.usage import run_uses
from evalkit.analysis.decide.choosing import COST, Choice, Field, front_of
from evalkit.analysis.decide.decision import Change, Decision, Figure, Judgement, Option
from evalkit.analysis.decide.requirements import Entrant, entrants_of, judge, rounded
from evalkit.analysis.one_pass import Analysis
from evalkit.analysis.results import RunResults
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.analysis.summary import RunSummary
from evalkit.errors import Location
from evalkit.runner.manifest import MANIFEST
from evalkit.suite.decide_block import read_rules
from evalkit.suite.decide_rules import Bound, DecideRules, OneOf, Requirement

_STEPS: Final = 80
_PER_DOUBLING: Final = 8
"""Steps in which traffic grows, or falls, in search of another answer. One more server of one's own is a jump in its
cost, so that an answer may hold for a narrow range of traffic only."""
_HALVINGS: Final = 12


def decide_run(run: RunData, summary: RunSummary, results: RunResults | None) -> Decision | None:
    """Choose among the candidates of a run by its own rules.

    Args:
        run: the run; it is read once more, for what requests cost, where rules are stated.
        summary: its figures.
        results: what came of its cases; needed where there are several candidates.

    Returns:
        The decision by the run's rules. Without any it is by the default rules, and None unless there are several
        candidates and the cost of each is known: nobody could say which one is the cheapest.

    Raises:
        ConfigError: a row of the run is damaged, or its rules cannot be used.
    """
    stated = _stated(run)
    if stated is not None:
        return decide(entrants_of(summary, run_uses(run)), results, stated)
    entrants = entrants_of(summary)
    if len(entrants) < 2 or any(one.value(COST) is None for one in entrants):
        return None
    return decide(entrants, results, DecideRules(), stated=False)


def decided(run: RunData, rules: DecideRules) -> Decision:
    """Choose among the candidates of a run by these rules.

    Raises:
        ConfigError: a row of the run is damaged.
    """
    analysis = Analysis(run)
    deque(analysis.rows(), maxlen=0)
    return decide(entrants_of(analysis.summary(), run_uses(run)), analysis.results, rules)


def _stated(run: RunData) -> DecideRules | None:
    block = run.manifest.decide
    return read_rules(block, lambda path, *, key=False: Location(run.folder / MANIFEST)) if block else None  # noqa: ARG005


def decide(
    entrants: Sequence[Entrant], results: RunResults | None, rules: DecideRules, *, stated: bool = True
) -> Decision:
    """Choose a candidate.

    Args:
        entrants: the candidates, in the run's order.
        results: what came of each of their cases; needed where there are several.
        rules: what to choose by.
        stated: whether somebody stated the rules.
    """
    field = Field(entrants, results)
    choice = field.choose(rules)
    front, dimensions = front_of(choice.eligible, rules)
    recommended = choice.recommended
    others = [one for one in choice.eligible if one is not recommended]
    runner_up = field.among(others, rules).recommended
    evidence, needed = field.evidence(recommended, others, rules.margin) if recommended else (None, None)
    return Decision(
        rules=rules,
        stated=stated,
        options=tuple(_option(one, rules, choice, field, front) for one in entrants),
        dimensions=dimensions,
        recommended=_name(recommended),
        best=_name(choice.best),
        runner_up=_name(runner_up) if recommended else None,
        evidence=evidence,
        cases_needed=needed,
        confidence=field.confidence,
        changes=tuple(_changes(field, rules, recommended)),
        nearest=None if choice.eligible else _name(_nearest(entrants, rules)),
    )


def _name(one: Entrant | None) -> Candidate | None:
    return None if one is None else one.candidate


def _option(one: Entrant, rules: DecideRules, choice: Choice, field: Field, front: Sequence[Entrant]) -> Option:
    best = choice.best
    return Option(
        *one.candidate,
        judgements=tuple(judge(one, requirement) for requirement in rules.require),
        calls=one.calls.finished + one.calls.missing,
        missing=one.calls.missing,
        errors=one.calls.errors,
        pass_rate=one.figures["pass_rate"],
        latency_p95_ms=one.figures["latency_p95_ms"],
        cost_per_1k_usd=one.figures["cost_per_1k_usd"],
        monthly_usd=one.monthly_usd(rules.requests_per_day) if rules.requests_per_day else None,
        eligible=one in choice.eligible,
        on_front=one in front,
        to_best=None if best is None or one is best else field.gap(one, best),
        as_good=one in choice.as_good,
        stopped_after=one.stopped_after,
    )


def _changes(field: Field, rules: DecideRules, recommended: Entrant | None) -> Iterator[Change]:
    """Find the smallest changes of each rule that would change the answer."""
    for requirement in rules.require:
        for to, changed in _relaxed(field.entrants, rules, requirement):
            other = field.choose(changed).recommended
            if other is not None and other is not recommended:
                yield Change(requirement.key, to, other.candidate)
                break
    for margin in (rules.margin / 2, rules.margin * 2):
        other = field.choose(replace(rules, margin=margin)).recommended
        if other is not None and other is not recommended:
            yield Change("margin", margin, other.candidate)
    for up in (False, True) if rules.requests_per_day and recommended else ():
        yield from _other_traffic(field, rules, rules.requests_per_day or 0.0, up=up)


def _other_traffic(field: Field, rules: DecideRules, given: float, *, up: bool) -> Iterator[Change]:
    """Find the nearest traffic, below or above what is given, at which the answer is another one."""

    def answer(traffic: float) -> Entrant | None:
        return field.choose(replace(rules, requests_per_day=traffic)).recommended

    now, factor = answer(given), 2.0 ** ((1 if up else -1) / _PER_DOUBLING)
    steps = pairwise(given * factor**step for step in range(_STEPS + 1))
    same, other = next((pair for pair in steps if answer(pair[1]) is not now), (given, given))
    if other == given:
        return
    for _ in range(_HALVINGS):
        middle = math.sqrt(same * other)
        same, other = (middle, other) if answer(middle) is now else (same, middle)
    # Where the other answer holds for a narrow range only, a round number may be beyond it.
    turned = next(traffic for traffic in (rounded(other, up=up), other) if answer(traffic) is not now)
    if (found := answer(turned)) is not None:
        yield Change("requests_per_day", turned, found.candidate)


def _relaxed(
    entrants: Sequence[Entrant], rules: DecideRules, requirement: Requirement
) -> Iterator[tuple[float | None, DecideRules]]:
    """Loosen a requirement step by step, so that at each step another candidate meets it; in the end, drop it."""
    others = tuple(one for one in rules.require if one is not requirement)
    if isinstance(requirement, Bound):
        for bound in _bounds(entrants, requirement):
            yield bound, replace(rules, require=(*others, replace(requirement, bound=bound)))
    yield None, replace(rules, require=others)


def _bounds(entrants: Sequence[Entrant], bound: Bound) -> Sequence[float]:
    """The bounds that would let in those who miss this one, the nearest first."""
    figures = [judge(one, bound).figure or Figure() for one in entrants]
    missed = [one.value for one in figures if one.value is not None and not bound.met_by(one.value)]
    looser = {rounded(value, up=not bound.more_is_better) for value in missed}
    return sorted(looser, reverse=bound.more_is_better)


def _nearest(entrants: Sequence[Entrant], rules: DecideRules) -> Entrant | None:
    """Who breaks the fewest requirements, and these by least."""

    def distance(one: Entrant) -> tuple[object, ...]:
        broken = [found for requirement in rules.require if not (found := judge(one, requirement)).standing.holds]
        return len(broken), sum(map(_shortfall, broken)), -one.rate, one.candidate

    return min((one for one in entrants if one.value("pass_rate") is not None), key=distance, default=None)


def _shortfall(broken: Judgement) -> float:
    """By what part of the bound it is missed; 1 for what cannot be measured, or is not known."""
    requirement, figure = broken.requirement, broken.figure
    if isinstance(requirement, OneOf) or figure is None or figure.value is None or not requirement.bound:
        return 1.0
    return min(1.0, abs(figure.value / requirement.bound - 1))
