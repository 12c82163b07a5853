"""Wire up `evalkit init`: the questions, what is missing on this machine, and what to do next."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from evalkit.cli.asking import ask as put
from evalkit.cli.asking import confirm, somebody_there
from evalkit.errors import ConfigError
from evalkit.models.config import load_models
from evalkit.providers.build import Providers
from evalkit.providers.weights import PACKAGED, locate
from evalkit.providers.weights import pull as fetch
from evalkit.suite.starter import EMBEDDED, TASKS, Start, Starter, check_name, compose, model_rows, write_starter


@dataclass(frozen=True, slots=True)
class Answers:
    """What the command line says already; None and empty: nothing."""

    task: str | None = None
    name: str | None = None
    models: tuple[str, ...] = ()
    pass_rate: float | None = None
    workflow: bool | None = None


def begin(folder: Path, given: Answers, pull: bool, *, ask: bool) -> None:
    """Write a starter into a folder, and say what to do with it.

    Raises:
        ConfigError: something is there already, or an answer cannot be used.
        WriteError: a file cannot be written.
    """
    chosen = _asked(given) if ask and somebody_there() else given
    if pull:
        typer.echo(f"{EMBEDDED}: {fetch(EMBEDDED)}")
    start = _start(chosen)
    starter = compose(start, folder)
    for done, path in write_starter(starter, folder):
        typer.echo(f"{done} {folder / path}")
    _say_what_next(start, starter, folder)


def _asked(given: Answers) -> Answers:
    """Put the questions that the command line leaves open."""
    kinds = "\n".join(f"  {kind:<9} {task.words}" for kind, task in TASKS.items())
    typer.echo(f"What is the model to do?\n{kinds}", err=True)
    task = given.task or put("Task", "classify", _task)
    name = given.name or put("Name of the suite", TASKS[task].name, _name)
    models = given.models or put("Candidates, as PROVIDER:MODEL with commas between", EMBEDDED, _models)
    rate = put("Pass rate it must reach", "0.9", _share) if given.pass_rate is None else given.pass_rate
    workflow = given.workflow
    if workflow is None:
        workflow = confirm("Write a GitHub workflow that guards the prompts")
    return Answers(task, name, models, rate, workflow)


def _task(text: str) -> str:
    found = [kind for kind in TASKS if text and kind.startswith(text.lower())]
    if len(found) != 1:
        raise ValueError(f"one of: {', '.join(TASKS)}")
    return found[0]


def _name(text: str) -> str:
    check_name(text)
    return text


def _models(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    model_rows(names)
    return names


def _share(text: str) -> float:
    number = text.removesuffix("%").strip()
    share = float(number) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError("a share of 0 to 1, such as 0.9")
    return share


def _start(chosen: Answers) -> Start:
    task = chosen.task or "classify"
    lacking = [] if chosen.models else _lacking()
    return Start(
        task=task,
        name=chosen.name or TASKS[task].name,
        models=chosen.models or (EMBEDDED,),
        pass_rate=0.9 if chosen.pass_rate is None else chosen.pass_rate,
        workflow=chosen.workflow is not False,
        unready=frozenset({EMBEDDED}) if lacking else frozenset(),
    )


def _lacking() -> list[str]:
    """Say how to get what the embedded default needs and this machine lacks."""
    commands: list[str] = []
    if importlib.util.find_spec("xllamacpp") is None:
        commands.append("pip install 'evalkit-cli[local]'")
    try:
        locate(EMBEDDED, Path())
    except ConfigError as error:
        commands.append(error.remedy or "")
    return commands


def _say_what_next(start: Start, starter: Starter, folder: Path) -> None:
    configured = load_models(folder / starter.models)
    names = [name for name in model_rows(start.models, configured) if name not in start.unready]
    chosen = [configured[name] for name in names]
    missing = [problem.remedy or problem.message for problem in Providers(chosen).check()]
    here = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    typer.echo("")
    if start.unready:
        megabytes = PACKAGED[EMBEDDED].megabytes
        _list(
            f"To compare with a model on this machine ({megabytes} MB), add {EMBEDDED} to `models:` after:", _lacking()
        )
    if missing:
        _list("Before it can run:", missing)
    _list("Next:", [f"{here}evalkit run {starter.suite}"])


def _list(title: str, lines: Sequence[str]) -> None:
    typer.echo("\n".join([title, *(f"  {line}" for line in lines)]))
