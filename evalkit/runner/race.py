"""A race in progress: which calls may be made already, and who is stopped.

Needs numpy: imported for runs that are a race only.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from array import array
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from evalkit.errors import ErrorKind
from evalkit.runner.manifest import Manifest, RaceStop
from evalkit.runner.manifest import Race as RaceResult
from evalkit.runner.plan import Named, make_call
from evalkit.runner.pool import Pool
from evalkit.runner.race_plan import blocks_of, race_order
from evalkit.stats.race import Out, Race
from evalkit.types import Call, CallScore, Case, Record

SCORE = "score"
"""The metric that races by mean scores, not by passes."""
_AHEAD = 1
"""So many blocks beyond the one that is being decided may be asked, so that a slow answer does not keep all waiting."""


class Course:
    """Where the candidates of a race are.

    What is decided depends on the verdicts alone, not on the order in which they come: whoever resumes a race, or
    repeats it on other machines, sees the same candidates stopped after the same cases.

    Args:
        manifest: of the run, with its race.
        cases: all of the run's.
        on_stop: is told of each candidate that is stopped.
    """

    def __init__(self, manifest: Manifest, cases: Sequence[Case], on_stop: Callable[[RaceStop], None]) -> None:
        self._rule = manifest.race or RaceResult()
        self._prompts, self._trials = manifest.prompts, manifest.trials
        self._cases = cases
        self._on_stop = on_stop
        self._names = [(model.name, prompt.name) for model in manifest.models for prompt in manifest.prompts]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._order = race_order(len(cases), manifest.selection.seed)
        self._positions = {cases[place].id: position for position, place in enumerate(self._order)}
        self._sums = [array("d", bytes(8 * len(cases))) for _ in self._names]
        self._finished = [array("I", bytes(4 * len(cases))) for _ in self._names]
        self._race = Race(len(self._names), keep=self._rule.keep, margin=self._rule.margin)
        self._running = frozenset(self._race.running)
        self._stops: list[RaceStop] = []
        self.blocks = tuple(blocks_of(len(cases)))
        self._decided = 0
        self._through = 0
        self._news = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether nothing more needs to be asked: enough candidates are out, or all cases are decided on."""
        return self._race.over or self._decided == len(self.blocks)

    def result(self) -> RaceResult:
        """The rule with what came of it so far."""
        return dataclasses.replace(self._rule, over=self.over, cases=self._race.cases, stops=tuple(self._stops))

    def finished(self, record: Record, score: CallScore) -> None:
        """Take down a verdict; decide, if it was the last one that a block waited for."""
        number, position = self._numbers[record.model, record.prompt], self._positions[record.case_id]
        self._sums[number][position] += self._value(record, score)
        self._finished[number][position] += 1
        while not self.over and self._is_complete(self.blocks[self._decided]):
            self._decide(self.blocks[self._decided])

    def _value(self, record: Record, score: CallScore) -> float:
        if record.error is not None and record.error.kind == ErrorKind.UNAVAILABLE:
            return math.nan  # its model was given up
        return score.value if self._rule.metric == SCORE else float(score.passed)

    def _is_complete(self, block: range) -> bool:
        """Whether all who run have finished a block; what was found complete is not looked at again."""
        self._through = max(self._through, block.start)
        while self._through < block.stop:
            if any(self._finished[number][self._through] < self._trials for number in self._running):
                return False
            self._through += 1
        return True

    def _decide(self, block: range) -> None:
        values = [[sums[position] / self._trials for sums in self._sums] for position in block]
        outs = self._race.after_block(values)
        self._decided += 1
        self._running = frozenset(self._race.running)
        for out in outs:
            self._stops.append(stop := self._stop(out))
            self._on_stop(stop)
        self.look()

    def _stop(self, out: Out) -> RaceStop:
        model, prompt = self._names[out.candidate]
        if out.ahead is None:
            return RaceStop(model, prompt, out.cases, "unavailable")
        return RaceStop(model, prompt, out.cases, "worse" if out.worse else "near", self._names[out.ahead], out.p)

    def look(self) -> None:
        """Let all who wait for a block look again."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def opened(self, model: str, number: int, stop: asyncio.Event) -> bool:
        """Wait until a model may be asked a block; False when it need not be any more, or the run ends."""
        while self._runs(model) and not self.over and not stop.is_set():
            if number <= self._decided + _AHEAD:
                return True
            await self._news.wait()
        return False

    def _runs(self, model: str) -> bool:
        return any(self._names[number][0] == model for number in self._running)

    def calls(self, model: Named, number: int, answered: Sequence[int]) -> Iterator[tuple[Call, Case]]:
        """Go through a model's calls of one block that are not answered, as long as their candidates run.

        Args:
            model: as the manifest describes it.
            number: of the block.
            answered: whether each of the model's calls is, in the plan's order: prompts, trials, cases.
        """
        for position in self.blocks[number]:
            place = self._order[position]
            for trial in range(1, self._trials + 1):
                for turn, prompt in enumerate(self._prompts):
                    known = answered[(turn * self._trials + trial - 1) * len(self._cases) + place]
                    runs = self._numbers[model.name, prompt.name] in self._running
                    if runs and not known and not self.over:
                        yield make_call(model, prompt, self._cases[place], trial), self._cases[place]


async def race(
    course: Course,
    turns: Sequence[Sequence[Pool]],
    models: Mapping[str, Named],
    answered: Mapping[str, Sequence[int]],
    ready: Callable[[Pool], Awaitable[None]],
    stop: asyncio.Event,
) -> None:
    """Ask the candidates block by block until the race is over.

    Args:
        course: decides.
        turns: the models' pools; those of one group are never asked at the same time.
        models: as the manifest describes them, by name.
        answered: per model, as in `Course.calls`.
        ready: waits until a pool's model can be asked.
        stop: once set, no more calls are made.
    """

    async def run(pool: Pool, turn: asyncio.Lock | None) -> None:
        async with turn or contextlib.nullcontext():
            await ready(pool)
        model = models[pool.model.name]
        blocks = [course.calls(model, number, answered[model.name]) for number in range(len(course.blocks))]

        def opened(number: int) -> Awaitable[bool]:
            return course.opened(model.name, number, stop)

        if turn is None:
            await pool.run_blocks(blocks, opened)
            return
        for number, calls in enumerate(blocks):
            if not await opened(number):
                return
            async with turn:
                await pool.run(calls)

    watcher = asyncio.create_task(_tell_of(stop, course))
    try:
        async with asyncio.TaskGroup() as group:
            for pools in turns:
                turn = asyncio.Lock() if len(pools) > 1 else None
                for pool in pools:
                    group.create_task(run(pool, turn))
    finally:
        watcher.cancel()


async def _tell_of(stop: asyncio.Event, course: Course) -> None:
    await stop.wait()
    course.look()
