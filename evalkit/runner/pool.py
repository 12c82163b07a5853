"""One model's calls: its own workers, its own limits, its own end."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from evalkit.errors import CallError, ErrorKind
from evalkit.models.prices import cost_usd
from evalkit.providers.base import Provider
from evalkit.runner.limits import Limiter
from evalkit.runner.retry import Outcome, RetryPolicy, ask
from evalkit.types import Call, Model, Record, RecordError, Request

# So many calls in a row without an answer, for reasons that lie with the server, and a model is given up.
GIVE_UP_AFTER = 10
_SERVER_SIDE = frozenset(
    {ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.AUTH, ErrorKind.QUOTA, ErrorKind.NOT_FOUND, ErrorKind.SERVER}
)


@dataclass(slots=True)
class Pool:
    """Asks one model all its calls, as many at a time as its limiter admits.

    A model that cannot answer is given up: at the first failure that every further call would share, if nothing was
    answered before, else after GIVE_UP_AFTER failed calls in a row. Its remaining calls are recorded as `unavailable`,
    so they stand in the denominator, and a resumed run asks them again.
    """

    model: Model
    provider: Provider
    limiter: Limiter
    calls: Sequence[Call]
    request: Callable[[Call], Request]
    record: Callable[[Record], None]
    on_give_up: Callable[[str, str], None]
    stop: asyncio.Event
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    gave_up: CallError | None = None
    _answered: bool = field(default=False, init=False)
    _failed_in_a_row: int = field(default=0, init=False)

    async def run(self) -> None:
        """Ask every call, or as many as there are until `stop` is set; calls in flight are finished."""
        queue = iter(self.calls)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.limiter.ceiling, len(self.calls))):
                group.create_task(self._work(queue))

    async def _work(self, queue: Iterator[Call]) -> None:
        for call in queue:
            if self.stop.is_set():
                return
            await self._handle(call)

    async def _handle(self, call: Call) -> None:
        if self.gave_up is not None:
            self.record(refusal(call, self.gave_up))
            await asyncio.sleep(0)  # very many calls may follow
            return
        started_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        outcome = await ask(self.provider, self.request(call), self.limiter, self.policy, self.stop)
        if outcome is not None:
            self._watch(outcome.error)
            self.record(self._record(call, outcome, started_at))

    def _watch(self, error: CallError | None) -> None:
        """Decide whether the model is worth asking on."""
        if error is None:
            self._answered, self._failed_in_a_row = True, 0
            return
        self._failed_in_a_row = self._failed_in_a_row + 1 if error.kind in _SERVER_SIDE else 0
        hopeless = error.kind.fatal and not self._answered
        if hopeless or self._failed_in_a_row >= GIVE_UP_AFTER:
            self._give_up(error)

    def _give_up(self, error: CallError) -> None:
        if self.gave_up is None:
            self.gave_up = error
            self.on_give_up(self.model.name, error.message)

    def _record(self, call: Call, outcome: Outcome, started_at: str) -> Record:
        common = {
            **dataclasses.asdict(call),
            "queue_ms": outcome.queue_ms + (outcome.completion.queue_ms if outcome.completion else 0.0),
            "retry_ms": outcome.retry_ms,
            "attempts": outcome.attempts,
            "started_at": started_at,
        }
        done = outcome.completion
        if done is None:
            return Record(**common, error=_error(outcome.error))
        cost = cost_usd(done.usage, self.model.price) if done.cost_usd is None else done.cost_usd
        return Record(
            **common,
            output=done.output,
            tool_calls=done.tool_calls,
            finish_reason=done.finish_reason,
            usage=done.usage,
            ttft_ms=done.ttft_ms,
            latency_ms=done.latency_ms,
            served_model=done.served_model,
            cost_usd=cost,
            billed=done.cost_usd is not None,
            dropped_params=done.dropped_params,
        )


def _error(error: CallError | None) -> RecordError | None:
    return RecordError(error.kind, error.message, error.status) if error else None


def refusal(call: Call, reason: CallError) -> Record:
    """Record a call that was not made because its model was given up."""
    message = f"not asked: {reason.message}"
    error = RecordError(ErrorKind.UNAVAILABLE, message, reason.status)
    return Record(**dataclasses.asdict(call), attempts=0, error=error)
