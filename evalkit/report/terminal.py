"""The results on a terminal, once the run is over. The only report that needs rich."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.analysis import ModelSummary, RunData
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.verdict import error_groups


def summary_table(summaries: Sequence[ModelSummary]) -> Table:
    """One row per candidate; fits 80 columns, and says nothing by colour alone."""
    labels = Labels(summaries)
    missing = any(one.calls.missing for one in summaries)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column("model", overflow="fold")
    for title in ("passed", "95 %", "errors", *(["missing"] if missing else []), "p50", "p95", "$/1k"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in summaries:
        table.add_row(Text(labels.of(one)), *_figures(one, missing))
    return table


def lacking(run: RunData, summaries: Sequence[ModelSummary]) -> Iterator[str]:
    """Say per candidate what it lacks and why, with one example of each kind of error."""
    labels = Labels(summaries)
    for one in summaries:
        rows = run.groups[one.model, one.prompt]
        for kind, failed in error_groups(rows):
            first = failed[0]
            why = first.error.message if first.error else ""
            yield f"{labels.of(one)}: {fmt.counted(len(failed), 'error')} ({kind}), e.g. case {first.case.id}: {why}"
        if one.calls.missing:
            yield f"{labels.of(one)}: {fmt.counted(one.calls.missing, 'call')} never finished"


def _figures(summary: ModelSummary, missing: bool) -> list[Text]:
    calls, latency = summary.calls, summary.latency
    return [
        Text(fmt.passed(calls), style="bold"),
        Text(fmt.interval(calls.interval)),
        Text(fmt.count(calls.errors), style="red" if calls.errors else ""),
        *([Text(fmt.count(calls.missing), style="yellow" if calls.missing else "")] if missing else []),
        Text(fmt.duration(latency.p50)),
        Text(fmt.duration(latency.p95)),
        Text(fmt.usd(summary.cost_per_1k_cases_usd)),
    ]
