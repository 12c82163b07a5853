"""Pass rates on the cases of each tag, and who differs there: a section of report.md."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.analysis import RunSummary, TagSummary
from evalkit.analysis.differences import Standing, TagComparison
from evalkit.report import format as fmt
from evalkit.report.comparison import p_holm, verdict
from evalkit.report.labels import Labels
from evalkit.report.markup import folded_if_long, plain, table

_MAX_TAGS = 40
_SHARES = "The share of finished calls that passed (counts are in report.json),"
_MANY = 4
"""Candidates, for more of which cells hold rates alone, and the table is turned if it then has fewer columns."""
_MAX_DIFFERENCES = 20
"""Rows of differences beyond which only those that tell candidates apart are shown."""


def tag_section(run: RunSummary, labels: Labels) -> list[str]:
    """The pass rate of every candidate at every tag, and how they differ. Nothing for a suite without tags."""
    tags = run.tags
    names = list(dict.fromkeys(one.tag for one in tags))
    if not names:
        return []
    many = len(run.models) > _MANY
    more = len(names) - _MAX_TAGS
    return [
        "## By tag",
        "",
        f"{_SHARES if many else 'Passed of finished calls,'} with the 95 % interval of the rate.",
        "",
        *_rates(tags, names[:_MAX_TAGS], labels, many=many),
        "",
        *([f"{fmt.counted(more, 'more tag')} in report.json.", ""] if more > 0 else []),
        *_differences(run, labels),
    ]


def _rates(tags: Sequence[TagSummary], names: Sequence[str], labels: Labels, *, many: bool) -> list[str]:
    candidates = list(dict.fromkeys(labels.of(one) for one in tags))
    cells = {(one.tag, labels.of(one)): _passed(one, with_counts=not many) for one in tags}
    sizes = {one.tag: fmt.count(one.cases) for one in tags}
    if many and len(candidates) > len(names):
        header = ["candidate", *(f"{plain(name)} ({sizes[name]})" for name in names)]
        return table(header, [[plain(one), *(cells[name, one] for name in names)] for one in candidates])
    rows = [[plain(name), sizes[name], *(cells[name, one] for one in candidates)] for name in names]
    return table(["tag", "cases", *map(plain, candidates)], rows)


def _passed(one: TagSummary, *, with_counts: bool) -> str:
    calls = one.calls
    if not calls.finished:
        return fmt.UNKNOWN
    return f"{fmt.passed(calls) if with_counts else fmt.percent(calls.rate)} [{fmt.interval(calls.interval)}]"


def _differences(run: RunSummary, labels: Labels) -> list[str]:
    """Where candidates differ from the best one, and at which tags there are too few cases to tell."""
    if run.comparisons is None or not run.comparisons.tags:
        return []
    told = [one for one in run.comparisons.tags if not one.too_few]
    apart = [one for one in told if one.passes.standing is not Standing.EVEN]
    shown = told if len(told) <= _MAX_DIFFERENCES else apart[:_MAX_DIFFERENCES]
    few = dict.fromkeys(one.tag for one in run.comparisons.tags if one.too_few)
    return [
        *_about(told, apart, shown, plain(labels.named(run.comparisons.best))),
        *(_table(shown, labels) if shown else []),
        *([f"Too few cases to tell candidates apart: {', '.join(map(plain, few))}.", ""] if few else []),
    ]


def _about(
    told: Sequence[TagComparison], apart: Sequence[TagComparison], shown: Sequence[TagComparison], best: str
) -> list[str]:
    if not told:
        return []
    adjusted = f", p adjusted for all {fmt.count(len(told))} comparisons (Holm)" if len(told) > 1 else ""
    compared = f"Compared with {best} tag by tag{adjusted}"
    if not apart:
        found = "no candidate is told apart from it on the cases of any tag"
    else:
        found = f"{fmt.count(len(apart))} of them {'tells' if len(apart) == 1 else 'tell'} a candidate apart"
    rest = "" if len(shown) == len(told) else " The others are in report.json."
    return [f"{compared}: {found}.{rest}", ""]


def _table(shown: Sequence[TagComparison], labels: Labels) -> list[str]:
    columns = {
        "tag": [plain(one.tag) for one in shown],
        "candidate": [plain(labels.named(one.first)) for one in shown],
        "verdict": [verdict(one.passes) for one in shown],
        "points": [fmt.points(one.passes.difference) for one in shown],
        "95 % interval": [fmt.points_interval(one.passes.interval) for one in shown],
        "better on": [fmt.count(one.passes.better) for one in shown],
        "worse on": [fmt.count(one.passes.worse) for one in shown],
        "cases": [fmt.count(one.cases) for one in shown],
        "p": [p_holm(one.passes) for one in shown],
    }
    return folded_if_long("comparison", table(list(columns), list(zip(*columns.values(), strict=True)), left=3))
