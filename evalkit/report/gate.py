"""What a gate says, in sentences: its verdicts, its limits, and what a reader has to know beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from evalkit.analysis.gate.baseline import Frozen
from evalkit.analysis.gate.limits import Limit, State
from evalkit.analysis.gate.measured import candidate_name
from evalkit.analysis.gate.result import CandidateGate, Comparison, GateResult, Outcome, Shift
from evalkit.analysis.paired import Difference, Metric
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.stats.margin import Verdict
from evalkit.suite.gate_rules import Undecided

_COARSE: Final = 0.10
"""A margin above this lets drops pass that most people would call large."""


def headlines(result: GateResult) -> list[str]:
    """One sentence per candidate, those that fail the gate first."""
    labels = Labels(result.candidates)
    return [headline(one, labels.of(one)) for one in worst_first(result)]


def worst_first(result: GateResult) -> list[CandidateGate]:
    """All candidates, those that fail the gate before those that it merely lets pass."""
    return sorted(result.candidates, key=lambda one: (one.passed, one.verdict is not Verdict.INCONCLUSIVE))


def headline(one: CandidateGate, name: str) -> str:
    """A candidate's verdict with the figures behind it, on one line."""
    broken = "; ".join(limit_words(limit) for limit in (*one.broken, *one.unknown))
    if one.comparison is None:
        return f"{one.verdict or 'WITHIN LIMITS'}: {name}: {broken or 'every limit is kept'}"
    blind = coarse_words(one.comparison) if one.passed else ""
    parts = [f"{name} {compared(one.comparison)}", *filter(None, [blind, broken])]
    return f"{one.verdict}{_let_pass(one)}: {'; '.join(parts)}"


def _let_pass(one: CandidateGate) -> str:
    if one.verdict is not Verdict.INCONCLUSIVE:
        return ""
    return " (the gate lets it pass)" if one.passed else " (the gate fails)"


def compared(comparison: Comparison) -> str:
    """Say how a candidate does: `is 10.0 points worse (-15.8 to -4.2) on 150 cases; margin 7.9 points (auto)`.

    One that is NOT WORSE is not called worse: `is 1.0 points lower (...) on 150 cases, within the margin of ...`.
    """
    difference = comparison.difference
    if difference is None or comparison.margin is None:
        return "cannot be compared: no case was finished on both sides"
    cases = fmt.counted(difference.cases, "case")
    by = " by mean score" if comparison.metric is Metric.SCORE else ""
    margin = f"{points(comparison.margin)}{' (auto)' if comparison.auto else ''}"
    worse, then = "worse", f"; margin {margin}"
    if comparison.verdict is Verdict.NOT_WORSE and round(difference.difference, 9) < 0:
        worse, then = "lower", f", within the margin of {margin}"
    return f"is {_worse_or_better(difference, worse)} ({ends(difference.interval)}){by} on {cases}{then}"


def _worse_or_better(difference: Difference, worse: str) -> str:
    """A difference in words: 10.0 points worse."""
    if not round(difference.difference, 9):
        return "neither better nor worse"
    return f"{points(abs(difference.difference))} {worse if difference.difference < 0 else 'better'}"


def coarse_words(comparison: Comparison) -> str:
    """What so few cases leave unseen: `so few cases may miss any drop below 44.8 points`; else nothing."""
    difference, margin = comparison.difference, comparison.margin
    if difference is None or margin is None or not comparison.auto or margin <= _COARSE or difference.interval[0] >= 0:
        return ""
    return f"so few cases may miss any drop below {points(margin)}"


def points(share: float) -> str:
    """A difference of shares: 10.0 points."""
    return f"{100 * share:.1f} points"


def ends(interval: Sequence[float]) -> str:
    """The interval of a difference, in points: -15.8 to -4.2."""
    return " to ".join(f"{100 * end:+.1f}" for end in interval)


class _Kind(NamedTuple):
    """How the figures of a limit are written."""

    what: str
    broken: str
    show: Callable[[float], str]
    unknown: str


_KINDS: Final[Mapping[str, _Kind]] = {
    "min_pass_rate": _Kind("pass rate", "below", fmt.percent, "no call was finished"),
    "max_error_rate": _Kind("error rate", "above", fmt.percent, "no call was finished"),
    "max_p95": _Kind("p95", "above", fmt.duration, "no answer was timed"),
    "max_cost_per_case": _Kind(
        "cost per case", "above", lambda usd: f"${fmt.usd(usd)}", "not every answer has a known price"
    ),
}


def limit_words(limit: Limit) -> str:
    """What came of a limit: `p95 is 1.90 s (1.50 s to n/a), above 1.50 s`."""
    kind = _KINDS.get(limit.rule)
    if kind is None:
        return _case_words(limit)
    if limit.value is None or limit.limit is None:
        return f"{kind.what} is unknown: {kind.unknown}"
    verb = kind.broken if limit.state is State.BROKEN else f"not {kind.broken}"
    value = f"{kind.what} is {kind.show(limit.value)} ({limit_ends(limit)}), {verb} {kind.show(limit.limit)}"
    return f"{value}, which the interval does not settle" if limit.straddles else value


def limit_ends(limit: Limit) -> str:
    """The interval of what was measured; an end that is not known is n/a."""
    kind = _KINDS.get(limit.rule)
    if kind is None or limit.ends == (None, None):
        return fmt.UNKNOWN
    return " to ".join(fmt.UNKNOWN if end is None else kind.show(end) for end in limit.ends)


_NAMED: Final = 5


def _case_words(limit: Limit) -> str:
    whom = f"{limit.pattern!r}" if limit.pattern else "every case"
    wanted = "every time" if limit.limit is None else f"at least {fmt.counted(int(limit.limit), 'time')}"
    rule = f"{limit.rule} ({whom} passes {wanted})"
    if limit.state is State.KEPT:
        return f"{rule} is kept"
    named = names(limit.cases, _NAMED)
    if limit.state is State.UNKNOWN:
        return f"{rule} is unknown, as calls are missing: {named}"
    return f"{rule} is broken by {fmt.counted(len(limit.cases), 'case')}: {named}"


def names(cases: Sequence[str], most: int) -> str:
    """Some of the cases, and how many more there are."""
    more = f" and {fmt.count(len(cases) - most)} more" if len(cases) > most else ""
    return ", ".join(cases[:most]) + more


def notes(result: GateResult) -> list[str]:
    """What a reader has to know beside the verdicts, a sentence each; the gravest first."""
    return [
        *_ungated(result),
        *_unguarded(result),
        *_incomplete(result),
        *_part(result),
        *_raced(result),
        *_no_baseline(result),
        *_cases(result),
        *_rules(result),
    ]


def _ungated(result: GateResult) -> Iterator[str]:
    what, but = ("NOT COMPARED", ": only its limits were checked") if result.rules.has_limits else ("NOT GATED", "")
    for one in result.ungated:
        yield f"{what}: {candidate_name(one)} has no entry in the baseline{but}; freeze a new one to guard it"


def _unguarded(result: GateResult) -> Iterator[str]:
    if result.unguarded:
        yield f"the baseline also has {', '.join(map(candidate_name, result.unguarded))}, which this run did not ask"


def _incomplete(result: GateResult) -> Iterator[str]:
    if not result.incomplete:
        return
    errors, missing = result.measured.errors, result.measured.missing
    parts = [
        *([fmt.counted(errors, "call") + " ended in an error, which counts as not passed"] if errors else []),
        *([fmt.counted(missing, "call") + " never finished"] if missing else []),
        *([f"further trials could not be asked: {result.cut_short}"] if result.cut_short else []),
    ]
    yield f"the run is incomplete: {'; '.join(parts) or 'it has no calls'}; nothing is green that was not measured"


def _part(result: GateResult) -> Iterator[str]:
    if result.asked_part:
        rows, selection = result.measured.run.rows, result.measured.run.manifest.selection
        yield (
            f"the run asked {fmt.count(rows.cases)} of the suite's {fmt.counted(selection.cases_in_suite, 'case')}: "
            "nothing is said of the others"
        )


def _raced(result: GateResult) -> Iterator[str]:
    if result.measured.not_asked:
        calls = fmt.counted(result.measured.not_asked, "call")
        yield f"a race did without {calls}: candidates that it stopped are compared on the cases they were asked"


def _no_baseline(result: GateResult) -> Iterator[str]:
    if result.baseline is None:
        yield "only limits were checked: there is no baseline to compare with"


def _cases(result: GateResult) -> Iterator[str]:
    cases, baseline = result.cases, result.baseline
    if cases is None or baseline is None:
        return
    if cases.any:
        parts = [(cases.new, "new"), (cases.removed, removed(result)), (cases.changed, "changed")]
        counts = ", ".join(f"{fmt.count(len(some))} {word}" for some, word in parts if some)
        yield (
            f"compared on the {fmt.counted(cases.compared, 'case')} that are the same as in the baseline; "
            f"left out: {counts}"
        )
    elif _same_prompts(result) and baseline.suite_fingerprint != result.measured.run.manifest.suite.fingerprint[:16]:
        yield (
            "the suite's scorers, parameters, vars or threshold have changed since the baseline: where they judge "
            "otherwise, so do the verdicts; freeze a new baseline of answers judged alike (evalkit score, "
            "evalkit baseline)"
        )


def removed(result: GateResult) -> str:
    """What to say of cases that only the baseline has."""
    return "not asked" if result.asked_part else "no longer there"


def _same_prompts(result: GateResult) -> bool:
    """Whether the baseline's prompts are those of the run, so that no prompt explains another suite."""
    now = {(prompt.name, prompt.fingerprint) for prompt in result.measured.run.manifest.prompts}
    compared = (one.comparison for one in result.candidates if one.comparison is not None)
    return all((one.against[1], one.frozen.prompt_fingerprint) in now for one in compared)


def _rules(result: GateResult) -> Iterator[str]:
    if result.looks > 1:
        yield (
            f"intervals are wider than 95 % ({100 * (1 - 0.05 / result.looks):.1f} %), as {result.looks} looks at the "
            "gate were planned and each takes its share of the allowed error"
        )


def candidate_notes(one: CandidateGate, result: GateResult) -> list[str]:
    """What there is to know of a candidate beside its headline, a sentence each."""
    comparison = one.comparison
    lines = [f"note: {limit_words(limit)}" for limit in one.limits if limit.state is State.KEPT and limit.straddles]
    if comparison is None:
        return lines
    difference = comparison.difference
    if comparison.renamed:
        lines.append(f"{one.model}@{one.prompt} is compared with {candidate_name(comparison.against)} of the baseline")
    if difference is not None:
        lines.append(_flipped(difference))
    if difference is not None and comparison.margin is not None and coarse_words(comparison):
        lines.append(
            f"{fmt.counted(difference.cases, 'case')} that disagree so often cannot show less than the margin of "
            f"{points(comparison.margin)}; more cases can, and margin: in the suite's gate says how much may be lost"
        )
    lines += [*_holes(comparison.frozen), *_settling(one, result)]
    if comparison.drifted:
        before, now = (", ".join(some) for some in comparison.drifted)
        lines.append(f"the provider served {now}, and {before} when the baseline was made")
    return lines


def _flipped(difference: Difference) -> str:
    text = (
        f"better on {fmt.count(difference.better)}, worse on {fmt.count(difference.worse)} of "
        f"{fmt.counted(difference.cases, 'case')}"
    )
    if difference.errors:
        text += f"; errors on {fmt.counted(difference.errors, 'case')}, which count as not passed"
    return text


def _holes(frozen: Frozen) -> Iterator[str]:
    parts = [
        *([f"no result of {fmt.counted(frozen.unfinished, 'case')}"] if frozen.unfinished else []),
        *([f"errors on {fmt.counted(frozen.faulty, 'case')}, counted as not passed"] if frozen.faulty else []),
    ]
    if parts:
        yield f"the baseline is itself incomplete ({'; '.join(parts)}): freeze a complete run"


def _settling(one: CandidateGate, result: GateResult) -> Iterator[str]:
    comparison = one.comparison
    if comparison is None or comparison.settling is None:
        return
    cases, trials = comparison.settling
    ways = [
        *([f"about {fmt.count(cases)} cases"] if cases else []),
        *([f"{trials} trials of these cases"] if trials else []),
    ]
    if ways:
        yield f"{' or '.join(ways)} would settle it, if the true difference is what was measured"
    if one.verdict is Verdict.INCONCLUSIVE and result.rules.undecided is not Undecided.MORE_TRIALS:
        yield "evalkit run --gate asks the cases again until it is settled, with gate: {undecided: more-trials}"


def shift_words(shift: Shift) -> str:
    """One case before and now: `double-charge from 3/3 to 1/3`."""
    (before, of), (now, finished) = shift.before, shift.now
    return f"{shift.case} from {before}/{of} to {now}/{finished}"


_ENDINGS: Final = {
    Outcome.PASSED: "gate passed",
    Outcome.FAILED: "gate failed",
    Outcome.INCOMPLETE: "gate neither passed nor failed: the run is incomplete",
}


def ending(result: GateResult) -> str:
    """How the gate ends, in a few words."""
    return _ENDINGS[result.outcome]
