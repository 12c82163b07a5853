"""The rows of a run in its plan's order, wherever the folder has them: in journals, or packed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from evalkit.errors import ConfigError, Location
from evalkit.runner.index import Index, RowReader, index_journals, last_rows
from evalkit.runner.journal import RECORDS, SCORES, decode_record, decode_score
from evalkit.runner.manifest import CASES
from evalkit.runner.packed import (
    KINDS,
    PackedRows,
    is_packed,
    packed_parts,
    packed_path,
    record_kind,
    rest_path,
    score_kind,
)
from evalkit.runner.rows import every
from evalkit.types import CallScore, Record

if TYPE_CHECKING:
    from evalkit.runner.columns import Kind

T = TypeVar("T")

OfRound: TypeAlias = Callable[[int], Iterator[T | None]]
"""Reads one round: the rows of all cases, in order; None where a call has none. Rounds are counted from 0."""


class RoundReaders(NamedTuple):
    """Read a round's calls, records and verdicts."""

    ids: Callable[[int], Iterator[str]]
    records: OfRound[Record]
    scores: OfRound[CallScore]


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of a run's planned calls: so many rounds of so many cases each.

    `index` says where journals have them, case by case; None where all journals are packed.
    """

    folder: Path
    rounds: int
    cases: int
    index: Index | None

    @contextmanager
    def open(self) -> Iterator[RoundReaders]:
        """Open the files for reading.

        Raises:
            ConfigError: here or on the way: a file is damaged.
        """
        records, scores = self.folder / RECORDS, self.folder / SCORES
        if self.index is None:
            with (
                PackedRows(packed_path(records), record_kind) as one,
                PackedRows(packed_path(scores), score_kind) as two,
            ):
                yield RoundReaders(self._by_round(one.ids), self._by_round(one.values), self._by_round(two.values))
            return
        index = self.index
        with (
            self._reader(records, index.records, decode_record, record_kind) as read_records,
            self._reader(scores, index.scores, decode_score, score_kind) as read_scores,
        ):
            yield RoundReaders(
                lambda turn: (f"{index.call_ids[at]:016x}" for at in self._places(turn)), read_records, read_scores
            )

    @contextmanager
    def _reader(
        self, journal: Path, begins: Sequence[int], decode: Callable[..., T], kind: Callable[[], Kind[T]]
    ) -> Iterator[OfRound[T]]:
        if is_packed(journal):
            with PackedRows(packed_path(journal), kind) as packed:
                yield self._by_round(packed.values)
        else:
            with RowReader(journal, decode) as rows:
                yield lambda turn: (rows.at(begins[at]) for at in self._places(turn))

    def _by_round(self, read: Callable[[int, int], Iterator[T]]) -> Callable[[int], Iterator[T]]:
        return lambda turn: read(turn * self.cases, (turn + 1) * self.cases)

    def _places(self, turn: int) -> range:
        """Where the index has the calls of a round."""
        return range(turn, self.rounds * self.cases, self.rounds)


def locate(folder: Path, rounds: int, call_ids: Callable[[], Iterable[int]]) -> Stored:
    """Find the rows of a run.

    Args:
        folder: of the run.
        rounds: how often each case was to be asked, by all candidates together.
        call_ids: makes the ids of all calls, case by case.

    Raises:
        ConfigError: a file is damaged, or not of this plan.
    """
    packed = packed_parts(folder)
    if len(packed) < len(KINDS):
        index = index_journals(call_ids(), folder / RECORDS, folder / SCORES)
        calls = len(index.call_ids)
    else:
        index, calls = None, rounds * _lines(folder / CASES)
    for name, kind in KINDS.items():
        if name in packed:
            with PackedRows(packed_path(folder / name), kind) as rows:
                rows.check(calls, islice(call_ids(), rounds))
    return Stored(folder, rounds, calls // rounds if rounds else 0, index)


def rows_by_plan(folder: Path, call_ids: Callable[[], Iterable[str]]) -> Iterator[Record | None]:
    """Read the records of these calls, which are those of the run's plan in its order; None where there is none.

    Raises:
        ConfigError: a file is damaged, or not of this plan.
    """
    journal = folder / RECORDS
    if not is_packed(journal):
        begins = last_rows(journal, (int(call_id, 16) for call_id in call_ids()))
        with RowReader(journal, decode_record) as records:
            for begin in begins:
                yield records.at(begin)
        return
    with PackedRows(packed_path(journal), record_kind) as packed:
        ids = packed.ids(0, len(packed))
        for call_id, found, record in zip_longest(call_ids(), ids, packed.values(0, len(packed))):
            if call_id != found:
                raise packed.of_another_plan()
            yield record


def every_record(folder: Path) -> Iterator[Record]:
    """Read all records of a run, also those that a later one replaced.

    Raises:
        ConfigError: a row other than a torn last one is damaged; names the file.
    """
    journal = folder / RECORDS
    if not is_packed(journal):
        yield from every(journal, decode_record)
        return
    yield from every(rest_path(journal), decode_record)
    with PackedRows(packed_path(journal), record_kind) as packed:
        yield from filter(None, packed.values(0, len(packed)))


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error}", where=Location(path)) from None
