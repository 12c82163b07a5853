"""Tries of one call: what failed in passing is asked again, within hard ceilings on tries and time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from evalkit.errors import CallError, ErrorKind
from evalkit.providers.base import Provider
from evalkit.runner.limits import Admitted, Limiter, set_within
from evalkit.types import Completion, Message, Request

# A server that answers with one of these has too much to do; 503 and 529 are "overloaded" at several vendors.
THROTTLED = frozenset({429, 503, 529})
CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Ceilings of one call.

    Attributes:
        tries: attempts at most, the first included; those that the server turned away for coming too fast apart.
        throttled_tries: attempts at most that are turned away for that reason: the call itself has done nothing wrong.
        total_s: no attempt starts later than this after the first, seconds.
        first_wait_s: the wait after the first failure; doubled after each further one, and shortened by up to a quarter
            at random so that calls that failed together do not return together.
        longest_wait_s: the longest wait, unless the server asks for more.

    A lost connection is tried again at once, the first time: the server may just have ended it for being idle.
    """

    tries: int = 3
    throttled_tries: int = 10
    total_s: float = 180.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 8.0

    def wait_s(self, failed: int, error: CallError) -> float:
        """Say how long to wait after the failed attempt of this number; at least what the server asked for."""
        if failed == 1 and error.kind is ErrorKind.CONNECTION:
            return 0.0
        doubled = self.first_wait_s * 2.0 ** (failed - 1)
        jittered = min(self.longest_wait_s, doubled) * (1 - random.random() / 4)
        return max(jittered, error.retry_after_s or 0.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: with a completion or with the last attempt's error.

    `queue_ms` is what came before the first attempt was sent, `retry_ms` what came between the first and the last.
    """

    completion: Completion | None
    error: CallError | None
    attempts: int
    queue_ms: float
    retry_ms: float


async def ask(
    provider: Provider,
    request: Request,
    limiter: Limiter,
    policy: RetryPolicy,
    stop: asyncio.Event,
    due: float | None = None,
    abandoned: Callable[[], bool] = lambda: False,
    on_failure: Callable[[CallError], None] = lambda _: None,
) -> Outcome | None:
    """Ask until there is an answer, a failure that would repeat itself, or a ceiling.

    Args:
        provider: who is asked.
        request: what.
        limiter: admits every attempt.
        policy: the ceilings.
        stop: once set, no further attempt is made.
        due: when the call should have been sent, on the loop's clock; queueing counts from there. By default, now.
        abandoned: tells whether the model has been given up meanwhile: then a failure is final.
        on_failure: is told of every attempt that failed.

    Returns:
        The outcome; None when there was none before `stop` was set, or the model given up: the call was not finished.
    """
    clock = asyncio.get_running_loop().time
    tokens = estimated_tokens(request)
    taken = clock() if due is None else due
    first: float | None = None
    attempt = throttled = 0
    last: Outcome | None = None
    while (admitted := await limiter.acquire(tokens, abandoned)) is not None:
        first = admitted.at if first is None else first
        if last is not None and clock() - first > policy.total_s:
            limiter.release(answered=False)
            return last
        attempt += 1
        completion, error = await _attempt(provider, request, limiter, admitted, policy.total_s)
        queue_ms, retry_ms = (first - taken) * 1000, (admitted.at - first) * 1000
        last = Outcome(completion, error, attempt, queue_ms, retry_ms)
        if error is None:
            return last
        on_failure(error)
        throttled += error.status in THROTTLED
        wait_s = policy.wait_s(attempt, error)
        too_late = clock() - first + wait_s > policy.total_s
        too_often = attempt - throttled >= policy.tries or throttled >= policy.throttled_tries
        if not error.retryable or too_often or too_late or abandoned():
            return last
        if wait_s and await set_within(stop, wait_s):
            return None
    return last if abandoned() else None


async def _attempt(
    provider: Provider, request: Request, limiter: Limiter, admitted: Admitted, longest_pause_s: float
) -> tuple[Completion | None, CallError | None]:
    """Make one attempt, and tell the limiter what came of it."""
    completion: Completion | None = None
    error: CallError | None = None
    try:
        completion = await provider.complete(request)
    except CallError as failure:
        error = failure
    except Exception as failure:  # noqa: BLE001 - a fault in one adapter must not take the other models down
        error = CallError(ErrorKind.INTERNAL, f"{type(failure).__name__}: {failure}")
    finally:
        if error is not None and error.status in THROTTLED:
            asked_s = error.retry_after_s or 0.0  # one who wants to be left alone for longer is not asked again
            limiter.throttled(admitted, f"HTTP {error.status}", asked_s if asked_s <= longest_pause_s else 0.0)
        if completion is not None:
            _learn(limiter, completion, admitted)
        limiter.release(answered=completion is not None)
    return completion, error


def _learn(limiter: Limiter, completion: Completion, admitted: Admitted) -> None:
    """Tell the limiter what the answer says about how hard this model, and this machine, may be driven."""
    if completion.usage.input is not None:
        limiter.used(admitted, completion.usage.input + (completion.usage.output or 0))
    if completion.pause_s:
        limiter.pause(completion.pause_s)
    if completion.client_ms is not None and completion.latency_ms:
        limiter.strained(completion.client_ms / completion.latency_ms)


def estimated_tokens(request: Request) -> int:
    """Guess a request's tokens before anyone has counted them: its messages', and the most it may answer."""
    return input_tokens(request.messages) + int(request.params.get("max_tokens") or 0)


def input_tokens(messages: Iterable[Message]) -> int:
    """Guess the tokens of a request's messages by the usual rule of thumb, four characters each."""
    characters = sum(len(message.text) for message in messages)
    return -(-characters // CHARS_PER_TOKEN)
