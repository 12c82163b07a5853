"""A Python function as a candidate: a rules baseline, or the user's own pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import json
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import CallError, ConfigError, ErrorKind
from evalkit.providers.concurrency import most_in_flight
from evalkit.providers.lenient import joined
from evalkit.providers.plain import message_rows, tool_rows
from evalkit.pyfile import load_function
from evalkit.types import Completion, Json, Model, Request

_MAX_MESSAGE = 300
_OFFERED = ("vars", "messages", "params", "tools")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_CATCH_ALL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class PythonProvider:
    """Calls `file.py:function` with what its parameters name: any of `vars`, `messages`, `params`, `tools`.

    Whoever has the function at hand passes it; it is then not looked for in a file.

    A sync function runs in a thread, one call at a time unless `limits.concurrency` says otherwise, so that its calls
    do not slow each other down; an async function shares the event loop, and as many calls are in
    flight as an API would be sent. What a sync function returns is awaited where it can be.
    """

    alone = False

    def __init__(self, model: Model, function: Callable[..., Any] | None = None) -> None:
        self._model = model
        self._given = function
        self._function: Callable[..., Any] | None = None
        self.concurrency = model.concurrency or 1

    def check(self, needs: frozenset[str] = frozenset()) -> list[ConfigError]:  # noqa: ARG002 - a function gets it all
        """Load the function; report a file, name or signature that will not do."""
        try:
            function = self._given or self._loaded()
            _check_signature(function)
        except ConfigError as error:
            where = error.where or self._model.where
            return [ConfigError(f"model {self._model.name!r}: {error.message}", where=where, remedy=error.remedy)]
        self._function = function
        if _is_async(function):
            self.concurrency = most_in_flight(self._model)
        return []

    def _loaded(self) -> Callable[..., Any]:
        base_dir = Path(self._model.where.path).parent if self._model.where else Path()
        return load_function(self._model.function or "", base_dir)

    async def start(self) -> None:
        """Nothing to reach."""

    async def complete(self, request: Request) -> Completion:
        """Call the function once, within the model's deadline."""
        if self._function is None:
            raise CallError(ErrorKind.UNAVAILABLE, "the function was not loaded")
        arguments = _arguments(self._function, request)
        try:
            async with asyncio.timeout(self._model.timeout_s) as deadline:
                result, latency_ms = await _timed(self._function, arguments)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _cancelled():
                raise
            if deadline.expired():
                raise CallError(ErrorKind.TIMEOUT, f"no answer within {self._model.timeout_s:g} s") from None
            # Whatever the user's code raises is its answer to this case, be it sys.exit().
            raise CallError(ErrorKind.FUNCTION, _describe(error)) from error
        return Completion(output=_as_text(result), latency_ms=latency_ms)

    async def close(self) -> None:
        """Nothing to release."""


def _cancelled() -> bool:
    """Whether it was the run that asked to stop, and not the function that raised CancelledError on its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _check_signature(function: Callable[..., Any]) -> None:
    name = getattr(function, "__name__", "the function")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        raise ConfigError(f"{name}() does not say what it takes", remedy="write a Python function around it") from None
    for parameter in parameters:
        by_name = parameter.name in _OFFERED and parameter.kind is not parameter.POSITIONAL_ONLY
        optional = parameter.default is not parameter.empty or parameter.kind in _CATCH_ALL
        if not by_name and not optional:
            raise ConfigError(f"{name}() asks for {parameter.name!r}; it can have, by name: {', '.join(_OFFERED)}")


def _arguments(function: Callable[..., Any], request: Request) -> dict[str, Json]:
    """Pick what the function has parameters for; copies, as the next call gets the same values."""
    offered: Mapping[str, Json] = {
        "vars": copy.deepcopy(dict(request.vars)),
        "messages": message_rows(request.messages),
        "params": copy.deepcopy(dict(request.params)),
        "tools": tool_rows(request.tools),
    }
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(offered)
    named = {parameter.name for parameter in parameters if parameter.kind in _BY_NAME}
    return {name: value for name, value in offered.items() if name in named}


async def _timed(function: Callable[..., Any], arguments: Mapping[str, Json]) -> tuple[Json, float]:
    if _is_async(function):
        start = time.perf_counter()
        result = await function(**arguments)
        return result, (time.perf_counter() - start) * 1000
    result, latency_ms = await _in_thread(function, arguments)
    if inspect.isawaitable(result):  # of a lambda, or a wrapper, around an async function
        start = time.perf_counter()
        result = await result
        latency_ms += (time.perf_counter() - start) * 1000
    return result, latency_ms


async def _in_thread(function: Callable[..., Any], arguments: Mapping[str, Json]) -> tuple[Json, float]:
    """Run in a daemon thread, timed there: one that never ends can be left behind, which no executor allows."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[Json, float]] = loop.create_future()

    def deliver(result: tuple[Json, float] | None, error: BaseException | None) -> None:
        if future.done():  # given up
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result or (None, 0.0))

    def work() -> None:
        try:
            start = time.perf_counter()
            result = function(**arguments)
            outcome: tuple[Any, ...] = ((result, (time.perf_counter() - start) * 1000), None)
        except BaseException as error:  # noqa: BLE001 - a sys.exit() in user code must not end a thread in silence
            outcome = (None, _RaisedError(error))
        with contextlib.suppress(RuntimeError):  # the run is over, and its loop closed
            loop.call_soon_threadsafe(deliver, *outcome)

    threading.Thread(target=work, daemon=True, name="evalkit-function").start()
    return await future


class _RaisedError(Exception):
    """Carries what a function raised out of its thread: a future takes neither StopIteration nor CancelledError."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.__cause__ = cause


def _describe(raised: BaseException) -> str:
    error = raised.__cause__ if isinstance(raised, _RaisedError) and raised.__cause__ else raised
    text = str(error)[:_MAX_MESSAGE]
    return type(error).__name__ + (f": {text}" if text else "") + _place(error)


def _place(error: BaseException) -> str:
    """Name the line of the user's file that was reached last, rather than one deep in a library."""
    steps = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename != __file__
    ]
    own = [line for file, line in steps if file == steps[0][0]]
    return f" ({Path(steps[0][0]).name}:{own[-1]})" if steps else ""


def _as_text(result: Json) -> str:
    """Text stays text; any other JSON value is written as JSON, as a model would."""
    if isinstance(result, str):
        return joined(result)
    try:
        return json.dumps(result, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise CallError(
            ErrorKind.FUNCTION, f"the function returned {type(result).__name__}; return text, or what JSON can carry"
        ) from None
