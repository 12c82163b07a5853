"""Results as tables: the tidy table of cases.csv, a call a row, with a value and a verdict of every scorer.

The names of those columns are the scorer's with `.score` and `.passed`; of several scorers with one name the later ones
are numbered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from evalkit.analysis.rows import CallRow, named_verdicts
from evalkit.analysis.run_data import RunData
from evalkit.analysis.tidy import COLUMN_TYPES, Cell, frame_of, tidy_row
from evalkit.exports.csvtext import csv_lines, tell_formulas
from evalkit.exports.options import ExportOptions
from evalkit.exports.told import Told
from evalkit.exports.write import Files
from evalkit.types import Json

if TYPE_CHECKING:
    import pandas as pd

_MOST_SCORERS: Final = 200


def jsonl(run: RunData, options: ExportOptions, told: Told) -> Files:  # noqa: ARG001 - other formats need them
    """A call a line; `scores` holds what every scorer said."""
    return {"": (json.dumps(_object(row), ensure_ascii=False) + "\n" for row in run.rows)}


def csv(run: RunData, options: ExportOptions, told: Told) -> Files:  # noqa: ARG001 - other formats need them
    """A call a row: the columns of cases.csv, and two for each scorer."""
    scorers = scorers_of(run.rows, told)
    return {"": csv_lines(list(column_types(scorers)), _told_rows(run.rows, scorers, told))}


def _told_rows(rows: Iterable[CallRow], scorers: Sequence[str], told: Told) -> Iterator[tuple[Cell, ...]]:
    for row in rows:
        cells = wide_row(row, scorers)
        tell_formulas(cells, row.case, told)
        yield cells


def parquet(run: RunData, options: ExportOptions, told: Told) -> Files:  # noqa: ARG001 - other formats need them
    """The same, with types; what is unknown is null."""
    return {"": partial(_parquet, run, scorers_of(run.rows, told))}


def results_frame(run: RunData) -> pd.DataFrame:
    """The same, as a data frame with nullable column types. Imports pandas."""
    scorers = scorers_of(run.rows)
    return frame_of(column_types(scorers), (wide_row(row, scorers) for row in run.rows))


def scorers_of(rows: Iterable[CallRow], told: Told | None = None) -> Sequence[str]:
    """The names of the scorers that judged any of these calls, in the order in which they turn up."""
    names: dict[str, None] = {}
    for row in rows:
        for name, _ in named_verdicts(row.verdict) if row.verdict else ():
            names[name] = None
    if told and len(names) > _MOST_SCORERS:
        words = f"{len(names):,} scorers are too many for columns: the first {_MOST_SCORERS} have some"
        told.lost("scorer", words, remedy="export to jsonl, which has all of them")
    return list(islice(names, _MOST_SCORERS))


def column_types(scorers: Sequence[str]) -> Mapping[str, str]:
    """The columns in order, each with its pandas type."""
    own = {f"{name}.{part}": kind for name in scorers for part, kind in (("score", "Float64"), ("passed", "boolean"))}
    return {**COLUMN_TYPES, **own}


def wide_row(row: CallRow, scorers: Sequence[str]) -> tuple[Cell, ...]:
    """One value per column; None where a scorer did not judge the call."""
    scores = {name: verdict.score for name, verdict in named_verdicts(row.verdict)} if row.verdict else {}
    found = [scores.get(name) for name in scorers]
    own = [cell for score in found for cell in ((score.value, score.passed) if score else (None, None))]
    return (*tidy_row(row), *own)


def _object(row: CallRow) -> dict[str, Json]:
    verdicts = named_verdicts(row.verdict) if row.verdict else ()
    scores = {
        name: {"value": verdict.score.value, "passed": verdict.score.passed, "reason": verdict.score.reason}
        for name, verdict in verdicts
    }
    return {**dict(zip(COLUMN_TYPES, tidy_row(row), strict=True)), "scores": scores}


def _parquet(run: RunData, scorers: Sequence[str], file: BinaryIO) -> None:
    from evalkit.exports.arrow import write_rows

    write_rows(column_types(scorers), (wide_row(row, scorers) for row in run.rows), file)
