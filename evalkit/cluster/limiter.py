"""A worker's side of the common limits: admits calls within its share, at moments that the desk has leased."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from evalkit.cluster.desk import Lease, Report, Standing
from evalkit.runner.limits import Admitted, Limiter, set_within
from evalkit.runner.line import Account

_LOOK_AGAIN_S: Final = 1.0
# A moment that was missed by more is given up for a later one: calls that were held up must not leave in a bunch. Half
# a hundredth of a minute, so that whatever is late adds no more than that share to any minute.
_LATE_S: Final = 0.3
_AT_ONCE: Final = 64
_STRAIN: Final = 0.1
_REMEMBERED: Final = 32
_IDLE_S: Final = 0.5


class Lessor(Protocol):
    """Who leases moments to send at."""

    async def lease(self, account: int, tokens: tuple[float, ...]) -> Lease:
        """Lease the next moments at which requests of about so many tokens may be sent."""
        ...


class _Slot(NamedTuple):
    at: float
    latest: float
    charged: float


class Share(Limiter):
    """The part of an account's limits that one worker has. Without requests or tokens per minute it asks nobody.

    Args:
        place: of the account among all.
        account: its figures.
        lessor: leases moments.
        stop: once set, nobody is admitted any more.
        wake: is called when there is something to report at once.
    """

    def __init__(
        self, place: int, account: Account, lessor: Lessor, stop: asyncio.Event, wake: Callable[[], None]
    ) -> None:
        super().__init__(start=0, ceiling=account.ceiling, stop=stop)
        self.place = place
        self.models = account.models
        self._paced = bool(account.rpm or account.tpm)
        self._eased = account.eases
        self._lessor = lessor
        self._wake = wake
        self._slots: deque[_Slot] = deque()
        self._queue: deque[float] = deque()
        self._cuts, self._cut_at, self._throttled_cuts = 0, 0.0, 0
        self._busy_at = -_IDLE_S
        self._hungry = False
        self._grown = self._settled = 0
        self._reason: str | None = None
        self._pause_s = 0.0
        self._tired = False
        self._used = (0, 0.0, 0.0)
        self._told: Report | None = None

    def stand(self, standing: Standing) -> None:
        """Learn from the desk."""
        now = _now()
        if standing.cuts > self._cuts:
            self._cuts, self._cut_at = standing.cuts, now
        self._paused_until = max(self._paused_until, now + standing.pause_s)
        self._limit = float(standing.share)
        self._fill()

    def stop_all(self) -> None:
        """Let those who wait for a place see that the run has been stopped."""
        self._limit = float(len(self._waiting) + self._in_flight)
        self._fill()

    def report(self) -> Report | None:
        """Say what has changed since the last report; None where nothing has."""
        now = _now()
        if self._in_flight or self._waiting:
            self._busy_at, self._hungry = now, True
        elif now - self._busy_at >= _IDLE_S:
            self._hungry = False
        held = max(self._in_flight, self.limit)
        plain = Report(self._hungry, held)
        full = Report(
            self._hungry,
            held,
            self._throttled_cuts,
            self._grown,
            self._reason,
            self._pause_s,
            self._tired,
            self._settled,
            self._used,
        )
        self._grown = self._settled = 0
        self._reason, self._pause_s, self._tired, self._used = None, 0.0, False, (0, 0.0, 0.0)
        if self._told == plain and full == Report(*_plain(plain), cuts=full.cuts):
            return None
        self._told = plain
        return full

    async def acquire(self, tokens: int = 0, abandoned: Callable[[], bool] = lambda: False) -> Admitted | None:
        """Wait for a place in the share, for this request's turn, and for a pause to end."""
        if self._stop.is_set():
            return None
        if not self._hungry:
            self._hungry, self._busy_at = True, _now()
            self._wake()
        return await super().acquire(tokens, abandoned)

    async def _turn(self, tokens: int, abandoned: Callable[[], bool]) -> Admitted | None:
        self._queue.append(float(tokens))
        try:
            async with self._door:
                return await self._sent(abandoned)
        finally:
            self._queue.popleft()

    async def _sent(self, abandoned: Callable[[], bool]) -> Admitted | None:
        """Wait for the next moment, at the head of the queue."""
        while not (abandoned() or self._stop.is_set()):
            now = _now()
            wait_s, slot = self._paused_until - now, None
            if wait_s <= 0 and self._paced:
                slot = self._next_slot(now) or await self._leased()
                now = _now()
                wait_s = slot.at - now if slot else 0.0
            if wait_s > 0:
                await set_within(self._stop, min(wait_s, _LOOK_AGAIN_S))
            elif slot or not self._paced:
                if slot:
                    self._slots.popleft()
                return Admitted(now, slot.charged if slot else 0.0)
        return None

    def _next_slot(self, now: float) -> _Slot | None:
        """The next moment that was not missed. One that was counts as a call that ended."""
        while self._slots and self._slots[0].latest < now:
            self._slots.popleft()
            self._settled += 1
        return self._slots[0] if self._slots else None

    async def _leased(self) -> _Slot | None:
        """Lease moments for all who wait."""
        asked = _now()
        lease = await self._lessor.lease(self.place, tuple(self._queue)[:_AT_ONCE])
        came = _now()
        # The desk's clock read somewhere between these two.
        self._slots += (_Slot(came + after, asked + after + _LATE_S, charged) for after, charged in lease.slots)
        if not lease.slots:
            await set_within(self._stop, lease.again_s)
        return self._next_slot(_now())

    def release(self, *, answered: bool) -> None:
        """Give the place back."""
        self._settled += self._paced
        if answered and self._in_flight >= self.limit and self._strain < _STRAIN / 2 and self.limit < self.ceiling:
            self._grown += not self._full
        self._leave()
        if self._told is not None and self._told.held > self.limit:
            self._wake()

    @property
    def _full(self) -> bool:
        """Whether the limit of all workers together can't grow: then an answer says nothing."""
        return not self._eased and not self._cuts

    def used(self, admitted: Admitted, tokens: int) -> None:
        """Correct what an admitted request was charged by the tokens that it really used."""
        if self._paced:
            calls, used, charged = self._used
            self._used = (calls + 1, used + tokens, charged + admitted.tokens)

    def throttled(self, admitted: Admitted, reason: str, pause_s: float = 0.0) -> None:
        """Tell everybody to halve the limit, unless that was done since the throttled call was admitted; and to pause.

        Here both take effect at once.
        """
        now = _now()
        self._paused_until = max(self._paused_until, now + pause_s)
        self._pause_s = max(self._pause_s, pause_s)
        if admitted.at >= self._cut_at:
            self._cut_at = now
            self._reason, self._throttled_cuts = reason, self._cuts
            self._limit = max(1.0, float(int(self._limit * 0.5))) if self._limit >= 1 else self._limit
        self._wake()

    def pause(self, pause_s: float) -> None:
        """Let nobody send for a while."""
        self._paused_until = max(self._paused_until, _now() + pause_s)
        self._pause_s = max(self._pause_s, pause_s)
        self._wake()

    def strained(self, share: float) -> None:
        """Note by which share of its latency an answer is blurred by this worker."""
        if self._eased:
            self._strain += (share - self._strain) / _REMEMBERED
            self._tired = self._tired or self._strain > _STRAIN


def _plain(report: Report) -> tuple[bool, int]:
    return report.hungry, report.held


def _now() -> float:
    return asyncio.get_running_loop().time()
