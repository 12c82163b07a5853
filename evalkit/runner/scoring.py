"""Verdicts on answers: at once where that takes no time, else beside the calls, by worker processes and judges."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias

from evalkit.errors import EvalkitError
from evalkit.runner.job import is_confined
from evalkit.runner.judges import About, Judges
from evalkit.runner.soundness import sound
from evalkit.runner.workers import Workers
from evalkit.scorers import ScorerError, asks_of, combine, verdict_of
from evalkit.suite.conversation import Judged, judged
from evalkit.types import CallScore, Case, Record, Score, ScorerVerdict, Suite

_WAITING = 256
"""So many answers may wait for their verdicts in memory; more are judged from the journal when all calls are made."""
_WAITING_CHARS = 32 * 2**20
"""So long may they be together, though one may always wait."""

Opinion: TypeAlias = Score | ScorerError
"""What came of one scorer: its verdict, or why there is none."""


class Scoring:
    """Judges the answers of a run, each once.

    Args:
        suite: by whose scorers.
        workers: judge what takes long.
        judges: ask the models that scorers want to hear.
        done: is handed each verdict with the record it is about.
        group: in which answers wait for verdicts; what goes wrong in there ends the run.
        postpones: whether verdicts may wait until all calls are made, where many do; not in a race, which can't go on
            without them, and never runs far ahead of them.
    """

    def __init__(
        self,
        suite: Suite,
        workers: Workers,
        judges: Judges,
        done: Callable[[Record, CallScore], None],
        group: asyncio.TaskGroup,
        *,
        postpones: bool = True,
    ) -> None:
        self._suite = suite
        self._workers = workers
        self._judges = judges
        self._done = done
        self._group = group
        self._postpones = postpones
        self._waiting: set[asyncio.Task[None]] = set()
        self._waiting_chars = 0
        self._postponed: set[str] = set()

    def add(self, record: Record, case: Case) -> None:
        """Judge an answer at once, or as soon as somebody has time, or not before `take` is called with it."""
        tasks = self._tasks(record, case)
        if all(map(_is_quick, tasks)):
            self._judge_now(record, tasks)
        elif (self._postpones and self._is_full(record)) or any(
            self._judges.must_wait(task.entry.models) for task in tasks
        ):
            self._postponed.add(record.call_id)
        else:
            self._begin(record, tasks)

    def add_later(self, record: Record, case: Case) -> None:
        """Judge an answer at once if that takes no time, else not before `take` is called with it."""
        tasks = self._tasks(record, case)
        if all(map(_is_quick, tasks)):
            self._judge_now(record, tasks)
        else:
            self._postponed.add(record.call_id)

    def is_postponed(self, record: Record) -> bool:
        """Whether an answer waits for `take`."""
        return record.call_id in self._postponed

    @property
    def postponed(self) -> int:
        """How many answers wait for `take`."""
        return len(self._postponed)

    async def take(self, record: Record, case: Case) -> None:
        """Judge an answer, as soon as there is room among those that wait."""
        self._postponed.discard(record.call_id)
        tasks = self._tasks(record, case)
        if all(map(_is_quick, tasks)):
            self._judge_now(record, tasks)
            await asyncio.sleep(0)
            return
        while self._is_full(record):
            await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
        self._begin(record, tasks)

    async def settled(self) -> None:
        """Wait until nothing waits for its verdict any more."""
        while self._waiting:
            await asyncio.wait(self._waiting)

    def _tasks(self, record: Record, case: Case) -> list[Judged]:
        """What is to be judged; nothing of an error, which is no answer."""
        return [] if record.error else list(judged(self._suite.scorers_for(case), record, case))

    def _judge_now(self, record: Record, tasks: Sequence[Judged]) -> None:
        self._conclude(record, tasks, [_opinion(task) for task in tasks])

    def _is_full(self, record: Record) -> bool:
        """Whether an answer has to wait for a place among those that wait in memory."""
        too_long = self._waiting_chars + _chars(record) > _WAITING_CHARS
        return len(self._waiting) >= _WAITING or (too_long and bool(self._waiting))

    def _begin(self, record: Record, tasks: Sequence[Judged]) -> None:
        judging = self._judge(record, tasks)
        try:
            task = self._group.create_task(judging)
        except RuntimeError:  # the run is being given up; the answer has been journaled
            judging.close()
            return
        self._waiting_chars += _chars(record)
        self._waiting.add(task)
        task.add_done_callback(functools.partial(self._judged, record))

    def _judged(self, record: Record, task: asyncio.Task[None]) -> None:
        self._waiting_chars -= _chars(record)
        self._waiting.discard(task)

    async def _judge(self, record: Record, tasks: Sequence[Judged]) -> None:
        opinions = await asyncio.gather(*(self._asked_opinion(record, task) for task in tasks))
        heard = [opinion for opinion in opinions if opinion is not None]
        if len(heard) == len(tasks):  # else the run was stopped, and the answer is judged when it is resumed
            self._conclude(record, tasks, heard)

    async def _asked_opinion(self, record: Record, task: Judged) -> Opinion | None:
        """Judge with the help of others; None when the run was stopped meanwhile."""
        try:
            opinion = await self._helped(record, task)
        except ScorerError as error:
            opinion = error
        except EvalkitError:  # such as a journal that cannot be written
            raise
        except Exception as error:  # noqa: BLE001 - as in `_opinion`
            opinion = _fault(error)
        if isinstance(opinion, ScorerError) and opinion.unreadable is not None:
            self._judges.reject(opinion.unreadable, opinion.message)
        return opinion

    async def _helped(self, record: Record, task: Judged) -> Opinion | None:
        replies = await self._replies(record, task) if task.entry.models else ()
        if replies is None:
            return None
        if _is_short(task):
            return _opinion(task, replies)
        return await self._workers.score(task.entry, task.answer, task.case, replies)

    async def _replies(self, record: Record, task: Judged) -> Sequence[Record] | None:
        """What models say to a scorer's questions; None when the run was stopped meanwhile."""
        entry, answer, case = task
        if _is_short(task):
            questions = asks_of(entry.scorer, answer, case)
        else:
            questions = await self._workers.questions(entry, answer, case)
        confined = self._suite.allow_hosts if is_confined(self._suite, case) else None
        return await self._judges.replies(questions, About(record, entry.name, confined))

    def _conclude(self, record: Record, tasks: Sequence[Judged], opinions: Sequence[Opinion]) -> None:
        self._done(record, _verdict(record, tasks, opinions, self._suite.threshold))


def _chars(record: Record) -> int:
    return len(record.output or "") + sum(len(reply.output or "") for reply in record.turns)


def _is_short(task: Judged) -> bool:
    return len(task.answer.output or "") <= task.entry.inline_chars


def _is_quick(task: Judged) -> bool:
    return not task.entry.models and _is_short(task)


def _opinion(task: Judged, replies: Sequence[Record] = ()) -> Opinion:
    try:
        return sound(verdict_of(task.entry.scorer, task.answer, task.case, replies))
    except ScorerError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a fault in one scorer must not lose the run its paid answers
        return _fault(error)


def _fault(error: Exception) -> ScorerError:
    return ScorerError(f"a fault in a scorer: {type(error).__name__}: {error}")


def _verdict(
    record: Record, tasks: Sequence[Judged], opinions: Sequence[Opinion], threshold: float | None
) -> CallScore:
    """Put the scorers' verdicts together. One that has none leaves the answer without, unless it has no say."""
    if record.error is not None:
        return CallScore(record.call_id, passed=False, value=0.0)
    scores = []
    for task, opinion in zip(tasks, opinions, strict=True):
        if isinstance(opinion, Score):
            scores.append(opinion)
        elif task.entry.weight:
            return _no_verdict(record, f"{task.entry.name}: {opinion.message}")
        else:
            scores.append(Score(None, passed=False, reason=opinion.message, details={"error": opinion.message}))
    return combine(record.call_id, [task.entry for task in tasks], scores, threshold)


def _no_verdict(record: Record, reason: str) -> CallScore:
    """Record that the scorer failed, not the model; reports count it as an error."""
    verdict = ScorerVerdict("scorer error", Score(0.0, passed=False, reason=reason, details={"error": reason}))
    return CallScore(record.call_id, passed=False, value=0.0, verdicts=(verdict,))
