"""One model as a run asks it: its provider, its limits, and the moment to give it up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.errors import CallError, ErrorKind
from evalkit.models.prices import thinks
from evalkit.providers.base import Provider
from evalkit.runner.limits import Limiter
from evalkit.runner.retry import Outcome, RetryPolicy, ask
from evalkit.runner.talk import Talk, added, priced, whole
from evalkit.types import Call, Model, Record, RecordError, Request

# So many calls in a row without an answer, for reasons that lie with the server, and a model is given up.
GIVE_UP_AFTER = 10
# Where nobody has said how many calls a model can take, as many are in flight at first; answers let it grow.
_FIRST_IN_FLIGHT = 8
_SERVER_SIDE = frozenset(
    {
        ErrorKind.TIMEOUT,
        ErrorKind.CONNECTION,
        ErrorKind.RATE_LIMIT,
        ErrorKind.AUTH,
        ErrorKind.QUOTA,
        ErrorKind.NOT_FOUND,
        ErrorKind.SERVER,
    }
)


class Line:
    """The line to one model.

    A model that cannot answer is given up: when it cannot be started; at the first failure that every further call
    would share (a wrong key, a day's quota), if nothing was answered before; else after `give_up_after` failed calls in
    a row.

    Args:
        model: who is asked.
        provider: asks it.
        limiter: of its account.
        stop: once set, no further attempt is made.
        on_give_up: is told the model and the reason.
        policy: the ceilings of a call.
        give_up_after: failed calls in a row, None for never.
    """

    def __init__(
        self,
        model: Model,
        provider: Provider,
        limiter: Limiter,
        stop: asyncio.Event,
        on_give_up: Callable[[str, str], None],
        policy: RetryPolicy,
        give_up_after: int | None = GIVE_UP_AFTER,
    ) -> None:
        self.model = model
        self.provider = provider
        self.limiter = limiter
        self.stop = stop
        self.gave_up: CallError | None = None
        self._on_give_up = on_give_up
        self._policy = policy
        self._give_up_after = give_up_after
        self._answered = False
        self._failed_in_a_row = 0

    async def ask(self, request: Request, due: float | None = None) -> Outcome | None:
        """Ask until there is an answer or a lasting failure; None when it was stopped before.

        Args:
            request: what.
            due: when the call should have been sent, on the loop's clock; by default, now.
        """
        outcome = await ask(
            self.provider,
            request,
            self.limiter,
            self._policy,
            self.stop,
            due,
            lambda: self.gave_up is not None,
            self._watch_attempt,
        )
        if outcome is not None and not (outcome.error and outcome.error.kind is ErrorKind.TIMEOUT):
            self._watch(outcome.error)
        return outcome

    def _watch_attempt(self, error: CallError) -> None:
        """A server that never answers takes its whole time at every try: there is no need to wait for the last ones."""
        if error.kind is ErrorKind.TIMEOUT:
            self._watch(error)

    def _watch(self, error: CallError | None) -> None:
        """Decide whether the model is worth asking on."""
        if error is None:
            self._answered, self._failed_in_a_row = True, 0
            return
        self._failed_in_a_row = self._failed_in_a_row + 1 if error.kind in _SERVER_SIDE else 0
        # A server that wants to be left alone for longer than a call may take has run out of something: a day's quota.
        lasting = error.kind.fatal or (error.retry_after_s or 0.0) > self._policy.total_s
        most = self._give_up_after
        if (lasting and not self._answered) or (most is not None and self._failed_in_a_row >= most):
            self.give_up(error)

    def give_up(self, error: CallError) -> None:
        """Make no more calls."""
        if self.gave_up is None:
            self.gave_up = error
            self._on_give_up(self.model.name, error.message)

    def refusal(self, call: Call) -> Record | None:
        """The record of a call that is not made because the model was given up; None when it was not."""
        if self.gave_up is None:
            return None
        error = CallError(ErrorKind.UNAVAILABLE, f"not asked: {self.gave_up.message}", status=self.gave_up.status)
        return failed(call, error, attempts=0)

    def as_record(self, call: Call, talk: Talk, started_at: str) -> Record:
        """What is kept of a call that was made."""
        common: dict[str, Any] = {
            "queue_ms": talk.queue_ms,
            "retry_ms": talk.retry_ms,
            "attempts": talk.attempts,
            "started_at": started_at,
        }
        thinking = thinks(self.model.params)
        costs = [priced(reply, self.model.price, thinking=thinking) for reply in talk.replies]
        if talk.error is not None:
            paid = {"usage": whole(talk.replies).usage, "cost_usd": added(costs)} if talk.replies else {}
            return failed(call, talk.error, **common, **paid)
        done = whole(talk.replies)
        return Record(
            **_fields(call),
            **common,
            output=done.output,
            tool_calls=done.tool_calls,
            finish_reason=done.finish_reason,
            finish_reason_raw=done.finish_reason_raw,
            logprobs=done.logprobs,
            usage=done.usage,
            ttft_ms=done.ttft_ms,
            latency_ms=done.latency_ms,
            client_ms=done.client_ms,
            server_ms=done.server_ms,
            served_model=done.served_model,
            fingerprint=done.fingerprint,
            cost_usd=added(costs),
            billed=done.cost_usd is not None,
            dropped_params=done.dropped_params,
        )


def _fields(call: Call) -> dict[str, Any]:
    """The call's part of a record."""
    return {name: getattr(call, name) for name in call.__slots__}


def failed(call: Call, error: CallError, **more: Any) -> Record:  # noqa: ANN401 - a record's fields
    """Record a call that has no answer."""
    return Record(**_fields(call), error=RecordError(error.kind, error.message, error.status), **more)


def lines_to(
    models: Sequence[Model],
    providers: Mapping[str, Provider],
    *,
    stop: asyncio.Event,
    on_give_up: Callable[[str, str], None],
    policy: RetryPolicy,
    give_up_after: int | None = GIVE_UP_AFTER,
) -> dict[str, Line]:
    """Make a line to each model. Those that share an account share a limiter: then the strictest figures count."""
    limiters = _limiters(models, providers, stop)
    return {
        model.name: Line(model, providers[model.name], limiters[model.name], stop, on_give_up, policy, give_up_after)
        for model in models
    }


def _limiters(models: Sequence[Model], providers: Mapping[str, Provider], stop: asyncio.Event) -> dict[str, Limiter]:
    limiters: dict[str, Limiter] = {}
    for account in accounts(models, {model.name: providers[model.name].concurrency for model in models}):
        limiter = Limiter(
            start=account.start,
            ceiling=account.ceiling,
            rpm=account.rpm,
            tpm=account.tpm,
            stop=stop,
            eases=account.eases,
        )
        limiters |= dict.fromkeys(account.models, limiter)
    return limiters


@dataclass(frozen=True, slots=True)
class Account:
    """How hard an account may be asked: the arguments of its Limiter, and the models that share it."""

    models: tuple[str, ...]
    start: int
    ceiling: int
    rpm: float | None
    tpm: float | None
    eases: bool


def accounts(models: Iterable[Model], concurrency: Mapping[str, int]) -> list[Account]:
    """Group models by the account that they are asked on; `concurrency` is the most calls each may have in flight."""
    groups: dict[tuple[str, str], list[Model]] = defaultdict(list)
    for model in models:
        groups[("account", model.limits_key) if model.limits_key else ("model", model.name)].append(model)
    return [_account(group, min(concurrency[model.name] for model in group)) for group in groups.values()]


def _account(group: Sequence[Model], most: int) -> Account:
    chosen = any(model.concurrency for model in group)
    return Account(
        models=tuple(model.name for model in group),
        start=most if chosen else min(_FIRST_IN_FLIGHT, most),
        ceiling=most,
        rpm=min((model.rpm for model in group if model.rpm), default=None),
        tpm=min((model.tpm for model in group if model.tpm), default=None),
        eases=not chosen,
    )
