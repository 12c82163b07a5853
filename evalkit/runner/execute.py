"""Carry out a job: start the providers, run the pools side by side, journal and judge every answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from evalkit.errors import CallError
from evalkit.providers.base import Provider
from evalkit.runner.job import Job
from evalkit.runner.journal import RECORDS, Journal, JournalError, read_records, replace_scores
from evalkit.runner.lag import LagMeter
from evalkit.runner.limits import LimitChange, Limiter
from evalkit.runner.pool import Pool
from evalkit.runner.retry import RetryPolicy
from evalkit.runner.scoring import Judge
from evalkit.types import Call, CallScore, Model, Record

# Where nobody has said how many calls a model can take, as many are in flight at first; answers let it grow.
_FIRST_IN_FLIGHT = 8


class Observer(Protocol):
    """Is told what happens, as it happens. Must be quick: it runs between calls."""

    def finished(self, record: Record, score: CallScore) -> None:
        """Note that a call has been recorded and judged."""
        ...

    def gave_up(self, model: str, reason: str) -> None:
        """Note that a model cannot be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Execution:
    """What is needed to carry out a job in a folder.

    `failed` holds the models that could not be started, with the reason.
    """

    job: Job
    calls: Sequence[Call]
    providers: Mapping[str, Provider]
    folder: Path
    observer: Observer
    stop: asyncio.Event
    failed: Mapping[str, CallError] = field(default_factory=dict)
    policy: RetryPolicy = field(default_factory=RetryPolicy)


def waiting(calls: Sequence[Call], folder: Path | None) -> list[Call]:
    """List the calls that a run folder, if there is one yet, holds no answer to."""
    if folder is None:
        return list(calls)
    answered = {record.call_id for record in read_records(folder) if record.error is None}
    return [call for call in calls if call.call_id not in answered]


async def start(providers: Mapping[str, Provider], names: Iterable[str]) -> dict[str, CallError]:
    """Start these providers side by side; return the ones that could not be, with the reason."""
    names = list(names)
    outcomes = await asyncio.gather(*(_start(providers[name]) for name in names))
    return {name: error for name, error in zip(names, outcomes, strict=True) if error is not None}


async def _start(provider: Provider) -> CallError | None:
    try:
        await provider.start()
    except CallError as error:
        return error
    return None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a run met with.

    `loop_lag_ms` is the longest time the event loop was held up, milliseconds: how much the harness itself may have
    added to a latency. `limits` holds, per model, how its limit on calls in flight changed.
    """

    loop_lag_ms: float
    limits: Mapping[str, Sequence[LimitChange]]


async def execute(run: Execution) -> Conditions:
    """Make every call that is not yet answered in the folder's journal.

    Raises:
        JournalError: a row could not be written. What was written stays.
    """
    answered = reuse(run)
    waiting = [call for call in run.calls if call.call_id not in answered]
    for name, error in run.failed.items():
        run.observer.gave_up(name, error.message)
    lag = LagMeter()
    try:
        with Journal(run.folder) as journal:
            pools = _pools(run, waiting, _recorder(run, journal))
            async with asyncio.TaskGroup() as group, _beside(lag.run(), journal.keep_synced()):
                await asyncio.gather(*(group.create_task(_one_by_one(turn)) for turn in _turns(pools)))
    except* JournalError as errors:
        raise _first(errors) from None
    changed = {pool.model.name: tuple(pool.limiter.history) for pool in pools if pool.limiter.history}
    return Conditions(round(lag.longest_ms, 1), changed)


@contextlib.asynccontextmanager
async def _beside(*helpers: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run helpers for as long as the block takes."""
    tasks = [asyncio.create_task(helper) for helper in helpers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _first(errors: BaseExceptionGroup[JournalError]) -> JournalError:
    """Pick one: a full disk fails every worker alike."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, JournalError) else JournalError("the journal", OSError(str(found)))


def reuse(run: Execution) -> set[str]:
    """Judge the answers that the folder already holds, by the suite as it is now, and tell the observer.

    Returns:
        The ids of the calls that need no asking.
    """
    planned = {call.call_id for call in run.calls}
    answers = {
        record.call_id: record
        for record in read_records(run.folder)
        if record.call_id in planned and record.error is None
    }
    if not (run.folder / RECORDS).exists():
        return set()
    judge = Judge(run.job.suite, run.job.cases)
    scores = {call_id: judge.judge(record) for call_id, record in answers.items()}
    replace_scores(run.folder, iter(scores.values()))
    for call_id, record in answers.items():
        run.observer.finished(record, scores[call_id])
    return set(answers)


def _pools(run: Execution, calls: Iterable[Call], record: Callable[[Record], None]) -> list[Pool]:
    per_model: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        per_model[call.model].append(call)
    request = run.job.requests()
    by_name: dict[str, Model] = {model.name: model for model in run.job.models}
    limiters = _limiters([by_name[name] for name in per_model], run)
    return [
        Pool(
            model=by_name[name],
            provider=run.providers[name],
            limiter=limiters[name],
            calls=own,
            request=request,
            record=record,
            on_give_up=run.observer.gave_up,
            stop=run.stop,
            policy=run.policy,
            gave_up=run.failed.get(name),
        )
        for name, own in per_model.items()
    ]


def _limiters(models: Sequence[Model], run: Execution) -> dict[str, Limiter]:
    """Make a limiter for each model, or one for those that share an account: then the strictest figures count."""
    groups: dict[tuple[str, str], list[Model]] = defaultdict(list)
    for model in models:
        groups[("account", model.limits_key) if model.limits_key else ("model", model.name)].append(model)
    limiters: dict[str, Limiter] = {}
    for group in groups.values():
        most = min(run.providers[model.name].concurrency for model in group)
        chosen = any(model.concurrency for model in group)
        limiter = Limiter(
            start=most if chosen else min(_FIRST_IN_FLIGHT, most),
            ceiling=most,
            rpm=min((model.rpm for model in group if model.rpm), default=None),
            tpm=min((model.tpm for model in group if model.tpm), default=None),
            stop=run.stop,
        )
        limiters |= {model.name: limiter for model in group}
    return limiters


def _turns(pools: Sequence[Pool]) -> list[list[Pool]]:
    """Group the pools: those of one group run one after the other, the groups side by side."""
    alone = [pool for pool in pools if pool.provider.alone]
    return [alone, *([pool] for pool in pools if not pool.provider.alone)]


async def _one_by_one(pools: Iterable[Pool]) -> None:
    for pool in pools:
        await pool.run()


def _recorder(run: Execution, journal: Journal) -> Callable[[Record], None]:
    judge = Judge(run.job.suite, run.job.cases)

    def record(row: Record) -> None:
        journal.add_record(row)  # first: a paid answer is safe before anything else can fail
        score = judge.judge(row)
        journal.add_score(score)
        run.observer.finished(row, score)

    return record
