"""A table of answers for people to fill in their labels: what `evalkit judge --template` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evalkit.analysis import CallRow
from evalkit.analysis.tidy import Cell, expected_text
from evalkit.exports.csvtext import csv_lines
from evalkit.report.format import compact

COLUMNS = ("call_id", "case_id", "label", "annotator", "input", "expected", "output")
"""No model is named and no verdict shown: whoever labels should not know them."""


def label_sheet(rows: Iterable[CallRow]) -> Iterator[str]:
    """One row per answer, its label empty."""
    return csv_lines(COLUMNS, map(_row, rows))


def _row(row: CallRow) -> tuple[Cell, ...]:
    case, answer = row.case, row.answer
    said = [answer.output or "", *([compact(list(answer.tool_calls))] if answer.tool_calls else [])] if answer else []
    # A case with one var is mostly just that text.
    asked = compact(next(iter(case.vars.values())) if len(case.vars) == 1 else dict(case.vars))
    turns = [asked, *(turn.user for turn in case.turns)] if case.turns else [asked]
    return (
        row.call.call_id,
        case.id,
        None,
        None,
        "\n\n".join(turns),
        expected_text(case.expected),
        "\n\n".join(filter(None, said)),
    )
