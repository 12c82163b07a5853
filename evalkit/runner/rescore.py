"""Judge answers that are there already: those of a run, by its suite as it is now or by another one; or of a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.errors import ConfigError
from evalkit.providers.base import Provider
from evalkit.runner.budget import NO_CEILINGS, Budget, Ceilings
from evalkit.runner.execute import plain_error, recorded, start
from evalkit.runner.journal import SCORES, Appender, Judgements, encode_score, keep_synced
from evalkit.runner.judges import Judges
from evalkit.runner.line import lines_to
from evalkit.runner.manifest import Manifest, read_cases
from evalkit.runner.packed import drop_packed
from evalkit.runner.plan import same_cases
from evalkit.runner.retry import RetryPolicy
from evalkit.runner.scoring import Scoring
from evalkit.runner.workers import Workers
from evalkit.types import CallScore, Case, Model, Record, Suite

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Bench:
    """What is needed to judge answers: a suite's scorers and the models they ask.

    `judgements` is the journal of what these models say. `stop` ends the work after what is in flight.
    """

    suite: Suite
    judges: Sequence[Model]
    providers: Mapping[str, Provider]
    judgements: Path
    stop: asyncio.Event
    on_give_up: Callable[[str, str], None]
    ceilings: Ceilings = NO_CEILINGS
    policy: RetryPolicy = field(default_factory=RetryPolicy)


async def judge_all(
    bench: Bench, answers: Iterable[tuple[Record, Case]], done: Callable[[Record, CallScore], None]
) -> bool:
    """Judge answers; `done` is handed each verdict, not always in the answers' order.

    Returns:
        Whether all were judged; else the work was stopped, and what models said so far is in their journal.

    Raises:
        JournalError: what a model said, or a verdict, could not be written.
    """
    judgements = Judgements(bench.judgements)
    starting = start(bench.providers, [model.name for model in bench.judges])
    lines = lines_to(bench.judges, bench.providers, stop=bench.stop, on_give_up=bench.on_give_up, policy=bench.policy)
    budget = Budget(bench.ceilings, bench.stop)
    try:
        async with Workers() as workers, asyncio.TaskGroup() as group:
            beside = [group.create_task(keep_synced(judgements.sync)), group.create_task(budget.watch_time())]
            judges = Judges(bench.judges, lines, starting, judgements, budget)
            scoring = Scoring(bench.suite, workers, judges, done, group)
            for record, case in answers:
                if bench.stop.is_set():
                    break
                await scoring.take(record, case)
            await scoring.settled()
            for task in beside:
                task.cancel()
    except BaseExceptionGroup as errors:
        raise plain_error(errors) from None
    finally:
        judgements.close()
        for begun in starting.values():
            begun.cancel()
    return not bench.stop.is_set()


def cases_of_run(folder: Path, suite: Suite) -> Sequence[Case]:
    """Find the cases of a run in a suite, which may expect something else of them or judge them otherwise.

    Raises:
        ConfigError: the suite lacks some, or asks something else by their names.
    """
    cases, others = same_cases(suite.cases, read_cases(folder))
    if others:
        named = ", ".join(others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
        raise ConfigError(
            f"{len(others)} of the run's cases are not in {suite.path}, or ask something else there: {named}",
            remedy="an answer can be judged anew only where the question is the same; name another suite with --suite",
        )
    return cases


class NewScores:
    """The verdicts of a run in the making: they take the place of the old ones when all are there, or never.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._part = folder / f".{SCORES}.{os.getpid()}.part"
        self._part.unlink(missing_ok=True)
        self._rows = Appender(self._part)

    def add(self, _: Record, score: CallScore) -> None:
        """Take down a verdict."""
        self._rows.append(encode_score(score))

    def accept(self) -> None:
        """Let them be the run's verdicts."""
        self._rows.close()
        journal = self._part.with_name(SCORES)
        self._part.replace(journal)
        drop_packed(journal)

    def drop(self) -> None:
        """Leave the run's verdicts as they were."""
        self._rows.close()
        self._part.unlink(missing_ok=True)


def answers_of(folder: Path, manifest: Manifest, cases: Sequence[Case]) -> Iterator[tuple[Record, Case]]:
    """Go through the answers of a run, errors left out."""
    for _, case, record in recorded(cases, manifest, folder):
        if record is not None and record.error is None:
            yield record, case
