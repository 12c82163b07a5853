"""Opening connections gently.

A server that is asked for many connections at one moment may have no room to queue them: it drops some in silence, and
the requests on them wait until the deadline (Python's http.server queues five). So the connections to one server are
opened one after the other, a moment apart, and a request that finds one free does not wait for its own.
"""

from __future__ import annotations

import asyncio
from collections import deque

_APART_S = 0.002


class Pace:
    """Turns to open a connection to one server, shared by all models there."""

    def __init__(self) -> None:
        self._next_at = 0.0

    async def turn(self) -> None:
        """Wait until a connection may be opened."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        self._next_at = at + _APART_S
        await asyncio.sleep(at - now)


class Connections:
    """The connections of one model: as many as its requests in flight have needed so far, up to `most`.

    Args:
        pace: of the server they lead to.
        most: connections at most.
        idle_s: after so long without a request they are taken for closed.
    """

    def __init__(self, pace: Pace, *, most: int, idle_s: float) -> None:
        self._pace = pace
        self._most = most
        self._idle_s = idle_s
        self._open = self._busy = 0
        self._idle_since = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._opener: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """Wait for a connection: a free one, or a new one's turn."""
        loop = asyncio.get_running_loop()
        if not self._busy and loop.time() - self._idle_since > self._idle_s:
            self._open = 0
        if self._busy < self._open and not self._waiting:
            self._busy += 1
            return
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if self._opener is None and self._open < self._most:
            self._opener = asyncio.create_task(self._open_more())
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Free the connection for the next request."""
        self._busy -= 1
        self._idle_since = asyncio.get_running_loop().time()
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._busy < self._open:
            future = self._waiting.popleft()
            if not future.done():
                self._busy += 1
                future.set_result(None)

    async def _open_more(self) -> None:
        try:
            while self._waiting and self._open < self._most:
                await self._pace.turn()
                self._open += 1
                self._admit()
        finally:
            self._opener = None
