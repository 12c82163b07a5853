"""Our models as promptfoo's providers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError
from evalkit.exports.options import ExportOptions
from evalkit.exports.told import Told
from evalkit.models.config import choose, find_models_file, load_models
from evalkit.models.table import provider_table
from evalkit.types import Json, Model, Suite

_PREFIXES: Final[Mapping[str, str]] = {
    "openai": "openai:chat:",
    "anthropic": "anthropic:messages:",
    "gemini": "google:",
    "mistral": "mistral:",
    "groq": "groq:",
    "deepseek": "deepseek:",
    "openrouter": "openrouter:",
    "together": "togetherai:",
    "fireworks": "fireworks:",
    "cohere": "cohere:",
    "ollama": "ollama:chat:",
    "replicate": "replicate:",
    "bedrock": "bedrock:",
    "dashscope": "alibaba:",
}
_PARAMS: Final = frozenset(
    {"temperature", "top_p", "top_k", "max_tokens", "seed", "stop", "frequency_penalty", "presence_penalty"}
)
_GEMINI: Final = {"max_tokens": "maxOutputTokens", "top_p": "topP", "top_k": "topK", "stop": "stopSequences"}
_REMEDY: Final = "name a provider of promptfoo under `providers`"


def models_of(suite: Suite, options: ExportOptions, told: Told) -> Mapping[str, Model]:
    """Load the models that the suite names, candidates and judges; takes down those that cannot be found."""
    names = (*suite.models, *suite.judges)
    if not names:
        return {}
    try:
        path = options.models_file or find_models_file(Path(suite.path).parent)
        configured = load_models(path)
    except ConfigError as error:
        told.lost("provider", f"the models cannot be read: {error.message}", where=error.where, remedy=_REMEDY)
        return {}
    found: dict[str, Model] = {}
    for name in names:
        try:
            found |= {model.name: model for model in choose((name,), configured, path)}
        except ConfigError as error:
            told.lost("provider", error.message, where=error.where, remedy=_REMEDY)
    return found


def providers(suite: Suite, models: Mapping[str, Model], told: Told) -> Iterator[dict[str, Json]]:
    """Write the candidates; takes down those that have no equal."""
    for model in models.values():
        if model.name in suite.judges and model.name not in suite.models:
            continue
        name = provider_id(model)
        if name is None:
            words = f"the model {model.name!r} ({model.provider}) has no equal"
            told.lost("provider", words, where=model.where, remedy=_REMEDY)
            continue
        config = _config(model, {**suite.params, **model.params}, told)
        yield {"id": name, "label": model.name} | ({"config": config} if config else {})


def provider_id(model: Model) -> str | None:
    """The id of promptfoo for a model; None where it has none."""
    prefix = _PREFIXES.get(model.provider)
    if prefix is None and model.protocol == "openai":
        prefix = _PREFIXES["openai"]  # with an address of its own
    return f"{prefix}{model.model}" if prefix and model.model else None


def _config(model: Model, params: Mapping[str, Json], told: Told) -> dict[str, Json]:
    names = _GEMINI if model.provider == "gemini" else {}
    config = {names.get(key, key): value for key, value in params.items() if key in _PARAMS}
    for key in params.keys() - _PARAMS:
        told.changed("provider", f"the parameter `{key}` of {model.name} is left out")
    if model.provider == "bedrock" and model.region:
        config["region"] = model.region
    elif model.protocol == "openai" and _is_elsewhere(model):
        config["apiBaseUrl"] = model.base_url
        if model.api_key_env:
            config["apiKeyEnvar"] = model.api_key_env
    return config


def _is_elsewhere(model: Model) -> bool:
    """Whether requests go to another address than promptfoo would send them to."""
    row = provider_table().get(model.provider)
    return model.provider not in _PREFIXES or row is None or row.base_url != model.base_url


def grader_of(suite: Suite, models: Mapping[str, Model]) -> Mapping[str | None, str | None]:
    """The ids of the models that judge, by our names; None is the suite's own judge."""
    ids: dict[str | None, str | None] = {name: provider_id(model) for name, model in models.items()}
    judges = [name for name in suite.judges if name not in suite.embedders]
    return ids | {None: ids.get(judges[0]) if len(judges) == 1 else None}
