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
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from evalkit.cluster.actors import DeskActor, DriversHandle, WorkerActor, answer, said
from evalkit.cluster.crew import ClusterError, DriversDesk, LostWorkerError
from evalkit.cluster.driver import execute_on
from evalkit.cluster.executor import RayCluster
from evalkit.cluster.kit import Block, Kit, Versions, check_versions
from evalkit.cluster.parts import PARTS, make_parts
from evalkit.errors import ConfigError, EvalkitError
from evalkit.runner.execute import Conditions, Execution
from evalkit.runner.manifest import Client

T = TypeVar("T")

_HEAD: Final = "node:__internal_head__"
_BEGINS_S: Final = 120.0
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_TOKEN: Final = "seen.txt"  # noqa: S105 - no password


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
        """Set up the desk, on the node without which there is no cluster."""
        options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 10_000, "name": f"evalkit-desk-{self._run_id}"}
        if ray.cluster_resources().get(_HEAD):
            options["resources"] = {_HEAD: 0.001}
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
            return int(await answer(self._actors[worker].carry_out.remote(block.packed())))
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
            async with asyncio.timeout(_BEGINS_S):
                client: Client | None = await answer(self._actors[worker].end.remote())
                return client
        return None


async def _in_time(reference: Any) -> Any:  # noqa: ANN401 - whatever an actor answers
    """Wait for a worker that is being made ready.

    Raises:
        ClusterError: the cluster has no room for it.
    """
    try:
        async with asyncio.timeout(_BEGINS_S):
            return await answer(reference)
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
    return ClusterError(f"a fault in a worker: {said(error)}")


def _not_installed(error: BaseException) -> ConfigError:
    return ConfigError(
        f"a node of the cluster cannot import evalkit: {said(error)}",
        remedy="install the same versions of evalkit, Ray and Python on every node",
    )


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
    logging.getLogger("ray").setLevel(logging.ERROR)
    more: dict[str, Any] = {} if address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of Ray Client, which raises as well
            ray.init(address=address, log_to_driver=False, configure_logging=False, **more)
    except (ConnectionError, RuntimeError, ValueError, OSError, RayError) as error:
        raise ClusterError(
            f"there is no Ray cluster at {_shown(address)}: {said(error)}",
            remedy="see `ray status`; --ray-address names another one, without it one is started on this machine; "
            "a cluster that wants a token is reached with RAY_AUTH_MODE=token in the environment",
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _shown(address: str | None) -> str:
    return urlsplit(address).netloc.rpartition("@")[2] or address if address else "this machine"


def _processors() -> int:
    resources: Mapping[str, float] = ray.cluster_resources()
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
