"""The calls of one model that nobody has taken yet, cut into blocks when somebody wants one."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from evalkit.cluster.kit import Item

MOST: Final = 250
"""Calls of a block at most."""
_LEAST: Final = 8
# So many blocks are left for each worker when the size of the next one is chosen: they get smaller towards the end, so
# that all workers end together.
_LEFT_FOR_EACH: Final = 4


class Queue:
    """Hands out blocks of calls; ends when every one of them has ended.

    Args:
        model: whose calls they are.
        items: the calls, made only when they are taken.
        count: how many.
        stop: once set, no more are handed out.
    """

    def __init__(self, model: str, items: Iterable[Item], count: int, stop: asyncio.Event) -> None:
        self.model = model
        self._items: Iterator[Item] = iter(items)
        self._left = count
        self._returned: deque[Item] = deque()
        self._taken = 0
        self._stop = stop
        self._changed = asyncio.Condition()

    async def take(self, workers: int) -> tuple[Item, ...]:
        """Wait for a block of calls, to be ended or returned; empty when there will be none any more.

        Args:
            workers: how many want some.
        """
        async with self._changed:
            while not self._stop.is_set():
                if items := self._cut(max(1, workers)):
                    self._taken += 1
                    return items
                if not self._taken:
                    break
                await self._changed.wait()
        return ()

    def _cut(self, workers: int) -> tuple[Item, ...]:
        left = self._left + len(self._returned)
        size = min(MOST, max(_LEAST, -(-left // (_LEFT_FOR_EACH * workers))))
        returned = [self._returned.popleft() for _ in range(min(size, len(self._returned)))]
        fresh = list(itertools.islice(self._items, size - len(returned)))
        self._left -= len(fresh)
        return (*returned, *fresh)

    async def end(self, returned: Sequence[Item] = ()) -> None:
        """Note that a block has ended, but for these calls of it."""
        async with self._changed:
            self._taken -= 1
            self._returned += returned
            self._changed.notify_all()

    async def ended(self) -> None:
        """Wait until every block has ended, and there is none any more."""
        async with self._changed:
            while self._taken or (self._left + len(self._returned) and not self._stop.is_set()):
                await self._changed.wait()

    async def wake(self) -> None:
        """Let those who wait see that the run has been stopped."""
        async with self._changed:
            self._changed.notify_all()
