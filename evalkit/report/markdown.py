"""report.md: what a person reads first, in a pull request or on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from evalkit.analysis import ModelSummary, RunSummary
from evalkit.report import format as fmt
from evalkit.report.alerts import alerts
from evalkit.report.by_scorer import scorer_section
from evalkit.report.by_tag import tag_section
from evalkit.report.comparison import comparison_section
from evalkit.report.confusion import label_section
from evalkit.report.consistency import consistency_section
from evalkit.report.decision import decision_section, recommendation
from evalkit.report.failed import error_section, failed_section
from evalkit.report.html import has_picture
from evalkit.report.imported import imported_section
from evalkit.report.judges import judge_section
from evalkit.report.labels import Labels
from evalkit.report.markup import plain, table
from evalkit.report.method import method_section
from evalkit.report.race import race_section
from evalkit.report.under_load import load_section
from evalkit.report.verdict import headline
from evalkit.stats import min_n_for_upper_bound

_NAMED: Final = 5
"""Candidates that a sentence names, at most."""


def markdown(run: RunSummary) -> str:
    """The whole report."""
    suite, models, labels = run.manifest.suite, run.models, Labels(run.models)
    sections = [
        [f"# {plain(suite.name)}", "", *([plain(suite.description), ""] if suite.description else [])],
        recommendation(run.decision, labels),
        [headline(run, labels), ""],
        imported_section(run.manifest),
        alerts(run, labels),
        [*results_table(models, labels), ""],
        ["![Pass rates, and what they cost or how long they take](report.svg)", ""] if has_picture(run) else [],
        _rough_percentiles(models, labels),
        _tails(models, labels),
        _warm_cache(models, labels),
        race_section(run, labels),
        decision_section(run.decision, labels),
        comparison_section(run, labels),
        load_section(run, labels),
        consistency_section(run, labels),
        tag_section(run, labels),
        scorer_section(run, labels),
        label_section(run, labels),
        judge_section(run.judges),
        error_section(run, labels),
        failed_section(run, labels),
        method_section(run, labels),
    ]
    return "\n".join(line for lines in sections for line in lines).rstrip() + "\n"


def results_table(summaries: Sequence[ModelSummary], labels: Labels) -> list[str]:
    """The table a person needs: one row per candidate."""
    columns = {
        "model": [plain(one.model) for one in summaries],
        "prompt": [plain(one.prompt) for one in summaries] if labels.several_prompts else None,
        "passed": [fmt.passed(one.calls) for one in summaries],
        "95 % interval": [fmt.interval(one.calls.interval) for one in summaries],
        "errors": [fmt.count(one.calls.errors) for one in summaries],
        "missing": _where_any([one.calls.missing for one in summaries]),
        "not asked": _where_any([one.calls.not_asked for one in summaries]),
        "mean score": _scores(summaries),
        "p50": [fmt.duration(one.latency.p50) for one in summaries],
        "p95 [95 %]": [fmt.percentile(one.latency.p95, one.latency.interval("p95")) for one in summaries],
        "$ per 1k cases": [fmt.usd(one.cost_per_1k_cases_usd) for one in summaries],
        "$ per pass": [fmt.usd(one.cost_per_passed_usd) for one in summaries],
    }
    shown = {title: cells for title, cells in columns.items() if cells is not None}
    return table(list(shown), list(zip(*shown.values(), strict=True)), left=2 if labels.several_prompts else 1)


def _where_any(counts: Sequence[int]) -> list[str] | None:
    """A column only where there is something to say."""
    return [fmt.count(n) for n in counts] if any(counts) else None


def _scores(summaries: Sequence[ModelSummary]) -> list[str] | None:
    """A column only where scores say more than pass or fail."""
    if not any(one.graded for one in summaries):
        return None
    return [
        f"{fmt.score(one.score.value)} [{fmt.score_interval(one.score.interval)}]" if one.score else fmt.UNKNOWN
        for one in summaries
    ]


def _rough_percentiles(summaries: Sequence[ModelSummary], labels: Labels) -> list[str]:
    few = [one for one in summaries if one.latency.n and one.latency.interval("p95")[1] is None]
    if not few:
        return []
    if len(few) > _NAMED and len(few) == len(summaries):
        names = f"all {fmt.count(len(few))} candidates"
    else:
        names = ", ".join(f"{plain(labels.of(one))} ({fmt.counted(one.latency.n, 'answer')})" for one in few)
    needed = min_n_for_upper_bound(0.95)
    repeated = " to different cases" if any(one.trials > 1 for one in few) else ""
    return [f"p95 is rough for {names}: fewer than {needed} answers{repeated} cannot bound it from above.", ""]


def _tails(summaries: Sequence[ModelSummary], labels: Labels) -> list[str]:
    """How much longer than usual slow answers take: what hurts in production, and no median shows."""
    known = [one for one in summaries if one.latency.tail is not None and one.latency.n > 1]
    shown = (
        known if len(known) <= _NAMED else sorted(known, key=lambda one: one.latency.tail or 0.0)[: -_NAMED - 1 : -1]
    )
    ratios = "; ".join(
        f"{plain(labels.of(one))} {fmt.ratio(one.latency.tail, one.latency.tail_interval)}" for one in shown
    )
    of = "" if len(shown) == len(known) else f", the {_NAMED} highest of {fmt.count(len(known))}"
    return [f"Slow answers, p95 / p50 [95 %]{of}: {ratios}.", ""] if ratios else []


def _warm_cache(summaries: Sequence[ModelSummary], labels: Labels) -> list[str]:
    shares = ", ".join(
        f"{fmt.percent(one.used.cached_input_share)} for {plain(labels.of(one))}"
        for one in summaries
        if one.used.cached_input_share
    )
    return [f"Input tokens from a warm prompt cache, which flatters latency and cost: {shares}.", ""] if shares else []
