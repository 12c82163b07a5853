"""Parts: what each worker of a cluster has journaled, and how it gets into the run's own journals.

A worker appends to files of its own, under a name that no other worker ever has. The run's journals take over the rows
byte by byte, behind a header line that says from which byte of which part they are: so the journals themselves tell how
much of every part they hold, and whoever goes on after a crash, at whatever moment it came, continues exactly there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar, cast
from urllib.parse import urlsplit

from evalkit.errors import ConfigError, Location
from evalkit.runner.journal import JUDGEMENTS, RECORDS, SCORES, Appender, decode_record, decode_score
from evalkit.runner.rows import SESSION
from evalkit.types import CallScore, Record

PARTS: Final = "parts"
"""The folder of a run in which its parts lie, or the note of where they do."""
ELSEWHERE: Final = "elsewhere.json"
_AT_ONCE: Final = 8 * 2**20
_QUIET_S: Final = 1.0
_PATIENCE_S: Final = 15.0
_HEADER: Final = b'{"session":'

T = TypeVar("T")


class Parts(Protocol):
    """Where the parts of a run lie: files named WORKER/FILE, which only grow."""

    def sizes(self) -> dict[str, int]:
        """List the files there are with their sizes in bytes."""
        ...

    def read(self, name: str, begin: int, end: int) -> bytes:
        """Read these bytes of a file."""
        ...

    def fence(self, worker: str) -> None:
        """Tell a worker that is taken for dead, and may not be, to write no more."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...

    def place(self, name: str) -> str:
        """Say where a file is, for people."""
        ...


def parts_of(folder: Path) -> Parts | None:
    """Find the parts that a run's folder has not taken over for good; None where there are none.

    Raises:
        ConfigError: they lie where this machine cannot look.
    """
    home = folder / PARTS
    if not home.is_dir():
        return None
    note = home / ELSEWHERE
    if not note.exists():
        return LocalParts(home)
    try:
        url = json.loads(note.read_text(encoding="utf-8"))["url"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=Location(note)) from None
    return stored_parts(str(url), home)


def make_parts(folder: Path, storage: str | None) -> Parts:
    """Make the place for a run's parts: in its folder, or at a URL, of which the folder then holds a note."""
    home = folder / PARTS
    home.mkdir(exist_ok=True)
    if storage is None:
        return LocalParts(home)
    url = f"{storage.rstrip('/')}/{folder.name}"
    parts = stored_parts(url, home)
    (home / ELSEWHERE).write_text(json.dumps({"url": url}) + "\n", encoding="utf-8")
    return parts


def stored_parts(url: str, home: Path) -> Parts:
    """Look for parts at an fsspec URL."""
    from evalkit.cluster.storage import StoredParts

    return StoredParts(url, home)


def without_secrets(url: str) -> str:
    """Spell a URL without a user name, a password or a query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@dataclass(frozen=True, slots=True)
class LocalParts:
    """Parts in a folder that every node sees at the same path."""

    home: Path

    def sizes(self) -> dict[str, int]:
        """List the files there are with their sizes in bytes."""
        return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in self.home.glob("*/*.jsonl")}

    def read(self, name: str, begin: int, end: int) -> bytes:
        """Read these bytes of a file."""
        with (self.home / name).open("rb") as file:
            file.seek(begin)
            return file.read(end - begin)

    def fence(self, worker: str) -> None:
        """Tell a worker that is taken for dead, and may not be, to write no more."""
        folder = self.home / worker
        folder.mkdir(exist_ok=True)
        (folder / FENCE).touch()

    def clear(self) -> None:
        """Remove everything."""
        import shutil

        shutil.rmtree(self.home, ignore_errors=True)

    def place(self, name: str) -> str:
        """Say where a file is, for people."""
        return str(self.home / name)


FENCE: Final = "fence"
"""The file that tells a worker to write no more."""


@dataclass(slots=True)
class Taken:
    """What was newly taken over: rows of records, replies of judges, verdicts."""

    records: list[Record] = field(default_factory=list)
    judgements: list[Record] = field(default_factory=list)
    scores: list[CallScore] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.records or self.judgements or self.scores)


class Merger:
    """Takes parts over into a run's journals; each row once, whatever happens in between.

    Verdicts are no exception, though they could be: only the last one of a call counts, and a resumed run gives all of
    them anew.

    Args:
        folder: of the run.
        parts: where its parts lie.
    """

    def __init__(self, folder: Path, parts: Parts) -> None:
        self._parts = parts
        self._files = {name: _Merged(folder / name) for name in (RECORDS, JUDGEMENTS, SCORES)}
        self.asked = 0
        """Rows of records that have been taken over."""

    def take(self) -> Taken:
        """Take over whole rows that have come in since.

        Raises:
            ConfigError: a row is damaged; names file and line.
            JournalError: the journals cannot be written.
        """
        sizes = self._parts.sizes()
        taken = Taken()
        # Verdicts are read first and written last: a verdict never stands in the journals before its answer.
        verdicts = list(self._fresh(SCORES, sizes))
        answers = self._parts.sizes() if verdicts else sizes
        for name, begin, data in self._fresh(RECORDS, answers):
            taken.records += self._add(RECORDS, name, begin, data, decode_record)
        for name, begin, data in self._fresh(JUDGEMENTS, answers):
            taken.judgements += self._add(JUDGEMENTS, name, begin, data, decode_record)
        for name, begin, data in verdicts:
            taken.scores += self._add(SCORES, name, begin, data, decode_score)
        self.asked += len(taken.records)
        return taken

    def _fresh(self, journal: str, sizes: Mapping[str, int]) -> Iterator[tuple[str, int, bytes]]:
        """Read the rows of one kind that have not been taken over; a torn last one is left."""
        for name, size in sorted(sizes.items()):
            if journal_of(name) != journal:
                continue
            begin = self._files[journal].upto.get(name, 0)
            while begin < size:
                data = self._parts.read(name, begin, min(size, begin + _AT_ONCE))
                whole = data.rfind(b"\n") + 1
                if not whole and begin + len(data) < size:  # a row of more than _AT_ONCE
                    data = self._parts.read(name, begin, size)
                    whole = data.rfind(b"\n") + 1
                if not whole:
                    break
                yield name, begin, data[:whole]
                begin += whole

    def _add(self, journal: str, name: str, begin: int, data: bytes, decode: Any) -> list[Any]:  # noqa: ANN401 - a row
        rows = list(self._decoded(name, begin, data, decode))
        self._files[journal].add(name, begin, data)
        return rows

    def _decoded(self, name: str, begin: int, data: bytes, decode: Any) -> Iterator[Any]:  # noqa: ANN401 - a row
        for number, line in enumerate(data.splitlines(), 1):
            try:
                row = json.loads(line.decode())
                if SESSION not in row:
                    yield decode(row)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                before = self._parts.read(name, 0, begin).count(b"\n")
                raise ConfigError(
                    f"is not a journal row: {type(error).__name__}: {error}",
                    where=Location(self._parts.place(name), before + number),
                    remedy="delete the damaged line; a resumed run asks its call again",
                ) from None

    def sync(self) -> None:
        """Force what was taken over to the disk."""
        for file in self._files.values():
            file.sync()

    def close(self) -> None:
        """Force everything to the disk."""
        for file in self._files.values():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Merged:
    """A journal of the run that takes over parts; `upto` is how many bytes of each it holds. Made by the first row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Appender | None = None
        self.upto, self._last = _held(path)

    def add(self, name: str, begin: int, data: bytes) -> None:
        file = self._file = self._file or Appender(self._path)
        if self._last != name:
            file.append({SESSION: {"part": name, "from": begin}})
            self._last = name
        file.write(data)
        self.upto[name] = begin + len(data)

    def sync(self) -> None:
        if self._file is not None:
            self._file.sync()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _held(path: Path) -> tuple[dict[str, int], str | None]:
    """Find how much of each part a journal holds, and the part that its last row is from."""
    held: dict[str, int] = {}
    part: str | None = None
    if not path.exists():
        return held, part
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break  # torn by a kill: it will be cut off
            header = _header(line)
            if header is not None and "worker" not in header:  # a worker's own header is a row of its part
                part = cast("str | None", header.get("part"))
                if part is not None:
                    held[part] = int(header["from"])
            elif part is not None:
                held[part] += len(line)
    return held, part


def _header(line: bytes) -> Mapping[str, Any] | None:
    if not line.startswith(_HEADER):
        return None
    header = json.loads(line).get(SESSION)
    return header if isinstance(header, dict) else None


def journal_of(name: str) -> str:
    """Tell into which journal a part's file belongs: `w1/records.jsonl` and `w1/records-000001.jsonl` into records."""
    return name.rpartition("/")[2].partition(".")[0].partition("-")[0] + ".jsonl"


def absorb(folder: Path) -> int:
    """Take over what lies in a run's parts for good, and remove them. The run's folder must be locked.

    Workers of a driver that was killed end a moment after it, so this waits until nobody writes any more.

    Returns:
        How many records were new.
    """
    parts = parts_of(folder)
    if parts is None:
        return 0
    wait_until_quiet(parts)
    with Merger(folder, parts) as merger:
        while merger.take():
            pass
        new = merger.asked
    parts.clear()
    return new


def wait_until_quiet(parts: Parts, worker: str = "") -> None:
    """Wait until no file of the parts, or of this worker's part, grows any more; but not for ever."""
    deadline = time.monotonic() + _PATIENCE_S
    before: dict[str, int] | None = None
    while time.monotonic() < deadline:
        now = {name: size for name, size in parts.sizes().items() if name.startswith(worker)}
        if now == before or not now:
            return
        before = now
        time.sleep(_QUIET_S)
