"""Where the journals of a run folder hold what: an index of 24 bytes per planned call, so that no row is kept."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from evalkit.runner.rows import SESSION, damaged, decoded, parse

T = TypeVar("T")

NOWHERE = -1
"""The place of a row that does not exist."""
_START = b'{"call_id":"'
_END = len(_START) + 16


class Index(NamedTuple):
    """Planned calls in some order: their ids as numbers, and the byte at which each one's last row begins."""

    call_ids: Sequence[int]
    records: Sequence[int]
    scores: Sequence[int]


def index_journals(call_ids: Iterable[int], records: Path, scores: Path) -> Index:
    """Find the last row of every planned call. Rows of other calls are passed over, and so is a torn last row.

    Raises:
        ConfigError: a row is damaged; names file and line.
    """
    ids = array("Q", call_ids)
    positions = _Positions(ids)
    return Index(ids, _last_rows(records, positions), _last_rows(scores, positions))


def last_rows(path: Path, call_ids: Iterable[int]) -> Sequence[int]:
    """Find where each of these calls has its last row in one journal; NOWHERE where it has none.

    Raises:
        ConfigError: a row is damaged; names file and line.
    """
    return _last_rows(path, _Positions(array("Q", call_ids)))


class _Positions:
    """A hash table from call id to position; at four bytes a slot it is a tenth of a dict's size.

    Ids are cut from SHA-256 and thus spread evenly as they are.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids
        self._mask = (1 << (2 * len(ids)).bit_length()) - 1
        self._slots = array("I", [0]) * (self._mask + 1)  # positions count from 1; 0 is a free slot
        for position, call_id in enumerate(ids, 1):
            slot = call_id & self._mask
            while self._slots[slot]:
                slot = (slot + 1) & self._mask
            self._slots[slot] = position

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, call_id: int) -> int | None:
        slot = call_id & self._mask
        while position := self._slots[slot]:
            if self._ids[position - 1] == call_id:
                return position - 1
            slot = (slot + 1) & self._mask
        return None


def _last_rows(path: Path, positions: _Positions) -> Sequence[int]:
    begins = array("q", [NOWHERE]) * len(positions)
    for call_id, begin in _row_begins(path):
        position = positions.find(call_id)
        if position is not None:
            begins[position] = begin
    return begins


def _row_begins(path: Path) -> Iterator[tuple[int, int]]:
    """Every row's call id and first byte, in the file's order."""
    for begin, line in row_lines(path):
        call_id = line[len(_START) : _END]
        if not (line.startswith(_START) and line[_END : _END + 1] == b'"'):
            call_id = _parsed_id(path, begin, line)
        if (number := _number(call_id)) is not None:
            yield number, begin


def row_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line of a journal with its first byte, header lines included, a torn last row left out."""
    if not path.exists():
        return
    begin = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return  # torn by a kill: its call counts as never made
            yield begin, line
            begin += len(line)


def _number(call_id: bytes) -> int | None:
    """An id as a number; None for what is no id of this release, so not of a planned call either."""
    try:
        return int(call_id, 16)
    except ValueError:
        return None


def _parsed_id(path: Path, begin: int, line: bytes) -> bytes:
    """The id of a row that is not written as ours are; nothing for a header line."""
    row = parse(path, begin, line)
    if SESSION in row:
        return b""
    try:
        return str(row["call_id"]).encode()
    except KeyError as error:
        raise damaged(path, begin, error) from None


class RowReader(Generic[T]):
    """Reads single rows of a journal.

    Args:
        path: of the journal; one that does not exist has no rows.
        decode: turns a parsed row into its value.
    """

    def __init__(self, path: Path, decode: Callable[[Mapping[str, Any]], T]) -> None:
        self._path = path
        self._decode = decode
        self._file = path.open("rb") if path.exists() else None

    def at(self, begin: int) -> T | None:
        """Read the row that begins at this byte; None for NOWHERE.

        Raises:
            ConfigError: the row is damaged; names file and line.
        """
        if begin == NOWHERE or self._file is None:
            return None
        self._file.seek(begin)
        row = parse(self._path, begin, self._file.readline())
        return decoded(self._path, begin, row, self._decode)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
