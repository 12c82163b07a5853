"""Each annotator's journal: JSON lines beside the file, forced to the disk before the next key is read.

`cases.csv` has its journals in the folder `cases.csv.labels`, one per person. A killed process leaves at most one torn
row, the last, which the next one cuts off.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, Self

from evalkit.errors import ConfigError, Location
from evalkit.files import WriteError
from evalkit.labelling.marks import Entry, from_json, to_json
from evalkit.runner.journal import Appender, JournalError
from evalkit.suite.jsontext import parse_json
from evalkit.types import Json

DEFAULT: Final = "me"
ADJUDICATED: Final = "adjudicated"
"""The journal of whoever settles what others disagree on."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION: Final = 1


def folder_of(source: Path) -> Path:
    """Where the journals of a suite or case file are."""
    return source.with_name(f"{source.name}.labels")


def journal_path(source: Path, annotator: str) -> Path:
    """Where a person's journal is.

    Raises:
        ConfigError: the name cannot be one of a file.
    """
    if not _NAME.fullmatch(annotator):
        raise ConfigError(f"{annotator!r} cannot name an annotator", remedy="use letters, digits, '.', '_' and '-'")
    return folder_of(source) / f"{annotator}.jsonl"


def annotators(source: Path) -> Sequence[str]:
    """Who has a journal, in the order of their names; whoever adjudicates is none of them."""
    return sorted(file.stem for file in folder_of(source).glob("*.jsonl") if file.stem != ADJUDICATED)


def read_journal(path: Path) -> Sequence[Entry]:
    """Read all entries; none where there is no such file. A torn last row is passed over.

    Raises:
        ConfigError: it cannot be read, or a row is damaged; names the line.
    """
    return [row for row in _rows(path) if isinstance(row, Entry)]


def choices_before(source: Path, annotator: str) -> Sequence[str]:
    """The labels that were last named to choose from: by this person, else by another; none if by nobody.

    Raises:
        ConfigError: a journal cannot be read, or a row is damaged.
    """
    for name in (annotator, *annotators(source)):
        named = [row for row in _rows(journal_path(source, name)) if not isinstance(row, Entry) and row]
        if named:
            return named[-1]
    return ()


def _rows(path: Path) -> Sequence[Entry | Sequence[str]]:
    """The rows of a journal: entries, and between them the labels to choose from wherever a head names some."""
    try:
        raw = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise ConfigError(f"the labels cannot be read: {error.strerror or error}", where=Location(path)) from None
    whole = raw[: raw.rfind(b"\n") + 1]
    return [_row(line, path, number) for number, line in enumerate(whole.splitlines(), 1) if line.strip()]


def _row(line: bytes, path: Path, number: int) -> Entry | Sequence[str]:
    try:
        row = parse_json(line.decode(), path, number)
        return [str(one) for one in row.get("choices", ())] if "labels" in row and "act" not in row else from_json(row)
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError):
        raise ConfigError(
            "this row of a label journal is damaged",
            where=Location(path, number),
            remedy="delete the line; the labels in the other lines stay",
        ) from None


class Journal:
    """A person's journal, open for adding; nobody else can open it meanwhile.

    Raises:
        ConfigError: it is open elsewhere, or damaged.
        WriteError: it cannot be written.
    """

    def __init__(self, source: Path, annotator: str) -> None:
        self.path = journal_path(source, annotator)
        try:
            self.path.parent.mkdir(exist_ok=True)
            self._lock = _taken(self.path)
            self._open()
        except OSError as error:
            raise _unwritable(self.path, error) from None
        try:
            self.entries = read_journal(self.path)
            self._head = {"labels": _VERSION, "of": source.name, "annotator": annotator}
            self._all: list[Mapping[str, Json]] = [self._head, *map(to_json, self.entries)]
            if not self._file.size:
                self._file.append(self._head)
        except JournalError as error:
            self.close()
            raise _no_room(error) from None
        except ConfigError:
            self.close()
            raise

    def add(self, entry: Entry) -> None:
        """Keep an entry; when this returns it is on the disk.

        Raises:
            WriteError: the disk is full, or the folder is gone.
        """
        self._append(to_json(entry))

    def choose_from(self, labels: Sequence[str]) -> None:
        """Keep the labels that were named to choose from, for the next time.

        Raises:
            WriteError: as `add`.
        """
        self._append({**self._head, "choices": list(labels)})

    def _append(self, row: Mapping[str, Json]) -> None:
        """Add a row; all rows where somebody has deleted or replaced the file meanwhile."""
        self._all.append(row)
        try:
            there = _number(self.path) == self._file_number
            if not there:
                self.path.parent.mkdir(exist_ok=True)
                self._file.close()
                self._open()
            for one in [row] if there else self._all:
                self._file.append(one)
            self._file.sync()
        except JournalError as error:
            raise _no_room(error) from None
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def _open(self) -> None:
        self._file = Appender(self.path)
        self._file_number = _number(self.path)

    def close(self) -> None:
        """Let others have it."""
        with contextlib.suppress(JournalError, OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            _lock_of(self.path).unlink()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _taken(path: Path) -> IO[str]:
    """Lock a journal for as long as this process lives. Where the system has no such locks, there is none."""
    file = _lock_of(path).open("w")
    try:
        import fcntl
    except ImportError:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigError(
            f"{path.stem} is labelling this in another window",
            where=Location(path),
            remedy="go on there, or give your own name with --annotator",
        ) from None
    if os.fstat(file.fileno()).st_ino == _number(_lock_of(path)):
        return file
    file.close()  # whoever had it took it away in between
    return _taken(path)


def _number(path: Path) -> int | None:
    """What tells a file from another that takes its name; None where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _no_room(error: JournalError) -> WriteError:
    return WriteError(error.message, remedy="make room and start again; what was written is kept")


def _unwritable(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"cannot write {path}: {error.strerror or error}", remedy="make the folder writable, or make room"
    )


def timestamp() -> str:
    """Now, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
