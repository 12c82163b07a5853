"""The desk: what all workers of a run have to keep to together. One object, asked and told by all of them.

It holds no journal and makes no call. Calls in flight are shares that it hands out; whoever has a share need not ask
again. Where an account has so many requests or tokens a minute, the moments to send at are leased a second ahead, as
times from now, so that no two clocks need agree. What one worker meets (a 429, a pause, a model that must be given up)
goes to all at once.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from evalkit.runner.budget import Budget, Ceilings
from evalkit.runner.limits import LimitChange
from evalkit.runner.line import Account
from evalkit.types import Model, Record, RecordError

POLL_S: Final = 20.0
"""A question for news is answered after so long at the latest, with none."""
_AHEAD_S: Final = 1.0
_TURN_S: Final = 1.0
_LEARNING_S: Final = 0.5
_DECREASE: Final = 0.5
_EASED: Final = 0.8
_REMEMBERED: Final = 32
_HISTORY: Final = 200
_GROWTH: Final = "answers"


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker has to say of one account since it last did.

    Attributes:
        hungry: whether it has calls to make.
        held: the most calls it may have in flight now: its share, or more where the share was lowered and calls go on.
        cuts: how many cuts of the limit it knew when it admitted the call that was throttled.
        grown: answers that came while the limit held others back.
        throttled: what the server said, if it throttled.
        pause_s: how long the server wants to be left alone.
        strained: whether the worker itself cannot keep up.
        settled: leased calls that have ended.
        used: of those whose tokens are known: how many, their tokens, and what they were charged.
    """

    hungry: bool
    held: int
    cuts: int = 0
    grown: int = 0
    throttled: str | None = None
    pause_s: float = 0.0
    strained: bool = False
    settled: int = 0
    used: tuple[int, float, float] = (0, 0.0, 0.0)


class Standing(NamedTuple):
    """What a worker is to know of an account: its share of the calls in flight, cuts so far, a pause from now.

    `limit` is what all workers share, for people to see.
    """

    share: int
    cuts: int
    pause_s: float
    limit: int


class GivenUp(NamedTuple):
    """A model that is not to be asked any more, and why: an error's kind, message and status."""

    model: str
    kind: str
    message: str
    status: int | None


class News(NamedTuple):
    """All that a worker is to know, as of a version; `accounts` in the order in which they were set up."""

    version: int
    stop: bool
    accounts: tuple[Standing, ...]
    given_up: tuple[GivenUp, ...]
    reached: str | None


class Claim(NamedTuple):
    """What is known of a scorer's question: the reply to it, or whether to ask it now."""

    reply: Record | None
    ask: bool


class Lease(NamedTuple):
    """Moments to send at, in seconds from now, each with the tokens charged; none: ask again after `again_s`."""

    slots: tuple[tuple[float, float], ...]
    again_s: float = 0.0


@dataclass(slots=True)
class _Shared:
    """One account: the figures of a Limiter, for all workers together."""

    account: Account
    began: float
    limit: float
    slow_start: bool = True
    cuts: int = 0
    paused_until: float = 0.0
    request_at: float = 0.0
    token_at: float = 0.0
    mean_tokens: float | None = None
    out: int = 0
    eased_at: float = 0.0
    held: dict[str, int] = field(default_factory=dict)
    hungry: dict[str, None] = field(default_factory=dict)
    history: list[LimitChange] = field(default_factory=list)

    def shares(self, now: float) -> dict[str, int]:
        """Divide the limit among the hungry; where there are more of them than places, they take turns."""
        most, names = int(self.limit), list(self.hungry)
        if not names:
            return {}
        first = int(now / _TURN_S) % len(names) if most < len(names) else 0
        each, more = divmod(most, len(names))
        turn = names[first:] + names[:first]
        return {name: each + (place < more) for place, name in enumerate(turn)}

    def grant(self, worker: str, wanted: int) -> int:
        """Give a worker its share, as far as the others have let go of theirs."""
        others = sum(held for name, held in self.held.items() if name != worker)
        share = max(0, min(wanted, int(self.limit) - others))
        self.held[worker] = max(self.held.get(worker, 0), share)
        return share

    def standing(self, worker: str, now: float) -> Standing:
        """Grant a worker its share, and tell it what else it is to know."""
        share = self.grant(worker, self.shares(now).get(worker, 0))
        return Standing(share, self.cuts, self.paused_until - now, int(self.limit))

    def take(self, report: Report, now: float) -> None:
        """Learn from a worker's report."""
        self.out -= report.settled
        self.paused_until = max(self.paused_until, now + report.pause_s)
        if report.throttled is not None and report.cuts == self.cuts:
            self.cuts += 1
            self.slow_start = False
            self.set(max(1.0, self.limit * _DECREASE), report.throttled, now)
        elif report.strained and self.limit > 1 and now - self.eased_at >= 1.0:
            self.eased_at, self.slow_start = now, False
            self.set(max(1.0, self.limit * _EASED), "client busy", now)
        elif report.grown:
            steps = report.grown * (1.0 if self.slow_start else 1.0 / self.limit)
            self.set(min(float(self.account.ceiling), self.limit + steps), _GROWTH, now)
        self._learn(*report.used)

    def _learn(self, calls: int, tokens: float, charged: float) -> None:
        if not calls:
            return
        if self.account.tpm:
            self.token_at += (tokens - charged) * 60.0 / self.account.tpm
        mean, seen = self.mean_tokens, tokens / calls
        weight = min(1.0, calls / _REMEMBERED)
        self.mean_tokens = seen if mean is None else mean + (seen - mean) * weight

    def set(self, limit: float, reason: str, now: float) -> None:
        changed = int(limit) != int(self.limit)
        self.limit = limit
        if changed:
            if len(self.history) >= _HISTORY:
                grown = (place for place, change in enumerate(self.history) if change.reason == _GROWTH)
                del self.history[next(grown, 0)]
            self.history.append(LimitChange(round(now - self.began, 3), int(limit), reason))

    def lease(self, tokens: Sequence[float], now: float) -> Lease:
        """Give the next moments to send at: as many as asked for within the second ahead, and at least one."""
        rpm, tpm = self.account.rpm, self.account.tpm
        slots: list[tuple[float, float]] = []
        for estimate in tokens:
            if tpm and self.mean_tokens is None and self.out:
                break  # what a first one uses is worth knowing before there are many
            at = max(now, self.request_at, self.token_at, self.paused_until)
            if slots and at > now + _AHEAD_S:
                break
            charged = estimate if self.mean_tokens is None else self.mean_tokens
            self.request_at = at + (60.0 / rpm if rpm else 0.0)
            self.token_at = max(now, self.token_at) + (charged * 60.0 / tpm if tpm else 0.0)
            self.out += 1
            slots.append((at - now, charged))
        return Lease(tuple(slots), 0.0 if slots else _LEARNING_S)


class Desk:
    """Keeps the limits, the budget and the end of a run for all its workers.

    Args:
        accounts: that models are asked on.
        ceilings: of the budget.
        models: all that may be asked.
        spent: what was spent before the run was resumed: by model, how many calls cost how much.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        ceilings: Ceilings,
        models: Iterable[Model],
        spent: Mapping[str, tuple[int, float]],
    ) -> None:
        now = _now()
        self._accounts = [_Shared(account, now, float(min(account.start, account.ceiling))) for account in accounts]
        self._models = {model.name: model for model in models}
        self._stop = asyncio.Event()
        self._budget = Budget(ceilings, self._stop, _spent(spent))
        self._admitted: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._given_up: dict[str, GivenUp] = {}
        self._version = 1
        self._changed = asyncio.Event()
        self._gone: set[str] = set()
        self._told: dict[str, int] = {}
        self._replies: dict[str, Record] = {}
        self._asking: dict[str, tuple[str, asyncio.Event]] = {}

    async def report(self, worker: str, version: int, reports: Mapping[int, Report]) -> None:
        """Hear what a worker, who knows the news up to a version, has to say of its accounts, by their places."""
        if worker in self._gone:
            return
        for place, report in reports.items():
            shared = self._accounts[place]
            before = (int(shared.limit), shared.cuts, shared.paused_until, dict(shared.held), dict(shared.hungry))
            if report.hungry:
                shared.hungry[worker] = None
            else:
                shared.hungry.pop(worker, None)
            # What has been granted since the version that it knows counts as held until it says otherwise.
            granted = shared.held.get(worker, 0) if self._told.get(worker, 0) > version else 0
            shared.held[worker] = max(report.held, granted)
            shared.take(report, _now())
            after = (int(shared.limit), shared.cuts, shared.paused_until, dict(shared.held), dict(shared.hungry))
            if after != before:
                self._announce()

    async def news(self, worker: str, version: int) -> News:
        """Tell what a worker has to know as soon as that is more than it knew as of a version; or after a while."""
        if worker in self._gone:
            return News(self._version, stop=True, accounts=(), given_up=(), reached=None)
        deadline = _now() + POLL_S
        while self._version <= version and (left := deadline - _now()) > 0:
            changed = self._changed
            turns = any(int(shared.limit) < len(shared.hungry) for shared in self._accounts)
            try:
                async with asyncio.timeout(min(left, _TURN_S) if turns else left):
                    await changed.wait()
            except TimeoutError:
                if turns:
                    break
        now = _now()
        self._told[worker] = self._version
        standings = tuple(shared.standing(worker, now) for shared in self._accounts)
        given_up = tuple(self._given_up.values())
        return News(self._version, self._stop.is_set(), standings, given_up, self._budget.reached)

    async def lease(self, account: int, tokens: Sequence[float]) -> Lease:
        """Lease the next moments at which requests of about so many tokens may be sent."""
        return self._accounts[account].lease(tokens, _now())

    async def admit(self, worker: str, model: str, input_tokens: int) -> bool:
        """Wait until there is money for one more call."""
        admitted = await self._budget.admit(self._models[model], input_tokens)
        if admitted and worker in self._gone:
            self._budget.settle(model, None)
            return False
        if admitted:
            self._admitted[worker][model] += 1
        elif self._stop.is_set():
            self._announce()
        return admitted

    async def settle(self, worker: str, model: str, cost_usd: float | None, failed: bool | None) -> None:
        """Hear how an admitted call ended; `failed` is None when it was not finished."""
        if self._admitted[worker][model]:
            self._admitted[worker][model] -= 1
        self._budget.settle(model, None if failed is None else _slim(model, cost_usd, failed=failed))
        if self._stop.is_set():
            self._announce()

    async def failed(self, model: str) -> None:
        """Hear of a call that failed, where no money is counted."""
        await self._budget.admit(self._models[model], 0)
        self._budget.settle(model, _slim(model, None, failed=True))
        if self._stop.is_set():
            self._announce()

    async def give_up(self, given_up: GivenUp) -> None:
        """Let nobody ask a model any more."""
        if given_up.model not in self._given_up:
            self._given_up[given_up.model] = given_up
            self._announce()

    async def know(self, replies: Sequence[Record]) -> None:
        """Learn what models said to scorers before: no question is paid for twice."""
        self._replies |= {reply.call_id: reply for reply in replies}

    async def claim(self, worker: str, question: str) -> Claim:
        """Tell the reply to a question, as soon as there is one, or let a worker ask it."""
        while question not in self._replies:
            if worker in self._gone:  # it would ask for ever
                return Claim(None, ask=False)
            if question not in self._asking:
                self._asking[question] = worker, asyncio.Event()
                return Claim(None, ask=True)
            await self._asking[question][1].wait()
            if self._stop.is_set() and question not in self._replies:
                return Claim(None, ask=False)
        return Claim(self._replies[question], ask=False)

    async def heard(self, worker: str, question: str, reply: Record | None) -> None:
        """Hear the reply to a question; None when there was none, or it was an error: others may ask again."""
        if reply is not None and reply.error is None:
            self._replies[question] = reply
        if self._asking.get(question, ("", None))[0] == worker:
            self._asking.pop(question)[1].set()

    async def halt(self) -> None:
        """Let every worker finish what is in flight, and stop."""
        self._stop.set()
        self._announce()

    async def lost(self, worker: str) -> None:
        """Take back all that a dead worker held."""
        self._gone.add(worker)
        for shared in self._accounts:
            shared.held.pop(worker, None)
            shared.hungry.pop(worker, None)
            shared.out = 0  # some of these were its own, and will never end
        for question in [question for question, (name, _) in self._asking.items() if name == worker]:
            self._asking.pop(question)[1].set()
        for model, number in self._admitted.pop(worker, {}).items():
            for _ in range(number):
                self._budget.settle(model, None)
        self._announce()

    async def watch_time(self) -> None:
        """Stop the run when its time is up."""
        await self._budget.watch_time()
        if self._stop.is_set():
            self._announce()

    async def histories(self) -> dict[str, tuple[LimitChange, ...]]:
        """Tell, per model, how its limit on calls in flight changed."""
        return {
            name: tuple(shared.history) for shared in self._accounts if shared.history for name in shared.account.models
        }

    def _announce(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()


def _spent(spent: Mapping[str, tuple[int, float]]) -> Iterable[Record]:
    """Spell sums as that many calls of the mean cost."""
    for model, (calls, total) in spent.items():
        yield from itertools.repeat(_slim(model, total / calls, failed=False), calls)


def _slim(model: str, cost_usd: float | None, *, failed: bool) -> Record:
    error = RecordError("", "") if failed else None
    return Record("", model, "", "", 1, cost_usd=cost_usd, error=error)


def _now() -> float:
    return asyncio.get_running_loop().time()
