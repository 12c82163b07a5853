"""One tiny call to a model before many are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from evalkit.cli.mending import look_at
from evalkit.errors import CallError, ConfigError, ErrorKind, NothingRanError
from evalkit.eventloop import new_event_loop
from evalkit.providers.base import Provider
from evalkit.providers.build import Providers
from evalkit.providers.preflight import Probe, probe, unreachable
from evalkit.types import Model

PATIENCE_S = 10.0
# What every further call would meet too. A server that is busy now may well answer the run.
_LASTING = frozenset(
    {ErrorKind.AUTH, ErrorKind.QUOTA, ErrorKind.NOT_FOUND, ErrorKind.INVALID_REQUEST, ErrorKind.POLICY}
)


def check_models(models: Sequence[Model]) -> list[Probe]:
    """Try models, each with one tiny call; those that compute on this machine one after the other."""

    async def check() -> list[Probe]:
        async with Providers(models) as providers:
            alone = asyncio.Lock()
            return await asyncio.gather(*(_check(model, providers.by_model[model.name], alone) for model in models))

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(check())


async def _check(model: Model, provider: Provider, alone: asyncio.Lock) -> Probe:
    problems = provider.check()
    if problems:
        return unreachable(model, _lacking(problems[0]))
    if model.base_url is None and not provider.alone:
        return Probe(model.name)  # a function or a program wants a case's vars, not a greeting
    if provider.alone:
        async with alone:
            return await _try(model, provider)
    return await _try(model, provider)


def _lacking(problem: ConfigError) -> CallError:
    return CallError(ErrorKind.UNAVAILABLE, problem.remedy or problem.message)


async def _try(model: Model, provider: Provider) -> Probe:
    try:
        await provider.start()
    except CallError as error:
        return unreachable(model, error)
    return await probe(provider, model)


async def preflight(
    models: Sequence[Model],
    starting: Mapping[str, asyncio.Task[CallError | None]],
) -> None:
    """Try the models that cost money before their calls are made; candidates of one model and key once.

    Servers of the user's own, functions, programs and weights on this machine cost nothing to fail: they are left out.
    Whatever may pass does: a server that is busy, and one that is slow.

    Raises:
        NothingRanError: a model cannot answer; names each with the reason.
    """
    paid = [model for model in models if model.name in starting and model.base_url and not model.self_hosted]
    # Backwards, so that the first of those who share a model is the one that stays.
    once = {(model.base_url, model.model, model.api_key_env): model for model in reversed(paid)}
    # Providers of its own: what a server refuses in a small call it may well take in the run's.
    async with Providers(once.values()) as own:
        probes = await asyncio.gather(
            *(_probe_soon(model, own.by_model[model.name], starting[model.name]) for model in reversed(once.values()))
        )
    by_name = {model.name: model for model in once.values()}
    failed = {one.model: one.error for one in probes if one.error and one.error.kind in _LASTING}
    if failed:
        hints = dict.fromkeys(filter(None, (look_at(by_name[name], error.kind) for name, error in failed.items())))
        told = "; ".join(f"{name}: {error.message}" for name, error in failed.items())
        raise NothingRanError(
            f"a first small call failed, so nothing else was asked: {told}",
            remedy=f"{'; '.join(hints) or 'mend it'}; or leave the model out (-m chooses models), "
            "or ask the others with --keep-going",
        )


async def _probe_soon(model: Model, provider: Provider, starting: asyncio.Task[CallError | None]) -> Probe:
    """Try a model whose own provider may still be starting; one that takes its time is taken to be fine."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            error = await asyncio.shield(starting)
            return unreachable(model, error) if error else await _try(model, provider)
    except TimeoutError:
        return Probe(model.name)
