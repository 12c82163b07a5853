"""What cascades and routing by tag are worth: sheets for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from evalkit.analysis.cascade.cascades import SPLITS, Aim, Cascade, Trial, says
from evalkit.analysis.cascade.data import Answers
from evalkit.analysis.cascade.tags import FOLDS, Outcome, Routing
from evalkit.analysis.cascade.worth import Worth
from evalkit.analysis.cost.monthly import Figure
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.sheets import Sheet
from evalkit.stats import Interval

Name: TypeAlias = Callable[[Answers], str]

_HEADER: Final = ("", "passed", "95 %", "strong", "$/1k", "p95", "over chance")
_AIMS: Final[Mapping[Aim, str]] = MappingProxyType({Aim.CLOSE: "near strong", Aim.GAIN: "best value"})
_CHANCE: Final = (
    "Over chance: pass rate less that of picking one of the two by lot for each call, at the same cost (or, where "
    "costs are unknown, of escalating as many answers by lot), in points. Perfect routing is a bound for every signal."
)
_HELD_OUT: Final = (
    f"Rules are chosen on one half of the cases and tried on the other, both ways, for {SPLITS} random splits: the "
    "figures are of held-out cases. Intervals are at 95 %, by case; that the rule would differ with other cases is in "
    "the figures, how much it would is not."
)
_ONE_RULE: Final = (
    "Each rule's figures are held out, but to pick the best of them is to choose by the same cases again."
)
_ROUTED: Final = (
    f"Chosen on {FOLDS - 1} parts of {FOLDS}, tried on the last: for each kind of case, and for all, the cheapest "
    "candidate within the margin of the best."
)
_NO_PAIRS: Final = (
    "There is no pair of candidates to try: it takes two that finished two cases in common, the first of them "
    "cheaper than the second or, where not all costs are known, passing less often. --cheap and --strong together name "
    "any two."
)


def cascade_sheets(found: Sequence[Cascade], routing: Routing | None, labels: Labels, *, margin: float) -> list[Sheet]:
    """What people need to know: the chosen rules of each pair, and routing by tag."""
    if not found:
        return [Sheet("", before=(_NO_PAIRS,)), *_routing_sheets(routing, labels)]
    sheets = [_pair_sheet(one, labels.of, margin) for one in found]
    return [*sheets, Sheet("", after=(_CHANCE, _HELD_OUT)), *_routing_sheets(routing, labels)]


def rule_sheets(found: Sequence[Cascade], labels: Labels) -> list[Sheet]:
    """Every rule of every pair."""
    return [
        Sheet(
            f"Every rule: {_title(one, labels.of)}",
            ("escalate on", *_HEADER[1:], "over strong"),
            tuple((*_row(_rule(trial), trial.held_out), points(trial.held_out.over_strong)) for trial in one.trials),
            after=(_ONE_RULE,),
        )
        for one in found
    ]


def _title(one: Cascade, name: Name) -> str:
    several = " (asked several times)" if one.by_agreement else ""
    return f"{name(one.pair.cheap)}{several} -> {name(one.pair.strong)}"


def _pair_sheet(one: Cascade, name: Name, margin: float) -> Sheet:
    rows = (
        _row(f"always {name(one.pair.cheap)}", one.cheap, alone=True),
        *(_row(_AIMS[choice.aim], choice.held_out) for choice in one.choices),
        _row(f"always {name(one.pair.strong)}", one.strong, alone=True),
        _row("perfect routing", one.oracle, alone=True),
    )
    return Sheet(_title(one, name), _HEADER, rows, after=tuple(_words(one, name, margin)))


def _row(title: str, of: Worth, *, alone: bool = False) -> tuple[str, ...]:
    return (
        title,
        fmt.percent(of.rate),
        fmt.interval(of.interval),
        fmt.percent(of.escalated),
        fmt.usd(of.usd_per_1k.value if of.usd_per_1k else None),
        _p95(of.p95_ms),
        "" if alone else points(of.over_chance),
    )


def _p95(figure: Figure | None) -> str:
    return fmt.percentile(figure.value, (figure.low, figure.high)) if figure else fmt.UNKNOWN


def points(figure: Figure | None) -> str:
    """A difference of pass rates in points: +1.9 (+0.2 to +3.6)."""
    if figure is None:
        return fmt.UNKNOWN
    if figure.low is None or figure.high is None:
        return fmt.points(figure.value)
    return f"{fmt.points(figure.value)} ({fmt.points_interval(Interval(figure.low, figure.high))})"


def _words(one: Cascade, name: Name, margin: float) -> Iterator[str]:
    for choice in one.choices:
        held = choice.held_out
        yield (
            f"{_AIMS[choice.aim].capitalize()}: escalate on {_rule(choice.trial)}. {_result(one, held, name)} "
            f"{_near(held, margin) if choice.aim is Aim.CLOSE else ''}{_verdict(held)}"
        )
    if one.by_agreement:
        cheap = name(one.pair.cheap)
        yield f"{cheap} is asked once per trial, and says what most of these answers say; all of them are paid for."


def _result(one: Cascade, held: Worth, name: Name) -> str:
    cost = "" if held.usd_per_1k is None else f", ${fmt.usd(held.usd_per_1k.value)} per 1k calls"
    against = "" if one.strong.usd_per_1k is None else f" at ${fmt.usd(one.strong.usd_per_1k.value)}"
    return (
        f"{fmt.percent(held.rate)} ({fmt.interval(held.interval)}){cost}, against {name(one.pair.strong)}'s "
        f"{fmt.percent(one.strong.rate)}{against}: {points(held.over_strong)} points, {_saving(held)}; held out on "
        f"{_counted(one)}."
    )


def _counted(one: Cascade) -> str:
    """What the figures rest on; cases that share a source count as one."""
    sources = one.pair.sources
    shared = f" from {fmt.counted(sources, 'source')}" if sources < one.cases else ""
    return f"{fmt.counted(one.cases, 'case')}{shared}"


def _saving(held: Worth) -> str:
    if held.saving is None:
        return f"{fmt.percent(1 - held.escalated)} of the calls to it saved, the cost of which is n/a"
    value, low, high = held.saving
    word = "saved" if value >= 0 else "more paid"
    ends = "" if low is None or high is None else f" ({' to '.join(_whole(value, low, high))})"
    return f"{abs(100 * value):.0f} %{ends} of the cost {word}"


def _whole(value: float, low: float, high: float) -> tuple[str, str]:
    """The ends of a saving in per cent, or of what is paid more."""
    return (f"{100 * low:.0f}", f"{100 * high:.0f}") if value >= 0 else (f"{-100 * high:.0f}", f"{-100 * low:.0f}")


def _near(held: Worth, margin: float) -> str:
    """Whether a rule that was to come near the strong one does."""
    value, low, _ = held.over_strong
    close = f"within {100 * margin:.3g} points of it"
    if low is not None and low > -margin:
        return f"That is {close}. "
    return f"That is {close} by estimate; it is not shown. " if value >= -margin else f"That is not {close}. "


def _verdict(held: Worth) -> str:
    gain = held.over_chance
    if gain is None or gain.low is None or gain.high is None:
        return "The first costs no less than the second: there is nothing to save."
    if gain.low > 0:
        return "The signal is worth something: better than chance."
    if gain.high < 0:
        return "Worse than chance: picking one of them by lot does better for the money."
    return "No better than chance is shown: picking one of them by lot may do as well for the money."


def _rule(trial: Trial) -> str:
    return says(trial.rule, trial.threshold)


def _routing_sheets(routing: Routing | None, labels: Labels) -> list[Sheet]:
    if routing is None:
        return []
    rows = (
        _outcome_row("by tag", routing.by_tag),
        _outcome_row("one for all", routing.single),
        _outcome_row("perfect routing", routing.oracle),
    )
    routes = "; ".join(f"{' + '.join(kind) or 'no tag'}: {labels.of(to)}" for kind, to in routing.routes.items())
    low, high = routing.over_single.low or 0.0, routing.over_single.high or 0.0
    cases = fmt.counted(routing.cases, "case")
    verdict = "better" if low > 0 else "worse" if high < 0 else "cannot be told apart"
    return [
        Sheet(
            "Routing by tag",
            ("", "passed", "95 %", "$ per 1k", "p95"),
            rows,
            after=(
                f"By tag against one for all: {points(routing.over_single)} points: {verdict}; held out on {cases}.",
                f"Chosen by all cases: {routes}; all others: {labels.of(routing.default)}.",
                _ROUTED,
            ),
        )
    ]


def _outcome_row(title: str, of: Outcome) -> tuple[str, ...]:
    return (
        title,
        fmt.percent(of.rate),
        fmt.interval(of.interval),
        fmt.usd(of.usd_per_1k.value if of.usd_per_1k else None),
        _p95(of.p95_ms),
    )
