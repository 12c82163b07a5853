"""Carry out an assembled job and say how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
from collections.abc import Mapping

from evalkit.analysis import RunData, load_run
from evalkit.cli.assemble import Assembly
from evalkit.cli.progress import Progress, make_progress
from evalkit.cli.screen import print_interrupted, print_results
from evalkit.errors import CallError, ExitCode, NothingRanError
from evalkit.report import write_reports
from evalkit.runner.execute import Execution, execute, start, waiting
from evalkit.runner.folder import create_run_folder, only_writer, point_latest
from evalkit.runner.interrupts import interruptible
from evalkit.runner.manifest import write_cases, write_manifest


def conduct(assembly: Assembly) -> ExitCode:
    """Ask, journal, score, report.

    Returns:
        OK; INCOMPLETE when a call has no answer; NOTHING_RAN when none has; INTERRUPTED.

    Raises:
        NothingRanError: no model could be started.
    """
    with contextlib.ExitStack() as held:
        with make_progress(assembly.calls) as progress:
            conductor = Conductor(assembly, progress, held)
            asyncio.run(conductor.run())
        if conductor.folder is None:
            return ExitCode.INTERRUPTED
        run = load_run(conductor.folder)
        print_results(run, write_reports(conductor.folder, run))
    if conductor.interrupted:
        print_interrupted()
        return ExitCode.INTERRUPTED
    return exit_code(run)


def exit_code(run: RunData) -> ExitCode:
    """Tell from a run's rows how it ended."""
    if not any(row.answer for row in run.rows):
        return ExitCode.NOTHING_RAN
    return ExitCode.INCOMPLETE if run.incomplete else ExitCode.OK


class Conductor:
    """One run from the first provider to the last row.

    `folder` is None until there is something to keep; from then on `held` keeps other processes out of it.
    """

    def __init__(self, assembly: Assembly, progress: Progress, held: contextlib.ExitStack) -> None:
        self._held = held
        self.folder = assembly.folder
        self._assembly = assembly
        self._progress = progress
        self._stop = asyncio.Event()

    @property
    def interrupted(self) -> bool:
        """Whether the user asked to stop."""
        return self._stop.is_set()

    async def run(self) -> None:
        """Run to the end, or to the second signal."""
        work = asyncio.create_task(self._work())
        with interruptible(work, self._stop, self._progress.stopping), contextlib.suppress(asyncio.CancelledError):
            await work

    async def _work(self) -> None:
        async with self._assembly.providers as providers:
            needed = dict.fromkeys(call.model for call in waiting(self._assembly.calls, self.folder))
            failed = await start(providers.by_model, needed)
            if failed and len(failed) == len(providers.by_model):
                raise _nothing_to_ask(failed)
            if not self.interrupted:
                await self._ask(failed)

    async def _ask(self, failed: Mapping[str, CallError]) -> None:
        job, manifest = self._assembly.job, self._assembly.manifest
        self.folder = self.folder or create_run_folder(self._assembly.out, manifest.suite.name, manifest.run_id)
        self._held.enter_context(only_writer(self.folder))
        write_cases(self.folder, job.cases)
        write_manifest(self.folder, manifest)
        point_latest(self.folder)
        met = await execute(
            Execution(
                job=job,
                calls=self._assembly.calls,
                providers=self._assembly.providers.by_model,
                folder=self.folder,
                observer=self._progress,
                stop=self._stop,
                failed=failed,
            )
        )
        finished_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        limits = {
            model: tuple((change.at_s, change.limit, change.reason) for change in changes)
            for model, changes in met.limits.items()
        }
        finished = dataclasses.replace(
            manifest, finished_at=finished_at, loop_lag_ms=met.loop_lag_ms, limit_history=limits
        )
        write_manifest(self.folder, finished)


def _nothing_to_ask(failed: Mapping[str, CallError]) -> NothingRanError:
    reasons = "; ".join(f"{name}: {error.message}" for name, error in failed.items())
    return NothingRanError(
        f"no model could be reached: {reasons}", remedy="nothing was asked, nothing is lost; see `evalkit models`"
    )
