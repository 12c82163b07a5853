"""Workers and desk as Ray actors. Imports ray.

A key reaches a worker as an argument of one method call, and is put into the environment of its process there: never
into a runtime environment, the arguments of an actor's constructor, or the metadata of a job, all of which Ray keeps
and shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RaySystemError, RayTaskError

from evalkit.cluster.desk import Claim, Desk, GivenUp, Lease, News, Report
from evalkit.cluster.driver import ClusterError, DriversDesk, LostWorkerError, execute_on
from evalkit.cluster.executor import RayCluster
from evalkit.cluster.kit import Block, Kit, Versions, check_versions, versions
from evalkit.cluster.parts import PARTS, make_parts
from evalkit.cluster.worker import Worker
from evalkit.errors import ConfigError, EvalkitError
from evalkit.eventloop import new_event_loop
from evalkit.runner.budget import Ceilings
from evalkit.runner.execute import Conditions, Execution
from evalkit.runner.limits import LimitChange
from evalkit.runner.line import Account
from evalkit.runner.manifest import Client
from evalkit.types import Model, Record

T = TypeVar("T")

_BEGINS_S: Final = 120.0
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_TOKEN: Final = "seen.txt"  # noqa: S105 - no password


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
        address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
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

    async def carry_out(self, block: Block) -> int:
        """See `Worker`."""
        return await self._there(self._made().carry_out(block))

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
        await self._answer(self._actor.report.remote(self._worker, version, reports))

    async def lease(self, account: int, tokens: tuple[float, ...]) -> Lease:
        """See `Desk`."""
        lease: Lease = await self._answer(self._actor.lease.remote(account, tokens))
        return lease

    async def admit(self, model: str, input_tokens: int) -> bool:
        """See `Desk`."""
        return bool(await self._answer(self._actor.admit.remote(self._worker, model, input_tokens)))

    async def settle(self, model: str, cost_usd: float | None, failed: bool | None) -> None:
        """See `Desk`."""
        await self._answer(self._actor.settle.remote(self._worker, model, cost_usd, failed))

    async def failed(self, model: str) -> None:
        """See `Desk`."""
        await self._answer(self._actor.failed.remote(model))

    async def give_up(self, given_up: GivenUp) -> None:
        """See `Desk`."""
        await self._answer(self._actor.give_up.remote(given_up))

    async def claim(self, question: str) -> Claim:
        """See `Desk`."""
        claim: Claim = await self._answer(self._actor.claim.remote(self._worker, question))
        return claim

    async def heard(self, question: str, reply: Record | None) -> None:
        """See `Desk`."""
        await self._answer(self._actor.heard.remote(self._worker, question, reply))

    async def news(self, version: int) -> News:
        """See `Desk`."""
        news: News = await self._answer(self._actor.news.remote(self._worker, version))
        return news

    async def _answer(self, reference: Any) -> Any:  # noqa: ANN401 - whatever the desk answers
        return await desk_answer(reference)


async def desk_answer(reference: Any) -> Any:  # noqa: ANN401 - whatever the desk answers
    """Wait for what the desk answers.

    Raises:
        ClusterError: it is gone.
    """
    try:
        return await reference
    except (RayActorError, RaySystemError) as error:
        raise ClusterError(
            f"the process that keeps the run's limits is gone: {_said(error)}",
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


class RayCrew:
    """Workers on a Ray cluster that this process is connected to.

    Args:
        size: how many workers.
        token: a file, and what it holds, that every node must see; None where parts lie elsewhere.
        run_id: of the run.
    """

    def __init__(self, size: int, token: tuple[str, str] | None, run_id: str) -> None:
        self.size = size
        self._token = token
        self._run_id = run_id
        self._session = secrets.token_hex(3)
        self._hired = 0
        self._actors: dict[str, Any] = {}
        self._desk: Any = None

    async def open(self, kit: Kit, spent: Mapping[str, tuple[int, float]]) -> DriversDesk:
        """Set up the desk, on this node where the cluster has it."""
        options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 10_000, "name": f"evalkit-desk-{self._run_id}"}
        if here := _this_node():
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=True)
        self._kit = kit
        actor = ray.remote(DeskActor).options(**options)
        self._desk = actor.remote(kit.accounts, kit.ceilings, (*kit.judges, *kit.models), spent)
        return DriversHandle(self._desk)

    async def hire(self) -> str:
        """Make one more worker ready; returns its name."""
        self._hired += 1
        name = f"{self._session}-{self._hired}"
        made = ray.remote(WorkerActor).options(num_cpus=1, max_concurrency=1000, max_restarts=0)
        actor: Any = made.remote()
        try:
            await self._make_ready(actor, name)
        except BaseException as error:
            with contextlib.suppress(RayError):
                ray.kill(actor)
            if isinstance(error, RayTaskError):
                raise _plain(error) from None
            if isinstance(error, RayActorError):
                raise _not_installed(error) if "ModuleNotFoundError" in str(error) else LostWorkerError from None
            raise
        self._actors[name] = actor
        return name

    async def _make_ready(self, actor: Any, name: str) -> None:  # noqa: ANN401 - a handle of Ray's
        theirs, node = await _in_time(actor.hello.remote())
        check_versions(Versions(*theirs), node)
        if self._token and not await _in_time(actor.sees.remote(*self._token)):
            raise ConfigError(
                f"the node {node} does not see the run's folder {Path(self._token[0]).parent.parent}",
                remedy="write to storage that all nodes share with --out, or name one with --ray-storage",
            )
        await _in_time(actor.learn.remote(_values_for(self._kit)))
        await _in_time(actor.begin.remote(name, self._kit, self._desk))

    async def carry_out(self, worker: str, block: Block) -> int:
        """Let a worker carry out a block; returns how many of its calls were left."""
        try:
            return int(await self._actors[worker].carry_out.remote(block))
        except RayActorError:
            raise LostWorkerError from None
        except RayTaskError as error:
            raise _plain(error) from None

    async def bury(self, worker: str) -> None:
        """See that a lost worker is gone for good."""
        with contextlib.suppress(RayError):
            ray.kill(self._actors[worker])

    async def dismiss(self, worker: str) -> Client | None:
        """Let a worker come to its end."""
        with contextlib.suppress(RayError, TimeoutError):
            client: Client | None = await asyncio.wait_for(_answer(self._actors[worker].end.remote()), _BEGINS_S)
            return client
        return None


async def _answer(reference: Any) -> Any:  # noqa: ANN401 - whatever an actor answers
    return await reference


async def _in_time(reference: Any) -> Any:  # noqa: ANN401 - whatever an actor answers
    """Wait for a worker that is being made ready.

    Raises:
        ClusterError: the cluster has no room for it.
    """
    try:
        async with asyncio.timeout(_BEGINS_S):
            return await reference
    except (TimeoutError, GetTimeoutError):
        raise ClusterError(
            f"the cluster has started no worker within {_BEGINS_S:.0f} s",
            remedy="see that it has a free processor for each, or ask for fewer with --ray-workers",
        ) from None


def _values_for(kit: Kit) -> dict[str, str]:
    """Read what the models' own rows name in this environment, and its proxies."""
    names = {model.api_key_env for model in (*kit.judges, *kit.models) if model.api_key_env}
    names |= {name for proxy in _PROXIES for name in (proxy, proxy.lower())}
    return {name: os.environ[name] for name in sorted(names) if name in os.environ}


def _plain(error: RayTaskError) -> BaseException:
    """Our own error out of one that Ray has wrapped; of any other, what it was, without arguments or values."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, RayTaskError):
        return _plain(cause)
    if isinstance(cause, EvalkitError):
        return cause
    return ClusterError(f"a fault in a worker: {_said(error)}")


def _said(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _not_installed(error: BaseException) -> ConfigError:
    return ConfigError(
        f"a node of the cluster cannot import evalkit: {_said(error)}",
        remedy="install the same versions of evalkit, Ray and Python on every node",
    )


def _this_node() -> str | None:
    """The id of the cluster's node that this process is on, if it is on one."""
    with contextlib.suppress(Exception):
        return str(ray.get_runtime_context().get_node_id())
    return None


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one here; what was started ends here.

    Raises:
        ClusterError: there is none.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    more: dict[str, Any] = {} if address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **more)
    except (ConnectionError, RuntimeError, ValueError, OSError, RayError) as error:
        raise ClusterError(
            f"there is no Ray cluster at {_shown(address)}: {_said(error)}",
            remedy="see `ray status`; --ray-address names another one, without it one is started on this machine",
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _shown(address: str | None) -> str:
    return urlsplit(address).netloc.rpartition("@")[2] or address if address else "this machine"


def _processors() -> int:
    resources: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1))


async def execute_on_ray(run: Execution, cluster: RayCluster) -> Conditions:
    """Carry out a job on a Ray cluster."""
    async with _connected(cluster.address):
        size = cluster.workers or max(1, _processors())
        parts = make_parts(run.folder, cluster.storage)
        home = (run.folder / PARTS).resolve()
        if cluster.storage is not None:
            place, token = f"{cluster.storage.rstrip('/')}/{run.folder.name}", None
        else:
            place, token = str(home), (str(home / _TOKEN), secrets.token_hex(8))
            await asyncio.to_thread(Path(token[0]).write_text, token[1])
        return await execute_on(run, RayCrew(size, token, run.manifest.run_id), parts, place)


@contextlib.asynccontextmanager
async def _connected(address: str | None) -> AsyncIterator[None]:
    with connected(address):
        yield
