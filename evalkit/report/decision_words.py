"""A decision in sentences and cells, for report.md and for a terminal alike: plain text, not yet safe to print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from evalkit.analysis.decide.decision import Change, Decision, Evidence, Figure, Gap, Judgement, Option, Standing
from evalkit.analysis.run_data import Candidate
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.stats import Interval
from evalkit.suite.decide_rules import MEASURES, OneOf

_PREFERRED: Final = {
    "cost": "cheapest",
    "pass_rate": "one with the highest pass rate",
    "latency_p50_ms": "one with the lowest p50",
    "latency_p95_ms": "one with the lowest p95",
    "ttft_p95_ms": "one with the soonest first token (p95)",
}
_NOT_STATED: Final = "The suite has no decide: block, so this goes by the default rules."


class Words:
    """Puts a decision into words.

    Args:
        decision: to speak of.
        labels: of the run.
    """

    def __init__(self, decision: Decision, labels: Labels) -> None:
        self._decision = decision
        self._labels = labels

    def name(self, candidate: Candidate | None) -> str:
        """A candidate's name."""
        return "nobody" if candidate is None else self._labels.named(candidate)

    def headline(self) -> str:
        """Who is recommended, in two words or so."""
        decision = self._decision
        if decision.recommended:
            return f"Recommended: {self.name(decision.recommended)}."
        if any(one.eligible for one in decision.options):
            return "Nothing to recommend: no candidate that meets the rules passed a single case."
        return "No candidate meets the rules." if decision.nearest else "Nothing to recommend: nothing was measured."

    def reasons(self) -> Iterator[str]:
        """Why, in one sentence after another, and who is ruled out."""
        decision = self._decision
        recommended, nearest = decision.option(decision.recommended), decision.option(decision.nearest)
        if recommended:
            yield self._evidence(recommended)
            yield from self._preference(recommended)
            if recommended.stopped_after is not None:
                yield (
                    f"The race stopped {self.name(recommended.candidate)} after "
                    f"{fmt.counted(recommended.stopped_after, 'case')}, so its figures are over fewer cases than those "
                    "of others."
                )
            yield from (self._doubt(one) for one in recommended.judgements if one.standing is Standing.MET_BY_ESTIMATE)
        elif nearest:
            missed = "; ".join(map(self.judged, nearest.broken))
            yield f"Nearest to it: {self.name(nearest.candidate)}, which misses {missed}."
        ruled_out = [one for one in decision.options if not one.eligible]
        if ruled_out and recommended:
            named = ", ".join(f"{self.name(one.candidate)} ({self.why_out(one)})" for one in ruled_out)
            yield f"Ruled out: {named}."
        if not decision.stated:
            yield _NOT_STATED

    def incomplete(self) -> Iterator[str]:
        """What the figures rest on less than the whole of: calls without an answer."""
        options = self._decision.options
        for one in options:
            parts = []
            if one.missing:
                parts.append(f"{fmt.count(one.missing)} never finished and are left out")
            if one.errors:
                parts.append(f"{fmt.count(one.errors)} ended in an error and count as not passed")
            if parts:
                yield f"WARNING: of {fmt.counted(one.calls, 'call')} of {self.name(one.candidate)} {', '.join(parts)}."
        if len(options) > 1 and any(one.missing for one in options):
            yield "Two candidates are compared on the cases that both finished."

    def why_out(self, one: Option) -> str:
        """Which rules exclude a candidate."""
        return ", ".join(found.requirement.key for found in one.broken) or "not measured"

    def _evidence(self, one: Option) -> str:
        decision = self._decision
        margin = self._margin()
        others = [other for other in decision.options if other.eligible and other is not one]
        if decision.evidence is Evidence.ALONE:
            many = len(decision.options) > 1
            return "No other candidate meets the rules." if many else "It is the only candidate, and meets the rules."
        shown = decision.evidence is Evidence.SHOWN
        if decision.recommended == decision.best:
            rival = self.name(others[0].candidate) if len(others) == 1 else ""
            highest = f"{_leads(one, others)} of the {len(others) + 1} that meet the rules"
            if shown:
                any_other = rival or f"any of the {len(others)} others"
                return f"{highest}, and is shown not to be worse than {any_other} by more than {margin}."
            some_other = rival or f"one of the {len(others)} others"
            return f"{highest}, but {some_other} may be better by more than {margin}{self._needed('rule that out')}."
        best, gap = self.name(decision.best), one.to_best
        distance = f": {points(gap)}, {better_worse(gap)}" if gap else ""
        if shown:
            return f"Shown not to be worse than the best ({best}) by more than {margin}{distance}."
        estimate = f"By estimate not worse than the best ({best}) by more than {margin}{distance}."
        return f"{estimate} A larger drop is not ruled out{self._needed('show it')}."

    def _needed(self, to_do: str) -> str:
        needed = self._decision.cases_needed
        return f"; about {fmt.count(needed)} cases would {to_do}, if the estimates hold" if needed else ""

    def _margin(self) -> str:
        return _size(self._decision.rules.margin)

    def _preference(self, one: Option) -> Iterator[str]:
        decision = self._decision
        first = decision.rules.prefer[0]
        rivals = [other for other in decision.options if other.as_good]
        unknown = [other for other in rivals if self._cost(other).value is None]
        if len(rivals) > 1 and first != "cost":
            yield f"It is the {_PREFERRED[first]} of the {len(rivals)} that are as good."
        elif len(rivals) > 1 and self._cost(one).value is not None:
            yield f"It is the cheapest of the {len(rivals)} that are as good{self._times_cheaper(one)}."
        if len(rivals) > 1 and unknown and "cost" in decision.rules.prefer:
            names = ", ".join(self.name(other.candidate) for other in unknown)
            who = "it was" if len(unknown) == 1 else "they were"
            yield f"What {names} would cost is not known, so {who} not compared by cost."

    def _times_cheaper(self, one: Option) -> str:
        """Against the best, or, where it is that itself, against the runner-up."""
        decision = self._decision
        other = decision.option(decision.runner_up if decision.recommended == decision.best else decision.best)
        own, theirs = self._cost(one).value, self._cost(other).value if other else None
        if other is None or own is None or theirs is None or theirs <= own:
            return ""
        per = "a month" if one.monthly_usd else "per 1k cases"
        ratio = f", {theirs / own:.2g} x cheaper than {self.name(other.candidate)}" if own else ""
        return f"{ratio}: USD {fmt.usd(own)} against {fmt.usd(theirs)} {per}"

    def _cost(self, one: Option) -> Figure:
        return one.monthly_usd or one.cost_per_1k_usd

    def _doubt(self, one: Judgement) -> str:
        needed = f"; about {fmt.count(one.cases_needed)} cases would show it" if one.cases_needed else ""
        return f"{one.requirement} is met by estimate only ({measured(one)}){needed}."

    def judged(self, one: Judgement) -> str:
        """A requirement that is missed, with what was measured."""
        requirement = one.requirement
        if one.standing is Standing.UNKNOWN:
            return f"{requirement} (unknown: {one.why_unknown})"
        if isinstance(requirement, OneOf):
            return f"{requirement} (it is {one.given})"
        unsure = ", by estimate" if one.standing is Standing.MISSED_BY_ESTIMATE else ""
        return f"{requirement} ({measured(one)}{unsure})"

    def rules(self) -> str:
        """The rules themselves."""
        rules = self._decision.rules
        required = "; ".join(str(one) for one in rules.require)
        first = f"Required: {required}. " if required else ""
        order = ", then the ".join(_PREFERRED[name] for name in rules.prefer)
        traffic = (
            f" Costs are those of {rules.requests_per_day:,.10g} requests a day." if rules.requests_per_day else ""
        )
        return (
            f"{first}Of those {'that meet this and ' if required else ''}whose pass rate is, by estimate, at most "
            f"{self._margin()} below the best one's, the {order} is recommended.{traffic}"
        )

    def out(self) -> Iterator[str]:
        """Who is ruled out, by which rule and by how much."""
        for one in self._decision.options:
            if not one.eligible:
                broken = "; ".join(map(self.judged, one.broken)) or "it was not measured"
                yield f"{self.name(one.candidate)} is ruled out: {broken}."

    def outlook(self) -> Iterator[str]:
        """The runner-up, and what would change the answer."""
        decision = self._decision
        if decision.runner_up:
            runner_up = decision.option(decision.runner_up)
            early = f" ({_stopped(runner_up)})" if runner_up and runner_up.stopped_after is not None else ""
            yield f"Runner-up, without {self.name(decision.recommended)}: {self.name(decision.runner_up)}{early}."
        yield from map(self._change, decision.changes)
        if decision.recommended and not decision.changes and len(decision.options) > 1:
            yield "No single rule, dropped or relaxed, and neither half nor double the margin would change the answer."

    def _change(self, change: Change) -> str:
        then = f"{self.name(change.recommended)} would be recommended"
        if change.key == "margin" and change.to is not None:
            return f"With a margin of {_size(change.to)}, {then}."
        if change.key == "requests_per_day" and change.to is not None:
            return f"At {change.to:,.10g} requests a day, {then}."
        key = change.key
        return f"Without {key}, {then}." if change.to is None else f"If {key} could be {change.to:.10g}, {then}."

    def method(self) -> str:
        """How sure the comparisons are."""
        compared = sum(one.pass_rate.value is not None for one in self._decision.options) - 1
        if compared < 2:
            return ""
        together = "both" if compared == 2 else f"all {compared}"
        return (
            "The best one is picked by the same cases that it is judged by. So each interval to the best is wider than "
            f"the usual one ({100 * self._decision.confidence:.4g} %): 95 % for {together} together."
        )


def _size(margin: float) -> str:
    size = f"{100 * margin:.3g}"
    return f"{size} point{'s' * (size != '1')}"


def points(gap: Gap) -> str:
    """A difference with its interval: -1.3 points (-6.1 to +3.3)."""
    return f"{fmt.points(gap.difference)} points ({fmt.points_interval(gap.interval)})"


def better_worse(gap: Gap) -> str:
    """On how many cases two candidates differ."""
    cases = fmt.counted(gap.cases, "case")
    return f"better on {fmt.count(gap.better)}, worse on {fmt.count(gap.worse)} of {cases}"


def measured(one: Judgement) -> str:
    """A measured figure with its interval, as far as it has one."""
    figure = one.figure
    if figure is None or isinstance(one.requirement, OneOf):
        return one.given or fmt.UNKNOWN
    return shown(one.requirement.measure, figure)


def shown(measure: str, figure: Figure) -> str:
    """A figure with its interval, in its unit."""
    if figure.value is None:
        return fmt.UNKNOWN
    if MEASURES[measure].most == 1:
        known = figure.low is not None and figure.high is not None
        ends = f", {fmt.interval(Interval(figure.low or 0.0, figure.high or 0.0))}" if known else ""
        return f"{fmt.percent(figure.value)}{ends}"
    if measure.endswith("_ms"):
        return fmt.percentile(figure.value, (figure.low, figure.high))
    return usd(figure) if measure.endswith("_usd") else f"{figure.value:,.10g}"


def usd(figure: Figure) -> str:
    """A cost with its interval, without the currency."""
    ends = f" [{fmt.usd(figure.low)}-{fmt.usd(figure.high)}]" if figure.low is not None else ""
    return f"{fmt.usd(figure.value)}{ends}"


def stands(one: Option, decision: Decision) -> str:
    """How a candidate stands, in a word or two."""
    early = "" if one.stopped_after is None else f", {_stopped(one)}"
    return f"{_verdict(one, decision)}{early}"


def _verdict(one: Option, decision: Decision) -> str:
    if one.candidate == decision.recommended:
        return "recommended"
    if not one.eligible:
        return "ruled out"
    if decision.recommended is None:
        return "passed nothing"
    return "as good" if one.as_good else _below(one, decision)


def _below(one: Option, decision: Decision) -> str:
    """How far a candidate is below the best, and whether that is more than an estimate."""
    margin, gap = decision.rules.margin, one.to_best
    if gap is None:
        return "not compared"
    if gap.difference >= -margin:  # on other cases, those that it shares with another one
        return f"more than {_size(margin)} below another, by estimate"
    shown = gap.interval.high < -margin
    return f"more than {_size(margin)} below" + ("" if shown else ", by estimate")


def _stopped(one: Option) -> str:
    return f"stopped after {fmt.counted(one.stopped_after or 0, 'case')}"


def _leads(one: Option, others: Sequence[Option]) -> str:
    """In what a candidate leads; where not all were asked the same cases, another one may have the highest rate."""
    highest = all((other.pass_rate.value or 0.0) <= (one.pass_rate.value or 0.0) for other in others)
    return "It has the highest pass rate" if highest else "On the cases that they share it passes most"


def cells(decision: Decision, labels: Labels) -> dict[str, list[str]]:
    """A table of the candidates, by column."""
    options = decision.options
    monthly = decision.rules.requests_per_day is not None
    return {
        "candidate": [labels.named(one.candidate) for one in options],
        "verdict": [stands(one, decision) for one in options],
        "passed": [shown("pass_rate", one.pass_rate) for one in options],
        "points to the best": [to_best(one) for one in options],
        "p95": [shown("latency_p95_ms", one.latency_p95_ms) for one in options],
        "$ per 1k cases": [usd(one.cost_per_1k_usd) for one in options],
        **({"$ per month": [usd(one.monthly_usd or Figure()) for one in options]} if monthly else {}),
        "front": ["yes" if one.on_front else "" for one in options],
    }


def to_best(one: Option) -> str:
    """How far a candidate is from the best: nothing for the best itself."""
    gap = one.to_best
    return f"{fmt.points(gap.difference)} ({fmt.points_interval(gap.interval)})" if gap else ""
