"""The rows of journals as columns of Arrow, and back, one for one. Imports pyarrow: import this module lazily.

Numbers, texts and names have columns of their own; what has parts (tool calls, turns, verdicts) is JSON text, and null
where it is empty. A row that these columns cannot give back byte by byte, as another release wrote it, is in the column
`line` as it was.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import pyarrow as pa  # type: ignore[import-untyped]

from evalkit.runner.journal import decode_record, decode_score, decode_turn, decode_verdict, encode_record, encode_score
from evalkit.types import CallScore, Json, Record, RecordError, Usage

T = TypeVar("T")

Row: TypeAlias = Mapping[str, Any]
_Get: TypeAlias = Callable[[Row], Any]

LINE: Final = "line"
"""The column of rows that are kept as they were written."""
CALL_ID: Final = "call_id"

_NAME: Final = pa.dictionary(pa.int32(), pa.string())
_CODES: Final = {pa.int32(): "i", pa.int64(): "q", pa.float64(): "d"}
_MOST_TEXTS: Final = 10_000
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Kind(NamedTuple, Generic[T]):
    """A kind of rows.

    Attributes:
        schema: its columns, `call_id` first and `line` last.
        read: what each column but the last takes of a journal's row.
        present: a column that is null where a call has no row.
        values: makes the values of a batch's rows from its columns; of rows that are absent or kept as lines, anything.
        decode, encode: a row from and to its value.
    """

    schema: Any
    read: tuple[_Get, ...]
    present: str
    values: Callable[[Columns], Iterator[T]]
    decode: Callable[[Row], T]
    encode: Callable[[T], Row]


class Columns:
    """The columns of a batch as lists; a column without any value costs nothing."""

    def __init__(self, batch: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._batch = batch
        self.rows: int = batch.num_rows

    def __call__(self, name: str) -> Sequence[Any]:
        """The values of a column."""
        column = self._batch.column(name)
        if column.null_count == self.rows:
            return [None] * self.rows
        if pa.types.is_dictionary(column.type):
            names = dict(enumerate(column.dictionary.to_pylist()))
            return [names.get(place) for place in _values(column.indices)]
        return _values(column)

    def parsed(self, name: str, empty: Any, make: Callable[[Json], Any]) -> Iterator[Any]:  # noqa: ANN401
        """The values of a column of JSON text. Texts that come again are parsed once: values are never changed."""
        texts = self(name)
        known: dict[str, Any] = {}
        for text in texts:
            if text is None:
                yield empty
                continue
            value = known.get(text)
            if value is None:
                value = make(json.loads(text))
                if len(known) < _MOST_TEXTS:
                    known[text] = value
            yield value


def _values(column: Any) -> list[Any]:  # noqa: ANN401 - pyarrow has no types
    code = _CODES.get(column.type)
    if code is None or column.null_count:
        return column.to_pylist()  # type: ignore[no-any-return]
    # Many times as fast; by way of numpy, pyarrow would import pandas.
    numbers = array(code)
    numbers.frombytes(memoryview(column.buffers()[1])[: (column.offset + len(column)) * numbers.itemsize])
    return numbers[column.offset :].tolist()


def to_batch(kind: Kind[T], call_ids: Sequence[str], rows: Sequence[Row | None], lines: Sequence[str | None]) -> Any:  # noqa: ANN401
    """Make a batch of rows: each one's call, and either its row, or its line as it is, or neither.

    Raises:
        pyarrow.ArrowException, OverflowError, TypeError, ValueError, LookupError, AttributeError: a row does not fit.
    """
    columns = [pa.array(call_ids, pa.string())]
    for field, get in zip(list(kind.schema)[1:-1], kind.read[1:], strict=True):
        columns.append(pa.array([None if row is None else get(row) for row in rows], field.type))
    return pa.record_batch([*columns, pa.array(lines, pa.string())], schema=kind.schema)


def from_batch(kind: Kind[T], batch: Any) -> Iterator[tuple[T | None, str | None]]:  # noqa: ANN401
    """Go through the rows of a batch: each one's value, None without a row, and its line where it is kept as such."""
    columns = Columns(batch)
    values = kind.values(columns)
    if batch.column(kind.present).null_count == 0:  # so none is kept as a line either
        yield from zip(values, repeat(None))
        return
    for value, present, line in zip(values, columns(kind.present), columns(LINE), strict=True):
        if line is not None:
            yield kind.decode(json.loads(line)), line
        else:
            yield (None if present is None else value), None


def line_of(kind: Kind[T], value: T) -> str:
    """The row of a value as a journal has it."""
    return _COMPACT(kind.encode(value)) + "\n"


def _text(key: str) -> _Get:
    """What has parts, as JSON text; None where it is empty."""
    get = itemgetter(key)

    def read(row: Row) -> str | None:
        value = get(row)
        return _COMPACT(value) if value is not None and value not in ([], {}) else None

    return read


def _part(key: str, inner: str) -> _Get:
    def read(row: Row) -> Json:
        part = row[key]
        return None if part is None else part[inner]

    return read


_RECORD: Final[Mapping[str, tuple[Any, _Get]]] = {
    CALL_ID: (pa.string(), itemgetter(CALL_ID)),
    "model": (_NAME, itemgetter("model")),
    "prompt": (_NAME, itemgetter("prompt")),
    "case_id": (pa.string(), itemgetter("case_id")),
    "trial": (pa.int64(), itemgetter("trial")),
    "output": (pa.string(), itemgetter("output")),
    "tool_calls": (pa.string(), _text("tool_calls")),
    "finish_reason": (_NAME, itemgetter("finish_reason")),
    "finish_reason_raw": (_NAME, itemgetter("finish_reason_raw")),
    "logprobs": (pa.string(), _text("logprobs")),
    "input_tokens": (pa.int64(), _part("usage", "input")),
    "cached_input_tokens": (pa.int64(), _part("usage", "cached_input")),
    "cache_write_tokens": (pa.int64(), _part("usage", "cache_write")),
    "output_tokens": (pa.int64(), _part("usage", "output")),
    "reasoning_tokens": (pa.int64(), _part("usage", "reasoning")),
    "queue_ms": (pa.float64(), itemgetter("queue_ms")),
    "retry_ms": (pa.float64(), itemgetter("retry_ms")),
    "ttft_ms": (pa.float64(), itemgetter("ttft_ms")),
    "latency_ms": (pa.float64(), itemgetter("latency_ms")),
    "client_ms": (pa.float64(), itemgetter("client_ms")),
    "server_ms": (pa.string(), _text("server_ms")),
    "attempts": (pa.int64(), itemgetter("attempts")),
    "served_model": (_NAME, itemgetter("served_model")),
    "fingerprint": (_NAME, itemgetter("fingerprint")),
    "cost_usd": (pa.float64(), itemgetter("cost_usd")),
    "billed": (pa.bool_(), itemgetter("billed")),
    "dropped_params": (pa.string(), _text("dropped_params")),
    "turns": (pa.string(), _text("turns")),
    "error_kind": (_NAME, _part("error", "kind")),
    "error_message": (pa.string(), _part("error", "message")),
    "error_status": (pa.int64(), _part("error", "status")),
    "started_at": (pa.string(), itemgetter("started_at")),
}

_SCORE: Final[Mapping[str, tuple[Any, _Get]]] = {
    CALL_ID: (pa.string(), itemgetter(CALL_ID)),
    "passed": (pa.bool_(), itemgetter("passed")),
    "value": (pa.float64(), itemgetter("value")),
    "verdicts": (pa.string(), _text("verdicts")),
}


def _records(get: Columns) -> Iterator[Record]:
    usages = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return map(
        Record,
        *(get(name) for name in (CALL_ID, "model", "prompt", "case_id", "trial", "output")),
        get.parsed("tool_calls", (), tuple),
        *(get(name) for name in ("finish_reason", "finish_reason_raw")),
        get.parsed("logprobs", None, lambda value: value),
        map(Usage, *map(get, usages)),
        *(get(name) for name in ("queue_ms", "retry_ms", "ttft_ms", "latency_ms", "client_ms")),
        get.parsed("server_ms", {}, lambda value: value),
        *(get(name) for name in ("attempts", "served_model", "fingerprint", "cost_usd", "billed")),
        get.parsed("dropped_params", (), tuple),
        get.parsed("turns", (), lambda turns: tuple(map(decode_turn, turns))),
        map(_error, get("error_kind"), get("error_message"), get("error_status")),
        get("started_at"),
    )


def _error(kind: str | None, message: str, status: int | None) -> RecordError | None:
    return None if kind is None else RecordError(kind, message, status)


def _scores(get: Columns) -> Iterator[CallScore]:
    verdicts = get.parsed("verdicts", (), lambda parts: tuple(map(decode_verdict, parts)))
    return map(CallScore, get(CALL_ID), get("passed"), get("value"), verdicts)


def _kind(
    columns: Mapping[str, tuple[Any, _Get]],
    present: str,
    values: Callable[[Columns], Iterator[T]],
    decode: Callable[[Row], T],
    encode: Callable[[T], Row],
) -> Kind[T]:
    fields = [(name, kind) for name, (kind, _) in columns.items()]
    schema = pa.schema([*fields, (LINE, pa.string())])
    return Kind(schema, tuple(get for _, get in columns.values()), present, values, decode, encode)


RECORD_KIND: Final = _kind(_RECORD, "attempts", _records, decode_record, encode_record)
SCORE_KIND: Final = _kind(_SCORE, "value", _scores, decode_score, encode_score)
