"""Choose among a run's candidates by rules.

Of those that meet the requirements, the one with the highest pass rate is the best. Those whose pass rate is, by
estimate, not below the best one's by more than the margin are as good; of these the preferred one (by default the
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.analysis.decide.decision import Evidence, Gap
from evalkit.analysis.decide.requirements import Entrant, cases_needed, judge
from evalkit.analysis.results import CaseResults, RunResults
from evalkit.analysis.run_data import Candidate
from evalkit.suite.decide_rules import MEASURES, PREFERENCES, DecideRules

COST: Final = "cost_per_1k_usd"
FRONT: Final = ("pass_rate", "latency_p95_ms", COST)
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Choice:
    """Who meets the requirements, who of them is best, who as good, and who is to be taken."""

    eligible: Sequence[Entrant]
    best: Entrant | None = None
    as_good: Sequence[Entrant] = ()
    recommended: Entrant | None = None


class Field:
    """The candidates with the differences between them, each worked out once and only where it is needed."""

    def __init__(self, entrants: Sequence[Entrant], results: RunResults | None) -> None:
        measured = sum(one.value("pass_rate") is not None for one in entrants)
        self.entrants = entrants
        self.confidence = 1 - 0.05 / max(1, measured - 1)
        self._results = results
        self._gaps: dict[tuple[Candidate, Candidate], Gap | None] = {}
        self._leads: dict[tuple[Candidate, Candidate], float] = {}

    def choose(self, rules: DecideRules) -> Choice:
        """Choose among all candidates."""
        return self.among([one for one in self.entrants if _is_eligible(one, rules)], rules)

    def among(self, eligible: Sequence[Entrant], rules: DecideRules) -> Choice:
        """Choose among those that meet the requirements; nobody where nothing passed."""
        order = _order(rules)
        # Whoever a race stopped was shown not to be ahead of all others by more than its margin: it sets no standard.
        leading = [one for one in eligible if one.stopped_after is None] or eligible
        behind = {one.candidate: self._behind(one, leading) for one in eligible}
        best = min(leading, key=lambda one: (behind[one.candidate], order(one)), default=None)
        if best is None or not best.rate:
            return Choice(eligible, best)
        as_good = [one for one in eligible if one is best or behind[one.candidate] <= rules.margin]
        return Choice(eligible, best, as_good, min(as_good, key=order))

    def _behind(self, one: Entrant, leading: Sequence[Entrant]) -> float:
        """How far a candidate is behind that of these it is farthest behind, on the cases that both have results for.

        Where all candidates have results for all cases, nobody is ahead of the one with the highest pass rate, and all
        others are farthest behind that. Where they do not (some were stopped early), pass rates over different cases
        would not compare.
        """
        # Sums of trials' shares carry rounding errors, which must not decide between equals.
        return round(max((self._ahead(other, one) for other in leading if other is not one), default=0.0), _DIGITS)

    def _ahead(self, one: Entrant, other: Entrant) -> float:
        pair = one.candidate, other.candidate
        if pair not in self._leads:
            lead = _mean_difference(*map(self._results.of, pair)) if self._results else None
            # Who shares no case with another cannot be said to be as good.
            self._leads[pair], self._leads[pair[::-1]] = (math.inf, math.inf) if lead is None else (lead, -lead)
        return self._leads[pair]

    def evidence(self, recommended: Entrant, others: Sequence[Entrant], margin: float) -> tuple[Evidence, int | None]:
        """How sure it is that the recommended one is not worse by more than the margin than any of the others.

        Returns:
            The evidence; and about how many cases would show what is so by estimate, if that is within reach.
        """
        gaps = [self.gap(recommended, other) for other in others]
        not_shown = [gap for gap in gaps if gap is None or gap.interval.low <= -margin]
        if not gaps:
            return Evidence.ALONE, None
        if not not_shown:
            return Evidence.SHOWN, None
        needed = [
            cases_needed(gap.difference, gap.interval.low, -margin, gap.cases) if gap else None for gap in not_shown
        ]
        counts = [count for count in needed if count is not None]
        return Evidence.ESTIMATE, max(counts) if len(counts) == len(needed) else None

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


def _mean_difference(first: CaseResults, second: CaseResults) -> float | None:
    """The first one's pass rate minus the second one's, on the cases that both have results for."""
    import numpy as np

    counts = [
        np.frombuffer(column, dtype=np.uint32) for one in (first, second) for column in (one.passed, one.finished)
    ]
    both = (counts[1] > 0) & (counts[3] > 0)
    passed, finished, other_passed, other_finished = (column[both] for column in counts)
    return float((passed / finished - other_passed / other_finished).mean()) if both.any() else None


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


def front_of(eligible: Sequence[Entrant], rules: DecideRules) -> tuple[Sequence[Entrant], tuple[str, ...]]:
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
