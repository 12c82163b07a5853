"""What choosing among a run's candidates comes to, as plain values: `analysis.decide.deciding` works them out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evalkit.analysis.run_data import Candidate
from evalkit.stats import Interval
from evalkit.suite.decide_rules import DecideRules, Requirement


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure with its 95 % interval, from `n` cases or answers.

    None where unknown; an end may be unknown where the figure is not. What is no estimate (a context window) has both
    ends at its value.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


class Standing(StrEnum):
    """How a candidate stands to a requirement."""

    MET = "met"
    MET_BY_ESTIMATE = "met by estimate"
    MISSED_BY_ESTIMATE = "missed by estimate"
    MISSED = "missed"
    UNKNOWN = "unknown"

    @property
    def holds(self) -> bool:
        """Whether the candidate may be chosen: the estimate decides; the unknown is not taken to be met."""
        return self in (Standing.MET, Standing.MET_BY_ESTIMATE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A candidate's standing to a requirement.

    Attributes:
        requirement: what is required.
        standing: met or missed; by estimate where the interval holds the bound.
        figure: what was measured; None where the model's row is asked.
        given: what the model's row says; None where it says nothing, or where a figure is asked.
        cases_needed: about as many cases would put the bound outside the interval, if the estimate is right; None where
            it is outside already, or nobody can tell.
        why_unknown: why nothing is known; empty where something is.
    """

    requirement: Requirement
    standing: Standing
    figure: Figure | None = None
    given: str | None = None
    cases_needed: int | None = None
    why_unknown: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a candidate's pass rate is from another's, on the cases that both have results for.

    Attributes:
        cases: how many these are.
        difference: the one's minus the other's, -1..1.
        interval: of it, at the decision's confidence.
        better, worse: cases on which the one did better or worse.
    """

    cases: int
    difference: float
    interval: Interval
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class Option:
    """A candidate as the decision sees it.

    Attributes:
        model, prompt: its names.
        judgements: one per requirement, in their order.
        calls, missing, errors: how many calls there were to be, never finished, and ended in an error.
        pass_rate, latency_p95_ms, cost_per_1k_usd: what the front is made of.
        monthly_usd: what the traffic of the rules would cost in a month; None where no traffic is given.
        eligible: whether it was measured and meets all requirements.
        on_front: whether no other eligible candidate is as good or better in all of the front's figures.
        to_best: its distance to the best eligible candidate; None for that one, and where they share no case.
        as_good: whether it is eligible and, by estimate, not worse than that one by more than the margin.
        stopped_after: after how many cases a race stopped it; None where none did.
    """

    model: str
    prompt: str
    judgements: tuple[Judgement, ...]
    calls: int
    missing: int
    errors: int
    pass_rate: Figure
    latency_p95_ms: Figure
    cost_per_1k_usd: Figure
    monthly_usd: Figure | None
    eligible: bool
    on_front: bool
    to_best: Gap | None
    as_good: bool
    stopped_after: int | None = None

    @property
    def candidate(self) -> Candidate:
        """Its names."""
        return self.model, self.prompt

    @property
    def broken(self) -> tuple[Judgement, ...]:
        """The requirements that rule it out."""
        return tuple(one for one in self.judgements if not one.standing.holds)


class Evidence(StrEnum):
    """How sure it is that the recommended candidate is not worse than any other one by more than the margin."""

    ALONE = "no other is eligible"
    SHOWN = "shown"
    ESTIMATE = "by estimate"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the rules that would change the answer.

    Attributes:
        key: of the requirement, or "margin", or "requests_per_day".
        to: its new value; None: the requirement is dropped.
        recommended: who would be recommended then.
    """

    key: str
    to: float | None
    recommended: Candidate


@dataclass(frozen=True, slots=True)
class Decision:
    """Which candidate to take, and why.

    Attributes:
        rules: by which it was chosen.
        stated: whether somebody stated them; else they are the default ones.
        options: every candidate, in the run's order.
        dimensions: the figures that the front is made of: those that are known of some eligible candidate.
        recommended: None where no candidate meets the rules, or nothing passed.
        best: the eligible candidate with the highest pass rate, of those that no race stopped.
        runner_up: who would be recommended without the recommended one.
        evidence: None where nobody is recommended.
        cases_needed: about as many cases would show what is so by estimate; None where that is shown, or out of reach.
        confidence: of the intervals between candidates: 95 % for all of them together.
        changes: what would change the answer.
        nearest: where nobody is eligible, who misses the rules by least.
    """

    rules: DecideRules
    stated: bool
    options: tuple[Option, ...]
    dimensions: tuple[str, ...]
    recommended: Candidate | None
    best: Candidate | None
    runner_up: Candidate | None
    evidence: Evidence | None
    cases_needed: int | None
    confidence: float
    changes: tuple[Change, ...]
    nearest: Candidate | None

    def option(self, candidate: Candidate | None) -> Option | None:
        """The candidate of these names; None for none."""
        return next((one for one in self.options if one.candidate == candidate), None)
