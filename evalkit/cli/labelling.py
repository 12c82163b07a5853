"""Wire up `evalkit label`: the cases, who labels them and what they may see; then the terminal is theirs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evalkit.cli.asking import somebody_there
from evalkit.cli.label_screen import counted_labels, people, warn_of_stale, write_out
from evalkit.cli.messages import print_warning
from evalkit.errors import ConfigError, ExitCode, Location
from evalkit.labelling.agreement import settle
from evalkit.labelling.journal import ADJUDICATED, DEFAULT, Journal, annotators, choices_before, timestamp
from evalkit.labelling.marks import History, Mark
from evalkit.labelling.session import Clock, Session, in_order
from evalkit.labelling.source import Item, Source, open_source
from evalkit.labelling.task import Task, task_of
from evalkit.report.alerts import path_from_here
from evalkit.types import MISSING

if TYPE_CHECKING:
    from evalkit.labelling.app import Left, View


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    annotator: str | None = None
    labels: tuple[str, ...] = ()
    as_json: bool = False
    answers: str | None = None
    only_unlabelled: bool = False
    filters: tuple[str, ...] = ()
    shuffle: bool = False
    seed: int = 0
    adjudicate: bool = False


def label_cases(path: Path, wanted: Wanted, results: Path) -> None:
    """Let a person label, and say what became of it.

    Raises:
        ConfigError: the extra is not installed, nobody is at the terminal, the cases cannot be read, there is nothing
            to do.
        WriteError: the labels can no longer be kept; those before are.
    """
    _check_extra()
    from evalkit.labelling.app import View

    source = open_source(path)
    answers = _answers(wanted.answers, results) if wanted.answers else {}
    said = _disputed(source) if wanted.adjudicate else {}
    name = ADJUDICATED if wanted.adjudicate else wanted.annotator or DEFAULT
    if name == ADJUDICATED and not wanted.adjudicate:
        raise ConfigError(f"{ADJUDICATED} is no annotator's name", remedy="use --adjudicate, or another name")
    _check_terminal()
    with Journal(path, name) as journal:
        history = History(source.items, journal.entries)
        warn_of_stale(history, name)
        blind = wanted.adjudicate or _is_one_of_several(source, wanted.annotator)
        session = _session(source, wanted, history, journal, said, blind=blind)
        view = View(source.path.name, name, source.messages, answers, said, offers_writing=not blind)
        left = _labelled(session, view)
    _say_what_became_of_it(path, name, history, left)


def _labelled(session: Session, view: View) -> Left | None:
    from evalkit.labelling.app import LabelApp

    app = LabelApp(session, view)
    left = app.run(mouse=False)
    if app.fault:
        raise app.fault
    return left


def _is_one_of_several(source: Source, annotator: str | None) -> bool:
    """Whether others label too, so that what the file expects may come from them."""
    others = [name for name in annotators(source.path) if name != DEFAULT]
    if others and annotator is None:
        print_warning(
            f"{', '.join(others)} labelled these cases too: yours are kept apart as those of {DEFAULT}, and what the "
            "file expects is hidden"
        )
    return annotator is not None or bool(others)


def _session(
    source: Source,
    wanted: Wanted,
    history: History,
    journal: Journal,
    said: Mapping[str, Mapping[str, Mark]],
    *,
    blind: bool,
) -> Session:
    items = [item for item in source.items if _is_meant(item, wanted.filters)]
    if wanted.adjudicate:
        items = [item for item in items if item.case.id in said]
    if wanted.only_unlabelled:
        items = [item for item in items if not _has_label(item, history, blind=blind)]
    if not items:
        raise ConfigError(
            "there is no case to label", where=Location(source.path), remedy="all are done, or the filter fits none"
        )
    task = _task(source, wanted, journal)
    ordered = in_order(items, shuffle=wanted.shuffle, seed=wanted.seed)
    return Session(ordered, task, history, journal.add, Clock(time.monotonic, timestamp), blind=blind)


def _task(source: Source, wanted: Wanted, journal: Journal) -> Task:
    """What is to be set; labels that were named once need not be named again."""
    task = task_of(source, wanted.labels, as_json=wanted.as_json)
    before = choices_before(source.path, journal.path.stem)
    if wanted.labels and wanted.labels != tuple(before):
        journal.choose_from(wanted.labels)
    is_told = wanted.labels or wanted.as_json or task.closed
    return task if is_told or not before else task_of(source, before)


def _has_label(item: Item, history: History, *, blind: bool) -> bool:
    return history.of(item.case.id).labelled or not (blind or item.expected is MISSING)


def _is_meant(item: Item, filters: Sequence[str]) -> bool:
    names = (item.case.id, *item.case.tags)
    return not filters or any(fnmatchcase(name, glob) for name in names for glob in filters)


def _disputed(source: Source) -> Mapping[str, Mapping[str, Mark]]:
    """What people said of the cases on which they differ.

    Raises:
        ConfigError: there are none.
    """
    by_name = people(source)
    found = settle(source.items, by_name, {})
    if not found.disputes:
        raise ConfigError(
            "there is nothing to adjudicate: no two annotators differ on a case",
            where=Location(source.path),
            remedy="let two people label with --annotator NAME each; --agreement shows how far they are",
        )
    return {one.item.case.id: one.said for one in found.disputes}


def _answers(named: str, results: Path) -> Mapping[str, Sequence[tuple[str, str]]]:
    """What the candidates of a run answered, by case id; of several trials the first."""
    from evalkit.analysis import load_run
    from evalkit.analysis.compare.side import resolve_side

    side = resolve_side(named, results)
    run = load_run(side.folder)
    several = len({prompt for _, prompt in side.candidates}) > 1
    found: dict[str, list[tuple[str, str]]] = {}
    for model, prompt in side.candidates:
        for row in run.rows.of((model, prompt)):
            if row.answer and row.call.trial == 1:
                title = f"{model} @ {prompt}" if several else model
                found.setdefault(row.case.id, []).append((title, row.answer.output or ""))
    return found


def _check_extra() -> None:
    try:
        import textual  # noqa: F401 - here to see whether it is there
    except ImportError as error:
        raise ConfigError(
            f"`evalkit label` needs a package that is not installed: {error.name}",
            remedy="pip install 'evalkit-cli[label]'",
        ) from None


def _check_terminal() -> None:
    if not somebody_there():
        raise ConfigError(
            "labelling needs a terminal, and there is none", remedy="run it in one; --agreement and --write need none"
        )


def _say_what_became_of_it(path: Path, name: str, history: History, left: Left | None) -> None:
    from evalkit.labelling.app import Left

    if left is Left.GONE:
        raise typer.Exit(ExitCode.INTERRUPTED)  # nobody is left to tell
    done = sum(mark.labelled for mark in history.marks.values())
    if left is Left.WRITE:
        write_out(path, name)
        return
    typer.echo(f"{counted_labels(done, name)} kept in {path_from_here(path)}.labels")
    if done:
        how = "" if name in {DEFAULT, ADJUDICATED} else f" --annotator {name}"
        typer.echo(f"write them into the file: evalkit label {path_from_here(path)} --write{how}")
