"""What the driver needs of a cluster: workers, and the desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from evalkit.cluster.desk import News
from evalkit.cluster.kit import Block, Kit
from evalkit.errors import EvalkitError, ExitCode
from evalkit.runner.limits import LimitChange
from evalkit.runner.manifest import Client
from evalkit.types import Record


class ClusterError(EvalkitError):
    """The cluster cannot carry the run on; what was written is kept."""

    exit_code = ExitCode.INCOMPLETE


class LostWorkerError(Exception):
    """A worker, or the machine it was on, is gone."""


class DriversDesk(Protocol):
    """The way to the desk, from the driver."""

    async def news(self, worker: str, version: int) -> News:
        """Wait for what is new since a version."""
        ...

    async def halt(self) -> None:
        """Let every worker finish what is in flight, and stop."""
        ...

    async def lost(self, worker: str) -> None:
        """Take back all that a dead worker held."""
        ...

    async def watch_time(self) -> None:
        """Stop the run when its time is up."""
        ...

    async def histories(self) -> Mapping[str, tuple[LimitChange, ...]]:
        """Tell how the limits on calls in flight changed."""
        ...

    async def know(self, replies: Sequence[Record]) -> None:
        """Tell what models said to scorers before."""
        ...


class Crew(Protocol):
    """The workers, wherever they are.

    `size` is how many there are to be.
    """

    size: int

    async def open(self, kit: Kit, spent: Mapping[str, tuple[int, float]]) -> DriversDesk:
        """Set up the desk."""
        ...

    async def hire(self) -> str:
        """Make one more worker ready; returns its name.

        Raises:
            LostWorkerError: it was lost on the way.
            EvalkitError: there can be none.
        """
        ...

    async def carry_out(self, worker: str, block: Block) -> int:
        """Let a worker carry out a block; returns how many of its calls were left.

        Raises:
            LostWorkerError: the worker is gone.
        """
        ...

    async def bury(self, worker: str) -> None:
        """See that a lost worker is gone for good."""
        ...

    async def dismiss(self, worker: str) -> Client | None:
        """Let a worker come to its end; tells how busy it was, if it can."""
        ...
