"""Wire up `evalkit new-case`: what the command line says, what a person is asked, and where it goes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import typer

from evalkit.cli.asking import ask, somebody_there
from evalkit.errors import ConfigError
from evalkit.report.alerts import path_from_here
from evalkit.suite import load_suite
from evalkit.suite.newcase import NewCase, add_case, checked_vars, known_vars
from evalkit.types import MISSING, Json, Suite


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of the case; None and empty: nothing."""

    id: str | None = None
    vars: tuple[str, ...] = ()
    expected: str | None = None
    tags: tuple[str, ...] = ()


def add(path: Path, given: Given, *, allow_code: bool) -> None:
    """Add a case to a suite, and say where it is.

    Raises:
        ConfigError: something is missing or does not fit; nothing is changed.
    """
    suite = load_suite(path, allow_code=allow_code)
    values = _vars(given.vars)
    asking = somebody_there() and not values
    if asking:
        values = {name: ask(name, "", _something) for name in known_vars(suite)}
    checked_vars(suite, values)
    expected, tags = given.expected, given.tags
    if asking and expected is None:
        expected = ask("expected (empty: none)", "", str) or None
    if asking and not tags:
        tags = tuple(
            one.strip() for one in ask("tags, with commas between (empty: none)", "", str).split(",") if one.strip()
        )
    name = given.id or _free_id(suite, tags)
    if asking and given.id is None:
        name = ask("id", name, _something)
    added = add_case(
        path, NewCase(name, values, MISSING if expected is None else value(expected), tags), allow_code=allow_code
    )
    typer.echo(f"{path_from_here(added.path)}: added {name}; {suite.name} has {added.cases} cases now")


def value(text: str) -> Json:
    """Read what is right: a JSON list, object, word or number that JSON would write in the same way; else a text."""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, (list, dict)) or json.dumps(found) == text.strip():
            return found
    return text


def _vars(assigned: Sequence[str]) -> Mapping[str, Json]:
    values: dict[str, Json] = {}
    for one in assigned:
        name, equals, text = one.partition("=")
        if not (equals and name.strip()):
            raise ConfigError(f"--var {one} assigns nothing", remedy="write --var NAME=TEXT")
        if name.strip() in values:
            raise ConfigError(f"--var gives {name.strip()!r} twice", remedy="leave one of them out")
        values[name.strip()] = text
    return values


def _something(text: str) -> str:
    if not text:
        raise ValueError("it cannot be empty")
    return text


def _free_id(suite: Suite, tags: Sequence[str]) -> str:
    """Make an id that no case has."""
    taken = {case.id for case in suite.cases}
    stem = tags[0] if tags else "case"
    return next(name for number in count(len(taken) + 1) if (name := f"{stem}-{number}") not in taken)
