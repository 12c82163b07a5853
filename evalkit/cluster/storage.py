"""Parts at an fsspec URL, such as s3://bucket/runs: small objects that are written once. Imports fsspec.

An object store has no appending. A worker keeps its rows in memory for half a second, or until there are many, and
writes them as one object; no block of calls counts as done before all of its rows are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evalkit.cluster.parts import without_secrets
from evalkit.errors import ConfigError, EvalkitError, ExitCode
from evalkit.runner.journal import JUDGEMENTS, RECORDS, SCORES, encode_record, encode_score
from evalkit.runner.limits import set_within
from evalkit.runner.rows import SESSION
from evalkit.types import CallScore, Json, Record

_FLUSH_EVERY_S: Final = 0.5
_FLUSH_ROWS: Final = 200


class StorageError(EvalkitError):
    """The shared storage cannot be written or read."""

    exit_code = ExitCode.INCOMPLETE


def _opened(url: str) -> tuple[Any, str]:
    """Open the file system of a URL.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ConfigError(
            f"the storage {without_secrets(url)} cannot be used: {error}",
            remedy="install what fsspec needs for it, such as s3fs for s3://, on this machine and on every node",
        ) from None
    except Exception as error:  # noqa: BLE001 - every file system has errors of its own
        message = f"the storage {without_secrets(url)} cannot be used: {type(error).__name__}: {error}"
        raise ConfigError(message) from None
    return system, str(path)


@dataclass(frozen=True, slots=True)
class StoredParts:
    """Parts as objects under a URL. `home` is the folder of the run that holds the note of it."""

    url: str
    home: Path

    def sizes(self) -> dict[str, int]:
        """List the objects there are with their sizes in bytes."""
        system, path = _opened(self.url)
        system.invalidate_cache()
        try:
            found = system.find(path, detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:  # noqa: BLE001 - as above
            raise StorageError(f"{without_secrets(self.url)} cannot be read: {type(error).__name__}: {error}") from None
        start = len(path.rstrip("/")) + 1
        return {name[start:]: int(entry["size"]) for name, entry in found.items() if name.endswith(".jsonl")}

    def read(self, name: str, begin: int, end: int) -> bytes:
        """Read these bytes of an object."""
        system, path = _opened(self.url)
        return bytes(system.cat_file(f"{path}/{name}", start=begin, end=end))

    def fence(self, worker: str) -> None:
        """Do nothing: who is taken for dead writes no further object once it finds its desk closed."""

    def clear(self) -> None:
        """Remove everything."""
        import shutil

        system, path = _opened(self.url)
        with contextlib.suppress(Exception):
            system.rm(path, recursive=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def place(self, name: str) -> str:
        """Say where an object is, for people."""
        return f"{without_secrets(self.url)}/{name}"


class StoredBook:
    """A worker's journal in objects.

    Args:
        url: of the run's parts.
        worker: whose part it is.
        session: the header.
    """

    def __init__(self, url: str, worker: str, session: Mapping[str, Json]) -> None:
        self._system, path = _opened(url)
        self._place = f"{path}/{worker}"
        self._shown = without_secrets(url)
        self._rows: defaultdict[str, list[bytes]] = defaultdict(list)
        self._written = 0
        self._lock = threading.Lock()
        self._full = asyncio.Event()
        self._add(RECORDS, {SESSION: session})

    def add_record(self, record: Record) -> None:
        """Note a finished call."""
        self._add(RECORDS, encode_record(record))

    def add_score(self, score: CallScore) -> None:
        """Note a verdict."""
        self._add(SCORES, encode_score(score))

    def add_judgement(self, reply: Record) -> None:
        """Note what a model said to a scorer."""
        self._add(JUDGEMENTS, encode_record(reply))

    def _add(self, journal: str, row: Mapping[str, Json]) -> None:
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
        self._rows[journal].append(line.encode("utf-8", "backslashreplace"))
        if len(self._rows[journal]) >= _FLUSH_ROWS:
            self._full.set()

    async def keep(self) -> None:
        """Write what there is every half a second, or sooner where there is much, until cancelled."""
        while True:
            await set_within(self._full, _FLUSH_EVERY_S)
            await self.settle()

    async def settle(self) -> None:
        """Write what there is; when this returns, it is there."""
        self._full.clear()
        rows, self._rows = self._rows, defaultdict(list)
        await asyncio.to_thread(self._write, rows)

    def _write(self, rows: Mapping[str, list[bytes]]) -> None:
        with self._lock:  # whoever comes second leaves when the first has written: its rows may be among them
            for journal in (RECORDS, JUDGEMENTS, SCORES):
                if rows.get(journal):
                    self._written += 1
                    stem, _, suffix = journal.partition(".")
                    self._put(f"{self._place}/{stem}-{self._written:06}.{suffix}", b"".join(rows[journal]))

    def _put(self, name: str, data: bytes) -> None:
        try:
            self._system.pipe_file(name, data)
        except Exception as error:  # noqa: BLE001 - every file system has errors of its own
            raise StorageError(
                f"{self._shown} cannot be written: {type(error).__name__}: {error}",
                remedy="mend it, then go on with: evalkit run SUITE --resume",
            ) from None

    def close(self) -> None:
        """Write what there is."""
        rows, self._rows = self._rows, defaultdict(list)
        self._write(rows)
