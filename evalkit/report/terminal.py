"""The results on a terminal, once the run is over. The only report that needs rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.analysis import ModelSummary
from evalkit.report import format as fmt
from evalkit.report.labels import Labels


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
