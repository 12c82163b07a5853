"""Tables as Parquet. Imports pyarrow: import this module lazily."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from evalkit.analysis.tidy import Cell, encodable
from evalkit.exports.told import Told
from evalkit.scorers.values import as_text, kind_of
from evalkit.types import Case, Json

_BATCH: Final = 10_000
_KINDS: Final = {"string": pa.string(), "Int64": pa.int64(), "Float64": pa.float64(), "boolean": pa.bool_()}


def write_columns(columns: Mapping[str, Any], file: BinaryIO) -> None:
    """Write columns, as `texts`, `lists` and `array_of` make them."""
    pq.write_table(pa.table(dict(columns)), file)


def write_rows(types: Mapping[str, str], rows: Iterator[tuple[Cell, ...]], file: BinaryIO) -> None:
    """Write rows little by little; `types` are the columns, each with its pandas type."""
    schema = pa.schema([(name, _KINDS[kind]) for name, kind in types.items()])
    with pq.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, _BATCH)):
            columns = [
                _array(values, kind) for values, kind in zip(zip(*batch, strict=True), schema.types, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _array(values: Sequence[Cell], kind: Any) -> Any:  # noqa: ANN401 - a type and a column of pyarrow, which has none
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array(list(map(encodable, values)), kind)


def texts(values: Sequence[str | None]) -> Any:  # noqa: ANN401 - a column of pyarrow, which has no types
    """Make a column of texts."""
    return pa.array(values, pa.string())


def lists(values: Sequence[Sequence[str]]) -> Any:  # noqa: ANN401 - as above
    """Make a column of lists of texts."""
    return pa.array([list(value) for value in values], pa.list_(pa.string()))


def array_of(values: Sequence[Json], name: str, cases: Sequence[Case], told: Told) -> Any:  # noqa: ANN401 - as above
    """Make a column of values, a case each; of texts where no type of Arrow holds all of them as they are."""
    try:
        array = pa.array(values)
        if same(_read_back(array), list(values)):
            return array
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        pass
    for value, case in zip(values, cases, strict=True):
        if value is not None and not isinstance(value, str):
            told.changed("value", f"{name} is {kind_of(value)} among values of other types, and becomes text", case)
    return texts([None if value is None else as_text(value) for value in values])


def _read_back(array: Any) -> list[Json]:  # noqa: ANN401 - as above
    sink = io.BytesIO()
    write_columns({"column": array}, sink)
    found: list[Json] = pq.read_table(sink).column("column").to_pylist()
    return found


def same(one: Json, other: Json) -> bool:
    """Whether two values are equal and of the same types, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
