"""The tidy table: one row per planned call, one column per fact. cases.csv and the data frame are both made from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from evalkit.analysis.rows import CallRow, Outcome, fault_of
from evalkit.types import MISSING, Json, Record, ScorerVerdict

if TYPE_CHECKING:
    import pandas as pd

Cell: TypeAlias = str | bool | int | float | None
"""A value of the table; None is unknown."""

COLUMN_TYPES = {
    "case_id": "string",
    "tags": "string",
    "model": "string",
    "prompt": "string",
    "trial": "Int64",
    "passed": "boolean",
    "score": "Float64",
    "scorer": "string",
    "reason": "string",
    "expected": "string",
    "output": "string",
    "error": "string",
    "latency_ms": "Float64",
    "ttft_ms": "Float64",
    "queue_ms": "Float64",
    "retry_ms": "Float64",
    "attempts": "Int64",
    "input_tokens": "Int64",
    "output_tokens": "Int64",
    "cost_usd": "Float64",
    "call_id": "string",
    "tool_calls": "string",
}
"""The columns in order, each with its pandas type (nullable throughout)."""

_TO_JSON = json.JSONEncoder(ensure_ascii=False).encode
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_PASSED = {Outcome.PASSED: True, Outcome.FAILED: False, Outcome.ERROR: False}
_NO_RECORD = Record(call_id="", model="", prompt="", case_id="", trial=0)


def tidy_row(row: CallRow) -> tuple[Cell, ...]:
    """One value per column of COLUMN_TYPES.

    An error is not passed, so the mean of `passed` is the pass rate; a call that never finished has no `passed` at all.
    `scorer` and `reason` are those of the scorers that failed the answer, or of all when it passed; those of weight 0
    are left out, as they explain neither.
    """
    call, case, record = row.call, row.case, row.record or _NO_RECORD
    verdicts = telling_verdicts(row)
    return (
        case.id,
        ";".join(case.tags),
        call.model,
        call.prompt,
        call.trial,
        _PASSED.get(row.outcome),
        row.verdict.value if row.verdict else None,
        ";".join(verdict.scorer for verdict in verdicts),
        "; ".join(verdict.score.reason for verdict in verdicts if verdict.score.reason),
        expected_text(case.expected),
        record.output,
        f"{row.error.kind}: {row.error.message}" if row.error else None,
        record.latency_ms,
        record.ttft_ms,
        record.queue_ms,
        record.retry_ms,
        record.attempts if row.record else None,
        record.usage.input,
        record.usage.output,
        record.cost_usd,
        call.call_id,
        _COMPACT(record.tool_calls) if record.tool_calls else None,
    )


def expected_text(expected: Json) -> str | None:
    """An expected value as text: a string as it is, anything else as JSON; None where the case expects nothing."""
    if expected is MISSING:
        return None
    return expected if isinstance(expected, str) else _TO_JSON(expected)


def to_frame(rows: Iterable[CallRow]) -> pd.DataFrame:
    """The tidy table as a data frame. Imports pandas, which takes half a second: never on the way of a run."""
    return frame_of(COLUMN_TYPES, map(tidy_row, rows))


def frame_of(types: Mapping[str, str], rows: Iterable[tuple[Cell, ...]]) -> pd.DataFrame:
    """A table as a data frame, with the pandas type of each column. Imports pandas."""
    import pandas as pd

    columns: list[tuple[Cell, ...]] = list(zip(*rows, strict=True)) or [()] * len(types)
    frame = {}
    for (name, kind), values in zip(types.items(), columns, strict=True):
        try:
            frame[name] = pd.Series(list(values), dtype=kind)
        except UnicodeEncodeError:
            frame[name] = pd.Series(list(map(encodable, values)), dtype=kind)
    return pd.DataFrame(frame)


def encodable(cell: Cell) -> Cell:
    """A cell with halves of surrogate pairs, which models that are cut off do write, spelled as cases.csv has them."""
    return cell.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(cell, str) else cell


def telling_verdicts(row: CallRow) -> tuple[ScorerVerdict, ...]:
    """The verdicts that explain the outcome: those that failed, or all when the call passed. None for an error.

    A scorer without a say explains nothing, whatever its verdict.
    """
    if row.verdict is None:
        return ()
    # In the rows of older runs, which tell no weights, that of a fault is known all the same.
    verdicts = tuple(verdict for verdict in row.verdict.verdicts if verdict.weight and fault_of(verdict) is None)
    failing = tuple(verdict for verdict in verdicts if not verdict.score.passed)
    return verdicts if row.verdict.passed or not failing else failing
