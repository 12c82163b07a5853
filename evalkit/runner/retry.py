"""Tries of one call: what failed in passing is asked again, within hard ceilings on tries and time."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from evalkit.errors import CallError, ErrorKind
from evalkit.providers.base import Provider
from evalkit.types import Completion, Request


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Ceilings of one call.

    Attributes:
        tries: attempts at most, the first included.
        total_s: no attempt starts later than this after the first, seconds.
        first_wait_s: the wait after the first failure; doubled after each further one, and shortened by up to a quarter
            at random so that calls that failed together do not return together.
        longest_wait_s: the longest wait, unless the server asks for more.
    """

    tries: int = 3
    total_s: float = 180.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 8.0

    def wait_s(self, failed: int, asked_s: float | None) -> float:
        """Say how long to wait after the failed attempt of this number; at least what the server asked for."""
        doubled = self.first_wait_s * 2.0 ** (failed - 1)
        jittered = min(self.longest_wait_s, doubled) * (1 - random.random() / 4)
        return max(jittered, asked_s or 0.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: with a completion or with the last attempt's error. `retry_ms` is what came before that one."""

    completion: Completion | None
    error: CallError | None
    attempts: int
    retry_ms: float


async def ask(provider: Provider, request: Request, policy: RetryPolicy, stop: asyncio.Event) -> Outcome | None:
    """Ask until there is an answer, a failure that would repeat itself, or a ceiling.

    Returns:
        The outcome; None when `stop` was set while waiting for another try: the call was not finished.
    """
    first = time.perf_counter()
    attempt = 0
    while True:
        attempt += 1
        retry_ms = (time.perf_counter() - first) * 1000 if attempt > 1 else 0.0
        try:
            return Outcome(await provider.complete(request), None, attempt, retry_ms)
        except CallError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - a fault in one adapter must not take the other models down
            error = CallError(ErrorKind.INTERNAL, f"{type(failure).__name__}: {failure}")
        wait_s = policy.wait_s(attempt, error.retry_after_s)
        too_late = time.perf_counter() - first + wait_s > policy.total_s
        if not error.kind.retryable or attempt >= policy.tries or too_late:
            return Outcome(None, error, attempt, retry_ms)
        if await _stopped(stop, wait_s):
            return None


async def _stopped(stop: asyncio.Event, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            return await stop.wait()
    except TimeoutError:
        return False
