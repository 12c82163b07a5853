"""The results on a terminal, once the run is over. The only report that needs rich."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from evalkit.analysis import ModelSummary
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.markup import one_line
from evalkit.report.under_load import errors

Columns: TypeAlias = Mapping[str, Sequence[Text]]
"""A table's cells, by the titles of its columns."""

_NAME: Final = 16
"""Characters of a model's name that are worth more than another figure; a longer name goes on in the next line."""
_FIRST_TO_GO: Final = ("$/1k", "p50", "95 %", "p95", "errors")
_FIRST_TO_GO_UNDER_LOAD: Final = ("tokens/s", "p99", "sent/s", "TTFT p95", "p50", "answered/s")


def summary_table(summaries: Sequence[ModelSummary], width: int | None = None) -> Table:
    """One row per candidate, which says nothing by colour alone.

    Fits 80 columns. In less than that, or with long names, figures are left to the report.

    Args:
        summaries: the candidates'.
        width: of the terminal, None where everything is wanted.
    """
    labels = Labels(summaries)
    missing = any(one.calls.missing for one in summaries)
    columns = {
        "model": [Text(one_line(labels.of(one))) for one in summaries],
        "passed": [Text(fmt.passed(one.calls), style="bold") for one in summaries],
        "95 %": _texts(fmt.interval(one.calls.interval) for one in summaries),
        "errors": [_marked(one.calls.errors, "red") for one in summaries],
        **({"missing": [_marked(one.calls.missing, "yellow") for one in summaries]} if missing else {}),
        "p50": _texts(fmt.duration(one.latency.p50) for one in summaries),
        "p95": _texts(fmt.duration(one.latency.p95) for one in summaries),
        "$/1k": _texts(fmt.usd(one.cost_per_1k_cases_usd) for one in summaries),
    }
    return plain_table(fitting(columns, _FIRST_TO_GO, width))


def load_table(summaries: Sequence[ModelSummary], width: int | None = None) -> Table:
    """How each candidate did under load, one row each, as in `summary_table`. All figures are in load.csv."""
    labels = Labels(summaries)
    loads = [(one, one.load) for one in summaries if one.load]
    columns = {
        "model": [Text(one_line(labels.of(one))) for one, _ in loads],
        "sent/s": _texts(fmt.rate(load.sent_per_s) for _, load in loads),
        "answered/s": [Text(fmt.rate(load.answered_per_s), style="bold") for _, load in loads],
        "errors": [Text(errors(load), style="red" if load.errors else "") for _, load in loads],
        "p50": _texts(fmt.duration(load.p50) for _, load in loads),
        "p95": _texts(fmt.duration(load.p95) for _, load in loads),
        "p99": _texts(fmt.duration(load.p99) for _, load in loads),
        "TTFT p95": _texts(fmt.duration(load.ttft_p95) for _, load in loads),
        "tokens/s": _texts(fmt.rate(load.output_tokens_per_s) for _, load in loads),
    }
    return plain_table(fitting(columns, _FIRST_TO_GO_UNDER_LOAD, width))


def _texts(figures: Iterable[str]) -> list[Text]:
    return [Text(figure) for figure in figures]


def _marked(count: int, style: str) -> Text:
    return Text(fmt.count(count), style=style if count else "")


def fitting(columns: Columns, dispensable: Sequence[str], width: int | None) -> Columns:
    """Leave out columns, the most dispensable first, until the rest fits beside the names in the first one."""
    left = dict(columns)
    for title in dispensable:
        if width is None or _wanted(left) <= width:
            break
        left.pop(title, None)
    return left


def _wanted(columns: Columns) -> int:
    """Characters that a table takes, one between two columns; names may be folded."""
    name, *figures = (max(cell_len(title), *(text.cell_len for text in texts), 0) for title, texts in columns.items())
    return min(name, _NAME) + sum(figures) + len(figures)


def plain_table(columns: Columns) -> Table:
    """Set columns of text; the first one is of names."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    name, *figures = columns
    table.add_column(name, overflow="fold")
    for title in figures:
        table.add_column(title, justify="right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table
