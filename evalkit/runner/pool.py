"""One model's calls: its own workers, its own limits, its own end."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from evalkit.errors import CallError, ConfigError, ErrorKind
from evalkit.runner.budget import Budget
from evalkit.runner.limits import set_within
from evalkit.runner.line import Line, failed
from evalkit.runner.plan import Named, make_call
from evalkit.runner.retry import Outcome, input_tokens
from evalkit.runner.talk import talk
from evalkit.types import Call, Case, Completion, Record, Request

# Warm-up calls stand in the journal, for their cost, under a trial that no plan has.
WARM_UP_TRIAL = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """What the pools of a run have in common.

    Attributes:
        request: turns a call and its case into what a provider is asked.
        record: journals and judges a finished call.
        stop: once set, no more calls are made; those in flight are finished.
        budget: what the run may use.
        one_at_a_time: held while an answer is recorded. Between two of them the loop turns, so that answers that arrive
            meanwhile are read, and timed, at once.
        begun: by call, the replies of conversations that an earlier try broke off.
    """

    request: Callable[[Call, Case], Request]
    record: Callable[[Record, Case], None]
    stop: asyncio.Event
    budget: Budget
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    begun: Mapping[str, tuple[Completion, ...]] = field(default_factory=dict)


class Pool:
    """Asks one model all its calls, as many at a time as its limiter admits.

    The remaining calls of a model that is given up are recorded as `unavailable`, so they stand in the denominator, and
    a resumed run asks them again.

    Args:
        line: to the candidate.
        shared: what all pools share.
    """

    def __init__(self, line: Line, shared: Shared) -> None:
        self.line = line
        self.model = line.model
        self._shared = shared

    async def run(self, calls: Iterable[tuple[Call, Case]]) -> None:
        """Ask every call, or as many as there are until `stop` is set; calls in flight are finished."""
        queue = iter(calls)
        async with asyncio.TaskGroup() as group:
            for _ in range(self.line.limiter.ceiling):
                group.create_task(self._work(queue))

    async def run_blocks(
        self, blocks: Iterable[Iterable[tuple[Call, Case]]], opened: Callable[[int], Awaitable[bool]]
    ) -> None:
        """Ask block after block, each as soon as `opened` says so of its number; end with the first that is not."""
        queues = [iter(calls) for calls in blocks]
        async with asyncio.TaskGroup() as group:
            for _ in range(self.line.limiter.ceiling):
                group.create_task(self._work_through(queues, opened))

    async def _work_through(
        self, queues: Iterable[Iterator[tuple[Call, Case]]], opened: Callable[[int], Awaitable[bool]]
    ) -> None:
        for number, queue in enumerate(queues):
            if not await opened(number):
                return
            await self._work(queue)

    async def _work(self, queue: Iterator[tuple[Call, Case]]) -> None:
        for call, case in queue:
            if self._shared.stop.is_set():
                return
            await self._handle(call, case)

    async def run_open_loop(self, calls: Iterable[tuple[Call, Case]], arrivals: Iterable[float]) -> None:
        """Send the calls when they are due (`arrivals`, seconds from now), whether or not others were answered."""
        start = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for (call, case), at in zip(calls, arrivals, strict=False):
                wait_s = start + at - asyncio.get_running_loop().time()
                if await set_within(self._shared.stop, max(0.0, wait_s)):
                    return
                group.create_task(self._handle(call, case, start + at))

    async def ask(self, call: Call, case: Case) -> None:
        """Ask one call, unless `stop` is set."""
        if not self._shared.stop.is_set():
            await self._handle(call, case)

    async def warm_up(self, prompt: Named, cases: Iterable[Case]) -> None:
        """Ask one case after the other, for the server's sake. The answers are kept but stand in no figure."""
        for case in cases:
            await self.ask(warm_up_call(self.model.name, prompt, case), case)

    async def _handle(self, call: Call, case: Case, due: float | None = None) -> None:
        if self.line.gave_up is not None:
            if refused := self._refusal(call):
                await self._record(refused, case)
            return
        try:
            # Pictures are read and spelled in base64, which may take a while.
            build = self._shared.request
            request = await asyncio.to_thread(build, call, case) if case.files else build(call, case)
        except (ConfigError, CallError) as error:
            kind = error.kind if isinstance(error, CallError) else ErrorKind.INVALID_REQUEST
            await self._record(failed(call, CallError(kind, str(error))), case)
            return
        if not await self._shared.budget.admit(self.model, input_tokens(request.messages)):
            return
        record: Record | None = None
        try:
            record = await self._ask(call, case, request, due)
        finally:
            self._shared.budget.settle(self.model.name, record)
        record = record or self._refusal(call)
        if record is not None:
            await self._record(record, case)

    def _refusal(self, call: Call) -> Record | None:
        """The record of a call whose model has been given up; a warm-up call needs none."""
        return None if call.trial == WARM_UP_TRIAL else self.line.refusal(call)

    async def _ask(self, call: Call, case: Case, request: Request, due: float | None) -> Record | None:
        late_s = 0.0 if due is None else asyncio.get_running_loop().time() - due
        started_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=late_s)
        first_due = due

        async def ask_once(turn: Request) -> Outcome | None:
            nonlocal first_due
            turn_due, first_due = first_due, None
            return await self.line.ask(turn, turn_due)

        done = await talk(ask_once, request, case.turns, self._shared.begun.get(call.call_id, ()))
        if done is None:
            return None
        record = self.line.as_record(call, done, started_at.isoformat(timespec="milliseconds"))
        return dataclasses.replace(record, turns=done.replies) if case.turns else record

    async def _record(self, record: Record, case: Case) -> None:
        turn = self._shared.one_at_a_time
        try:
            await turn.acquire()
        except asyncio.CancelledError:
            self._shared.record(record, case)  # it has been paid for
            raise
        try:
            self._shared.record(record, case)
            await asyncio.sleep(0)
        finally:
            turn.release()


def warm_up_call(model: str, prompt: Named, case: Case) -> Call:
    """Make a call for the server's sake."""
    return make_call(_Warm(model), prompt, case, WARM_UP_TRIAL)


@dataclass(frozen=True, slots=True)
class _Warm:
    """The model of a warm-up call, which no figure is paired with."""

    name: str
    fingerprint: str = "warm-up"
