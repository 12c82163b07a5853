"""Jobs of scripted models, carried out in a folder without a suite file, a server or a command."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import virtual_time
from scripted import ScriptedProvider

from evalkit.runner.budget import NO_CEILINGS, Ceilings
from evalkit.runner.execute import Conditions, Execution, execute, start
from evalkit.runner.job import Job, describe, make_job
from evalkit.runner.manifest import Load, Manifest, Race, RaceStop
from evalkit.types import (
    CallScore,
    Case,
    Completion,
    Model,
    Prompt,
    PromptTurn,
    Record,
    Request,
    Score,
    ScorerEntry,
    Suite,
)

PROMPT = Prompt("p", (PromptTurn("user", "{{ n }}"),), "fp")
CASES = (Case("a", {"n": "x"}, "x"), Case("b", {"n": "y"}, "z"))


class Exact:
    """Wants the answer to be what is expected."""

    def score(self, answer: Record, case: Case) -> Score:
        return Score(float(answer.output == case.expected), answer.output == case.expected)

    def check(self, case: Case) -> str | None:
        return None


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bool]] = []
        self.lost: list[str] = []
        self.out: list[RaceStop] = []

    def finished(self, record: Record, score: CallScore) -> None:
        self.seen.append((record.model, record.case_id, score.passed))

    def gave_up(self, model: str, reason: str) -> None:
        self.lost.append(f"{model}: {reason}")

    def dropped(self, stop: RaceStop) -> None:
        self.out.append(stop)


async def echo(request: Request) -> Completion:
    """Answer with the question."""
    await asyncio.sleep(0)
    return Completion(request.messages[0].content)


def numbered(count: int) -> tuple[Case, ...]:
    """Make cases `c0`, `c1`, ... that ask for, and expect, their number."""
    return tuple(Case(f"c{number}", {"n": number}, str(number)) for number in range(count))


def job_of(names: Sequence[str], cases: Sequence[Case] = CASES, **changes: Any) -> Job:
    """Make a job of models of these names; `changes` are theirs."""
    suite = Suite("s", "s.yaml", cases, (PROMPT,), tuple(names), (ScorerEntry("exact", Exact()),), fingerprint="fs")
    models = [dataclasses.replace(Model(name, "openai", "openai", model=name), **changes) for name in names]
    return make_job(suite, models, suite.prompts)


def manifest_of(job: Job, load: Load | None = None) -> Manifest:
    """Describe a job."""
    concurrency = {model.name: 1 for model in (*job.models, *job.judges)}
    manifest = describe(job, run_id="r", created_at="then", evalkit="0", concurrency=concurrency)
    return dataclasses.replace(manifest, load=load)


@dataclass
class Carried:
    """A run that is over: what its observer was told, and what it met with."""

    watcher: Watcher = field(default_factory=Watcher)
    conditions: Conditions | None = None
    seconds: float = 0.0


def carry_out(
    folder: Path,
    providers: Mapping[str, ScriptedProvider],
    *,
    job: Job | None = None,
    load: Load | None = None,
    race: Race | None = None,
    ceilings: Ceilings = NO_CEILINGS,
    asked: Sequence[str] | None = None,
) -> Carried:
    """Carry out a job, in virtual time, by asking all its models or those that are `asked`."""
    job = job or job_of(list(providers))
    manifest = dataclasses.replace(manifest_of(job, load), race=race)
    carried = Carried()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        starting = start(providers, providers if asked is None else asked)
        carried.conditions = await execute(
            Execution(job, manifest, providers, starting, folder, carried.watcher, asyncio.Event(), ceilings)
        )
        carried.seconds = loop.time() - began

    virtual_time.run(main())
    return carried
