"""Carry out an assembled job for a program: without a word, and on a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeAlias

from evalkit.analysis import RunData, RunSummary, load_run
from evalkit.cli.assemble import Assembly
from evalkit.cli.conduct import Conductor
from evalkit.cli.progress import Progress, make_progress
from evalkit.errors import NothingRanError
from evalkit.eventloop import new_event_loop
from evalkit.report import write_reports
from evalkit.runner.manifest import RaceStop
from evalkit.runner.plan import calls_per_model
from evalkit.types import CallScore, Record

Watcher: TypeAlias = Callable[[int, int, Record, CallScore], None]
"""Is told of every finished call: how many of how many are, its record and its score."""

_PATIENCE_S: Final = 0.2


class Carried(NamedTuple):
    """A run that was carried out, and what it comes to."""

    data: RunData
    summary: RunSummary


def carry_out(assembly: Assembly, watcher: Watcher | None = None, *, shown: bool = False) -> Carried:
    """Ask, journal, score, and write the report.

    Args:
        assembly: from `assemble`.
        watcher: whom to tell; what it raises ends the run as Ctrl-C does, and is raised when all is written.
        shown: whether to show the progress on standard error, as the command line does.

    Raises:
        NothingRanError: no model could be started, or no call was answered.
        KeyboardInterrupt: the user asked to stop; what was bought is in the folder that it names.
    """
    watched = _Watched(assembly.calls, watcher)
    each = calls_per_model(assembly.manifest, assembly.job.cases)
    totals = {model.name: each for model in assembly.job.models}
    with contextlib.ExitStack() as held:
        progress: Progress = held.enter_context(make_progress(totals)) if shown else watched
        conductor = Conductor(assembly, progress, held)
        watched.interrupt = conductor.interrupt
        _in_thread(conductor)
        if conductor.folder is None:
            raise watched.error or KeyboardInterrupt("nothing was asked")
        data = load_run(conductor.folder.absolute())
        summary = write_reports(data).summary
    if watched.error:
        raise watched.error
    if conductor.interrupted:
        raise KeyboardInterrupt(f"what was answered so far is kept in {data.folder}; resume=True goes on")
    if not summary.answers:
        raise NothingRanError("no call was answered", remedy=f"see {data.folder / 'report.md'}")
    return Carried(data, summary)


def _in_thread(conductor: Conductor) -> None:
    """Run on a thread of its own, as this one may have an event loop running, which notebooks do."""
    outcome: Future[None] = Future()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(conductor.run())
        except BaseException as error:  # noqa: BLE001 - the other thread raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    context = contextvars.copy_context()
    with _interrupts_heard():
        threading.Thread(target=context.run, args=(work,), name="evalkit-run", daemon=True).start()
        asked = 0
        while not outcome.done():
            try:
                if asked and conductor.interrupt():
                    asked -= 1
                wait([outcome], timeout=_PATIENCE_S)
            except KeyboardInterrupt:
                asked += 1
    outcome.result()


@contextlib.contextmanager
def _interrupts_heard() -> Iterator[None]:
    """While inside, Ctrl-C raises KeyboardInterrupt although this thread has an event loop running.

    `asyncio.run` would have the first one cancel its task, which is of no use while the loop waits here.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not _has_loop() or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Watched:
    """Tells a function of the progress."""

    def __init__(self, planned: int, watcher: Watcher | None) -> None:
        self.error: BaseException | None = None
        self.interrupt: Callable[[], object] = lambda: None
        self._planned = planned
        self._done = 0
        self._watcher = watcher

    def finished(self, record: Record, score: CallScore) -> None:
        """Tell that a call is finished."""
        self._done += 1
        if self._watcher is None or self.error is not None:
            return
        try:
            self._watcher(self._done, self._planned, record, score)
        except BaseException as error:  # noqa: BLE001 - whatever it is, what was bought is kept first
            self.error = error
            self.interrupt()

    def gave_up(self, model: str, reason: str) -> None:
        """Say nothing: the records do."""

    def dropped(self, stop: RaceStop) -> None:
        """Say nothing: the report does."""

    def limited(self, limits: Mapping[str, Callable[[], int]]) -> None:
        """Say nothing."""

    def stopping(self) -> None:
        """Say nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
