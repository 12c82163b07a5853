"""Processes that judge what would hold up the calls in flight, each answer within a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self, cast

from evalkit.runner.worker import LENGTH, STARTING_S, Fault, Task
from evalkit.scorers import ScorerError
from evalkit.types import Case, Question, Record, Score, ScorerEntry

_GRACE_S: Final = 2.0
"""A worker sets itself an alarm; so much later it is ended if that did not go off."""
_MOST: Final = 8
"""More processes would leave the loop, which times the answers, too little of a machine that is shared."""
_ALARM: Final = -getattr(signal, "SIGALRM", 0)


class Workers:
    """Worker processes, started when the first answer needs one. Use as `async with`: leaving ends them all.

    A scorer that takes too long, or takes its process down, is at fault; the process is ended and another one started
    when there is need.

    Args:
        most: how many there may be; by default, as many as there are processors, up to eight.
    """

    def __init__(self, most: int | None = None) -> None:
        self._free = asyncio.Semaphore(most or min(_processors(), _MOST))
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._ending: list[_Worker] = []

    async def score(self, entry: ScorerEntry, answer: Record, case: Case, replies: Sequence[Record] = ()) -> Score:
        """Let a worker judge an answer.

        Raises:
            ScorerError: the scorer was at fault, took too long, or ended its process.
        """
        return cast("Score", await self._told(entry, answer, case, tuple(replies)))

    async def questions(self, entry: ScorerEntry, answer: Record, case: Case) -> tuple[Question, ...]:
        """Let a worker find out what a scorer wants to ask about an answer.

        Raises:
            ScorerError: as `score` does.
        """
        return cast("tuple[Question, ...]", await self._told(entry, answer, case, None))

    async def _told(
        self, entry: ScorerEntry, answer: Record, case: Case, replies: tuple[Record, ...] | None
    ) -> Score | tuple[Question, ...]:
        turns = tuple(dataclasses.replace(turn, scorers=()) for turn in case.turns)
        plain = dataclasses.replace(case, scorers=(), turns=turns)  # compiled scorers cannot travel
        task = Task(entry.spelling, pickle.dumps(entry.context), answer, plain, replies, entry.seconds)
        async with self._free:
            told = await self._told_by_somebody(task)
        if isinstance(told, Fault):
            raise ScorerError(told.message, told.unreadable)
        return told

    async def _told_by_somebody(self, task: Task) -> Score | tuple[Question, ...] | Fault:
        worker = self._idle.pop() if self._idle else _Worker()
        experienced = bool(worker.known)
        try:
            return await self._told_by(worker, task)
        except _EndedError:
            if not experienced:
                raise
        # It may have ended for what it was told before, or to give back memory: only one that is new can tell.
        return await self._told_by(_Worker(), task)

    async def _told_by(self, worker: _Worker, task: Task) -> Score | tuple[Question, ...] | Fault:
        self._busy.add(worker)
        try:
            told = await worker.judge(task)
        except BaseException:
            worker.end()
            self._ending = [*(other for other in self._ending if not other.is_over), worker]
            raise
        finally:
            self._busy.discard(worker)
        self._idle.append(worker)
        return told

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        workers = [*self._idle, *self._busy, *self._ending]
        for worker in workers:
            worker.end()
        for worker in workers:
            await worker.ended()


class _EndedError(ScorerError):
    """A worker process has ended before it gave the verdict."""


class _Worker:
    """One process. It has a session of its own, so that it ends with what its scorers started, and no other way.

    Attributes:
        known: the scorers that it has been asked to make ready.
    """

    def __init__(self) -> None:
        self.known: set[tuple[str, bytes]] = set()
        self._running: _Running | None = None

    async def judge(self, task: Task) -> Score | tuple[Question, ...] | Fault:
        """Hand over a task and wait for the verdict, or for what went wrong.

        Raises:
            ScorerError: there is no verdict in time; `_EndedError`, because the process has ended.
        """
        content = _packed(task)
        running = self._running = self._running or await _started()
        scorer = (task.spelling, task.context)
        waiting_s = 0.0 if scorer in self.known else STARTING_S
        self.known.add(scorer)
        try:
            async with asyncio.timeout(task.seconds + _GRACE_S + waiting_s):
                running.tasks.write(len(content).to_bytes(LENGTH, "big") + content)
                await running.tasks.drain()
                length = int.from_bytes(await running.verdicts.readexactly(LENGTH), "big")
                told = await running.verdicts.readexactly(length)
        except TimeoutError:
            raise _too_late(task) from None
        except (OSError, asyncio.IncompleteReadError):
            raise await self._how_it_ended(task) from None
        verdict: Score | tuple[Question, ...] | Fault = pickle.loads(told)  # noqa: S301 - from our own child
        return verdict

    async def _how_it_ended(self, task: Task) -> ScorerError:
        """Tell what to make of a process that does not answer any more."""
        if not await self.ended():
            return ScorerError("the scorer cut its process off from evalkit")
        status = self._running.process.returncode if self._running else None
        if status == _ALARM:
            return _too_late(task)
        how = f"with exit code {status}" if status is None or status >= 0 else f"by signal {-status}"
        return _EndedError(f"the scorer's process ended {how}")

    @property
    def is_over(self) -> bool:
        """Whether the process has ended, or never began."""
        return self._running is None or self._running.process.returncode is not None

    def end(self) -> None:
        """End the process and what it started, which may have outlived it."""
        if self._running is None:
            return
        process = self._running.process
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            elif process.returncode is None:  # pragma: no cover: Windows
                process.kill()

    async def ended(self) -> bool:
        """Wait until the process has ended, but not for long; return whether it has."""
        if self._running is not None:
            self._running.tasks.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await self._running.process.wait()
        return self.is_over


class _Running(NamedTuple):
    process: asyncio.subprocess.Process
    tasks: asyncio.StreamWriter
    verdicts: asyncio.StreamReader


async def _started() -> _Running:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # what lies in the folder we were called from is no code of ours
            "-c",
            "from evalkit.runner.worker import main; main()",  # with -m, what it pickles would be of `__main__`
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ScorerError(f"no process can be started to judge in: {error}") from error
    if process.stdin is None or process.stdout is None:  # never so, as both are asked for
        raise ScorerError("the process to judge in has no pipes")
    return _Running(process, process.stdin, process.stdout)


def _packed(task: Task) -> bytes:
    try:
        return pickle.dumps(task)
    except Exception as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else f"{type(error).__name__}: {error}"
        raise ScorerError(f"the answer or its case cannot be handed to the process that judges: {why}") from error


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _too_late(task: Task) -> ScorerError:
    return ScorerError(f"no verdict after {task.seconds:g} s")
