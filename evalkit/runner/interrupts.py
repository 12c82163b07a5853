"""Ctrl-C, and a polite kill: finish what is in flight, then stop; asked twice, stop at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interruptible(work: asyncio.Task[Any], stop: asyncio.Event, on_first: Callable[[], None]) -> Iterator[None]:
    """While inside, the first signal sets `stop` and calls `on_first`; a second one cancels the work."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if stop.is_set():
            work.cancel()
        else:
            stop.set()
            on_first()

    def handler(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(interrupted)

    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
