"""The models that scorers ask, and what they said: a judgement is a paid call, journaled like any other."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.errors import CallError
from evalkit.runner.budget import Budget
from evalkit.runner.journal import Judgements
from evalkit.runner.line import Line
from evalkit.runner.plan import model_fingerprint
from evalkit.runner.retry import input_tokens
from evalkit.runner.talk import talk
from evalkit.types import Call, Model, Question, Record, Request

VERDICT_TOKENS: Final = 1024
"""Limit of a verdict by weights on this machine, unless their row sets one: small models may never end by themselves.

Servers have limits of their own, and a vendor's model may think for longer than this before it says a word.
"""


@dataclass(frozen=True, slots=True)
class About:
    """What a question is about: an answer, the scorer that asks, and the hosts it must stay on (None: anywhere)."""

    answer: Record
    scorer: str
    confined_to: tuple[str, ...] | None


class Judges:
    """Asks scorers' questions. The same question is paid for once, however often it comes up.

    Args:
        models: that may be asked, with the parameters of their rows.
        lines: to these models, by name.
        starting: the tasks that start their providers.
        journal: keeps what they say, and knows what they said before.
        budget: of the run.
        late: names of those that are not to be asked before all candidates have been.
    """

    def __init__(
        self,
        models: Iterable[Model],
        lines: Mapping[str, Line],
        starting: Mapping[str, asyncio.Task[CallError | None]],
        journal: Judgements,
        budget: Budget,
        late: Collection[str] = (),
    ) -> None:
        self._models = {model.name: model for model in models}
        self._lines = lines
        self._starting = starting
        self._journal = journal
        self._budget = budget
        self._late = late
        self._in_flight: dict[str, asyncio.Future[Record | None]] = {}

    def must_wait(self, models: Sequence[str]) -> bool:
        """Whether one of these models would slow down the candidates' calls, such as one that computes here."""
        return any(name in self._late or self._lines[name].provider.alone for name in models)

    async def replies(self, questions: Sequence[Question], about: About) -> tuple[Record, ...] | None:
        """Ask, or look up what was said before.

        Returns:
            A record for every question, an answer or an error; None when the run was stopped before.
        """
        found = await asyncio.gather(*(self._reply(question, about) for question in questions))
        replies = tuple(reply for reply in found if reply is not None)
        return replies if len(replies) == len(questions) else None

    def reject(self, question: str, why: str) -> None:
        """Let this question be asked again by whoever goes on with the run, as the answer to it was none."""
        self._journal.reject(question, why)

    async def _reply(self, question: Question, about: About) -> Record | None:
        name = question_id(self._models[question.model], question)
        if known := self._journal.find(name):
            return known
        if name in self._in_flight:
            return await asyncio.shield(self._in_flight[name])  # one who stops waiting must not stop the others
        asked = self._in_flight[name] = asyncio.get_running_loop().create_future()
        reply: Record | None = None
        try:
            reply = await self._ask(question, about, name)
        finally:
            asked.set_result(reply)
            del self._in_flight[name]
        return reply

    async def _ask(self, question: Question, about: About, name: str) -> Record | None:
        model, line = self._models[question.model], self._lines[question.model]
        call = Call(name, question.model, about.scorer, about.answer.case_id, about.answer.trial)
        error = await self._starting[question.model]
        if error is not None:
            line.give_up(error)
        if refused := line.refusal(call):
            return refused
        if not await self._budget.admit(model, input_tokens(question.messages)):
            return None
        record: Record | None = None
        try:
            record = await _called(line, call, _request(model, question, about))
        finally:
            self._budget.settle(model.name, record)
        if record is None:
            return line.refusal(call)
        self._journal.add(record)
        return record


async def _called(line: Line, call: Call, request: Request) -> Record | None:
    started_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    done = await talk(line.ask, request, ())
    return None if done is None else line.as_record(call, done, started_at)


def _request(model: Model, question: Question, about: About) -> Request:
    limit = {"max_tokens": VERDICT_TOKENS} if model.weights and not question.embed else {}
    params = {**limit, **model.params, **question.params}
    return Request(question.messages, params, embed=question.embed, confined_to=about.confined_to)


def question_id(model: Model, question: Question) -> str:
    """Identify a question by all that decides its answer, in the form of a call's id."""
    content = [
        model_fingerprint(model),
        [dataclasses.astuple(message) for message in question.messages],
        dict(question.params),
        question.embed,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
