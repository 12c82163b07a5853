"""A crew of workers in the test's own process and loop: what a cluster does, without one."""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runs import Watcher, manifest_of
from scripted import ScriptedProvider

from evalkit.cluster.desk import Desk
from evalkit.cluster.driver import LostWorkerError, execute_on
from evalkit.cluster.kit import Block, Kit, unpacked
from evalkit.cluster.parts import absorb, make_parts
from evalkit.cluster.worker import Worker
from evalkit.errors import EvalkitError
from evalkit.runner.budget import NO_CEILINGS, Ceilings
from evalkit.runner.execute import Conditions, Execution, execute, start
from evalkit.runner.job import Job, make_job
from evalkit.runner.manifest import Client
from evalkit.scorers import ScorerContext, compile_scorer
from evalkit.types import Case, Completion, Model, Prompt, PromptTurn, Request, Suite


class Line:
    """A worker's way to the desk, with a delay that is not known beforehand."""

    def __init__(self, desk: Desk, name: str) -> None:
        self._desk, self._name = desk, name

    async def report(self, version: int, reports: Mapping[int, Any]) -> None:
        await asyncio.sleep(0.002)
        await self._desk.report(self._name, version, reports)

    async def news(self, version: int) -> Any:
        news = await self._desk.news(self._name, version)
        await asyncio.sleep(0.002)
        return news

    async def lease(self, account: int, tokens: tuple[float, ...]) -> Any:
        await asyncio.sleep(0.002)
        return await self._desk.lease(account, tokens)

    async def admit(self, model: str, input_tokens: int) -> bool:
        return await self._desk.admit(self._name, model, input_tokens)

    async def settle(self, model: str, cost_usd: float | None, failed: bool | None) -> None:
        await self._desk.settle(self._name, model, cost_usd, failed)

    async def failed(self, model: str) -> None:
        await self._desk.failed(model)

    async def give_up(self, given_up: Any) -> None:
        await self._desk.give_up(given_up)

    async def claim(self, question: str) -> Any:
        return await self._desk.claim(self._name, question)

    async def heard(self, question: str, reply: Any) -> None:
        await self._desk.heard(self._name, question, reply)


@dataclass
class InProcess:
    """Workers as tasks. `make` gives the providers of a worker; `dies` names calls by number that kill theirs."""

    size: int
    make: Callable[[], Mapping[str, ScriptedProvider]]
    session: str = "s"
    tasks: dict[str, asyncio.Task[Client]] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    hired: int = 0

    async def open(self, kit: Kit, spent: Mapping[str, tuple[int, float]]) -> Desk:
        self.kit = pickle.loads(pickle.dumps(kit))
        self.desk = Desk(kit.accounts, kit.ceilings, (*kit.judges, *kit.models), spent)
        return self.desk

    async def hire(self) -> str:
        self.hired += 1
        name = f"{self.session}{self.hired}"
        self.workers[name] = Worker(name, self.kit, Line(self.desk, name), providers=self.make())
        self.tasks[name] = asyncio.create_task(self.workers[name].run())
        return name

    async def carry_out(self, worker: str, block: Block) -> int:
        if self.tasks[worker].done():
            raise LostWorkerError
        try:
            return await self.workers[worker].carry_out(unpacked(block.packed()))
        except (EvalkitError, asyncio.CancelledError):
            if self.tasks[worker].cancelled():
                raise LostWorkerError from None
            raise

    def kill(self, worker: str) -> None:
        """End a worker in the middle of what it does."""
        self.tasks[worker].cancel()

    async def bury(self, worker: str) -> None:
        self.tasks[worker].cancel()

    async def dismiss(self, worker: str) -> Client | None:
        self.workers[worker].end()
        return await self.tasks[worker]


async def echo(request: Request) -> Completion:
    """Answer with the question, after a while."""
    await asyncio.sleep(0.01)
    return Completion(request.messages[0].text, latency_ms=10.0)


CONTEXT = ScorerContext(Path())
PROMPT = Prompt("p", (PromptTurn("user", "{{ n }}"),), "fp")


def job_for(
    names: Sequence[str], cases: int, scorers: Sequence[Any] = ("exact",), judges: Sequence[str] = (), **changes: Any
) -> Job:
    """Make a job whose case `cN` asks for, and in two of three cases expects, `nN`."""
    compiled = tuple(compile_scorer(spec, context=CONTEXT) for spec in scorers)
    every = [Case(f"c{n}", {"n": f"n{n}"}, f"n{n}" if n % 3 else "else") for n in range(cases)]
    suite = Suite("s", "s.yaml", every, (PROMPT,), tuple(names), compiled, fingerprint="fs")
    models = [dataclasses.replace(Model(name, "openai", "openai", model=name), **changes) for name in names]
    judging = [Model(name, "openai", "openai", model=name) for name in judges]
    return make_job(suite, models, suite.prompts, judges=judging)


@dataclass
class Setting:
    """A folder in which a job can be carried out, by either executor, as often as one likes."""

    folder: Path
    job: Job
    script: Callable[[Request], Awaitable[Completion]] = echo
    concurrency: int = 4
    ceilings: Ceilings = NO_CEILINGS
    providers: list[ScriptedProvider] = field(default_factory=list)
    limits: dict[str, Callable[[], int]] = field(default_factory=dict)
    sessions: int = 0

    def make(self) -> dict[str, ScriptedProvider]:
        names = [model.name for model in (*self.job.models, *self.job.judges)]
        made = {name: ScriptedProvider(self.script, concurrency=self.concurrency) for name in names}
        self.providers += made.values()
        return made

    def _execution(self, watcher: Watcher, stop: asyncio.Event) -> Execution:
        providers = self.make()
        starting = start(providers, providers)
        manifest = manifest_of(self.job)
        run = Execution(self.job, manifest, providers, starting, self.folder, watcher, stop, self.ceilings)
        return dataclasses.replace(run, show_limits=self.limits.update)

    async def alone(self, watcher: Watcher | None = None, stop: asyncio.Event | None = None) -> Conditions:
        """Carry out on one machine."""
        absorb(self.folder)
        return await execute(self._execution(watcher or Watcher(), stop or asyncio.Event()))

    async def together(
        self,
        size: int = 2,
        watcher: Watcher | None = None,
        stop: asyncio.Event | None = None,
        beside: Callable[[InProcess], Awaitable[None]] | None = None,
    ) -> Conditions:
        """Carry out by a crew; `beside` is done meanwhile."""
        absorb(self.folder)
        self.sessions += 1
        crew = InProcess(size, self.make, session=f"w{self.sessions}-")
        parts = make_parts(self.folder, None)
        also = asyncio.create_task(beside(crew)) if beside else None
        run = self._execution(watcher or Watcher(), stop or asyncio.Event())
        met = await execute_on(run, crew, parts, str(self.folder / "parts"))
        if also:
            await also
        return met

    @property
    def asked(self) -> int:
        """Calls that reached a provider."""
        return sum(len(provider.asked) for provider in self.providers)


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    while not true():  # noqa: ASYNC110 - what is waited for knows nothing of it
        await asyncio.sleep(0.005)
