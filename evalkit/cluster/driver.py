"""The driver: hands blocks of calls to workers, takes over what they write, and makes good what is lost with them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from evalkit.cluster.crew import ClusterError, Crew, LostWorkerError
from evalkit.cluster.desk import GivenUp
from evalkit.cluster.kit import Block, Item, item, kit_of
from evalkit.cluster.parts import Merger, Parts, Taken, wait_until_quiet
from evalkit.cluster.queue import Queue
from evalkit.runner.budget import Budget
from evalkit.runner.execute import Conditions, Execution, plain_error, recorded
from evalkit.runner.journal import (
    JUDGEMENTS,
    RECORDS,
    SCORES,
    Appender,
    Judgements,
    encode_score,
    read_judgements,
    read_records,
    replace_scores,
)
from evalkit.runner.judges import Judges
from evalkit.runner.limits import set_within
from evalkit.runner.manifest import Client
from evalkit.runner.plan import calls_of, calls_per_model
from evalkit.runner.pool import WARM_UP_TRIAL, warm_up_call
from evalkit.runner.scoring import Scoring
from evalkit.runner.watch import ClientWatch
from evalkit.runner.workers import Workers
from evalkit.types import CallScore, Completion, Record

_TAKE_EVERY_S: Final = 0.25
_AHEAD: Final = 2
"""Blocks of a model that a worker has at a time: when one comes to its end, the next is there."""
_ARRIVES_S: Final = 60.0
"""So long after a block was carried out, all its rows must be there to be taken over."""
_DRIVER: Final = "driver"


@dataclass(slots=True)
class _Given:
    """A block that a worker has: calls without an end, and how those ended that wait for their verdict."""

    block: Block
    worker: str
    waiting: dict[str, Item]
    ended: dict[str, Record] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def unfinished(self) -> list[Item]:
        """What somebody else has to do: calls to make, answers to judge."""
        return [one._replace(record=self.ended.get(call_id, one.record)) for call_id, one in self.waiting.items()]


async def execute_on(run: Execution, crew: Crew, parts: Parts, place: str) -> Conditions:
    """Make every call that is not yet answered in the folder's journal, by workers.

    Parts that lay there before must have been absorbed.

    Raises:
        JournalError: a row could not be written. What was written stays.
        ClusterError: too many workers were lost.
    """
    driver = Driver(run, crew, parts, place)
    try:
        return await driver.run()
    except BaseExceptionGroup as errors:
        raise plain_error(errors) from None


class Driver:
    """One run on a crew; see `execute_on`."""

    def __init__(self, run: Execution, crew: Crew, parts: Parts, place: str) -> None:
        self._run = run
        self._crew = crew
        self._parts = parts
        self._kit = kit_of(run, place)
        self._numbers = itertools.count(1)
        self._by_call: dict[str, _Given] = {}
        self._places: dict[str, int] = {}
        self._replacing: list[asyncio.Task[None]] = []
        self._lost: dict[str, asyncio.Task[None]] = {}
        self._soon = asyncio.Event()
        self._reached: str | None = None
        self._clients: list[Client] = []
        self._limits: dict[str, int] = {}

    async def run(self) -> Conditions:
        """Carry the run out."""
        run = self._run
        watch = ClientWatch()
        answered = await self._reused()
        desk = self._desk = await self._crew.open(self._kit, self._spent())
        await self._tell_replies()
        self._queues = {name: self._queue(name, *rest) for name, rest in answered.items()}
        with Merger(run.folder, self._parts) as merger:
            self._merger = merger
            async with asyncio.TaskGroup() as group:
                self._group = group
                beside = (watch.run(), desk.watch_time(), self._hear(), self._keep_taking(), self._pass_stop_on())
                helpers = [group.create_task(helper) for helper in beside]
                await self._work()
                for helper in helpers:
                    helper.cancel()
            while self._take():
                pass
        self._parts.clear()
        client = _busiest([watch.seen(), *self._clients])
        return Conditions(client, await desk.histories(), self._reached)

    async def _reused(self) -> dict[str, tuple[bytearray, dict[str, tuple[Completion, ...]], set[str]]]:
        """Judge what the folder already holds, as far as that takes no time; per model, what is answered already."""
        run = self._run
        each = calls_per_model(run.manifest, run.job.cases)
        if not (run.folder / RECORDS).exists():
            return {model.name: (bytearray(each), {}, set()) for model in run.job.models}
        replace_scores(run.folder, ())
        scores = Appender(run.folder / SCORES)

        def done(record: Record, score: CallScore) -> None:
            scores.append(encode_score(score))
            run.observer.finished(record, score)

        found: dict[str, tuple[bytearray, dict[str, tuple[Completion, ...]], set[str]]] = {
            model.name: (bytearray(), {}, set()) for model in run.job.models
        }
        try:
            async with Workers() as workers, asyncio.TaskGroup() as group:
                judges = Judges((), {}, {}, Judgements(run.folder / JUDGEMENTS), Budget(run.ceilings, run.stop))
                scoring = Scoring(run.job.suite, workers, judges, done, group)
                for call, case, record in recorded(run.job.cases, run.manifest, run.folder):
                    answered, begun, judge = found[call.model]
                    answered.append(record is not None and record.error is None)
                    if record is None:
                        continue
                    if record.error is None:
                        scoring.add_later(record, case)
                        if scoring.is_postponed(record):
                            judge.add(call.call_id)
                    elif record.turns:
                        begun[call.call_id] = record.turns
        finally:
            scores.close()
        return found

    async def _tell_replies(self) -> None:
        """Tell the desk what was said to scorers before; a later row that rejects a reply takes it back."""
        replies: dict[str, Record] = {}
        for reply in read_judgements(self._run.folder):
            if reply.error is None:
                replies[reply.call_id] = reply
            else:
                replies.pop(reply.call_id, None)
        known = list(replies.values())
        for begin in range(0, len(known), _REPLIES_AT_ONCE):
            await self._desk.know(known[begin : begin + _REPLIES_AT_ONCE])

    def _spent(self) -> dict[str, tuple[int, float]]:
        """Sum up what calls have cost so far, where money is counted."""
        sums: defaultdict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        if self._run.ceilings.max_cost_usd is not None:
            for record in itertools.chain(read_records(self._run.folder), read_judgements(self._run.folder)):
                if record.cost_usd is not None:
                    calls, total = sums[record.model]
                    sums[record.model] = calls + 1, total + record.cost_usd
        return dict(sums)

    def _queue(
        self, name: str, answered: bytearray, begun: dict[str, tuple[Completion, ...]], judge: set[str]
    ) -> Queue:
        return Queue(name, self._items(name, answered, begun, judge), answered.count(0) + len(judge), self._run.stop)

    def _items(
        self, name: str, answered: bytearray, begun: Mapping[str, tuple[Completion, ...]], judge: set[str]
    ) -> Iterator[Item]:
        run = self._run
        described = next(model for model in run.manifest.models if model.name == name)
        if judge:
            for call, case, record in recorded(run.job.cases, run.manifest, run.folder):
                if call.call_id in judge:
                    yield item(call, case, record)
        for (call, case), done in zip(calls_of(described, run.manifest, run.job.cases), answered, strict=True):
            if not done:
                yield item(call, case, None, begun.get(call.call_id, ()))

    async def _work(self) -> None:
        """Hire the crew, warm the models up, and let the crew work until all is done."""
        hired = await asyncio.gather(*(self._hired() for _ in range(self._crew.size)))
        await self._warm_up(hired[0])
        for place, worker in enumerate(hired):
            self._employ(worker, place)
        await asyncio.gather(*(queue.ended() for queue in self._queues.values()))
        for task in self._replacing:
            task.cancel()
        for worker in self._places.keys() - self._lost.keys():
            client = await self._crew.dismiss(worker)
            self._clients += [client] if client else []

    async def _hired(self) -> str:
        """Hire somebody.

        Raises:
            ClusterError: too many were lost on the way.
        """
        for _ in range(_TRIES):
            with contextlib.suppress(LostWorkerError):
                return await self._crew.hire()
        raise ClusterError("no worker of the cluster stays alive long enough to begin", remedy=_GO_ON)

    def _employ(self, worker: str, place: int) -> None:
        """Let a worker ask all models, but for those that take fewer calls at a time than there are workers."""
        self._places[worker] = place
        for number, queue in enumerate(self._queues.values()):
            width = min(self._crew.size, self._run.providers[queue.model].concurrency)
            if (place + number) % self._crew.size < width:
                for _ in range(_AHEAD):
                    self._group.create_task(self._lane(worker, queue))

    async def _warm_up(self, worker: str) -> None:
        """Make the calls that are for the servers' sake, one after the other for each model."""
        run = self._run
        warmed = [model for model in run.job.models if model.warmup and model.name in run.starting]
        prompt = run.manifest.prompts[0]
        pairs = {
            model.name: [(warm_up_call(model.name, prompt, case), case) for case in run.job.cases[: model.warmup]]
            for model in warmed
        }

        async def warm(name: str) -> None:
            with contextlib.suppress(LostWorkerError):
                for call, case in pairs[name]:
                    block = self._block(name, (item(call, case),))
                    await self._crew.carry_out(worker, block)

        await asyncio.gather(*(warm(name) for name in pairs))

    def _block(self, model: str, items: tuple[Item, ...]) -> Block:
        return Block(next(self._numbers), model, self._run.job.suite.fingerprint, items)

    async def _lane(self, worker: str, queue: Queue) -> None:
        """Let a worker do one block of a model after the other."""
        while worker not in self._lost and (items := await queue.take(self._crew.size)):
            block = self._block(queue.model, items)
            given = _Given(block, worker, {one.call.call_id: one for one in items})
            self._by_call |= dict.fromkeys(given.waiting, given)
            try:
                left = await self._crew.carry_out(worker, block)
                await self._arrived(given, left)
            except LostWorkerError:
                await asyncio.shield(self._mourning(worker))
            for call_id in given.waiting:
                self._by_call.pop(call_id, None)
            await queue.end(given.unfinished())

    async def _arrived(self, given: _Given, left: int) -> None:
        """Wait until the rows of a block have been taken over."""
        deadline = asyncio.get_running_loop().time() + _ARRIVES_S
        while len(given.waiting) > left:
            self._soon.set()
            await set_within(given.over, _TAKE_EVERY_S)
            if asyncio.get_running_loop().time() > deadline:
                raise ClusterError(
                    f"rows that the worker {given.worker} has written do not appear where this machine looks for them",
                    remedy="the run's folder must be on storage that all nodes share; or name one with --ray-storage",
                )

    def _mourning(self, worker: str) -> asyncio.Task[None]:
        if worker not in self._lost:
            self._lost[worker] = self._group.create_task(self._mourn(worker))
        return self._lost[worker]

    async def _mourn(self, worker: str) -> None:
        """Take over what a lost worker has left, and hire another one in its place."""
        if len(self._lost) > _LOSSES_EACH * self._crew.size + _LOSSES:
            raise ClusterError(f"{len(self._lost)} workers were lost, one after the other", remedy=_GO_ON)
        await self._crew.bury(worker)
        self._parts.fence(worker)
        await asyncio.to_thread(wait_until_quiet, self._parts, f"{worker}/")
        await self._desk.lost(worker)
        while self._take():
            pass
        if not self._run.stop.is_set():
            self._replacing.append(self._group.create_task(self._replace(self._places[worker])))

    async def _replace(self, place: int) -> None:
        """Hire somebody in a lost worker's place; where there is no room, those who are left do all the work."""
        try:
            worker = await self._hired()
        except ClusterError:
            if self._places.keys() <= self._lost.keys():
                raise
            worker = next(iter(self._places.keys() - self._lost.keys()))
        self._employ(worker, place)

    async def _keep_taking(self) -> None:
        while True:
            await set_within(self._soon, _TAKE_EVERY_S)
            self._soon.clear()
            taken = self._take()
            if taken:
                await asyncio.to_thread(self._merger.sync)
            await asyncio.sleep(_TAKE_EVERY_S / 5)

    def _take(self) -> Taken:
        """Take over what has come in, and tell of it."""
        taken = self._merger.take()
        for record in taken.records:
            given = self._by_call.get(record.call_id)
            if given is not None and record.trial != WARM_UP_TRIAL:
                given.ended[record.call_id] = record
        for score in taken.scores:
            given = self._by_call.pop(score.call_id, None)
            if given is None:
                continue
            one = given.waiting.pop(score.call_id)
            ended = given.ended.pop(score.call_id) if score.call_id in given.ended else one.record
            if ended is not None:
                self._run.observer.finished(ended, score)
            if not given.waiting:
                given.over.set()
        return taken

    async def _hear(self) -> None:
        """Learn what is new at the desk, again and again."""
        version, told = 0, set[str]()
        while True:
            news = await self._desk.news(_DRIVER, version)
            version = news.version
            for account, standing in zip(self._kit.accounts, news.accounts, strict=False):
                self._show_limit(account.models, standing.limit)
            for given_up in news.given_up:
                self._tell(given_up, told)
            if news.stop:
                self._reached = self._reached or news.reached
                self._run.stop.set()
                for queue in self._queues.values():
                    await queue.wake()
                return

    def _show_limit(self, models: Iterable[str], limit: int) -> None:
        fresh = [name for name in models if name in self._queues and name not in self._limits]
        self._limits |= dict.fromkeys(models, limit)
        if fresh and self._run.show_limits is not None:
            self._run.show_limits({name: partial(self._limits.__getitem__, name) for name in fresh})

    def _tell(self, given_up: GivenUp, told: set[str]) -> None:
        if given_up.model not in told:
            told.add(given_up.model)
            self._run.observer.gave_up(given_up.model, given_up.message)

    async def _pass_stop_on(self) -> None:
        await self._run.stop.wait()
        await self._desk.halt()


_TRIES: Final = 3
_REPLIES_AT_ONCE: Final = 500
_LOSSES_EACH: Final = 3
_LOSSES: Final = 5
_GO_ON: Final = "look at the cluster, then go on with: evalkit run SUITE --resume; what was written is kept"


def _busiest(clients: Sequence[Client]) -> Client:
    """The busiest of several processes."""
    return Client(
        loop_lag_ms=max(one.loop_lag_ms for one in clients),
        cpu_share_mean=max(one.cpu_share_mean for one in clients),
        cpu_share_max=max(one.cpu_share_max for one in clients),
    )
