"""What a comparison of two sides comes to, in words and tables: the old side is A, the new one B."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from evalkit.analysis.compare.answered import Percentile
from evalkit.analysis.compare.compared import CandidateComparison, Completeness, RunComparison
from evalkit.analysis.differences import Gap, Standing
from evalkit.analysis.run_data import Candidate
from evalkit.report import format as fmt
from evalkit.report.compare_words import ABOUT, DIRECTION, p_value, points, points_span, signed, some, span
from evalkit.report.sheets import Sheet
from evalkit.runner.manifest import Manifest
from evalkit.stats.margin import Verdict

_PER_1K: Final = 1000
_WIDE: Final = 0.1
"""A margin above this would pass what hardly anybody takes for as good."""
_MANY: Final = 100
"""Tokens from which tenths say nothing."""
_JUDGING: Final = ("threshold", "judge ")
_REMEDY: Final = "Judge both by one suite, then compare again: evalkit score RUN --suite SUITE."


def overview(comparison: RunComparison) -> list[Sheet]:
    """All pairs of a comparison of several, with those that have no partner; nothing where there is one pair."""
    if len(comparison.pairs) == 1 and not (comparison.only_old or comparison.only_new or comparison.unmeasured):
        return []
    rows = tuple(
        (
            pair_name(comparison, pair),
            points(pair.difference.difference),
            points_span(pair.difference.interval),
            p_value(pair.passes.p_holm),
            verdict_words(pair),
        )
        for pair in comparison.pairs
    )
    notes = []
    for letter, left in (("A", comparison.only_old), ("B", comparison.only_new)):
        if left:
            notes.append(f"Only in {letter}, and not compared: {some([_label(one) for one in left])}.")
    for old, new in comparison.unmeasured:
        notes.append(f"{_label(new)} against {_label(old)}: not one case was finished on both sides.")
    adjusted = f"p-values are adjusted for {len(rows)} comparisons." if len(rows) > 1 else ""
    header = ("B against A", "B - A", "95 % interval", "p", "verdict")
    return [Sheet("All pairs", header, rows, after=(*notes, *([adjusted] if adjusted else [])))]


def pair_name(comparison: RunComparison, pair: CandidateComparison) -> str:
    """What is compared, such as `new-model against old-model`."""
    if pair.old == pair.new:
        return _label(pair.new)
    both = _several_prompts(comparison) or pair.old[1] != pair.new[1]
    old, new = (_label(one) if both else one[0] for one in (pair.old, pair.new))
    return f"{new} against {old}"


def pair_sheets(comparison: RunComparison, pair: CandidateComparison) -> list[Sheet]:
    """One pair: the verdict, what surrounds it, the figures, the tags, and what differs."""
    before = (
        f"A: {_who(pair.old, comparison.old_run)}",
        f"B: {_who(pair.new, comparison.new_run)}",
        *(f"WARNING: {warning}" for warning in warnings(comparison, pair)),
        headline(pair),
        *_margin(pair),
        *_can_show(pair),
        *_cases(comparison, pair),
    )
    header = ("", "A", "B", "B against A")
    notes = tuple(_notes(comparison, pair))
    figures = Sheet(pair_name(comparison, pair), header, tuple(_figures(pair)), before, notes)
    return [figures, *_tags(pair), differences(comparison, pair)]


def headline(pair: CandidateComparison) -> str:
    """The verdict and what it rests on, in a sentence or two."""
    found = pair.difference
    alone = f"p {_equals(pair.passes.p)}"
    held = pair.passes.p_holm
    p = alone if held in {None, pair.passes.p} else f"{alone} ({p_value(held)} adjusted for the other comparisons)"
    counts = (
        f"better on {fmt.count(found.better)}, worse on {fmt.count(found.worse)} of {fmt.counted(found.cases, 'case')}"
    )
    size = f"{abs(100 * found.difference):.1f} points"
    standing = pair.passes.standing
    if standing is Standing.EVEN:
        difference = f"B - A is {points(found.difference)} ({points_span(found.interval)})"
        return f"{verdict_words(pair)}: {difference}, {counts}, {p}."
    return f"{verdict_words(pair)}: B is {size} {standing} than A ({points_span(found.interval)}), {counts}, {p}."


def verdict_words(pair: CandidateComparison) -> str:
    """BETTER, WORSE or CANNOT BE TOLD APART."""
    return pair.passes.standing.upper()


def warnings(comparison: RunComparison, pair: CandidateComparison) -> Iterator[str]:
    """What makes the comparison doubtful."""
    yield from _incomplete("A", pair.old_complete)
    yield from _incomplete("B", pair.new_complete)
    if comparison.old_run.suite.name != comparison.new_run.suite.name:
        yield f"A is of the suite {comparison.old_run.suite.name}, B of {comparison.new_run.suite.name}."
    old, new = (sorted(one.scorers) for one in (pair.old_answers, pair.new_answers))
    if old and new and old != new:
        yield f"A was judged by {some(old)}, B by {some(new)}: these verdicts cannot be compared. {_REMEDY}"
    if changed := [one.what for one in comparison.run if one.what.startswith(_JUDGING)]:
        yield f"A and B were not judged alike ({some(changed)} changed). {_REMEDY}"
    if pair.judged_apart:
        cases = fmt.counted(len(pair.judged_apart), "case")
        yield f"{cases} got the same answer on both sides and another verdict ({some(pair.judged_apart)}). {_REMEDY}"


def _incomplete(letter: str, one: Completeness) -> Iterator[str]:
    parts = []
    if one.missing:
        parts.append(f"{fmt.count(one.missing)} never finished and are left out")
    if one.errors:
        parts.append(f"{fmt.count(one.errors)} ended in an error and count as not passed")
    if parts:
        yield f"{letter} is incomplete: of {fmt.counted(one.planned, 'call')} {', '.join(parts)}."


def _margin(pair: CandidateComparison) -> Iterator[str]:
    if pair.margin is not None and pair.verdict is not None:
        margin = f"{100 * pair.margin:.1f} points"
        better = pair.verdict is Verdict.NOT_WORSE and pair.difference.interval.low > 0
        yield f"{pair.verdict} at a margin of {margin}: {'B is not worse at all.' if better else ABOUT[pair.verdict]}"
        if pair.margin > _WIDE:
            yield "That margin is wide: so few cases, or such scattered ones, could hide a drop that matters."


def _can_show(pair: CandidateComparison) -> Iterator[str]:
    if pair.passes.standing is not Standing.EVEN:
        return
    ends, cases = pair.difference.interval, fmt.counted(pair.difference.cases, "case")
    if pair.detectable is None:
        span_of = points_span(ends)
        yield f"That does not show that they are equal: by {cases}, B - A may lie anywhere in {span_of} points."
    else:
        yield (
            f"That does not show that they are equal: where two sides disagree as much as these, {cases} show a "
            f"difference of {100 * pair.detectable:.1f} points in 4 of 5 comparisons, and smaller ones less often."
        )


def _cases(comparison: RunComparison, pair: CandidateComparison) -> Iterator[str]:
    cases = comparison.cases
    unfinished = len(cases.common) - pair.difference.cases
    parts = []
    if unfinished:
        parts.append(f"{fmt.count(unfinished)} were not finished on both sides")
    for letter, only in (("A", cases.only_old), ("B", cases.only_new)):
        if only:
            parts.append(f"{fmt.count(len(only))} are only in {letter} ({some(only)})")
    for changed, how in (
        (cases.asked_otherwise, "ask something else now"),
        (cases.expected_otherwise, "expect something else now"),
    ):
        if changed:
            parts.append(f"{fmt.count(len(changed))} {how} ({some(changed)})")
    if parts:
        yield f"Compared on {fmt.counted(pair.difference.cases, 'common case')}. Left out: {'; '.join(parts)}."


def _figures(pair: CandidateComparison) -> Iterator[tuple[str, ...]]:
    found = pair.difference
    rates = ((found.second, pair.old_interval), (found.first, pair.new_interval))
    passed = (f"{fmt.percent(rate)} ({fmt.interval(ends)})" for rate, ends in rates)
    yield "passed", *passed, f"{signed(100 * found.difference, 1)} ({points_span(found.interval)})"
    if score := pair.score:
        difference = f"{signed(score.difference, 3)} ({span(score.interval, 3)})"
        yield "mean score", fmt.score(score.second), fmt.score(score.first), difference
    if times := pair.latency:
        for name, old in times.old.items():
            yield name, _percentile(old), _percentile(times.new[name]), ""
        yield "latency", "", "", f"x {times.ratio:.2f} ({times.interval.low:.2f}-{times.interval.high:.2f})"
    if tokens := pair.output_tokens:
        decimals = 0 if max(tokens.old, tokens.new) >= _MANY else 1
        means = (f"{value:,.{decimals}f}" for value in (tokens.old, tokens.new))
        yield "tokens out", *means, f"{signed(tokens.difference, decimals)} ({span(tokens.interval, decimals)})"
    yield "$/1k cases", *_cost(pair)


def _cost(pair: CandidateComparison) -> tuple[str, str, str]:
    cost = pair.cost
    if cost is None:
        return (fmt.UNKNOWN,) * 3
    old, new = (fmt.usd(_PER_1K * value) for value in (cost.old, cost.new))
    difference, low, high = (_signed_usd(_PER_1K * value) for value in (cost.difference, *cost.interval))
    return old, new, f"{difference} ({low} to {high})"


def _signed_usd(amount: float) -> str:
    return f"{'-' if amount < 0 else '+' if amount else ''}{fmt.usd(abs(amount))}"


def _percentile(one: Percentile) -> str:
    """A percentile and its interval, whose unit is said once where it is the same."""
    value, low, high = (fmt.duration(ms) for ms in (one.value, one.low, one.high))
    unit = value[value.index(" ") :]
    ends = [end.removesuffix(unit) if value.endswith(unit) else end for end in (low, high)]
    return f"{value} ({ends[0]}-{ends[1]})"


def _notes(comparison: RunComparison, pair: CandidateComparison) -> Iterator[str]:
    yield "Intervals are at 95 %. They cover the choice of cases, not errors in the expected values."
    if pair.latency:
        cases, p = fmt.counted(pair.latency.cases, "case"), f"p {_equals(pair.latency.p)}"
        yield f"latency: B's time as a multiple of A's, case by case; the geometric mean of {cases}, {p}."
        if not comparison.same_run:
            yield "Network, load and hour differ between the runs and count in latency too."
    if pair.output_tokens:
        yield f"tokens out: of one answer; the mean of {fmt.counted(pair.output_tokens.cases, 'case')}."
    if pair.cost and pair.cost.cases < pair.difference.cases:
        yield f"The cost is known on both sides for {fmt.counted(pair.cost.cases, 'case')} only."


def _tags(pair: CandidateComparison) -> Iterator[Sheet]:
    if not pair.tags:
        return
    rows = tuple(
        (
            one.tag,
            fmt.count(one.cases),
            f"{points(one.passes.difference)} ({points_span(one.passes.interval)})",
            f"{fmt.count(one.passes.better)}/{fmt.count(one.passes.worse)}",
            p_value(one.passes.p_holm),
            _standing(one.passes),
        )
        for one in pair.tags
    )
    few = f"Too few cases to say anything: {some(pair.few_tags)}." if pair.few_tags else ""
    adjusted = f"p-values are adjusted for {fmt.counted(len(rows), 'tag')}."
    header = ("tag", "cases", "B - A", "better/worse", "p", "B is")
    yield Sheet("By tag", header, rows, after=tuple(line for line in (adjusted, few) if line))


def _standing(gap: Gap) -> str:
    return "not told apart" if gap.standing is Standing.EVEN else gap.standing


def differences(comparison: RunComparison, pair: CandidateComparison) -> Sheet:
    """What of the models, their answers and the runs differs; the prompts' texts stand apart."""
    old, new = pair.old_answers, pair.new_answers
    said = (
        ("served model", old.served_models, new.served_models),
        ("provider's fingerprint", old.fingerprints, new.fingerprints),
    )
    rows = [(name, _names(before), _names(now)) for name, before, now in said if before.keys() != now.keys()]
    if old.finish_reasons != new.finish_reasons:
        rows.append(("finish reasons", _counts(old.finish_reasons), _counts(new.finish_reasons)))
    rows += [(one.what, one.old or "-", one.new or "-") for one in (*pair.model, *comparison.run)]
    return Sheet("What differs", ("", "A", "B"), tuple(rows), after=tuple(_about_differences(comparison, pair, rows)))


def _about_differences(
    comparison: RunComparison, pair: CandidateComparison, rows: Sequence[tuple[str, str, str]]
) -> Iterator[str]:
    if not rows:
        yield "Nothing in the models' rows, in who answered, or in the runs' settings."
    if any(one.what == "suite content" for one in comparison.run):
        yield (
            "The suite has changed between the runs: cases, prompts, parameters or scorers. If it was scorers, the "
            f"verdicts cannot be compared. {_REMEDY}"
        )
    yield DIRECTION[pair.prompt.alike, bool(pair.prompt.lines), pair.prompt.known]


def _names(said: Mapping[str, int]) -> str:
    return some(list(said)) if said else fmt.UNKNOWN


def _counts(said: Mapping[str, int]) -> str:
    return some([f"{name} {fmt.count(times)}" for name, times in said.items()]) if said else fmt.UNKNOWN


def _who(candidate: Candidate, run: Manifest) -> str:
    return f"{_label(candidate)}, run {run.run_id} of {run.suite.name}, {run.created_at[:10]}"


def _label(candidate: Candidate) -> str:
    return "@".join(candidate)


def _several_prompts(comparison: RunComparison) -> bool:
    return len({one.old[1] for one in comparison.pairs} | {one.new[1] for one in comparison.pairs}) > 1


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"
