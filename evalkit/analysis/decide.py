"""Choose among a run's candidates by rules.

Of those that meet the requirements, the one with the highest pass rate is the best. Those whose pass rate is, by
estimate, not lower than the best's by more than the margin are as good; of these the preferred one (by default the
cheapest) is recommended. Estimates choose, as a suite of a few hundred cases can hardly ever show that a difference is
below two points; how sure the choice is stands beside it.

It is shown to be sound where the recommended candidate is not worse by more than the margin than every other eligible
one, each by an interval of the paired difference. To be compared with all of them spares knowing which one is truly the
best (R. L. Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24:295-300); that
the recommended one is picked by the same data is paid for by Bonferroni's intervals, whose level is divided by the
number of the other candidates. With two candidates they are the usual ones.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from evalkit.analysis.cost_usage import run_uses
from evalkit.analysis.decision import Change, Decision, Evidence, Figure, Gap, Judgement, Option
from evalkit.analysis.one_pass import Analysis
from evalkit.analysis.requirements import Entrant, cases_needed, entrants_of, judge, rounded
from evalkit.analysis.results import RunResults
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.analysis.summary import RunSummary
from evalkit.errors import Location
from evalkit.runner.manifest import MANIFEST
from evalkit.suite.decide_block import read_rules
from evalkit.suite.decide_rules import MEASURES, PREFERENCES, Bound, DecideRules, OneOf, Requirement

COST: Final = "cost_per_1k_usd"
FRONT: Final = ("pass_rate", "latency_p95_ms", COST)
_DOUBLINGS: Final = 10
"""How often traffic is doubled, or halved, in search of another answer."""
_HALVINGS: Final = 12
_EPSILON: Final = 1e-9
"""Differences of rates carry rounding errors; exactly at the margin is within it."""


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
    field = _Field(entrants, results)
    choice = field.choose(rules)
    front, dimensions = _front(choice.eligible, rules)
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


def _option(one: Entrant, rules: DecideRules, choice: _Choice, field: _Field, front: Sequence[Entrant]) -> Option:
    best = choice.best
    return Option(
        *one.candidate,
        judgements=tuple(judge(one, requirement) for requirement in rules.require),
        pass_rate=one.figures["pass_rate"],
        latency_p95_ms=one.figures["latency_p95_ms"],
        cost_per_1k_usd=one.figures["cost_per_1k_usd"],
        monthly_usd=one.monthly_usd(rules.requests_per_day) if rules.requests_per_day else None,
        eligible=one in choice.eligible,
        on_front=one in front,
        to_best=None if best is None or one is best else field.gap(one, best),
        as_good=one in choice.as_good,
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """Who meets the requirements, who of them is best, who as good, and who is to be taken."""

    eligible: Sequence[Entrant]
    best: Entrant | None = None
    as_good: Sequence[Entrant] = ()
    recommended: Entrant | None = None


class _Field:
    """The candidates with the differences between them, each worked out once and only where it is needed."""

    def __init__(self, entrants: Sequence[Entrant], results: RunResults | None) -> None:
        measured = sum(one.value("pass_rate") is not None for one in entrants)
        self.entrants = entrants
        self.confidence = 1 - 0.05 / max(1, measured - 1)
        self._results = results
        self._gaps: dict[tuple[Candidate, Candidate], Gap | None] = {}

    def choose(self, rules: DecideRules) -> _Choice:
        """Choose among all candidates."""
        return self.among([one for one in self.entrants if _is_eligible(one, rules)], rules)

    def among(self, eligible: Sequence[Entrant], rules: DecideRules) -> _Choice:
        """Choose among those that meet the requirements; nobody where nothing passed."""
        order = _order(rules)
        best = min(eligible, key=lambda one: (-one.rate, order(one)), default=None)
        if best is None or not best.rate:
            return _Choice(eligible, best)
        as_good = [one for one in eligible if one is best or self._as_good(one, best, rules.margin)]
        return _Choice(eligible, best, as_good, min(as_good, key=order))

    def _as_good(self, one: Entrant, best: Entrant, margin: float) -> bool:
        gap = self.gap(one, best)
        return gap is not None and gap.difference >= -margin - _EPSILON

    def evidence(self, recommended: Entrant, others: Sequence[Entrant], margin: float) -> tuple[Evidence, int | None]:
        """How sure it is that the recommended one is not worse by more than the margin than any of the others.

        Returns:
            The evidence; and about how many cases would show what is so by estimate, if that is within reach.
        """
        gaps = [self.gap(recommended, other) for other in others]
        known = [gap for gap in gaps if gap]
        open_ones = [gap for gap in known if gap.interval.low <= -margin]
        if not gaps:
            return Evidence.ALONE, None
        if len(known) == len(gaps) and not open_ones:
            return Evidence.SHOWN, None
        needed = [cases_needed(gap.difference, gap.interval.low, -margin, gap.cases) for gap in open_ones]
        counts = [count for count in needed if count is not None]
        return Evidence.ESTIMATE, max(counts) if counts and len(counts) == len(needed) else None

    def gap(self, one: Entrant, other: Entrant) -> Gap | None:
        """How far one candidate is from another; None where they share no case."""
        pair = one.candidate, other.candidate
        if pair not in self._gaps:
            self._gaps[pair] = self._measured(*pair)
        return self._gaps[pair]

    def _measured(self, one: Candidate, other: Candidate) -> Gap | None:
        from evalkit.analysis.paired import paired_difference  # needs numpy, which a single candidate does without

        if self._results is None:
            return None
        found = paired_difference(
            self._results.of(one),
            self._results.of(other),
            clusters=self._results.clusters,
            confidence=self.confidence,
        )
        if found is None:
            return None
        return Gap(found.cases, found.difference, found.interval, found.better, found.worse)


def _is_eligible(one: Entrant, rules: DecideRules) -> bool:
    return one.value("pass_rate") is not None and all(
        judge(one, requirement).standing.holds for requirement in rules.require
    )


def _order(rules: DecideRules) -> Callable[[Entrant], tuple[object, ...]]:
    """What to sort candidates by, the preferred one first.

    Unknown figures come last. What the preferences leave open is settled by the figures of the front, so that no other
    candidate is better all over, and in the end by name, so that the order of the run is no matter.
    """
    measures = [*(PREFERENCES[name] for name in rules.prefer), *FRONT]

    def order(one: Entrant) -> tuple[object, ...]:
        ranks = (_rank(one, measure, rules) for measure in measures)
        return (*(math.inf if rank is None else rank for rank in ranks), one.candidate)

    return order


def _rank(one: Entrant, measure: str, rules: DecideRules) -> float | None:
    """A figure, the lower the better; None where unknown. Where traffic is given, its cost is what counts."""
    if measure == COST and rules.requests_per_day:
        return one.monthly_usd(rules.requests_per_day).value
    value = one.value(measure)
    return -value if value is not None and MEASURES[measure].more_is_better else value


def _front(eligible: Sequence[Entrant], rules: DecideRules) -> tuple[Sequence[Entrant], tuple[str, ...]]:
    """The candidates that no other is better than all over, and the figures that this was told by.

    A figure that nobody has is left out. Where one of two candidates lacks a figure, neither is better all over.
    """
    ranks = {one.candidate: {name: _rank(one, name, rules) for name in FRONT} for one in eligible}
    known = tuple(name for name in FRONT if any(found[name] is not None for found in ranks.values()))
    places = {candidate: [found[name] for name in known] for candidate, found in ranks.items()}
    front = [one for one in eligible if not any(_dominates(place, places[one.candidate]) for place in places.values())]
    return front, known


def _dominates(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return len(pairs) == len(one) and all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _changes(field: _Field, rules: DecideRules, recommended: Entrant | None) -> Iterator[Change]:
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
    for factor in (0.5, 2.0) if rules.requests_per_day and recommended else ():
        yield from _other_traffic(field, rules, rules.requests_per_day or 0.0, factor)


def _other_traffic(field: _Field, rules: DecideRules, given: float, factor: float) -> Iterator[Change]:
    """Find the nearest traffic, below or above what is given, at which the answer is another one."""

    def answer(traffic: float) -> Entrant | None:
        return field.choose(replace(rules, requests_per_day=traffic)).recommended

    now, same = answer(given), given
    for _ in range(_DOUBLINGS):
        if answer(same * factor) is not now:
            break
        same *= factor
    else:
        return
    other = same * factor
    for _ in range(_HALVINGS):
        middle = math.sqrt(same * other)
        same, other = (middle, other) if answer(middle) is now else (same, middle)
    turned = rounded(other, up=factor > 1)
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
