"""Wire up what `evalkit score` needs: a suite, the models its scorers ask, and a place for the verdicts."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rich.text import Text

from evalkit.analysis import load_run
from evalkit.cli.assemble import models_named, unpriced
from evalkit.cli.conduct import exit_code
from evalkit.cli.messages import print_warning
from evalkit.cli.printed import Printed
from evalkit.cli.screen import Console, print_how_to_report, print_results
from evalkit.errors import ConfigError, ExitCode, Location, one_or_many
from evalkit.eventloop import new_event_loop
from evalkit.files import write_atomically
from evalkit.models.config import find_models_file
from evalkit.providers.build import Providers
from evalkit.report import write_reports
from evalkit.runner.budget import Ceilings
from evalkit.runner.folder import only_writer
from evalkit.runner.interrupts import interruptible
from evalkit.runner.job import Job, describe_models
from evalkit.runner.journal import JUDGEMENTS
from evalkit.runner.manifest import Manifest, Selection, read_manifest, write_cases, write_manifest
from evalkit.runner.outputs import InOrder, check_outputs, only_judge, outputs_of
from evalkit.runner.policy import breaches
from evalkit.runner.rescore import Bench, NewScores, answers_of, cases_of_run, judge_all
from evalkit.scorers import ScorerContext, compile_scorer
from evalkit.suite import load_suite
from evalkit.types import CallScore, Case, Model, Record, ScorerEntry, Suite
from evalkit.yaml12 import load


def score_run(
    folder: Path, suite_file: Path | None, models_file: Path | None, ceilings: Ceilings, *, allow_code: bool
) -> ExitCode:
    """Judge a run's answers anew and write its reports; on the way nothing of it changes."""
    manifest = read_manifest(folder)
    suite = load_suite(suite_file or _suite_of(manifest), allow_code=allow_code)
    judges = _judges(suite, models_file or _models_file_of(manifest))
    cases = cases_of_run(folder, suite)
    _check_judges(suite, judges, cases, ceilings)
    with _writing(folder):
        manifest = read_manifest(folder)  # again, as another process may have gone on with the run until now
        scores = NewScores(folder)
        try:
            answers = answers_of(folder, manifest, cases)
            complete, providers = _judge(suite, judges, folder / JUDGEMENTS, ceilings, answers, scores.add)
        except BaseException:
            scores.drop()
            raise
        if not complete:
            scores.drop()
            Console().print(Text("stopped; the run's verdicts are as they were"), soft_wrap=True)
            return ExitCode.INTERRUPTED
        scores.accept()
        write_cases(folder, cases)
        stamp = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        write_manifest(
            folder,
            dataclasses.replace(
                manifest,
                suite=dataclasses.replace(manifest.suite, path=suite.path, fingerprint=suite.fingerprint),
                threshold=suite.threshold,
                judges=describe_models(judges, providers.concurrency),
                rescored_at=(*manifest.rescored_at, stamp),
            ),
        )
    return _report(folder)


def _suite_of(manifest: Manifest) -> Path:
    if manifest.imported:
        raise ConfigError(
            f"the run was imported from {manifest.imported.source}, and its scorers with it",
            remedy="name a suite of the same cases that judges them: --suite SUITE",
        )
    path = Path(manifest.suite.path)
    if path.is_file():
        return path
    there = "any more" if path.is_absolute() else f"as seen from {Path.cwd()}"
    raise ConfigError(
        f"the run's suite {path} is not there {there}",
        remedy="name it with --suite" + ("" if path.is_absolute() else ", or go to the folder the run was started in"),
    )


def _models_file_of(manifest: Manifest) -> Path | None:
    """The models file that the run used, if it is still there; else the one beside the suite will do."""
    path = Path(manifest.models_file) if manifest.models_file else None
    return path if path and path.is_file() else None


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Keep other processes away from a run's folder, which must be one that can be written to."""
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{folder} cannot be written to", remedy="make it writable, or judge a copy of it")
    with only_writer(folder):
        yield


def _report(folder: Path) -> ExitCode:
    try:
        reports = write_reports(load_run(folder))
    except KeyboardInterrupt:
        print_how_to_report(folder)
        return ExitCode.INTERRUPTED
    print_results(reports)
    return exit_code(reports.summary)


def score_file(
    path: Path,
    suite_file: Path | None,
    spellings: Sequence[str],
    out: Path | None,
    models_file: Path | None,
    ceilings: Ceilings,
    *,
    allow_code: bool,
) -> ExitCode:
    """Judge outputs that were produced elsewhere; writes one line each."""
    if not path.is_file():
        raise ConfigError(
            "there is no such run or file", where=Location(path), remedy="name a run's folder or a .jsonl file"
        )
    if out is not None:
        _check_target(out, path)
    suite = _suite(path, suite_file, spellings, allow_code=allow_code)
    known = {case.id: case for case in suite.cases}
    check_outputs(path, known, suite.scorers)
    judges = _judges(suite, models_file, typed=suite_file is None)
    _check_judges(suite, judges, suite.cases, ceilings)
    lines: list[str] = []
    printed = Printed()
    outputs = itertools.takewhile(lambda _: printed.error is None, outputs_of(path, known, suite.scorers))
    answers = ((output.record, output.case) for output in outputs)
    verdicts = InOrder(printed.write if out is None else lines.append)
    journal = (out or path).with_suffix(".judgements.jsonl")
    with only_judge(journal) if judges else contextlib.nullcontext():
        complete, _ = _judge(suite, judges, journal, ceilings, answers, verdicts.add)
    if not printed.close():
        return ExitCode.OK
    if not complete:
        print_warning("stopped before all outputs were judged" + ("" if out is None else f"; {out} was not written"))
        return ExitCode.INTERRUPTED
    if out is not None:
        write_atomically(out, lines)
    counts = f"{verdicts.passed} passed, {verdicts.failed} failed, {verdicts.errors} could not be judged"
    Console(stderr=True).print(Text(counts + (f": {out}" if out else "")), soft_wrap=True)
    return ExitCode.INCOMPLETE if verdicts.errors else ExitCode.OK


def _suite(path: Path, suite_file: Path | None, spellings: Sequence[str], *, allow_code: bool) -> Suite:
    """The suite that judges: one from a file, or one that is nothing but the scorers of the command line."""
    if (suite_file is None) == (not spellings):
        raise ConfigError(
            "what judges the outputs is not clear" if suite_file else "nothing judges the outputs",
            remedy="name either a --scorer (or several) or a --suite",
        )
    if suite_file is not None:
        return load_suite(suite_file, allow_code=allow_code)
    scorers = _scorers(spellings, ScorerContext(Path.cwd(), allow_code=allow_code))
    models = tuple(sorted({model for entry in scorers for model in entry.models}))
    embedders = tuple(sorted({model for entry in scorers for model in entry.embedders}))
    return Suite(path.stem, str(path), (), (), (), scorers, judges=models, embedders=embedders)


def _scorers(spellings: Sequence[str], context: ScorerContext) -> tuple[ScorerEntry, ...]:
    entries: list[ScorerEntry] = []
    problems: list[ConfigError] = []
    for spelling in spellings:
        try:
            entries.append(compile_scorer(load(spelling, path="--scorer").data, context=context))
        except ConfigError as error:
            problems.append(error)
    if problems:
        raise one_or_many(problems)
    return tuple(entries)


def _check_target(out: Path, source: Path) -> None:
    """Find out whether the verdicts can be written there before anything is judged, or paid for."""
    remedy = "name another file with --out, or leave it out to have them printed"
    if out.exists() and out.samefile(source):
        raise ConfigError(f"--out {out} is the file of outputs itself", remedy=remedy)
    if out.is_symlink() or (out.exists() and not out.is_file()):  # such as /dev/stdout, whatever that leads to
        what = "a folder" if out.is_dir() else "no ordinary file"
        raise ConfigError(f"--out {out} is {what}", remedy=remedy)
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}", remedy=f"make it, or {remedy}")
    if not os.access(out.parent, os.W_OK):
        raise ConfigError(f"--out {out}: the folder {out.parent} cannot be written to", remedy=remedy)


def _judges(suite: Suite, models_file: Path | None, *, typed: bool = False) -> tuple[Model, ...]:
    if not suite.judges:
        return ()
    file = models_file or find_models_file(Path(suite.path).parent)
    return models_named(suite.judges, file, None if typed else suite)


def _check_judges(suite: Suite, judges: Sequence[Model], cases: Sequence[Case], ceilings: Ceilings) -> None:
    """Find the models that must not see some of the cases, and those whose cost cannot be counted."""
    job = Job(suite, (), (), cases, Selection(len(cases)), 1, tuple(judges))
    if problems := [*unpriced(ceilings, judges), *breaches(job)]:
        raise one_or_many(problems)


def _judge(
    suite: Suite,
    judges: Sequence[Model],
    journal: Path,
    ceilings: Ceilings,
    answers: Iterable[tuple[Record, Case]],
    done: Callable[[Record, CallScore], None],
) -> tuple[bool, Providers]:
    """Judge all answers; False when that was stopped."""
    providers = Providers(judges)
    embeds = frozenset({"embeddings"})
    needs = {model.name: embeds if model.name in suite.embedders else frozenset[str]() for model in judges}
    if problems := providers.check(needs):
        raise one_or_many(problems)

    async def work() -> bool:
        stop = asyncio.Event()
        bench = Bench(
            suite,
            judges,
            providers.by_model,
            journal,
            stop,
            on_give_up=lambda model, reason: print_warning(f"{model} is given up: {reason}"),
            ceilings=ceilings,
        )
        async with providers:
            task = asyncio.ensure_future(judge_all(bench, answers, done))
            with interruptible(task, stop, lambda: None), contextlib.suppress(asyncio.CancelledError):
                return await task
        return False

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work()), providers
