"""From configured models to providers that are ready to be asked."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import Self

from evalkit.errors import ConfigError
from evalkit.providers.adapter import Adapter
from evalkit.providers.api import ApiProvider
from evalkit.providers.base import Provider
from evalkit.providers.command import CommandProvider
from evalkit.providers.http import Network
from evalkit.providers.keys import find_key, secrets_of
from evalkit.providers.local import LocalMachine, LocalProvider
from evalkit.providers.masked import MaskedProvider
from evalkit.providers.python import PythonProvider
from evalkit.providers.replicate import ReplicateProvider
from evalkit.types import Model

ADAPTERS = {
    "openai": "evalkit.providers.openai:OPENAI",
    "anthropic": "evalkit.providers.anthropic:ANTHROPIC",
    "bedrock": "evalkit.providers.bedrock:BEDROCK",
    "cohere": "evalkit.providers.cohere:COHERE",
    "gemini": "evalkit.providers.gemini:GEMINI",
    "ollama": "evalkit.providers.ollama:OLLAMA",
}
"""The wire protocols, each with its adapter, which is imported when a model needs it."""
ENTRY_POINTS = "evalkit.adapters"
"""The group of entry points by which other packages add protocols: `name = "module:ADAPTER"`."""


def adapter_of(protocol: str) -> Adapter:
    """Import the adapter of a wire protocol, ours or another package's.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    adapter = _imported(ADAPTERS[protocol]) if protocol in ADAPTERS else _added(protocol)
    if not isinstance(adapter, Adapter):
        raise ConfigError(f"protocol {protocol}: its entry point in {ENTRY_POINTS} is no Adapter")
    return adapter


def _imported(place: str) -> object:
    module, _, name = place.partition(":")
    found: object = getattr(importlib.import_module(module), name)
    return found


def _added(protocol: str) -> object:
    """Load an adapter that another package brings."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS, name=protocol):
        try:
            return entry.load()
        except Exception as error:
            message = f"protocol {protocol}: {entry.value} cannot be imported: {type(error).__name__}: {error}"
            raise ConfigError(message) from error
    raise ConfigError(f"no adapter speaks the protocol {protocol}", remedy="install the package that brings it")


def _masked(model: Model, provider: Provider, secrets: Collection[str]) -> Provider:
    """Keep the keys that there are out of what a provider hands on, its own first of all."""
    key, _ = find_key(model)
    return MaskedProvider(provider, key, secrets) if key or secrets else provider


class Providers:
    """The providers of a run's models, with what they share. Use as `async with`: leaving releases everything.

    Args:
        models: the candidates, and those that scorers ask.
        functions: of those that are Python functions at hand, by the model's name.
    """

    def __init__(self, models: Iterable[Model], functions: Mapping[str, Callable[..., object]] | None = None) -> None:
        chosen = list(models)
        secrets = secrets_of(chosen)
        self._network = Network()
        local = [model.concurrency or 1 for model in chosen if model.protocol == "local"]
        self._machine = LocalMachine(max(local, default=1))
        make: dict[str, Callable[[Model], Provider]] = {
            "local": lambda model: LocalProvider(model, self._network, self._machine),
            "python": lambda model: PythonProvider(model, (functions or {}).get(model.name)),
            "command": CommandProvider,
            "replicate": lambda model: ReplicateProvider(model, self._network),
        }
        self.by_model: dict[str, Provider] = {
            model.name: _masked(model, make.get(model.protocol, self._api)(model), secrets) for model in chosen
        }

    def _api(self, model: Model) -> Provider:
        return ApiProvider(model, self._network, adapter_of(model.protocol))

    @property
    def concurrency(self) -> dict[str, int]:
        """How many calls each model may have in flight."""
        return {name: provider.concurrency for name, provider in self.by_model.items()}

    def check(self, needs: Mapping[str, frozenset[str]] | None = None) -> list[ConfigError]:
        """Say what is missing to use these models. Makes no call.

        Args:
            needs: which of them are asked, and the FEATURES that requests to each carry; by default all, and none.
        """
        asked = dict.fromkeys(self.by_model, frozenset[str]()) if needs is None else needs
        return [problem for name, features in asked.items() for problem in self.by_model[name].check(features)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.gather(*(provider.close() for provider in self.by_model.values()))
        finally:
            await self._machine.close()
