"""Candidates that are Python functions at hand, without a row in a models file."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from types import CodeType

from evalkit.types import Model

PROVIDER = "python"
"""The provider, and the protocol, of functions."""


def function_name(function: object) -> str:
    """What a function is called in Python; an object, what its class is."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def function_model(name: str, function: Callable[..., object]) -> Model:
    """Describe a function as a candidate.

    It is known by its module, its name and its source text, or where that cannot be told, by what that was compiled
    to: a resumed run asks it anew where one of these has changed, and does not see a change of anything else that it
    uses, such as what `functools.partial` gives it.
    """
    while isinstance(function, partial):
        function = function.func
    kind = type(function)
    module = getattr(function, "__module__", None) or kind.__module__
    spelled = getattr(function, "__qualname__", None) or kind.__qualname__
    return Model(name, PROVIDER, PROVIDER, function=f"{module}:{spelled}", function_digest=_digest(function))


def _digest(function: Callable[..., object]) -> str | None:
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType) and code.co_name == "<lambda>":
        source = _compiled(code)  # the source of a lambda is the whole statement that it stands in
    else:
        try:
            source = inspect.getsource(function if inspect.isroutine(function) else type(function))
        except (OSError, TypeError):
            source = _compiled(code) if isinstance(code, CodeType) else ""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16] if source else None


def _compiled(code: CodeType) -> str:
    """What code does, as text that is the same in every process of one version of Python."""
    return repr((code.co_code, code.co_names, code.co_varnames, [_constant(one) for one in code.co_consts]))


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _compiled(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)
