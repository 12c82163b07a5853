"""Candidates that are Python functions at hand, without a row in a models file."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable

from evalkit.types import Model

PROVIDER = "python"
"""The provider, and the protocol, of functions."""


def function_model(name: str, function: Callable[..., object]) -> Model:
    """Describe a function as a candidate.

    It is known by its module, its name and its source text: a resumed run asks it anew where one of these has changed,
    and does not see a change of anything else that it uses.
    """
    kind = type(function)
    module = getattr(function, "__module__", None) or kind.__module__
    spelled = getattr(function, "__qualname__", None) or kind.__qualname__
    return Model(name, PROVIDER, PROVIDER, function=f"{module}:{spelled}", function_digest=_digest(function))


def _digest(function: Callable[..., object]) -> str | None:
    try:
        source = inspect.getsource(function if inspect.isroutine(function) else type(function))
    except (OSError, TypeError):
        return None
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
