"""Packed journals: Parquet files that hold one row for every planned call, in the plan's order.

NAME.parquet stands for NAME.jsonl where there is no such file: a journal always counts before what it was packed into.
The journal's other rows (headers, tries that a later one replaced) are in NAME.rest.jsonl beside it, as they were.
pyarrow is imported only where such a file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from evalkit.errors import ConfigError, Location
from evalkit.runner.journal import RECORDS, SCORES
from evalkit.types import CallScore, Record

if TYPE_CHECKING:
    from evalkit.runner.columns import Kind

T = TypeVar("T")

DIGEST: Final = b"evalkit.digest"
"""The key under which a file keeps the SHA-256 of the lines it was made of, in its order."""
_BATCH: Final = 8192


def packed_path(journal: Path) -> Path:
    """Where a journal is packed into."""
    return journal.with_suffix(".parquet")


def rest_path(journal: Path) -> Path:
    """Where the rows of a packed journal are that count no more."""
    return journal.with_suffix(".rest.jsonl")


def is_packed(journal: Path) -> bool:
    """Whether a journal is packed."""
    return not journal.exists() and packed_path(journal).exists()


def packed_parts(folder: Path) -> list[str]:
    """Name the journals of a run folder that are packed."""
    return [name for name in KINDS if is_packed(folder / name)]


def packed_names() -> list[str]:
    """The names of all files that packed journals may consist of."""
    return [path(Path(name)).name for name in KINDS for path in (packed_path, rest_path)]


def refuse_packed(folder: Path) -> None:
    """Keep a packed run from being written to.

    Raises:
        ConfigError: it is packed.
    """
    if packed_parts(folder):
        raise ConfigError(
            f"the run {folder} was compacted: its journals cannot grow",
            remedy=f"unpack them first: evalkit compact --undo {folder}",
        )


def drop_packed(journal: Path) -> None:
    """Remove what a journal was packed into, as the journal itself is there again."""
    for path in (packed_path(journal), rest_path(journal)):
        path.unlink(missing_ok=True)


def record_kind() -> Kind[Record]:
    """The columns of records. Imports pyarrow."""
    from evalkit.runner.columns import RECORD_KIND

    return RECORD_KIND


def score_kind() -> Kind[CallScore]:
    """The columns of verdicts. Imports pyarrow."""
    from evalkit.runner.columns import SCORE_KIND

    return SCORE_KIND


KINDS: Final[Mapping[str, Callable[[], Kind[Any]]]] = {RECORDS: record_kind, SCORES: score_kind}
"""What makes the columns of each journal that can be packed."""


class PackedRows(Generic[T]):
    """Reads a packed journal batch by batch.

    Args:
        path: of the Parquet file.
        kind: what its rows are. A function, as that takes pyarrow.

    Raises:
        ConfigError: here or later: the file is damaged.
    """

    def __init__(self, path: Path, kind: Callable[[], Kind[T]]) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        self._path = path
        self._kind = kind()
        self._faults = (pa.ArrowException, OSError, LookupError, TypeError, ValueError, AttributeError)
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
            self._check()
        except self._faults as error:
            raise self._damaged(error) from None

    def _check(self) -> None:
        if self._file.schema_arrow.remove_metadata() != self._kind.schema:
            raise ValueError("its columns are not those of this release")
        # Where the rows of every group end.
        self._ends: list[int] = []
        for group in range(self._file.num_row_groups):
            self._ends.append(self._file.metadata.row_group(group).num_rows + (self._ends[-1] if self._ends else 0))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def digest(self) -> str:
        """What tells the lines that it was made of."""
        return ((self._file.metadata.metadata or {}).get(DIGEST) or b"").decode()

    def ids(self, begin: int, end: int) -> Iterator[str]:
        """The calls of the rows from `begin` to before `end`."""
        for batch in self._batches(begin, end, [self._kind.schema.names[0]]):
            yield from batch.column(0).to_pylist()

    def values(self, begin: int, end: int) -> Iterator[T | None]:
        """The rows from `begin` to before `end`; None where a call has none."""
        for value, _ in self.rows(begin, end):
            yield value

    def rows(self, begin: int, end: int) -> Iterator[tuple[T | None, str | None]]:
        """The same, each with its line where it is kept as it was written."""
        from evalkit.runner.columns import from_batch

        for batch in self._batches(begin, end, None):
            try:
                yield from from_batch(self._kind, batch)
            except self._faults as error:
                raise self._damaged(error) from None

    def _batches(self, begin: int, end: int, columns: list[str] | None) -> Iterator[Any]:
        start = 0
        for group, stop in enumerate(self._ends):
            if start < end and begin < stop:
                at = start
                for batch in self._group(group, columns):
                    first, last = max(begin, at), min(end, at + batch.num_rows)
                    if first < last:
                        yield batch.slice(first - at, last - first)
                    at += batch.num_rows
            start = stop

    def _group(self, group: int, columns: list[str] | None) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(_BATCH, row_groups=[group], columns=columns)
        except self._faults as error:
            raise self._damaged(error) from None

    def check(self, calls: int, first: Iterable[int]) -> None:
        """Check that it is of this plan.

        Args:
            calls: how many are planned.
            first: the first call of each round, in order.

        Raises:
            ConfigError: it is not.
        """
        firsts = list(first)
        begins = range(0, calls, calls // len(firsts)) if firsts else range(0)
        if len(self) != calls or any(
            int(next(self.ids(begin, begin + 1)), 16) != call_id for begin, call_id in zip(begins, firsts, strict=True)
        ):
            raise self.of_another_plan()

    def of_another_plan(self) -> ConfigError:
        """The error for a file whose calls are not those of the run."""
        return ConfigError(
            "does not hold the calls that manifest.json and cases.jsonl plan",
            where=Location(self._path),
            remedy="take all files of the run from one copy of it",
        )

    def _damaged(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"is not a packed journal: {type(error).__name__}: {error}",
            where=Location(self._path),
            remedy="take it from a copy of the run; nothing else holds these rows",
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
