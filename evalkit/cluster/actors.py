"""The desk and the workers as Ray actors, and the ways to the desk. Imports ray."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import RayActorError, RaySystemError

from evalkit.cluster.crew import ClusterError, DriversDesk
from evalkit.cluster.desk import Claim, Desk, GivenUp, Lease, News, Report
from evalkit.cluster.kit import Kit, Versions, unpacked, versions
from evalkit.cluster.worker import Worker
from evalkit.errors import EvalkitError
from evalkit.eventloop import new_event_loop
from evalkit.runner.budget import Ceilings
from evalkit.runner.limits import LimitChange
from evalkit.runner.line import Account
from evalkit.runner.manifest import Client
from evalkit.types import Model, Record

T = TypeVar("T")


class DeskActor:
    """The desk, as an actor: one for a run, near the driver."""

    def __init__(
        self, accounts: Sequence[Account], ceilings: Ceilings, models: Sequence[Model], spent: Mapping[str, Any]
    ) -> None:
        self._made = (accounts, ceilings, models, spent)
        self._desk: Desk | None = None

    def _open(self) -> Desk:
        """Make it on the actor's own loop."""
        self._desk = self._desk or Desk(*self._made)
        return self._desk

    async def report(self, worker: str, version: int, reports: Mapping[int, Report]) -> None:
        """See `Desk`, here and below."""
        await self._open().report(worker, version, reports)

    async def news(self, worker: str, version: int) -> News:
        """See `Desk`."""
        return await self._open().news(worker, version)

    async def lease(self, account: int, tokens: tuple[float, ...]) -> Lease:
        """See `Desk`."""
        return await self._open().lease(account, tokens)

    async def admit(self, worker: str, model: str, input_tokens: int) -> bool:
        """See `Desk`."""
        return await self._open().admit(worker, model, input_tokens)

    async def settle(self, worker: str, model: str, cost_usd: float | None, failed: bool | None) -> None:
        """See `Desk`."""
        await self._open().settle(worker, model, cost_usd, failed)

    async def failed(self, model: str) -> None:
        """See `Desk`."""
        await self._open().failed(model)

    async def give_up(self, given_up: GivenUp) -> None:
        """See `Desk`."""
        await self._open().give_up(given_up)

    async def know(self, replies: Sequence[Record]) -> None:
        """See `Desk`."""
        await self._open().know(replies)

    async def claim(self, worker: str, question: str) -> Claim:
        """See `Desk`."""
        return await self._open().claim(worker, question)

    async def heard(self, worker: str, question: str, reply: Record | None) -> None:
        """See `Desk`."""
        await self._open().heard(worker, question, reply)

    async def halt(self) -> None:
        """See `Desk`."""
        await self._open().halt()

    async def lost(self, worker: str) -> None:
        """See `Desk`."""
        await self._open().lost(worker)

    async def watch_time(self) -> None:
        """See `Desk`."""
        await self._open().watch_time()

    async def histories(self) -> Mapping[str, tuple[LimitChange, ...]]:
        """See `Desk`."""
        return await self._open().histories()


class WorkerActor:
    """A worker, as an actor. It works on a loop and a thread of its own, which knows when answers arrived."""

    def __init__(self) -> None:
        self._loop = new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._worker: Worker | None = None
        self._running: asyncio.Future[Client] | None = None

    async def hello(self) -> tuple[Versions, str]:
        """Tell what runs here, and on which node."""
        address: str = ray.util.get_node_ip_address()
        return versions(), address

    async def sees(self, file: str, content: str) -> bool:
        """Tell whether a file is seen from here."""
        try:
            return await asyncio.to_thread(Path(file).read_text) == content
        except OSError:
            return False

    async def learn(self, values: Mapping[str, str]) -> None:
        """Take values into this process's environment."""
        os.environ.update(values)

    async def begin(self, name: str, kit: Kit, desk: Any) -> None:  # noqa: ANN401 - a handle of Ray's
        """Make ready; returns when blocks can be carried out.

        Raises:
            EvalkitError: it cannot.
        """

        async def make() -> Worker:
            return Worker(name, kit, DeskHandle(desk, name))

        self._worker = await self._there(make())
        self._running = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._worker.run(), self._loop))

    async def carry_out(self, packed: bytes) -> int:
        """See `Worker`."""
        return await self._there(self._made().carry_out(unpacked(packed)))

    async def end(self) -> Client | None:
        """See `Worker`; tells how busy it was."""
        self._loop.call_soon_threadsafe(self._made().end)
        return await self._running if self._running else None

    def _made(self) -> Worker:
        if self._worker is None:
            raise EvalkitError("the worker has not been made ready")
        return self._worker

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class DeskHandle:
    """The way to the desk's actor, from one worker or the driver."""

    def __init__(self, actor: Any, worker: str) -> None:  # noqa: ANN401 - a handle of Ray's
        self._actor = actor
        self._worker = worker

    async def report(self, version: int, reports: Mapping[int, Report]) -> None:
        """See `Desk`, here and below."""
        await desk_answer(self._actor.report.remote(self._worker, version, reports))

    async def lease(self, account: int, tokens: tuple[float, ...]) -> Lease:
        """See `Desk`."""
        lease: Lease = await desk_answer(self._actor.lease.remote(account, tokens))
        return lease

    async def admit(self, model: str, input_tokens: int) -> bool:
        """See `Desk`."""
        return bool(await desk_answer(self._actor.admit.remote(self._worker, model, input_tokens)))

    async def settle(self, model: str, cost_usd: float | None, failed: bool | None) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.settle.remote(self._worker, model, cost_usd, failed))

    async def failed(self, model: str) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.failed.remote(model))

    async def give_up(self, given_up: GivenUp) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.give_up.remote(given_up))

    async def claim(self, question: str) -> Claim:
        """See `Desk`."""
        claim: Claim = await desk_answer(self._actor.claim.remote(self._worker, question))
        return claim

    async def heard(self, question: str, reply: Record | None) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.heard.remote(self._worker, question, reply))

    async def news(self, version: int) -> News:
        """See `Desk`."""
        news: News = await desk_answer(self._actor.news.remote(self._worker, version))
        return news


async def answer(reference: Any) -> Any:  # noqa: ANN401 - whatever an actor answers
    """Wait for what an actor answers. The answer of one who waits no longer is let come: Ray Client wants it so."""
    future = asyncio.wrap_future(reference.future())
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be there to look
    return await asyncio.shield(future)


async def desk_answer(reference: Any) -> Any:  # noqa: ANN401 - whatever the desk answers
    """Wait for what the desk answers.

    Raises:
        ClusterError: it is gone.
    """
    try:
        return await answer(reference)
    except (RayActorError, RaySystemError) as error:
        raise ClusterError(
            f"the process that keeps the run's limits is gone: {said(error)}",
            remedy="go on with: evalkit run SUITE --resume; what was written is kept",
        ) from None


class DriversHandle(DriversDesk):
    """The way to the desk's actor, from the driver."""

    def __init__(self, actor: Any) -> None:  # noqa: ANN401 - a handle of Ray's
        self._actor = actor

    async def news(self, worker: str, version: int) -> News:
        """See `Desk`, here and below."""
        news: News = await desk_answer(self._actor.news.remote(worker, version))
        return news

    async def halt(self) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.halt.remote())

    async def lost(self, worker: str) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.lost.remote(worker))

    async def know(self, replies: Sequence[Record]) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.know.remote(replies))

    async def watch_time(self) -> None:
        """See `Desk`."""
        await desk_answer(self._actor.watch_time.remote())

    async def histories(self) -> Mapping[str, tuple[LimitChange, ...]]:
        """See `Desk`."""
        histories: Mapping[str, tuple[LimitChange, ...]] = await desk_answer(self._actor.histories.remote())
        return histories


def said(error: BaseException) -> str:
    """The last line of what Ray says of an error, which names it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
