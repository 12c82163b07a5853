"""Ctrl-C, a polite kill, a closed terminal: finish what is in flight, then stop; asked twice, drop it; thrice, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

# Windows has no SIGHUP.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_PATIENCE = 2


class Interruption:
    """Ends work early: asked once it sets `stop` and calls `on_first`, asked again it cancels the work.

    Made on the work's event loop; any thread may call it, while that loop is not closed. From the third time on it
    raises KeyboardInterrupt there: something must be holding up the event loop.
    """

    def __init__(self, work: asyncio.Task[Any], stop: asyncio.Event, on_first: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._stop = stop
        self._on_first = on_first
        self._received = 0

    def __call__(self) -> None:
        """Ask."""
        self._received += 1
        if self._received > _PATIENCE:
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._interrupted, self._received)

    def _interrupted(self, times: int) -> None:
        if times == 1:
            self._stop.set()
            self._on_first()
        else:
            self._work.cancel()


@contextlib.contextmanager
def interruptible(work: asyncio.Task[Any], stop: asyncio.Event, on_first: Callable[[], None]) -> Iterator[Interruption]:
    """While inside, the first signal sets `stop` and calls `on_first`; a second one cancels the work.

    A third one raises KeyboardInterrupt wherever the process is: something must be holding up the event loop. Only the
    main thread hears signals; in any other, whoever hears them calls what this yields.
    """
    interruption = Interruption(work, stop, on_first)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def handler(_number: int, _frame: FrameType | None) -> None:
        interruption()

    # One that is ignored (SIGHUP under nohup) stays so.
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield interruption
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
