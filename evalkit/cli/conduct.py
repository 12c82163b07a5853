"""Carry out an assembled job and say how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import shlex
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from evalkit.analysis import RunSummary, load_run
from evalkit.cli.assemble import Assembly
from evalkit.cli.mending import to_mend
from evalkit.cli.preflight import preflight
from evalkit.cli.progress import Progress, make_progress
from evalkit.cli.screen import print_how_to_go_on, print_how_to_report, print_results
from evalkit.cluster.executor import absorb_parts
from evalkit.errors import CallError, ExitCode, NothingRanError
from evalkit.eventloop import new_event_loop
from evalkit.report import write_reports
from evalkit.runner.execute import Execution, execute, open_models, start, with_conditions
from evalkit.runner.folder import create_run_folder, only_writer, point_latest
from evalkit.runner.interrupts import Interruption, interruptible
from evalkit.runner.manifest import write_cases, write_manifest
from evalkit.runner.plan import calls_per_model


class Ended(NamedTuple):
    """How a run ended, and where it is; None where there was nothing to keep."""

    code: ExitCode
    folder: Path | None


def conduct(assembly: Assembly) -> Ended:
    """Ask, journal, score, report.

    Returns:
        With the code OK; INCOMPLETE when a call has no answer; NOTHING_RAN when none has; INTERRUPTED.

    Raises:
        NothingRanError: no model could be started.
    """
    with contextlib.ExitStack() as held, _kills_as_interrupts():
        conductor = _asked(assembly, held)
        folder = conductor.folder
        if folder is None:
            return Ended(ExitCode.INTERRUPTED, None)
        try:
            run = _report(folder, assembly)
        except KeyboardInterrupt:
            print_how_to_report(folder)
            return Ended(ExitCode.INTERRUPTED, folder)
    if conductor.interrupted:
        print_how_to_go_on(folder, voice=assembly.voice)
        return Ended(ExitCode.INTERRUPTED, folder)
    if run.manifest.stopped:
        print_how_to_go_on(folder, run.manifest.stopped, voice=assembly.voice)
    return Ended(exit_code(run), folder)


def _asked(assembly: Assembly, held: contextlib.ExitStack) -> Conductor:
    """Ask, journal and score."""
    each = calls_per_model(assembly.manifest, assembly.job.cases)
    totals = {model.name: each for model in assembly.job.models}
    with make_progress(totals, quiet=assembly.voice.quiet) as progress:
        conductor = Conductor(assembly, progress, held)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(conductor.run())
    return conductor


def _report(folder: Path, assembly: Assembly) -> RunSummary:
    """Write a run's reports, and print what it came to."""
    reports = write_reports(load_run(folder))
    run = reports.summary
    early = run.manifest.stopped or run.missing  # how to go on is said then in any case
    again = () if early else to_mend(run, assembly.job.models, allow_code=assembly.allow_code)
    print_results(reports, assembly.voice, again)
    return run


@contextlib.contextmanager
def _kills_as_interrupts() -> Iterator[None]:
    """While inside, a polite kill and a closed terminal raise KeyboardInterrupt, as Ctrl-C does.

    Who has had one of them ignored, such as nohup, is left alone.
    """
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def exit_code(run: RunSummary) -> ExitCode:
    """Tell from a run's figures how it ended."""
    if not run.answers:
        return ExitCode.NOTHING_RAN
    return ExitCode.INCOMPLETE if run.incomplete else ExitCode.OK


class Conductor:
    """One run from the first provider to the last row.

    `folder` is None until there is something to keep; from then on `held` keeps other processes out of it.
    `interrupted` tells whether the user asked to stop.
    """

    def __init__(self, assembly: Assembly, progress: Progress, held: contextlib.ExitStack) -> None:
        self._held = held
        self.folder = assembly.folder
        self.interrupted = False
        self._assembly = assembly
        self._progress = progress
        self._stop = asyncio.Event()
        self._interruption: Interruption | None = None

    async def run(self) -> None:
        """Run to the end, or to the second signal."""
        work = asyncio.create_task(self._work())
        with interruptible(work, self._stop, self._interrupt) as asked, contextlib.suppress(asyncio.CancelledError):
            self._interruption = asked
            await work

    def interrupt(self) -> bool:
        """Do what a signal does, from another thread than the one that runs; False if the run has not begun yet."""
        if self._interruption is None:
            return False
        with contextlib.suppress(RuntimeError):  # the run is over, and its loop closed
            self._interruption()
        return True

    def _interrupt(self) -> None:
        self.interrupted = True
        self._progress.stopping()

    async def _work(self) -> None:
        job, manifest = self._assembly.job, self._assembly.manifest
        if self.folder:
            with only_writer(self.folder):
                absorb_parts(self.folder)
        async with self._assembly.providers as providers:
            candidates = open_models(job, manifest, self.folder)
            judges = [model.name for model in job.judges]
            starting = start(providers.by_model, dict.fromkeys([*candidates, *judges]))
            try:
                if len(candidates) == len(job.models):
                    await _one_started({name: starting[name] for name in candidates}, manifest.models_file)
                if not self._assembly.keep_going:
                    # A model that only embeds has no words to try it by.
                    talking = [model for model in job.judges if model.name not in job.suite.embedders]
                    await preflight((*talking, *job.models), starting)
                if not self.interrupted:
                    await self._ask(starting)
            finally:
                for task in starting.values():
                    task.cancel()

    async def _ask(self, starting: Mapping[str, asyncio.Task[CallError | None]]) -> None:
        job, manifest = self._assembly.job, self._assembly.manifest
        self.folder = self.folder or create_run_folder(self._assembly.out, manifest.suite.name, manifest.run_id)
        self._held.enter_context(only_writer(self.folder))
        write_cases(self.folder, job.cases)
        # A race is decided anew, by the verdicts as they are now.
        undecided = dataclasses.replace(manifest, race=manifest.race.rule if manifest.race else None)
        write_manifest(self.folder, undecided)
        point_latest(self.folder)
        run = Execution(
            job=job,
            manifest=manifest,
            providers=self._assembly.providers.by_model,
            starting=starting,
            folder=self.folder,
            observer=self._progress,
            show_limits=self._progress.limited,
            stop=self._stop,
            ceilings=self._assembly.ceilings,
        )
        cluster = self._assembly.cluster
        met = await (cluster.execute(run) if cluster else execute(run))
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        write_manifest(self.folder, with_conditions(dataclasses.replace(manifest, finished_at=now), met))


async def _one_started(starting: Mapping[str, asyncio.Task[CallError | None]], models_file: str | None) -> None:
    """Wait until one model can be asked.

    Raises:
        NothingRanError: none can.
    """
    pending = set(starting.values())
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if any(task.result() is None for task in done):
            return
    failed = ((name, task.result()) for name, task in starting.items())
    reasons = "; ".join(f"{name}: {error.message}" for name, error in failed if error is not None)
    check = ["evalkit", "models", "check", *starting, *(["--models", models_file] if models_file else [])]
    raise NothingRanError(
        f"no model could be reached: {reasons}",
        remedy=f"nothing was asked; mend it, and try with: {shlex.join(check)}",
    )
