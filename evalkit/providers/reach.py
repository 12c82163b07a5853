"""Whether a server can be reached, and what its clock says; nothing is asked of a model."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from evalkit.errors import CallError
from evalkit.eventloop import new_event_loop
from evalkit.providers.build import Providers
from evalkit.providers.http import Network
from evalkit.types import Model

_PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of looking for a model's server.

    Attributes:
        model: its name.
        problem: why it cannot be used, None where nothing speaks against it.
        clock_s: how far its clock is ahead of this machine's, seconds; None where it did not say.
    """

    model: str
    problem: str | None = None
    clock_s: float | None = None


def reach(models: Iterable[Model]) -> list[Reached]:
    """Look for the servers of models that are asked over HTTP.

    A self-hosted one is asked, with its key, which models it serves; of any other only the front door is tried, without
    a key and without a question that costs something.
    """

    async def look(chosen: list[Model]) -> list[Reached]:
        async with Providers(chosen) as providers:
            return await asyncio.gather(*(_look(model, providers) for model in chosen))

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(look([model for model in models if model.base_url]))


async def _look(model: Model, providers: Providers) -> Reached:
    try:
        if model.self_hosted:
            async with asyncio.timeout(2 * _PATIENCE_S):
                await providers.by_model[model.name].start()
        return Reached(model.name, clock_s=await _clock(model))
    except CallError as error:
        return Reached(model.name, error.message)
    except TimeoutError:
        return Reached(model.name, f"{model.base_url} does not answer")


async def _clock(model: Model) -> float | None:
    """Knock without a key; whatever is answered, a server is there and may tell the time."""
    client = Network().client(
        model.base_url or "", {}, key=None, timeout_s=_PATIENCE_S, connections=1, verify=model.verify, query={}
    )
    try:
        answer = await client.get("/", _PATIENCE_S)
    finally:
        await client.close()
    return _ahead(answer.headers.get("Date"), dt.datetime.now(dt.UTC))


def _ahead(date: str | None, now: dt.datetime) -> float | None:
    """Seconds by which a Date header, which knows whole seconds only, is ahead of a time."""
    try:
        return (parsedate_to_datetime(date or "") - now).total_seconds() + 0.5
    except (TypeError, ValueError):
        return None
