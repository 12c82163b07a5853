"""API keys: looked up by the name of an environment variable, never stored."""

from __future__ import annotations

import os

from evalkit.errors import ConfigError
from evalkit.types import Model


def find_key(model: Model) -> tuple[str | None, ConfigError | None]:
    """Look up a model's key.

    Returns:
        The key, or None; and what to tell the user where the model needs one and there is none.
    """
    key = os.environ.get(model.api_key_env, "").strip() if model.api_key_env else ""
    if not (key.isascii() and key.isprintable()):
        return None, _problem(model, "holds characters that no HTTP header can carry")
    if model.key_required and not key:
        return None, _problem(model, "is not set")
    return key or None, None


def _problem(model: Model, what: str) -> ConfigError:
    return ConfigError(
        f"model {model.name!r} needs an API key: the environment variable {model.api_key_env} {what}",
        where=model.where,
        remedy=f"export {model.api_key_env}=..., or leave the model out (-m chooses models)",
    )
