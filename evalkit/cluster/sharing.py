"""The parts of a run that workers share through the desk: its budget, and what models said to scorers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from evalkit.cluster.book import Book
from evalkit.cluster.desk import Claim, GivenUp, Lease, News, Report
from evalkit.runner.budget import NO_CEILINGS, Budget, Ceilings
from evalkit.runner.journal import Judgements, rejected
from evalkit.runner.judges import About, Judges, question_id
from evalkit.types import Model, Question, Record

_NOWHERE: Final = Path("replies are kept in a book")
_REMEMBERED: Final = 10_000


class DeskLine(Protocol):
    """The way to the desk, from one worker."""

    async def report(self, version: int, reports: Mapping[int, Report]) -> None:
        """Say what happened on which account."""
        ...

    async def news(self, version: int) -> News:
        """Wait for what is new since a version."""
        ...

    async def lease(self, account: int, tokens: tuple[float, ...]) -> Lease:
        """Lease moments to send at."""
        ...

    async def admit(self, model: str, input_tokens: int) -> bool:
        """Wait until there is money for one more call."""
        ...

    async def settle(self, model: str, cost_usd: float | None, failed: bool | None) -> None:
        """Say how an admitted call ended."""
        ...

    async def failed(self, model: str) -> None:
        """Say that a call failed."""
        ...

    async def give_up(self, given_up: GivenUp) -> None:
        """Say that a model cannot be asked."""
        ...

    async def claim(self, question: str) -> Claim:
        """Look up the reply to a scorer's question, or take it upon oneself to ask."""
        ...

    async def heard(self, question: str, reply: Record | None) -> None:
        """Say what came of a question."""
        ...


class SharedBudget(Budget):
    """The run's budget as one worker sees it: the desk is asked where money is counted, told where errors are.

    Args:
        ceilings: of the run.
        stop: of this worker.
        desk: keeps the budget.
        tell: sends a message on its way.
    """

    def __init__(
        self,
        ceilings: Ceilings,
        stop: asyncio.Event,
        desk: DeskLine,
        tell: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        super().__init__(NO_CEILINGS, stop)
        self._counts_money = ceilings.max_cost_usd is not None
        self._counts_errors = ceilings.max_errors is not None
        self._desk = desk
        self._tell = tell

    async def admit(self, model: Model, input_tokens: int) -> bool:
        """Wait until there is money for one more call; False when there is none left, or the run ends."""
        if self._counts_money and not self._stop.is_set():
            return await self._desk.admit(model.name, input_tokens)
        return not self._stop.is_set()

    def settle(self, model: str, record: Record | None) -> None:
        """Note how an admitted call ended; None when it was not finished."""
        failed = None if record is None else record.error is not None
        if self._counts_money:
            self._tell(self._desk.settle(model, record.cost_usd if record else None, failed))
        elif failed and self._counts_errors:
            self._tell(self._desk.failed(model))


class SharedJudges(Judges):
    """The models that scorers ask, where several workers may come up with the same question."""

    def __init__(self, *given: Any, desk: DeskLine) -> None:  # noqa: ANN401 - as Judges takes them
        super().__init__(*given)
        self._desk = desk

    async def _reply(self, question: Question, about: About) -> Record | None:
        name = question_id(self._models[question.model], question)
        if known := self._journal.find(name):
            return known
        claim = await self._desk.claim(name)
        if not claim.ask:
            return claim.reply
        reply: Record | None = None
        try:
            reply = await self._ask(question, about, name)
        finally:
            await self._desk.heard(name, reply)
        return reply


class Replies(Judgements):
    """What models said to scorers: written into a worker's book, the latest in memory too."""

    def __init__(self, book: Book) -> None:
        super().__init__(_NOWHERE)
        self._book = book
        self._latest: dict[str, Record] = {}

    def add(self, reply: Record) -> None:
        """Note a reply."""
        self._book.add_judgement(reply)
        if reply.error is None:
            self._latest[reply.call_id] = reply
            if len(self._latest) > _REMEMBERED:
                del self._latest[next(iter(self._latest))]

    def reject(self, question: str, why: str) -> None:
        """Note that a reply was of no use, so that whoever goes on with the run asks again."""
        reply = self._latest.get(question)
        if reply is None or int(question, 16) in self._rejected:
            return
        self._rejected.add(int(question, 16))
        self._book.add_judgement(rejected(reply, why))

    def find(self, question: str) -> Record | None:
        """Look up a reply among the latest."""
        return self._latest.get(question)
