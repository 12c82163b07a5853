"""API keys: looked up by the name of an environment variable, never stored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final

from evalkit.errors import ConfigError
from evalkit.models.table import provider_table
from evalkit.providers.proxies import proxy_passwords
from evalkit.types import Model

SHORTEST_SECRET: Final = 12
"""Shorter keys are stand-ins such as `EMPTY`; blanking them out could spoil an answer and protects nothing."""
_NAMED_LIKE_ONE = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
# People choose their passwords themselves, and shorter.
_SHORTEST_PASSWORD: Final = 8


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


def secrets_of(models: Iterable[Model]) -> tuple[str, ...]:
    """Find all that the environment holds and no artifact may: a function or a program can show any of it.

    Returns:
        The keys of these models and of every provider in the table, whatever else is named like a key, and the
        passwords of proxies. Short ones are left out, as they are words that an answer may well hold.
    """
    names = {model.api_key_env for model in models} | {row.api_key_env for row in provider_table().values()}
    keys = {os.environ.get(name, "").strip() for name in names if name}
    # Rows that this run does not ask have keys too, and so have other programs. The path of a key is none.
    keys |= {value for name, value in os.environ.items() if _NAMED_LIKE_ONE.search(name) and not _is_path(value)}
    passwords = {password for password in proxy_passwords() if len(password) >= _SHORTEST_PASSWORD}
    return tuple(sorted(passwords | {key for key in keys if len(key) >= SHORTEST_SECRET}))


def _is_path(value: str) -> bool:
    return os.path.exists(value)  # noqa: PTH110 - Path's raises where a name is too long for the system


def _problem(model: Model, what: str) -> ConfigError:
    return ConfigError(
        f"model {model.name!r} needs an API key: the environment variable {model.api_key_env} {what}",
        where=model.where,
        remedy=f"export {model.api_key_env}=..., or leave the model out (-m names candidates, the suite its judges)",
    )
