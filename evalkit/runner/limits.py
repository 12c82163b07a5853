"""How hard one account may be asked: calls in flight, requests and tokens per minute, and pauses.

Models with the same `limits_key` share one `Limiter`, so that together they stay within what their account allows, and
a pause that one of them is told to make is made by all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_HISTORY = 200
_GROWTH = "answers"
# Whoever waits looks so often whether its model has been given up meanwhile.
_LOOK_AGAIN_S = 1.0
_DECREASE = 0.5
# Where our own process blurs latencies by this share, fewer calls in flight tell more about the model.
_STRAIN = 0.1
_EASED = 0.8
_EASE_EVERY_S = 1.0
# The share is averaged over about so many answers, so that one hiccup changes nothing.
_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class LimitChange:
    """The number of calls in flight was limited anew: when (seconds into the run), to what, and why."""

    at_s: float
    limit: int
    reason: str


class Admitted(NamedTuple):
    """A request that may be sent: since when, on the loop's clock, and how many tokens it was charged."""

    at: float
    tokens: float


class Limiter:
    """Admits attempts.

    The limit on calls in flight adapts as TCP does (Jacobson, "Congestion avoidance and control", 1988): it grows by
    one with every answer until the server first says that it is too much, by one with every round of answers after
    that, in both cases only while it is the limit that holds calls back; and it is halved, once for all calls that were
    in flight together, when the server throttles.

    Requests and tokens per minute are paced evenly, so that no minute, wherever it begins, holds more than allowed.

    Args:
        start: calls in flight at first.
        ceiling: calls in flight at most.
        rpm: requests per minute, None for no limit.
        tpm: tokens per minute, None for no limit.
        stop: once set, nobody is admitted any more.
        eases: whether the limit also falls when this machine is what cannot keep up.
    """

    def __init__(
        self,
        *,
        start: int,
        ceiling: int,
        rpm: float | None = None,
        tpm: float | None = None,
        stop: asyncio.Event | None = None,
        eases: bool = False,
    ) -> None:
        self.ceiling = ceiling
        self.history: list[LimitChange] = []
        self._limit = float(min(start, ceiling))
        self._slow_start = True
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._per_request_s = 60.0 / rpm if rpm else 0.0
        self._per_token_s = 60.0 / tpm if tpm else 0.0
        self._request_at = self._token_at = self._paused_until = 0.0
        self._reduced_at = 0.0
        self._door = asyncio.Lock()
        self._mean_tokens: float | None = None
        self._out = 0
        self._sounded = False
        self._eases, self._strain, self._eased_at = eases, 0.0, 0.0
        self._began: float | None = None
        self._stop = stop or asyncio.Event()

    @property
    def limit(self) -> int:
        """Calls in flight at most, now."""
        return int(self._limit)

    async def acquire(self, tokens: int = 0, abandoned: Callable[[], bool] = lambda: False) -> Admitted | None:
        """Wait for a place in flight, for this request's turn, and for a pause to end.

        Args:
            tokens: about how many the request will use, for the limit on tokens per minute.
            abandoned: tells whether the request is no longer wanted.

        Returns:
            The admission; None when `stop` came first, or the request was abandoned.
        """
        if self._in_flight >= self.limit or self._waiting:
            await self._place()
        else:
            self._in_flight += 1
        try:
            admitted = None if self._stop.is_set() else await self._turn(tokens, abandoned)
        except BaseException:
            self._leave()
            raise
        if admitted is None:
            self._leave()
        return admitted

    async def _place(self) -> None:
        """Queue for a place in flight, first come, first served; whoever leaves hands the place over."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._leave()
            elif future in self._waiting:
                self._waiting.remove(future)
            raise

    async def _turn(self, tokens: int, abandoned: Callable[[], bool]) -> Admitted | None:
        """Wait until one more request keeps the pace.

        One waits, the others queue behind it: so a pause, or what answers turn out to use, holds for all that have not
        been sent.
        """
        async with self._door:
            self._began = self._began or _now()
            while (wait_s := self._wait_s()) > 0:
                if abandoned() or await set_within(self._stop, min(wait_s, _LOOK_AGAIN_S)):
                    return None
            if abandoned():
                return None
            now = _now()
            charged = tokens if self._mean_tokens is None else self._mean_tokens
            self._request_at = max(now, self._request_at) + self._per_request_s
            self._token_at = max(now, self._token_at) + charged * self._per_token_s
            self._out += 1
            return Admitted(now, charged)

    def _wait_s(self) -> float:
        """How long the next request has to wait. What a first one uses is worth knowing before there are many."""
        if self._per_token_s and not self._sounded and self._out:
            return _LOOK_AGAIN_S
        return max(self._request_at, self._token_at, self._paused_until) - _now()

    def release(self, *, answered: bool) -> None:
        """Give the place back; an answer lets the limit grow if the limit is what holds calls back."""
        self._out -= 1
        self._sounded = self._sounded or answered
        held_back = self._in_flight >= self.limit and self._limit < self.ceiling
        if answered and held_back and self._strain < _STRAIN / 2:
            step = 1.0 if self._slow_start else 1.0 / self._limit
            self._set(min(float(self.ceiling), self._limit + step), _GROWTH)
        self._leave()

    def _leave(self) -> None:
        self._in_flight -= 1
        self._fill()

    def _fill(self) -> None:
        """Give free places to those who wait."""
        while self._waiting and self._in_flight < self.limit:
            future = self._waiting.popleft()
            if not future.done():
                self._in_flight += 1
                future.set_result(None)

    def used(self, admitted: Admitted, tokens: int) -> None:
        """Correct what an admitted request was charged by the tokens that it really used, and learn from it."""
        self._token_at += (tokens - admitted.tokens) * self._per_token_s
        mean = self._mean_tokens
        self._mean_tokens = float(tokens) if mean is None else mean + (tokens - mean) / _REMEMBERED

    def throttled(self, admitted: Admitted, reason: str, pause_s: float = 0.0) -> None:
        """Halve the limit, unless that was done since the throttled call was admitted; pause for all."""
        now = _now()
        self._paused_until = max(self._paused_until, now + pause_s)
        self._slow_start = False
        if admitted.at >= self._reduced_at:
            self._reduced_at = now
            self._set(max(1.0, self._limit * _DECREASE), reason)

    def pause(self, pause_s: float) -> None:
        """Admit nobody for a while: the server has said that its window is used up."""
        self._paused_until = max(self._paused_until, _now() + pause_s)

    def strained(self, share: float) -> None:
        """Note by which share of its latency an answer is blurred by this machine; lower the limit if that lasts."""
        if not self._eases:
            return
        self._strain += (share - self._strain) / _REMEMBERED
        now = _now()
        if self._strain > _STRAIN and self._limit > 1 and now - self._eased_at >= _EASE_EVERY_S:
            self._eased_at, self._slow_start = now, False
            self._set(max(1.0, self._limit * _EASED), "client busy")

    def _set(self, limit: float, reason: str) -> None:
        changed = int(limit) != int(self._limit)
        self._limit = limit
        if changed:
            self._forget_growth()
            self.history.append(LimitChange(round(_now() - (self._began or _now()), 3), int(limit), reason))

    def _forget_growth(self) -> None:
        """Keep the history short; that the limit was lowered is never forgotten before that it grew."""
        if len(self.history) >= _HISTORY:
            grown = (index for index, change in enumerate(self.history) if change.reason == _GROWTH)
            del self.history[next(grown, 0)]


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Sleep, unless `event` is set before; return whether it was.

    `asyncio.wait_for` would do, but before Python 3.12 it loses a cancellation that comes with the event.
    """
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()
