"""Cases as tables: JSON lines that hold all of a case, CSV and Parquet with a column for each var."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO, Final

from evalkit.exports.csvtext import csv_lines, tell_formulas
from evalkit.exports.options import ExportOptions
from evalkit.exports.told import Told
from evalkit.exports.write import Files
from evalkit.scorers.values import as_text, kind_of
from evalkit.types import MISSING, Case, Json, Suite, Turn

_OURS: Final = ("id", "expected", "tags", "data_policy", "vars")
_TO_JSONL: Final = "export to jsonl, which holds all of a case"
_SEPARATORS: Final = (";", ",")


def jsonl(suite: Suite, options: ExportOptions, told: Told) -> Files:  # noqa: ARG001 - other formats need them
    """A case a line, as case files spell it: nothing is lost."""
    return {"": (f"{_line(case, told)}\n" for case in _each(suite, told))}


def csv(suite: Suite, options: ExportOptions, told: Told) -> Files:  # noqa: ARG001 - other formats need them
    """A case a row, a var a column; all values are text."""
    flat = _flat(_own(suite), told)
    return {"": csv_lines(flat.header, (_cells(case, flat, told) for case in _each(suite, told)))}


def parquet(suite: Suite, options: ExportOptions, told: Told) -> Files:  # noqa: ARG001 - other formats need them
    """A case a row, a var a column, each of one type."""
    return {"": partial(_parquet, suite, told)}


def case_row(case: Case) -> dict[str, Json]:
    """Spell a case as case files do."""
    row: dict[str, Json] = {"id": case.id, "vars": dict(case.vars), **_judged(case)}
    if case.tags:
        row["tags"] = list(case.tags)
    if case.turns:
        row["turns"] = [{"user": turn.user, **_judged(turn)} for turn in case.turns]
    if case.data_policy is not None:
        row["data_policy"] = case.data_policy
    return row


def _judged(one: Case | Turn) -> dict[str, Json]:
    row: dict[str, Json] = {} if one.expected is MISSING else {"expected": one.expected}
    if one.scorers:
        row["scorers"] = [json.loads(entry.spelling) for entry in one.scorers]
    return row


def _own(suite: Suite) -> Iterator[Case]:
    """Go through the cases; where the suite keeps its data at home, each says so itself."""
    for case in suite.cases:
        local = suite.data_policy is not None and case.data_policy is None
        yield replace(case, data_policy=suite.data_policy) if local else case


def _each(suite: Suite, told: Told) -> Iterator[Case]:
    """Go through the cases; takes down what a table of cases leaves behind, whatever its format."""
    if suite.vars:
        told.changed("var", f"vars that all cases share stay in the suite: {', '.join(suite.vars)}")
    for case in _own(suite):
        if case.files:
            told.changed("picture", "pictures stay where they are: their paths start from the suite's folder", case)
        yield case


def _line(case: Case, told: Told) -> str:
    row = case_row(case)
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:
        told.lost("number", "a number that is none (NaN, infinity) becomes null", case)
        return json.dumps(finite(row), ensure_ascii=False)


def finite(value: Json) -> Json:
    """A value with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(slots=True)
class _Flat:
    """A flat table's columns: vars with the names of theirs, and which others some case fills."""

    vars: dict[str, str] = field(default_factory=dict)
    expected: bool = False
    tags: bool = False
    data_policy: bool = False

    @property
    def header(self) -> Sequence[str]:
        others = [name for name in ("expected", "tags", "data_policy") if getattr(self, name)]
        return ["id", *self.vars.values(), *others]


def _flat(cases: Iterable[Case], told: Told) -> _Flat:
    flat = _Flat()
    first: dict[str, Case] = {}
    for case in cases:
        for name in case.vars:
            first.setdefault(name, case)
        flat.expected |= case.expected is not MISSING
        flat.tags |= bool(case.tags)
        flat.data_policy |= case.data_policy is not None
    taken = {*_OURS, *filter(_is_column, first)}
    for name, case in first.items():
        flat.vars[name] = name if _is_column(name) else _column(name, taken, case, told)
    return flat


def _is_column(name: str) -> bool:
    """Whether a reader takes a column of this name for the var that it is."""
    return bool(name) and name == name.strip() and name not in _OURS


def _column(name: str, taken: set[str], case: Case, told: Told) -> str:
    """Name the column of a var whose own name will not do."""
    stem = column = f"var_{name.strip()}"
    number = 2
    while column in taken:
        column, number = f"{stem}_{number}", number + 1
    taken.add(column)
    told.lost("var", f"no column can be called {name!r}: the var stands in the column {column}", case, remedy=_TO_JSONL)
    return column


def _left_behind(case: Case, told: Told) -> None:
    """Take down what flat tables have no column for."""
    if case.scorers:
        told.lost("scorer", "a case's own scorers have no column", case, remedy=_TO_JSONL)
    if case.turns:
        told.lost("turn", "the turns of a conversation have no column", case, remedy=_TO_JSONL)


def _cells(case: Case, flat: _Flat, told: Told) -> list[str]:
    _left_behind(case, told)
    cells = [case.id]
    for name, column in flat.vars.items():
        if name in case.vars:
            cells.append(_text(case.vars[name], f"the var {column}", case, told))
        else:
            told.changed("var", f"a case without the var {column} gets an empty one", case)
            cells.append("")
    if flat.expected:
        if case.expected is MISSING:
            told.changed("expected", "a case that expects nothing gets an empty `expected`", case, remedy=_TO_JSONL)
        cells.append("" if case.expected is MISSING else _text(case.expected, "`expected`", case, told))
    if flat.tags:
        cells.append(_joined(case, told))
    tell_formulas(cells, case, told)
    return [*cells, case.data_policy or ""] if flat.data_policy else cells


def _text(value: Json, name: str, case: Case, told: Told) -> str:
    if isinstance(value, str):
        return value
    told.changed("value", f"{name} is {kind_of(value)}, and becomes text", case)
    return "" if value is None else as_text(value)


def _joined(case: Case, told: Told) -> str:
    for tag in case.tags:
        if tag != tag.strip() or any(one in tag for one in _SEPARATORS):
            told.lost("tag", f"the tag {tag!r} is taken apart by whoever reads the table", case, remedy=_TO_JSONL)
    return ";".join(case.tags)


def _parquet(suite: Suite, told: Told, file: BinaryIO) -> None:
    from evalkit.exports.arrow import array_of, lists, texts, write_columns

    flat = _flat(_own(suite), told)
    chosen = list(_each(suite, told))
    columns = {"id": texts([case.id for case in chosen])}
    for name, column in flat.vars.items():
        columns[column] = array_of(
            [_or_none(case, name, column, told) for case in chosen], f"the var {column}", chosen, told
        )
    if flat.expected:
        columns["expected"] = array_of([_expected(case, told) for case in chosen], "`expected`", chosen, told)
    if flat.tags:
        columns["tags"] = lists([case.tags for case in chosen])
    if flat.data_policy:
        columns["data_policy"] = texts([case.data_policy for case in chosen])
    for case in chosen:
        _left_behind(case, told)
    write_columns(columns, file)


def _or_none(case: Case, name: str, column: str, told: Told) -> Json:
    if name not in case.vars:
        told.changed("var", f"a case without the var {column} gets one that is null", case)
    return case.vars.get(name)


def _expected(case: Case, told: Told) -> Json:
    if case.expected is MISSING:
        told.changed("expected", "a case that expects nothing gets an `expected` that is null", case, remedy=_TO_JSONL)
        return None
    return case.expected
