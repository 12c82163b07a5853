"""A Python function as a candidate: a rules baseline, or the user's own pipeline."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import CallError, ConfigError, ErrorKind, Location
from evalkit.pyfile import load_function
from evalkit.types import Completion, Json, Model, Request

ASYNC_CONCURRENCY = 32
_OFFERED = ("vars", "messages", "params")


class PythonProvider:
    """Calls `file.py:function` with what its parameters name: `vars`, `messages`, `params`, any or all of them.

    A sync function runs in a thread, one call at a time unless `limits.concurrency` says otherwise, so that its calls
    do not slow each other down; an async function shares the event loop, 32 calls at a time.
    """

    slots: asyncio.Semaphore | None = None

    def __init__(self, model: Model) -> None:
        self._model = model
        self._function: Callable[..., Any] | None = None
        self.concurrency = model.concurrency or 1

    def check(self) -> list[ConfigError]:
        """Load the function; report a file, name or signature that will not do."""
        try:
            base_dir = Path(self._model.where.path).parent if self._model.where else Path()
            function = load_function(self._model.function or "", base_dir)
            _check_signature(function)
        except ConfigError as error:
            return [ConfigError(f"model {self._model.name!r}: {error.message}", where=_place(self._model, error))]
        self._function = function
        if inspect.iscoroutinefunction(function):
            self.concurrency = self._model.concurrency or ASYNC_CONCURRENCY
        return []

    async def start(self) -> None:
        """Nothing to reach."""

    async def complete(self, request: Request) -> Completion:
        """Call the function once, within the model's deadline."""
        if self._function is None:
            raise CallError(ErrorKind.UNAVAILABLE, "the function was not loaded")
        arguments = _arguments(self._function, request)
        try:
            async with asyncio.timeout(self._model.timeout_s):
                result, latency_ms = await _timed(self._function, arguments)
        except TimeoutError:
            raise CallError(ErrorKind.TIMEOUT, f"no answer within {self._model.timeout_s:g} s") from None
        except CallError:
            raise
        except Exception as error:
            raise CallError(ErrorKind.FUNCTION, _describe(error)) from error
        return Completion(output=_as_text(result), latency_ms=latency_ms)

    async def close(self) -> None:
        """Nothing to release."""


def _place(model: Model, error: ConfigError) -> Location | None:
    return error.where or model.where


def _check_signature(function: Callable[..., Any]) -> None:
    for parameter in inspect.signature(function).parameters.values():
        optional = parameter.default is not parameter.empty or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if parameter.name not in _OFFERED and not optional:
            raise ConfigError(
                f"{function.__name__}() asks for {parameter.name!r}; it can have any of: {', '.join(_OFFERED)}"
            )


def _arguments(function: Callable[..., Any], request: Request) -> dict[str, Json]:
    offered: Mapping[str, Json] = {
        "vars": dict(request.vars),
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "params": dict(request.params),
    }
    return {name: offered[name] for name in inspect.signature(function).parameters if name in offered}


async def _timed(function: Callable[..., Any], arguments: Mapping[str, Json]) -> tuple[Json, float]:
    if inspect.iscoroutinefunction(function):
        start = time.perf_counter()
        result = await function(**arguments)
        return result, (time.perf_counter() - start) * 1000
    return await _in_thread(function, arguments)


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
            outcome = (None, error if isinstance(error, Exception) else RuntimeError(repr(error)))
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, *outcome)

    threading.Thread(target=work, daemon=True, name="evalkit-function").start()
    return await future


def _describe(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})" if trace else ""
    return f"{type(error).__name__}: {error}{place}"


def _as_text(result: Json) -> str:
    """Text stays text; any other JSON value is written as JSON, as a model would."""
    if isinstance(result, str):
        return result
    try:
        return json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError):
        raise CallError(
            ErrorKind.FUNCTION, f"the function returned {type(result).__name__}; return text, or what JSON can carry"
        ) from None
