"""A suite as the tests of a pytest session: loaded once, run once, its verdicts looked up call by call."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.analysis import CallRow, load_run
from evalkit.analysis.rows import Outcome
from evalkit.cli.assemble import Assembly, Choice, assemble
from evalkit.cli.conduct import conduct
from evalkit.cli.github import inert, on_github
from evalkit.errors import ConfigError, EvalkitError, ExitCode
from evalkit.report.junit import failure_text
from evalkit.report.markup import one_line
from evalkit.structure import error_parts
from evalkit.types import Case

_UNFINISHED: Final = {
    Outcome.MISSING: "the call was never finished",
    Outcome.NOT_ASKED: "the call was not asked",
}


class CaseKey(NamedTuple):
    """The call that a test is about."""

    model: str
    prompt: str
    case: str
    trial: int


class CaseResult(NamedTuple):
    """What came of a call: a failure, an error, or neither. `properties` are for the test's report."""

    failure: str | None = None
    error: str | None = None
    properties: tuple[tuple[str, object], ...] = ()


class SuiteRun:
    """One suite in a pytest session.

    Args:
        path: the suite file.
        models: asked instead of the suite's, if any.
        allow_code: whether scorers may run code.
        home: the folder in which `results/` is.
        shared: a folder that all workers of pytest-xdist share; None without them.

    Raises:
        EvalkitError: the suite cannot be run.
    """

    def __init__(
        self, path: Path, models: tuple[str, ...], *, allow_code: bool, home: Path, shared: str | None
    ) -> None:
        here = Path.cwd()
        near = path.relative_to(here) if path.is_relative_to(here) else path
        self._choice = Choice(near, models=models, out=home / "results", allow_code=allow_code)
        self._assembly = assemble(self._choice)
        self._shared = Path(shared) if shared else None
        self._selected: set[CaseKey] = set()
        self._results: Mapping[CaseKey, CaseResult] | None = None
        self._folder: Path | None = None
        self._broken: str | None = None

    def tests(self) -> Iterator[tuple[CaseKey, str, Case]]:
        """Every call with the name of its test: `CASE[MODEL/PROMPT]`, with the trial where there are several."""
        job = self._assembly.job
        for model in job.models:
            for prompt in job.prompts:
                for trial in range(1, job.trials + 1):
                    turn = f"/{trial}" if job.trials > 1 else ""
                    for case in job.cases:
                        name = _shown(one_line(f"{case.id}[{model.name}/{prompt.name}{turn}]"))
                        yield CaseKey(model.name, prompt.name, case.id, trial), name, case

    def select(self, key: CaseKey) -> None:
        """Note that a test is to be run."""
        self._selected.add(key)

    def ensure(self) -> None:
        """Have the suite run, unless it has been; where it cannot be run, all its tests say why.

        Raises:
            KeyboardInterrupt: somebody has stopped it.
        """
        if self._results is not None or self._broken is not None:
            return
        try:
            self._folder = self._run() if self._shared is None else self._run_once(self._shared)
            self._results = {_key(row): _result(row, self._folder) for row in load_run(self._folder).rows}
        except Exception as error:  # noqa: BLE001 - whatever it is, the tests of others go on
            self._broken = words(error)

    def result(self, key: CaseKey) -> CaseResult:
        """What came of a call."""
        if self._results is None:
            return CaseResult(error=self._broken or "the suite was not run")
        return self._results.get(key) or CaseResult(error="the run has no such call")

    def how_to_go_on(self) -> str:
        """What to say when somebody has stopped the run."""
        run = f"; go on with: evalkit run {self._choice.suite} --resume {self._folder}" if self._folder else ""
        return f"{self._choice.suite}: interrupted{run}"

    def _run_once(self, shared: Path) -> Path:
        """Run the suite, or wait for the worker that does, and take its run."""
        try:
            import fcntl
        except ImportError:  # pragma: no cover - Windows
            raise ConfigError(
                "the workers of pytest-xdist cannot share a run on this system", remedy="leave out -n"
            ) from None
        name = hashlib.sha256(str(self._choice.suite.resolve()).encode()).hexdigest()[:16]
        with (shared / name).open("a+", encoding="utf-8") as note:
            fcntl.flock(note, fcntl.LOCK_EX)
            note.seek(0)
            told, _, text = note.read().partition("\n")
            if told == "broken":
                raise ConfigError(text)
            if told == "run":
                return Path(text)
            try:
                folder = self._run()
            except Exception as error:
                note.write(f"broken\n{words(error)}")
                raise
            note.write(f"run\n{folder.resolve()}")
            return folder

    def _run(self) -> Path:
        """Run what was selected. Figures are for the report, and warnings for whoever runs evalkit on its own."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("default")
            code, folder = conduct(self._narrowed())
        self._folder = folder
        if code is ExitCode.INTERRUPTED or folder is None:
            raise KeyboardInterrupt
        return folder

    def _narrowed(self) -> Assembly:
        """The whole suite, or as much of it as holds all that was selected: models x prompts x cases."""
        job = self._assembly.job
        if len(self._selected) == len(job.models) * len(job.prompts) * job.trials * len(job.cases):
            return self._assembly
        models, prompts = {key.model for key in self._selected}, {key.prompt for key in self._selected}
        cases = {key.case for key in self._selected}
        patterns = () if len(cases) == len(job.cases) else tuple(glob.escape(case) for case in sorted(cases))
        return assemble(
            dataclasses.replace(
                self._choice,
                models=tuple(model.name for model in job.models if model.name in models),
                prompts=tuple(prompt.name for prompt in job.prompts if prompt.name in prompts),
                patterns=patterns,
                trials=max(key.trial for key in self._selected),
            )
        )


def _key(row: CallRow) -> CaseKey:
    call = row.call
    return CaseKey(call.model, call.prompt, call.case_id, call.trial)


def _result(row: CallRow, folder: Path) -> CaseResult:
    properties = _properties(row, folder)
    if row.outcome is Outcome.FAILED:
        return CaseResult(failure=_shown(failure_text(row)) or "failed", properties=properties)
    if row.error:
        return CaseResult(error=_shown(f"{row.error.kind}: {row.error.message}"), properties=properties)
    return CaseResult(error=_UNFINISHED.get(row.outcome), properties=properties)


def _properties(row: CallRow, folder: Path) -> tuple[tuple[str, object], ...]:
    answer, verdict = row.answer, row.verdict
    known = {
        "evalkit_report": str(folder / "report.md"),
        "score": verdict.value if verdict else None,
        "latency_ms": answer.latency_ms if answer else None,
        "cost_usd": answer.cost_usd if answer else None,
    }
    return tuple((name, value) for name, value in known.items() if value is not None)


def words(error: Exception) -> str:
    """An error, or each of several, with its remedy."""
    if not isinstance(error, EvalkitError):
        return _shown(f"a fault in evalkit: {type(error).__name__}: {error}")
    lines = []
    for one in error_parts(error) if isinstance(error, ConfigError) else (error,):
        lines.append(str(one))
        if one.remedy:
            lines.append(f"  -> {one.remedy}")
    return _shown("\n".join(lines))


def _shown(text: str) -> str:
    """What a model or a server said, for a terminal, and for a log on GitHub, where it must not be a command."""
    lines = "\n".join(one_line(line) for line in text.splitlines())
    return inert(lines) if on_github() else lines
