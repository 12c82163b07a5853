"""Which executor a run is carried out by, as the command line names it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evalkit.errors import ConfigError
from evalkit.runner.execute import Conditions, Execution
from evalkit.runner.job import Job
from evalkit.runner.manifest import Race


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A Ray cluster to carry a run out on.

    Attributes:
        address: as Ray takes it; None for the one that RAY_ADDRESS names, or else a new one on this machine.
        workers: how many; None for one for each processor of the cluster.
        storage: an fsspec URL for what workers write; None for the run's own folder.
    """

    address: str | None = None
    workers: int | None = None
    storage: str | None = None

    async def execute(self, run: Execution) -> Conditions:
        """Carry out a job."""
        from evalkit.cluster.rays import execute_on_ray

        return await execute_on_ray(run, self)


class Chosen(Protocol):
    """What of the command line decides whether others can make the calls."""

    @property
    def rate_per_s(self) -> float | None:
        """Of a load test."""
        ...

    @property
    def functions(self) -> Mapping[str, Callable[..., object]]:
        """Candidates that are Python functions at hand."""
        ...


def cluster_problems(job: Job, chosen: Chosen, race: Race | None) -> Iterator[ConfigError]:
    """Say why a job cannot be carried out on Ray: what is not installed, what cannot leave this machine."""
    if chosen.rate_per_s is not None or race is not None:
        yield ConfigError(
            "--rate and --race are for calls from this machine", remedy="leave out --executor ray, or the other"
        )
    if importlib.util.find_spec("ray") is None:
        yield ConfigError("--executor ray needs Ray", remedy="pip install 'evalkit-cli[ray]', here and on every node")
    for model in {model.name: model for model in (*job.judges, *job.models)}.values():
        if model.protocol == "local":
            yield ConfigError(
                f"the model {model.name!r} computes on this machine, and --executor ray asks from others",
                where=model.where,
                remedy="serve it where all nodes reach it, or leave out --executor",
            )
        elif model.name in chosen.functions:
            yield ConfigError(
                f"the function {model.name!r} cannot be sent to the nodes of a cluster",
                remedy="name it by its file in models.yaml, or leave out the executor",
            )


def absorb_parts(folder: Path) -> None:
    """Take over what workers of an earlier, interrupted run have left."""
    from evalkit.cluster.parts import PARTS, absorb

    if (folder / PARTS).is_dir():
        absorb(folder)
