"""What is known of a candidate, and how it stands to requirements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from evalkit.analysis.cost.monthly import Traffic, Use, monthly_cost
from evalkit.analysis.decide.decision import Figure, Judgement, Standing
from evalkit.analysis.run_data import Candidate
from evalkit.analysis.summary import ModelSummary, PassRate, RunSummary, TagSummary
from evalkit.models.hosts import is_loopback
from evalkit.runner.manifest import ManifestModel
from evalkit.stats import wilson
from evalkit.suite.decide_rules import Bound, OneOf, Requirement

MOST_CASES: Final = 100_000
"""More cases than this nobody writes or pays for: the question is then out of reach."""

_WHY_UNKNOWN: Final = {
    "pass_rate": "no call of it was finished",
    "error_rate": "no call of it was finished",
    "pass_hat_k": "it takes several trials of each case",
    "ttft_p50_ms": "no answer was streamed",
    "ttft_p95_ms": "no answer was streamed",
    "cost_per_1k_usd": "its row has no price, and its provider told no cost",
    "context_window": "its row does not say",
}
_NOT_TIMED: Final = "no answer was timed"
_NO_CALLS: Final = PassRate(0, 0, 0, 0, None)


@dataclass(frozen=True, slots=True)
class Entrant:
    """What is known of a candidate: figures by measure, pass rates by tag, what its row says, and what it takes.

    `stopped_after` is after how many cases a race stopped it; None where none did. `calls` says what became of these.
    """

    candidate: Candidate
    figures: Mapping[str, Figure]
    tags: Mapping[str, Figure] = field(default_factory=dict)
    properties: Mapping[str, str | None] = field(default_factory=dict)
    use: Use | None = None
    stopped_after: int | None = None
    calls: PassRate = _NO_CALLS

    def value(self, measure: str) -> float | None:
        """A figure's estimate; None where unknown."""
        return self.figures[measure].value

    def monthly_usd(self, requests_per_day: float) -> Figure:
        """What so much traffic costs in a month; unknown where nothing tells."""
        cost = self.use and monthly_cost(self.use, Traffic(requests_per_day=requests_per_day))
        return Figure(cost.value, cost.low, cost.high) if cost else Figure()

    @property
    def rate(self) -> float:
        """Its pass rate; below all others where it is unknown."""
        rate = self.value("pass_rate")
        return -math.inf if rate is None else rate


def entrants_of(run: RunSummary, uses: Sequence[Use] = ()) -> tuple[Entrant, ...]:
    """Gather what a run knows of its candidates.

    Args:
        run: their figures.
        uses: what requests take of them, where that is known: it tells how sure costs are, and costs at scale.
    """
    rows = {model.name: model for model in run.manifest.models}
    taken = {(use.model, use.prompt): use for use in uses}
    tags: dict[Candidate, list[TagSummary]] = {}
    for one in run.tags:
        tags.setdefault((one.model, one.prompt), []).append(one)
    entrants = (
        _entrant(one, tags.get(one.candidate, ()), rows[one.model], taken.get(one.candidate)) for one in run.models
    )
    return tuple(
        replace(one, stopped_after=stop.cases) if (stop := run.stops.get(one.candidate)) else one for one in entrants
    )


def _entrant(summary: ModelSummary, tags: Sequence[TagSummary], row: ManifestModel, use: Use | None) -> Entrant:
    return Entrant(
        candidate=summary.candidate,
        figures=_figures(summary, row, use),
        tags={one.tag: _rate(one.calls, one.cases) for one in tags},
        properties={"data_policy": _data_policy(row), "license": row.license, "region": row.region},
        use=use,
        calls=summary.calls,
    )


def _figures(summary: ModelSummary, row: ManifestModel, use: Use | None) -> dict[str, Figure]:
    latency, trials = summary.latency, summary.consistency
    hat = trials and trials.by_k[-1]
    window = None if row.context_window is None else float(row.context_window)
    return {
        "pass_rate": _rate(summary.calls, summary.cases),
        "pass_hat_k": Figure(hat.pass_hat_k, *hat.pass_hat_k_interval, trials.cases) if trials and hat else Figure(),
        "error_rate": _error_rate(summary.calls),
        "latency_p50_ms": Figure(latency.p50, *latency.interval("p50"), latency.n),
        "latency_p95_ms": Figure(latency.p95, *latency.interval("p95"), latency.n),
        "latency_p99_ms": Figure(latency.p99, *latency.interval("p99"), latency.n),
        "ttft_p50_ms": Figure(latency.ttft_p50),
        "ttft_p95_ms": Figure(latency.ttft_p95),
        "cost_per_1k_usd": _cost(summary, use),
        "context_window": Figure(window, window, window),
    }


def _cost(summary: ModelSummary, use: Use | None) -> Figure:
    """The cost of a thousand cases, with its interval where each answer has a cost of its own (GPU time has none)."""
    usd = use.per_request.usd if use and use.per_request and not use.server else None
    low, high = (None if end is None else 1000 * end for end in (usd.low, usd.high)) if usd else (None, None)
    return Figure(summary.cost_per_1k_cases_usd, low, high, summary.answers)


def _rate(calls: PassRate, cases: int) -> Figure:
    low, high = calls.interval or (None, None)
    planned = calls.finished + calls.missing + calls.not_asked
    return Figure(calls.rate, low, high, round(cases * calls.finished / planned) if planned else 0)


def _error_rate(calls: PassRate) -> Figure:
    if not calls.finished:
        return Figure()
    return Figure(calls.errors / calls.finished, *wilson(calls.errors, calls.finished), calls.finished)


def _data_policy(row: ManifestModel) -> str | None:
    """What the row says; weights and servers on this machine are local without a word."""
    here = row.weights is not None or (row.base_url is not None and is_loopback(row.base_url))
    return row.data_policy or ("local" if here else None)


def judge(one: Entrant, requirement: Requirement) -> Judgement:
    """Say how a candidate stands to a requirement."""
    if isinstance(requirement, OneOf):
        return _judge_property(one.properties[requirement.key], requirement)
    if requirement.tag is not None:
        return _judge_figure(one.tags.get(requirement.tag, Figure()), requirement)
    return _judge_figure(one.figures[requirement.measure], requirement)


def _judge_property(given: str | None, requirement: OneOf) -> Judgement:
    if given is None:
        return Judgement(requirement, Standing.UNKNOWN, why_unknown="its row does not say")
    return Judgement(requirement, Standing.MET if requirement.met_by(given) else Standing.MISSED, given=given)


def _judge_figure(figure: Figure, bound: Bound) -> Judgement:
    if figure.value is None:
        return Judgement(bound, Standing.UNKNOWN, figure, why_unknown=_why_unknown(bound))
    inside = bound.met_by(figure.value)
    # The end of the interval that lies towards the bound: is it on the same side of it as the estimate?
    near = figure.low if inside is bound.more_is_better else figure.high
    if near is not None and bound.met_by(near) is inside:
        return Judgement(bound, Standing.MET if inside else Standing.MISSED, figure)
    standing = Standing.MET_BY_ESTIMATE if inside else Standing.MISSED_BY_ESTIMATE
    return Judgement(bound, standing, figure, cases_needed=cases_needed(figure.value, near, bound.bound, figure.n))


def _why_unknown(bound: Bound) -> str:
    if bound.tag is not None:
        return "no call of a case with this tag was finished"
    return _WHY_UNKNOWN.get(bound.measure, _NOT_TIMED)


def cases_needed(value: float, near: float | None, bound: float, n: int) -> int | None:
    """About how many cases would bring the near end of an interval up to a bound.

    Intervals shrink with the square root of the number of cases; where the estimate would stay is a guess.

    Args:
        value: the estimate.
        near: the end of its interval that lies beyond the bound; None where too few cases give none.
        bound: between the two.
        n: cases that there were.

    Returns:
        Two digits of it; None where nobody can tell, or it is out of reach.
    """
    if near is None or value == bound:
        return None
    needed = n * ((value - near) / (value - bound)) ** 2
    if needed > MOST_CASES:
        return None
    return max(n + 1, int(rounded(needed, up=True)))


def rounded(value: float, *, up: bool) -> float:
    """Round to two digits, away from the value in one direction."""
    if not value:
        return 0.0
    places = 1 - math.floor(math.log10(abs(value)))
    scaled = value * 10.0**places
    # A hair for what 10^places adds or takes away: 0.29 must stay 0.29.
    whole = math.ceil(scaled - 1e-9) if up else math.floor(scaled + 1e-9)
    return round(whole / 10.0**places, places)
