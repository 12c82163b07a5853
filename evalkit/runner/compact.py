"""Pack the journals of a finished run, and unpack them again, byte for byte. Imports pyarrow: import this lazily.

At no moment is a row in one place only that is not complete: the packed file is written beside the journal, forced to
the disk, read back and compared, and only then is the journal removed. A crash in between leaves the journal, which
counts before what lies packed beside it.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.runner.columns import Kind, from_batch, line_of, to_batch
from evalkit.runner.folder import only_writer
from evalkit.runner.index import NOWHERE, last_rows, row_lines
from evalkit.runner.manifest import read_cases, read_manifest
from evalkit.runner.packed import DIGEST, KINDS, PackedRows, drop_packed, packed_parts, packed_path, rest_path
from evalkit.runner.plan import call_ids_by_case
from evalkit.runner.rows import parse

_AT_ONCE: Final = 16_384
"""Rows of a row group: as many as are in memory at a time."""
_FAULTS: Final = (pa.ArrowException, OverflowError, TypeError, ValueError, LookupError, AttributeError)

_Line: TypeAlias = tuple[int, int, bytes]
"""A call, where its row begins (NOWHERE: there is none), and the row as it was written."""


class Packing(NamedTuple):
    """What came of a file: how many bytes became how many."""

    before: Path
    after: Path
    old_bytes: int
    new_bytes: int


class _Plan(NamedTuple):
    """The calls of a run, case by case, so many each."""

    call_ids: Sequence[int]
    per_case: int


def compact(folder: Path) -> list[Packing]:
    """Pack the journals of a run; those that are packed already are left as they are.

    Raises:
        ConfigError: the folder is not a finished run, is being written to, or has a damaged row.
        WriteError: there is no room.
    """
    manifest = read_manifest(folder)
    if manifest.finished_at is None:
        raise ConfigError(
            f"the run {folder} is not finished, and a packed journal cannot grow",
            remedy=f"finish it first: evalkit run {manifest.suite.path} --resume {folder}",
        )
    with only_writer(folder):
        journals = [folder / name for name in KINDS if (folder / name).exists()]
        ids = array("Q", call_ids_by_case(manifest, read_cases(folder))) if journals else array("Q")
        plan = _Plan(ids, len(manifest.models) * len(manifest.prompts) * manifest.trials)
        return [_pack(journal, KINDS[journal.name](), plan) for journal in journals]


def unpack(folder: Path) -> list[Packing]:
    """Write the journals of a packed run anew. Rows that still count follow those that do not, in the plan's order.

    Raises:
        ConfigError: the folder is not a run, or a packed file is damaged; nothing has changed then.
        WriteError: there is no room.
    """
    read_manifest(folder)
    with only_writer(folder):
        return [_unpack(folder / name) for name in packed_parts(folder)]


def _pack(journal: Path, kind: Kind[Any], plan: _Plan) -> Packing:
    begins = last_rows(journal, plan.call_ids)
    target, old_bytes = packed_path(journal), journal.stat().st_size
    with _part_of(target) as part, _part_of(rest_path(journal)) as rest:
        digest = _write(part, kind, journal, begins, plan, careful=False)
        if _read_back(part, kind) != digest:
            # Some row was written by another hand: those that columns do not give back stay as they are.
            digest = _write(part, kind, journal, begins, plan, careful=True)
            if _read_back(part, kind) != digest:
                raise ConfigError(f"{journal} was not packed: what was read back differs; the journal is as it was")
        _write_rest(rest, journal, begins)
        if rest.stat().st_size:
            rest.replace(rest_path(journal))
        else:
            rest_path(journal).unlink(missing_ok=True)
        part.replace(target)
        _sync_folder(journal.parent)
        journal.unlink()
    return Packing(journal, target, old_bytes, target.stat().st_size)


def _write(part: Path, kind: Kind[Any], journal: Path, begins: Sequence[int], plan: _Plan, *, careful: bool) -> str:
    """Write the rows that count; returns the digest of their lines."""
    digest = hashlib.sha256()
    lines = _planned_lines(journal, begins, plan)
    with pq.ParquetWriter(part, kind.schema, compression="zstd", write_page_checksum=True) as writer:
        while chunk := list(islice(lines, _AT_ONCE)):
            for _, begin, line in chunk:
                if begin != NOWHERE:
                    digest.update(line)
            writer.write_batch(_batch(kind, journal, chunk, careful=careful))
        writer.add_key_value_metadata({DIGEST: digest.hexdigest().encode()})
    _sync(part)
    return digest.hexdigest()


def _planned_lines(journal: Path, begins: Sequence[int], plan: _Plan) -> Iterator[_Line]:
    """The last row of every planned call, in the plan's order."""
    with journal.open("rb") as file:
        for turn in range(plan.per_case):
            for at in range(turn, len(begins), plan.per_case):
                line = b""
                if begins[at] != NOWHERE:
                    file.seek(begins[at])
                    line = file.readline()
                yield plan.call_ids[at], begins[at], line


def _batch(kind: Kind[Any], journal: Path, chunk: Sequence[_Line], *, careful: bool) -> Any:  # noqa: ANN401
    ids = [f"{call_id:016x}" for call_id, _, _ in chunk]
    rows = [None if begin == NOWHERE else parse(journal, begin, line) for _, begin, line in chunk]
    try:
        batch = to_batch(kind, ids, rows, [None] * len(rows))
    except _FAULTS:
        fits = [
            row is None or _fits(kind, *one) for row, one in zip(rows, zip(ids, rows, chunk, strict=True), strict=True)
        ]
    else:
        if not careful:
            return batch
        fits = [
            value is None if begin == NOWHERE else value is not None and _bytes(kind, value) == line
            for (value, _), (_, begin, line) in zip(from_batch(kind, batch), chunk, strict=True)
        ]
    kept = [row if fit else None for row, fit in zip(rows, fits, strict=True)]
    as_is = [None if fit else line.decode().removesuffix("\n") for fit, (_, _, line) in zip(fits, chunk, strict=True)]
    return to_batch(kind, ids, kept, as_is)


def _fits(kind: Kind[Any], call_id: str, row: Any, line: _Line) -> bool:  # noqa: ANN401
    """Whether columns give back this row as it was written."""
    try:
        ((value, _),) = from_batch(kind, to_batch(kind, [call_id], [row], [None]))
        return value is not None and _bytes(kind, value) == line[2]
    except _FAULTS:
        return False


def _bytes(kind: Kind[Any], value: Any) -> bytes:  # noqa: ANN401
    return line_of(kind, value).encode("utf-8", "backslashreplace")


def _read_back(path: Path, kind: Kind[Any]) -> str:
    """The digest of the lines that a packed file gives back."""
    digest = hashlib.sha256()
    with PackedRows(path, lambda: kind) as packed:
        for line in _lines(packed, kind):
            digest.update(line)
    return digest.hexdigest()


def _lines(packed: PackedRows[Any], kind: Kind[Any]) -> Iterator[bytes]:
    for value, line in packed.rows(0, len(packed)):
        if line is not None:
            yield line.encode() + b"\n"
        elif value is not None:
            yield _bytes(kind, value)


def _write_rest(rest: Path, journal: Path, begins: Sequence[int]) -> None:
    """Write the rows of a journal that count no more, or never did, as they are."""
    counted = np.sort(np.asarray(begins, dtype=np.int64))
    at = int(np.searchsorted(counted, 0))  # past those that are NOWHERE
    with rest.open("wb") as file:
        for begin, line in row_lines(journal):
            if at < len(counted) and counted[at] == begin:
                at += 1
            else:
                file.write(line)
    _sync(rest)


def _unpack(journal: Path) -> Packing:
    source, kind, digest = packed_path(journal), KINDS[journal.name](), hashlib.sha256()
    old_bytes = source.stat().st_size
    with _part_of(journal) as part:
        with part.open("wb") as file, PackedRows(source, lambda: kind) as packed:
            for _, line in row_lines(rest_path(journal)):
                file.write(line)
            for line in _lines(packed, kind):
                digest.update(line)
                file.write(line)
            if digest.hexdigest() != packed.digest:
                raise ConfigError(
                    f"{source} does not give back the rows that it was made of",
                    remedy="take it from a copy of the run, or unpack it with the release of evalkit that packed it",
                )
        _sync(part)
        part.replace(journal)
        _sync_folder(journal.parent)
        drop_packed(journal)
    return Packing(source, journal, old_bytes, journal.stat().st_size)


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """A place for a file in the making; what is left of it there is removed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}", remedy="make room, or make the folder writable"
        ) from None
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a power failure, where the system can do that."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
