"""Ctrl-C, and a polite kill: finish what is in flight, then stop; asked twice, drop it; asked thrice, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 2


@contextlib.contextmanager
def interruptible(work: asyncio.Task[Any], stop: asyncio.Event, on_first: Callable[[], None]) -> Iterator[None]:
    """While inside, the first signal sets `stop` and calls `on_first`; a second one cancels the work.

    A third one raises KeyboardInterrupt wherever the process is: something must be holding up the event loop.
    """
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if stop.is_set():
            work.cancel()
        else:
            stop.set()
            on_first()

    received = 0

    def handler(_number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        if received > _PATIENCE:
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(interrupted)

    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
