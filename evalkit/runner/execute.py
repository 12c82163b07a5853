"""Carry out a job: start the providers, run the pools side by side, journal and judge every answer."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from evalkit.errors import CallError, EvalkitError
from evalkit.providers.base import Provider
from evalkit.runner.arrivals import arrivals
from evalkit.runner.budget import NO_CEILINGS, Budget, Ceilings
from evalkit.runner.job import Job
from evalkit.runner.journal import (
    RECORDS,
    Journal,
    JournalError,
    keep_synced,
    read_judgements,
    read_records,
    replace_scores,
)
from evalkit.runner.judges import Judges
from evalkit.runner.limits import LimitChange
from evalkit.runner.line import GIVE_UP_AFTER, Line, lines_to
from evalkit.runner.manifest import Client, Load, Manifest, Race, RaceStop
from evalkit.runner.packed import refuse_packed
from evalkit.runner.plan import calls_of, calls_per_model, planned_calls
from evalkit.runner.pool import WARM_UP_TRIAL, Pool, Shared
from evalkit.runner.race_plan import needed_calls
from evalkit.runner.retry import RetryPolicy
from evalkit.runner.scoring import Scoring
from evalkit.runner.stored import rows_by_plan
from evalkit.runner.watch import ClientWatch
from evalkit.runner.workers import Workers
from evalkit.types import Call, CallScore, Case, Completion, Model, Record

if TYPE_CHECKING:
    from evalkit.runner.race import Course

# Under load a failed call is a finding, and trying it again would be load that nobody asked for.
_LOAD_POLICY = RetryPolicy(tries=1, throttled_tries=1)


class Observer(Protocol):
    """Is told what happens, as it happens. Must be quick: it runs between calls."""

    def finished(self, record: Record, score: CallScore) -> None:
        """Note that a call has been recorded and judged."""
        ...

    def gave_up(self, model: str, reason: str) -> None:
        """Note that a model cannot be asked."""
        ...

    def dropped(self, stop: RaceStop) -> None:
        """Note that a candidate has left the race."""
        ...


@dataclass(frozen=True, slots=True)
class Execution:
    """What is needed to carry out a job in a folder.

    `starting` holds, per model, the task that starts its provider. Each model waits for its own only.
    `show_limits` is handed, per candidate, what tells its limit on calls in flight, at any moment.
    """

    job: Job
    manifest: Manifest
    providers: Mapping[str, Provider]
    starting: Mapping[str, asyncio.Task[CallError | None]]
    folder: Path
    observer: Observer
    stop: asyncio.Event
    ceilings: Ceilings = NO_CEILINGS
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    show_limits: Callable[[Mapping[str, Callable[[], int]]], None] | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a run met with.

    `client` tells how busy this machine was, `limits`, per model, how its limit on calls in flight changed, `stopped`
    which budget ended the run, if one did, `race` how the race went, if it was one.
    """

    client: Client
    limits: Mapping[str, Sequence[LimitChange]]
    stopped: str | None
    race: Race | None = None


def with_conditions(manifest: Manifest, met: Conditions) -> Manifest:
    """Add what a run met with to what it met with before it was resumed."""
    limits = {
        model: tuple((change.at_s, change.limit, change.reason) for change in changes)
        for model, changes in met.limits.items()
    }
    history = {name: (*before, *limits.get(name, ())) for name, before in manifest.limit_history.items()}
    before, now = manifest.client or met.client, met.client
    busiest = Client(
        loop_lag_ms=max(before.loop_lag_ms, now.loop_lag_ms),
        cpu_share_mean=max(before.cpu_share_mean, now.cpu_share_mean),
        cpu_share_max=max(before.cpu_share_max, now.cpu_share_max),
    )
    return dataclasses.replace(
        manifest, stopped=met.stopped, client=busiest, limit_history=limits | history, race=met.race
    )


def recorded(cases: Sequence[Case], manifest: Manifest, folder: Path) -> Iterator[tuple[Call, Case, Record | None]]:
    """Go through the plan with what a run folder's journal holds: each call with its case and its last record."""
    pairs = (pair for model in manifest.models for pair in calls_of(model, manifest, cases))
    records = rows_by_plan(folder, lambda: (call.call_id for call in planned_calls(manifest, cases)))
    for record, (call, case) in zip(records, pairs, strict=True):
        yield call, case, record


def _is_answer(record: Record | None) -> bool:
    return record is not None and record.error is None


def open_models(job: Job, manifest: Manifest, folder: Path | None) -> list[str]:
    """Name the models that a run folder, if there is one yet, does not hold all the answers of.

    In a race that lacks an answer it is all of them: which ones it will need is decided on the way.
    """
    everyone = [model.name for model in manifest.models]
    if folder is None:
        return everyone
    needed = needed_calls(manifest, len(job.cases))
    lacking = {
        call.model
        for number, (call, _, record) in enumerate(recorded(job.cases, manifest, folder))
        if not _is_answer(record) and needed(call.model, call.prompt, number % len(job.cases))
    }
    return [name for name in everyone if name in lacking or (manifest.race and lacking)]


def start(providers: Mapping[str, Provider], names: Iterable[str]) -> dict[str, asyncio.Task[CallError | None]]:
    """Begin to start these providers, side by side; each task ends with the reason if one cannot be."""
    return {name: asyncio.create_task(_start(providers[name])) for name in names}


async def _start(provider: Provider) -> CallError | None:
    try:
        await provider.start()
    except CallError as error:
        return error
    return None


async def execute(run: Execution) -> Conditions:
    """Make every call that is not yet answered in the folder's journal.

    Raises:
        JournalError: a row could not be written. What was written stays.
        ConfigError: the folder's journals are packed.
    """
    refuse_packed(run.folder)
    earlier = itertools.chain(read_records(run.folder), read_judgements(run.folder))
    budget = Budget(run.ceilings, run.stop, earlier)
    watch = ClientWatch()
    lines, judges_lines = _lines(run)
    if run.show_limits is not None:
        run.show_limits({model.name: _limit_of(lines[model.name]) for model in run.job.models if model.name in lines})
    course = _course(run)
    late = _in_the_way(run.job) if run.manifest.load else frozenset()
    resumed = (run.folder / RECORDS).exists()
    if resumed:
        replace_scores(run.folder, ())  # all are given again, by the suite as it is now
    try:
        async with Workers() as workers:
            with Journal(run.folder, run.manifest.session()) as journal:
                beside = (watch.run(), keep_synced(journal.sync), budget.watch_time())
                async with asyncio.TaskGroup() as group:
                    helpers = [group.create_task(helper) for helper in beside]
                    judges = Judges(run.job.judges, judges_lines, run.starting, journal.judgements, budget, late)
                    done = _concluding(run, journal, course)
                    scoring = Scoring(run.job.suite, workers, judges, done, group, postpones=course is None)
                    reused = reuse(run, scoring) if resumed else _nothing(run)
                    shared = _shared(run, journal, budget, reused, scoring)
                    await _ask_and_judge(run, _pools(run, lines, shared), reused, scoring, course)
                    for helper in helpers:
                        helper.cancel()
    except BaseExceptionGroup as errors:
        raise plain_error(errors) from None
    changed = {
        name: tuple(line.limiter.history) for name, line in (judges_lines | lines).items() if line.limiter.history
    }
    return Conditions(watch.seen(), changed, budget.reached, course.result() if course else None)


def _limit_of(line: Line) -> Callable[[], int]:
    return lambda: line.limiter.limit


def _course(run: Execution) -> Course | None:
    if run.manifest.race is None:
        return None
    from evalkit.runner.race import Course

    return Course(run.manifest, run.job.cases, run.observer.dropped)


def _lines(run: Execution) -> tuple[dict[str, Line], dict[str, Line]]:
    """Make the lines to the candidates and to the judges; a candidate that also judges has one line for both.

    Under load it has two: what holds for a call that is part of the load does not hold for a judge's.
    """

    def lines(*models: Model, load: bool) -> dict[str, Line]:
        return lines_to(
            [model for model in {model.name: model for model in models}.values() if model.name in run.starting],
            run.providers,
            stop=run.stop,
            on_give_up=run.observer.gave_up,
            policy=_LOAD_POLICY if load else run.policy,
            give_up_after=None if load else GIVE_UP_AFTER,
        )

    if run.manifest.load is not None:
        return lines(*run.job.models, load=True), lines(*run.job.judges, load=False)
    together = lines(*run.job.judges, *run.job.models, load=False)
    return together, together


def _in_the_way(job: Job) -> frozenset[str]:
    """Name the judges whose calls would be more load on a candidate: on its account, or its server."""
    taken = {place for model in job.models for place in _places(model)}
    return frozenset(judge.name for judge in job.judges if not taken.isdisjoint(_places(judge)))


def _places(model: Model) -> Iterator[tuple[str, str]]:
    yield "model", model.name
    if model.limits_key:
        yield "account", model.limits_key
    if model.base_url:
        yield "server", model.base_url


def _pools(run: Execution, lines: Mapping[str, Line], shared: Shared) -> list[Pool]:
    return [Pool(lines[model.name], shared) for model in run.job.models if model.name in run.starting]


async def _ask_and_judge(
    run: Execution, pools: Sequence[Pool], reused: Reused, scoring: Scoring, course: Course | None
) -> None:
    if course is None:
        async with asyncio.TaskGroup() as asking:
            for turn in _turns(pools):
                asking.create_task(_one_by_one(run, turn, reused.answered))
    else:
        await _judge_postponed(run, scoring)  # of a resumed race: what it has to decide by
        await _race(run, pools, reused, course)
    await _judge_postponed(run, scoring)


async def _race(run: Execution, pools: Sequence[Pool], reused: Reused, course: Course) -> None:
    from evalkit.runner.race import race

    described = {model.name: model for model in run.manifest.models}
    await race(course, _turns(pools), described, reused.answered, lambda pool: _make_ready(run, pool), run.stop)


async def _judge_postponed(run: Execution, scoring: Scoring) -> None:
    await scoring.settled()
    if scoring.postponed and not run.stop.is_set():
        for _, case, record in recorded(run.job.cases, run.manifest, run.folder):
            if record is not None and scoring.is_postponed(record) and not run.stop.is_set():
                await scoring.take(record, case)
        await scoring.settled()


def _concluding(run: Execution, journal: Journal, course: Course | None) -> Callable[[Record, CallScore], None]:
    def done(record: Record, score: CallScore) -> None:
        journal.add_score(score)
        run.observer.finished(record, score)
        if course is not None:
            course.finished(record, score)

    return done


def plain_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Pick the one to tell the user of: a full disk fails every worker alike. A fault of ours stays as it is."""
    told = [error for error in _each(errors) if isinstance(error, EvalkitError)]
    return min(told, key=lambda error: not isinstance(error, JournalError), default=errors)


def _each(error: BaseException) -> Iterator[BaseException]:
    """List the errors of a group, and of the groups in it."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _each(inner)
    else:
        yield error


@dataclass(frozen=True, slots=True)
class Reused:
    """What a folder's journal saves a resumed run.

    Attributes:
        answered: for every model, in the order of its calls, whether each needs no asking.
        begun: by call, the replies of conversations that an error broke off.
    """

    answered: Mapping[str, bytearray]
    begun: dict[str, tuple[Completion, ...]] = field(default_factory=dict)


def _nothing(run: Execution) -> Reused:
    each = calls_per_model(run.manifest, run.job.cases)
    return Reused({model.name: bytearray(each) for model in run.manifest.models})


def reuse(run: Execution, scoring: Scoring) -> Reused:
    """Judge the answers that the folder already holds, by the suite as it is now; what takes long is judged later."""
    reused = Reused({model.name: bytearray() for model in run.manifest.models})
    for call, case, record in recorded(run.job.cases, run.manifest, run.folder):
        reused.answered[call.model].append(_is_answer(record))
        if record is None:
            continue
        if record.error is None:
            scoring.add_later(record, case)
        elif record.turns:
            reused.begun[call.call_id] = record.turns
    return reused


def _shared(run: Execution, journal: Journal, budget: Budget, reused: Reused, scoring: Scoring) -> Shared:
    def record(row: Record, case: Case) -> None:
        journal.add_record(row)  # first: a paid answer is safe before anything else can fail
        if row.trial != WARM_UP_TRIAL:
            scoring.add(row, case)

    return Shared(request=run.job.requests(), record=record, stop=run.stop, budget=budget, begun=reused.begun)


def _turns(pools: Sequence[Pool]) -> list[list[Pool]]:
    """Group the pools: those of one group run one after the other, the groups side by side."""
    alone = [pool for pool in pools if pool.line.provider.alone]
    return [alone, *([pool] for pool in pools if not pool.line.provider.alone)]


async def _one_by_one(run: Execution, pools: Iterable[Pool], answered: Mapping[str, bytearray]) -> None:
    for pool in pools:
        await _ask_all(run, pool, answered[pool.model.name])


async def _ask_all(run: Execution, pool: Pool, answered: bytearray) -> None:
    """Ask what is not answered."""
    await _make_ready(run, pool)
    manifest = run.manifest
    described = next(model for model in manifest.models if model.name == pool.model.name)
    planned = calls_of(described, manifest, run.job.cases)
    calls = (pair for pair, done in zip(planned, answered, strict=True) if not done)
    if manifest.load is None:
        await pool.run(calls)
    else:
        await pool.run_open_loop(calls, _arrivals(manifest.load, manifest.selection.seed))


async def _make_ready(run: Execution, pool: Pool) -> None:
    """Wait for the provider, and warm it up."""
    error = await run.starting[pool.model.name]
    if error is not None:
        pool.line.give_up(error)
    await pool.warm_up(run.manifest.prompts[0], run.job.cases[: pool.model.warmup])


def _arrivals(load: Load, seed: int) -> Iterator[float]:
    return arrivals(load.rate_per_s, load.arrivals, seed)
