"""What the page says before its scripts run: sentences and tables, as plain text that the template escapes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.analysis import ModelSummary, RunSummary, TagSummary
from evalkit.analysis.differences import Comparison
from evalkit.report import format as fmt
from evalkit.report.alerts import terminal_lines
from evalkit.report.comparison import cases as differing_cases
from evalkit.report.comparison import p_holm, terminal_comparison, verdict
from evalkit.report.decision_words import Words, stands
from evalkit.report.html.svg import colour
from evalkit.report.imported import imported_line
from evalkit.report.labels import Labels
from evalkit.report.race import race_line
from evalkit.runner.manifest import Manifest, ManifestModel
from evalkit.types import Json

_MOST_TAGS: Final = 40
_FINGERPRINT: Final = 12
_VALUE: Final = 100


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text. `marks` are classes of rows' first cells; `classes` of the others, where they have any."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marks: Sequence[str] = ()
    classes: Sequence[Sequence[str]] = ()


def moment(told: str) -> str:
    """A point in time to the second: 2030-01-05 10:15:00 UTC; what is no such point, as it is."""
    try:
        return f"{dt.datetime.fromisoformat(told).astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return told


def headline(run: RunSummary) -> str:
    """What the run says, in a sentence."""
    labels, ranked = Labels(run.models), run.ranked()
    if run.decision:
        return Words(run.decision, labels).headline()
    if not ranked:
        return "No answer was judged: there is nothing to compare."
    best = ranked[0]
    first = "Pass rate" if len(run.models) == 1 else f"Highest pass rate: {labels.of(best)},"
    return f"{first} {fmt.passed(best.calls)}, 95 % interval {fmt.interval(best.calls.interval)}."


def reasons(run: RunSummary) -> list[str]:
    """Why: what the decision rests on, or how the others stand to the best one."""
    labels = Labels(run.models)
    if run.decision:
        words = Words(run.decision, labels)
        return [line.replace("`", "") for line in (*words.reasons(), *words.outlook())]
    return list(terminal_comparison(run))


def remarks(run: RunSummary) -> Iterator[str]:
    """How the race went, if it was one."""
    if line := race_line(run):
        yield line


def warnings(run: RunSummary) -> list[str]:
    """What a reader must know before believing any of it."""
    lines = list(terminal_lines(run))
    if run.incomplete:
        share = f"{fmt.count(run.errors + run.missing)} of {fmt.counted(run.planned, 'call')}"
        told = "An error counts as not passed; a missing call counts as nothing."
        lines.insert(0, f"Incomplete: {share} without a verdict. {told}")
    if run.manifest.stopped and run.missing:
        lines.insert(1, f"Stopped early: {run.manifest.stopped}")
    return lines


def candidate_table(run: RunSummary) -> Table:
    """One row per candidate, the highest pass rate first, those without a verdict last."""
    labels = Labels(run.models)
    shown = [*run.ranked(), *(one for one in run.models if not one.judged)]
    columns = {
        "candidate": [labels.of(one) for one in shown],
        **_verdicts(run, shown),
        "passed": [fmt.passed(one.calls) for one in shown],
        "95 % interval": [fmt.interval(one.calls.interval) for one in shown],
        **_where_any("errors", [one.calls.errors for one in shown]),
        **_where_any("missing", [one.calls.missing for one in shown]),
        **_where_any("not asked", [one.calls.not_asked for one in shown]),
        **_scores(run, shown),
        "p50": [fmt.duration(one.latency.p50) for one in shown],
        "p95 [95 %]": [fmt.percentile(one.latency.p95, one.latency.interval("p95")) for one in shown],
        "$ per 1k cases": [fmt.usd(one.cost_per_1k_cases_usd) for one in shown],
        "$ per pass": [fmt.usd(one.cost_per_passed_usd) for one in shown],
    }
    numbers = {(one.model, one.prompt): at for at, one in enumerate(run.models)}
    marks = [colour(numbers[one.model, one.prompt]) for one in shown]
    return Table(list(columns), list(zip(*columns.values(), strict=True)), marks)


def _verdicts(run: RunSummary, shown: Sequence[ModelSummary]) -> Mapping[str, list[str]]:
    decision = run.decision
    if decision is None:
        return {}
    options = [decision.option((one.model, one.prompt)) for one in shown]
    return {"verdict": [stands(option, decision) if option else "" for option in options]}


def _where_any(title: str, counts: Sequence[int]) -> Mapping[str, list[str]]:
    return {title: [fmt.count(n) for n in counts]} if any(counts) else {}


def _scores(run: RunSummary, shown: Sequence[ModelSummary]) -> Mapping[str, list[str]]:
    if not run.graded:
        return {}
    told = [
        f"{fmt.score(one.score.value)} [{fmt.score_interval(one.score.interval)}]" if one.score else fmt.UNKNOWN
        for one in shown
    ]
    return {"mean score": told}


def tag_table(run: RunSummary) -> Table | None:
    """The pass rate of every candidate at the most frequent tags, shaded by the rate; None without tags."""
    labels = Labels(run.models)
    names = list(dict.fromkeys(one.tag for one in run.tags))[:_MOST_TAGS]
    if not names:
        return None
    found = {(one.tag, labels.of(one)): one for one in run.tags}
    candidates = list(dict.fromkeys(labels.of(one) for one in run.tags))
    sizes = {one.tag: one.cases for one in run.tags}
    cells = [[found.get((name, candidate)) for candidate in candidates] for name in names]
    rows = [[name, fmt.count(sizes[name]), *map(_tag_cell, row)] for name, row in zip(names, cells, strict=True)]
    shades = [["", *map(_shade, row)] for row in cells]
    return Table(["tag", "cases", *candidates], rows, classes=shades)


def _tag_cell(one: TagSummary | None) -> str:
    return fmt.passed(one.calls) if one else fmt.UNKNOWN


def _shade(one: TagSummary | None) -> str:
    rate = one.calls.rate if one else None
    return "" if rate is None else f"heat h{round(10 * rate)}"


def pairs(run: RunSummary) -> list[dict[str, Json]]:
    """Every two candidates that were compared, by number, with what came of it in words."""
    if run.comparisons is None:
        return []
    labels = Labels(run.models)
    numbers = {(one.model, one.prompt): at for at, one in enumerate(run.models)}
    return [
        {"first": numbers[pair.first], "second": numbers[pair.second], "words": _pair_words(pair, labels)}
        for pair in run.comparisons.pairs
    ]


def _pair_words(pair: Comparison, labels: Labels) -> str:
    gap = pair.passes
    size = f"{fmt.points(gap.difference)} points ({fmt.points_interval(gap.interval)})"
    errors = f", {fmt.count(pair.errors)} of these with errors" if pair.errors else ""
    return (
        f"{labels.named(pair.first)} - {labels.named(pair.second)}: {size}, {differing_cases(pair)}{errors}, "
        f"p = {p_holm(gap)} (Holm): {verdict(gap)}."
    ).replace("p = <", "p < ")


def facts(run: RunSummary) -> Iterator[tuple[str, str]]:
    """How it was measured, in short; report.md has the rest."""
    manifest = run.manifest
    selection = manifest.selection
    yield "Run", f"{manifest.run_id}, evalkit {manifest.evalkit}"
    if line := imported_line(manifest):
        yield "Imported", line
    yield "Time", " to ".join(map(moment, filter(None, [manifest.created_at, manifest.finished_at])))
    yield "Suite", f"{manifest.suite.path}, fingerprint {manifest.suite.fingerprint[:_FINGERPRINT]}"
    trials = f", {fmt.counted(manifest.trials, 'trial')} each" if manifest.trials > 1 else ""
    yield "Cases", f"{fmt.count(run.cases)} of {fmt.count(selection.cases_in_suite)}{trials}"
    yield "Prompts", ", ".join(f"{one.name} ({one.fingerprint[:_FINGERPRINT]})" for one in manifest.prompts)
    for model in manifest.models:
        yield f"Model {model.name}", "; ".join(_model_facts(model))
    for judge in manifest.judges:
        yield f"Judge {judge.name}", "; ".join(_model_facts(judge))
    yield from _surroundings(manifest)


def _model_facts(model: ManifestModel) -> Iterator[str]:
    yield " ".join(filter(None, [model.provider, model.model or model.weights or model.function]))
    if model.base_url:
        yield model.base_url
    for name, value in model.params.items():
        yield f"{name} {fmt.compact(value)[:_VALUE]}"
    if model.price:
        yield f"USD {model.price.input:,.10g} in, {model.price.output:,.10g} out per 1M tokens"
    if model.concurrency:
        yield f"at most {fmt.counted(model.concurrency, 'call')} in flight"


def _surroundings(manifest: Manifest) -> Iterator[tuple[str, str]]:
    git = manifest.git or {}
    if commit := git.get("commit"):
        yield "Git", f"{str(commit)[:_FINGERPRINT]}{', modified' if git.get('modified') else ''}"
    for title, known in (("Host", manifest.host), ("Versions", manifest.versions)):
        told = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
        if told:
            yield title, told
