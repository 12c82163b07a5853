"""Cases on disk: a suite of a hundred thousand cases takes hardly more memory than one of ten."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import weakref
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, TypeVar, overload

from evalkit.errors import ConfigError, Location
from evalkit.types import MISSING, Case, CaseFile, Json, ScorerEntry, Turn

T = TypeVar("T")

_IN_MEMORY: Final = 1024 * 1024
"""Bytes that need no file."""
_NO_FILES: Final[Mapping[str, CaseFile]] = MappingProxyType({})
_NO_PATHS: Final[Mapping[str, str]] = MappingProxyType({})


class DiskRows:
    """Rows of bytes in a temporary file without a name, which goes when this object does.

    Takes 8 bytes of memory per row. Several threads may read at once.

    Args:
        rows: what to keep; read to its end here.

    Raises:
        ConfigError: there is no room, or no folder, for temporary files.
    """

    def __init__(self, rows: Iterable[bytes]) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - lives as long as its rows
        weakref.finalize(self, self._file.close)
        self._lock = Lock()
        self._ends = array("Q", [0])
        for row in rows:
            self._write(row)
            self._ends.append(self._ends[-1] + len(row))
        try:
            self._file.flush()
        except OSError as error:
            raise self._no_room(error) from None

    def _write(self, row: bytes) -> None:
        try:
            self._file.write(row)
        except OSError as error:
            raise self._no_room(error) from None

    def _no_room(self, error: OSError) -> ConfigError:
        with contextlib.suppress(OSError):
            self._file.close()  # tries to write the rest once more; later there would be nobody to tell
        return ConfigError(
            f"the suite's cases cannot be kept in a temporary file: {error.strerror or error}",
            where=None if tempfile.tempdir is None else Location(tempfile.tempdir),
            remedy="make room, or name a folder for temporary files in the environment variable TMPDIR",
        )

    def __len__(self) -> int:
        return len(self._ends) - 1

    def read(self, index: int) -> bytes:
        """Read the row with this number, counted from 0."""
        start, end = self._ends[index], self._ends[index + 1]
        with self._lock:
            self._file.seek(start)
            return self._file.read(end - start)

    def __iter__(self) -> Iterator[bytes]:
        return map(self.read, range(len(self)))


class FromDisk(Sequence[T]):
    """A sequence whose items are read from disk whenever they are asked for: equal each time, not identical."""

    __slots__ = ()

    @abstractmethod
    def _item(self, index: int) -> T:
        """Read the item with this number, counted from 0."""

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        # A range knows what negative indices, slices and steps mean.
        chosen = range(len(self))[index]
        return self._item(chosen) if isinstance(chosen, int) else tuple(map(self._item, chosen))

    def __iter__(self) -> Iterator[T]:
        return map(self._item, range(len(self)))


class SpooledCases(FromDisk[Case]):
    """A suite's cases.

    Args:
        rows: a case each, as `encoded` and `row_of` write it.
        scorer: compiles a scorer of a case's own from its JSON text.
    """

    __slots__ = ("_rows", "_scorer")

    def __init__(self, rows: DiskRows, scorer: Callable[[str], ScorerEntry]) -> None:
        self._rows = rows
        self._scorer = scorer

    def __len__(self) -> int:
        return len(self._rows)

    def _item(self, index: int) -> Case:
        (name, variables, tags, spellings, *more), where, *beside = _decoded(self._rows.read(index))
        expected, rest = more if len(more) == _FULL else (more, None)
        case = Case(
            id=name,
            vars=variables,
            expected=_given(expected),
            tags=tuple(tags),
            scorers=tuple(map(self._scorer, spellings)),
            where=Location(*where),
        )
        return self._complete(case, rest or {}, *beside) if rest or beside else case

    def _complete(
        self, case: Case, rest: Mapping[str, Any], paths: Mapping[str, str] = _NO_PATHS, data_policy: str | None = None
    ) -> Case:
        return dataclasses.replace(
            case,
            turns=tuple(map(self._turn, rest.get("turns", ()))),
            files={name: CaseFile(paths[name], sha256) for name, sha256 in rest.get("files", {}).items()},
            data_policy=data_policy,
        )

    def _turn(self, row: Sequence[Any]) -> Turn:
        user, spellings, *expected = row
        return Turn(user, _given(expected), tuple(map(self._scorer, spellings)))


_FULL: Final = 2
"""What stands at the end of a content that holds more than a plain case's: the expected answer and the rest."""


def encoded(case: Case, spellings: Sequence[str], turn_spellings: Sequence[Sequence[str]] = ()) -> bytes:
    """Write what a case says, on one line and without its place.

    Args:
        case: what to write.
        spellings: its own scorers as JSON texts.
        turn_spellings: those of each of its turns.
    """
    plain = (case.id, case.vars, case.tags, spellings)
    rest: dict[str, Json] = {}
    if case.turns:
        rest["turns"] = [
            (turn.user, texts, *_kept(turn.expected)) for turn, texts in zip(case.turns, turn_spellings, strict=True)
        ]
    if case.files:
        rest["files"] = {name: file.sha256 for name, file in case.files.items()}
    expected = _kept(case.expected)
    return _encoded((*plain, expected, rest) if rest else (*plain, *expected))


def row_of(
    content: bytes, where: Location, files: Mapping[str, CaseFile] = _NO_FILES, data_policy: str | None = None
) -> bytes:
    """Write the row of a case: its content as `encoded` gives it, and what it would be the same case without.

    Args:
        content: what the case says.
        where: its place.
        files: of the case; their paths are kept.
        data_policy: of the case.
    """
    place = _encoded((str(where.path), where.line, where.column))
    if not files and data_policy is None:
        return b"[%b,%b]" % (content, place)
    paths = {name: file.path for name, file in files.items()}
    return b"[%b,%b,%b,%b]" % (content, place, _encoded(paths), _encoded(data_policy))


def name_and_place(row: bytes) -> tuple[str, Location]:
    """Read the id and the place of a case from its row."""
    content, where, *_ = _decoded(row)
    return content[0], Location(*where)


def _kept(expected: Json) -> tuple[Json, ...]:
    return () if expected is MISSING else (expected,)


def _given(kept: Sequence[Json]) -> Json:
    return kept[0] if kept else MISSING


def _encoded(value: object) -> bytes:
    # Whatever text a source let in comes back as it was, half a surrogate pair too.
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _decoded(row: bytes) -> list[Any]:
    parts: list[Any] = json.loads(row.decode("utf-8", "surrogatepass"))
    return parts
