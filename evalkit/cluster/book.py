"""Where a worker writes: a journal in the run's folder, or objects at a URL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from evalkit.cluster.parts import FENCE
from evalkit.runner.journal import JUDGEMENTS, RECORDS, SCORES, Appender, encode_record, encode_score
from evalkit.runner.rows import SESSION
from evalkit.types import CallScore, Json, Record

_EVERY_S: Final = 0.1


class Book(Protocol):
    """A worker's journal."""

    def add_record(self, record: Record) -> None:
        """Note a finished call."""
        ...

    def add_score(self, score: CallScore) -> None:
        """Note a verdict."""
        ...

    def add_judgement(self, reply: Record) -> None:
        """Note what a model said to a scorer."""
        ...

    async def keep(self) -> None:
        """Write, or force to the disk, again and again until cancelled."""
        ...

    async def settle(self) -> None:
        """Make sure that everything noted so far survives and is seen by others."""
        ...

    def close(self) -> None:
        """Make sure of everything, and end."""
        ...


class FileBook:
    """Journals in a folder of the worker's own. Who finds a fence there is taken for dead, and ends at once."""

    def __init__(self, folder: Path, session: Mapping[str, Json]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._records = Appender(folder / RECORDS)
        self._scores = Appender(folder / SCORES)
        self._replies: Appender | None = None
        self._folder = folder
        self._records.append({SESSION: session})

    def add_record(self, record: Record) -> None:
        """Note a finished call."""
        self._records.append(encode_record(record))

    def add_score(self, score: CallScore) -> None:
        """Note a verdict."""
        self._scores.append(encode_score(score))

    def add_judgement(self, reply: Record) -> None:
        """Note what a model said to a scorer."""
        self._replies = self._replies or Appender(self._folder / JUDGEMENTS)
        self._replies.append(encode_record(reply))

    async def keep(self) -> None:
        """Force rows to the disk every tenth of a second until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.settle()
            if (self._folder / FENCE).exists():
                os._exit(1)

    async def settle(self) -> None:
        """Force rows to the disk."""
        await asyncio.to_thread(self._sync)

    def _sync(self) -> None:
        for file in self._files():
            file.sync()

    def _files(self) -> list[Appender]:
        return [file for file in (self._records, self._replies, self._scores) if file is not None]

    def close(self) -> None:
        """Force everything to the disk."""
        for file in self._files():
            file.close()


def open_book(place: str, worker: str, session: Mapping[str, Json]) -> Book:
    """Open a worker's journal in a folder or at a URL."""
    if "://" not in place:
        return FileBook(Path(place) / worker, session)
    from evalkit.cluster.storage import StoredBook

    return StoredBook(place, worker, session)
