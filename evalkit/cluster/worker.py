"""A worker: asks, journals and judges blocks of calls with the same parts that a run on one machine is made of."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from evalkit.cluster.book import Book, open_book
from evalkit.cluster.desk import GivenUp, News
from evalkit.cluster.kit import Block, Item, Kit
from evalkit.cluster.limiter import Share
from evalkit.cluster.sharing import DeskLine, Replies, SharedBudget, SharedJudges
from evalkit.errors import CallError, ErrorKind, EvalkitError, one_or_many
from evalkit.providers.base import Provider
from evalkit.providers.build import Providers
from evalkit.runner.execute import plain_error, start
from evalkit.runner.limits import set_within
from evalkit.runner.line import Line
from evalkit.runner.manifest import Client
from evalkit.runner.pool import WARM_UP_TRIAL, Pool, Shared
from evalkit.runner.scoring import Scoring
from evalkit.runner.watch import ClientWatch
from evalkit.runner.workers import Workers
from evalkit.types import CallScore, Case, Completion, Record

_REPORT_EVERY_S: Final = 0.25
_REPORT_PAUSE_S: Final = 0.05


class _Open:
    """A block under way: the calls of it that have no end yet, and those that were left."""

    def __init__(self, block: Block) -> None:
        self.waiting = {item.call.call_id for item in block.items}
        self.over = asyncio.Event()
        if not self.waiting:
            self.over.set()

    def end(self, call_id: str) -> None:
        self.waiting.discard(call_id)
        if not self.waiting:
            self.over.set()


class Worker:
    """Carries out blocks, those of different models side by side. `run` must run meanwhile.

    Args:
        name: no other worker of the run has had it, or ever will.
        kit: what to ask with.
        desk: keeps the common limits.
        book: where to write; by default, as the kit says.
        providers: to ask; by default, those of the kit's models.
    """

    def __init__(
        self,
        name: str,
        kit: Kit,
        desk: DeskLine,
        book: Book | None = None,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        self._kit = kit
        self._desk = desk
        self._job = kit.job()
        self._stop, self._ending = asyncio.Event(), asyncio.Event()
        self._awake = asyncio.Event()
        self._version = 0
        self._own = Providers({model.name: model for model in (*kit.judges, *kit.models)}.values())
        self._providers = self._own.by_model if providers is None else providers
        if problems := [problem for provider in self._providers.values() for problem in provider.check()]:
            raise one_or_many(problems)
        self._book = book or open_book(kit.place, name, {**kit.session, "worker": name, "process": os.getpid()})
        self._shares = [
            Share(place, account, desk, self._stop, self._awake.set) for place, account in enumerate(kit.accounts)
        ]
        self._lines = self._made_lines()
        self._feeds: defaultdict[str, deque[Item]] = defaultdict(deque)
        self._asking: defaultdict[str, int] = defaultdict(int)
        self._blocks: dict[str, _Open] = {}
        self._begun: dict[str, tuple[Completion, ...]] = {}
        self._recorded: set[str] = set()
        self._watch = ClientWatch()
        self._ready = asyncio.Event()
        self._fault: BaseException | None = None
        self._starting: dict[str, asyncio.Task[CallError | None]] = {}

    def _made_lines(self) -> dict[str, Line]:
        shares = {name: share for share in self._shares for name in share.models}
        models = {model.name: model for model in (*self._kit.judges, *self._kit.models)}
        return {
            name: Line(model, self._providers[name], shares[name], self._stop, self._gave_up_on(name), self._kit.policy)
            for name, model in models.items()
        }

    def _gave_up_on(self, name: str) -> Callable[[str, str], None]:
        def gave_up(_: str, message: str) -> None:
            error = self._lines[name].gave_up
            kind, status = (error.kind, error.status) if error else (ErrorKind.UNAVAILABLE, None)
            self._tell(self._desk.give_up(GivenUp(name, kind, message, status)))

        return gave_up

    async def run(self) -> Client:
        """Work until `end`; what goes wrong for good is raised here and by every block.

        Raises:
            EvalkitError: the journal cannot be written, the desk cannot be reached.
        """
        try:
            async with self._own, Workers() as workers:
                await self._run(workers)
        except BaseExceptionGroup as errors:
            self._fault = plain_error(errors)
            raise self._fault from None
        except BaseException as error:
            self._fault = error
            raise
        finally:
            self._fault = self._fault or EvalkitError("the worker has ended")
            for block in self._blocks.values():
                block.over.set()
            self._ready.set()
            self._book.close()
        return self._watch.seen()

    async def _run(self, workers: Workers) -> None:
        starting = start(self._providers, self._providers)
        self._starting = starting
        async with asyncio.TaskGroup() as group:
            self._group = group
            beside = (self._watch.run(), self._book.keep(), self._hear(), self._keep_reporting())
            helpers = [group.create_task(helper) for helper in beside]
            budget = SharedBudget(self._kit.ceilings, self._stop, self._desk, self._tell)
            replies = Replies(self._book)
            judges = SharedJudges(self._job.judges, self._lines, starting, replies, budget, desk=self._desk)
            self._scoring = Scoring(self._job.suite, workers, judges, self._judged, group, postpones=False)
            shared = Shared(self._job.requests(), self._record, self._stop, budget, begun=self._begun)
            self._pools = {model.name: Pool(self._lines[model.name], shared) for model in self._kit.models}
            self._ready.set()
            await self._ending.wait()
            await self._scoring.settled()
            for helper in helpers:
                helper.cancel()
            for task in starting.values():
                task.cancel()

    def end(self) -> None:
        """Let `run` come to its end."""
        self._ending.set()

    async def carry_out(self, block: Block) -> int:
        """Ask and judge a block of calls; when this returns, every row of it survives.

        Returns:
            How many of its calls were left, because the run was stopped.
        """
        await self._ready.wait()
        if self._fault:
            raise self._fault
        if block.suite != self._job.suite.fingerprint:
            message = "the worker was made ready for another suite"
            raise EvalkitError(message)
        if self._stop.is_set():
            return len(block.items)
        state = _Open(block)
        self._blocks |= dict.fromkeys(state.waiting, state)
        for item in block.items:
            if item.record is not None:
                self._scoring.add(item.record, item.whole())
                continue
            if item.begun:
                self._begun[item.call.call_id] = item.begun
            self._feeds[block.model].append(item)
        self._spawn(block.model)
        await state.over.wait()
        for call_id in state.waiting:
            self._blocks.pop(call_id, None)
        if self._fault:
            raise self._fault
        await self._book.settle()
        return len(state.waiting)

    def _spawn(self, name: str) -> None:
        """Let as many calls be under way as the share admits; one may always wait for it to grow."""
        wanted = min(max(1, self._lines[name].limiter.limit), len(self._feeds[name]))
        for _ in range(wanted - self._asking[name]):
            self._asking[name] += 1
            self._begin(self._ask(name))

    async def _ask(self, name: str) -> None:
        feed, line = self._feeds[name], self._lines[name]
        try:
            error = await asyncio.shield(self._starting[name])
            if error is not None:
                line.give_up(error)
            while feed and self._asking[name] <= max(1, line.limiter.limit):
                await self._ask_one(name, feed.popleft())
        finally:
            self._asking[name] -= 1
        if self._stop.is_set() and not any(self._asking.values()):
            await self._leave()

    async def _ask_one(self, name: str, item: Item) -> None:
        call_id = item.call.call_id
        await self._pools[name].ask(item.call, item.whole())
        self._begun.pop(call_id, None)
        if call_id not in self._recorded and item.call.trial == WARM_UP_TRIAL:
            self._end(call_id)  # its model has been given up
        self._recorded.discard(call_id)

    def _record(self, record: Record, case: Case) -> None:
        self._book.add_record(record)  # first: a paid answer is safe before anything else can fail
        self._recorded.add(record.call_id)
        if record.trial == WARM_UP_TRIAL:
            self._end(record.call_id)
        else:
            self._scoring.add(record, case)

    def _judged(self, record: Record, score: CallScore) -> None:
        self._book.add_score(score)
        self._end(record.call_id)

    def _end(self, call_id: str) -> None:
        if block := self._blocks.pop(call_id, None):
            block.end(call_id)

    async def _leave(self) -> None:
        """Give back what has not been asked, or judged, once the run was stopped and nobody is under way."""
        await self._scoring.settled()
        for block in set(self._blocks.values()):
            block.over.set()

    async def _hear(self) -> None:
        """Learn what is new at the desk, again and again, until the run is stopped."""
        while not self._stop.is_set():
            news = await self._desk.news(self._version)
            self._version = news.version
            self._learn(news)
            self._awake.set()
        for feed in self._feeds.values():
            feed.clear()
        for share in self._shares:
            share.stop_all()
        if not any(self._asking.values()):
            await self._leave()

    def _learn(self, news: News) -> None:
        for share, standing in zip(self._shares, news.accounts, strict=False):
            share.stand(standing)
        for model, kind, message, status in news.given_up:
            if self._lines[model].gave_up is None:
                self._lines[model].give_up(CallError(ErrorKind(kind), message, status=status))
        if news.stop:
            self._stop.set()
            return
        for name, feed in self._feeds.items():
            if feed:
                self._spawn(name)

    async def _keep_reporting(self) -> None:
        while True:
            await set_within(self._awake, _REPORT_EVERY_S)
            self._awake.clear()
            reports = {share.place: said for share in self._shares if (said := share.report()) is not None}
            if reports:
                await self._desk.report(self._version, reports)
            await asyncio.sleep(_REPORT_PAUSE_S)

    def _tell(self, message: Coroutine[Any, Any, None]) -> None:
        """Tell the desk something, beside all else."""
        self._begin(message)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._group.create_task(work)
        except RuntimeError:  # the worker has failed, and all who wait for it are about to be told
            work.close()
