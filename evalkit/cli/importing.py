"""Wire up `evalkit import`: read a source, say what came along and what did not, write it, and say what is next."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evalkit.cli.messages import print_error
from evalkit.cli.noted import MOST_SHOWN, print_notes, say
from evalkit.cli.printed import Printed
from evalkit.errors import ConfigError, ExitCode
from evalkit.imports.draft import DraftRun, DraftSuite, Note
from evalkit.imports.guess import guess
from evalkit.imports.kinds import KINDS, read
from evalkit.imports.options import ImportOptions
from evalkit.imports.write import Written, suite_name, write_suite
from evalkit.report.format import counted
from evalkit.structure import error_parts

if TYPE_CHECKING:
    from evalkit.report import Reports

_RESULTS: Final = tuple(kind.name for kind in KINDS.values() if kind.becomes == "run")
_ONLY: Final = (
    ("--map", "columns", ("table",)),
    ("--id", "id", ("table",)),
    ("--expected", "expected", ("table",)),
    ("--tags", "tags", ("table", *_RESULTS)),
    ("--scorer", "scorer", _RESULTS),
    ("--expected-from-output", "expected_from_output", ("logs",)),
)
"""Options that mean nothing for other kinds of sources, and what they set."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for. Without a `source`, `kind` may be one."""

    kind: str | None
    source: str | None
    out: Path | None
    options: ImportOptions
    allow_partial: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import came to: files written, what is wrong with them, and what to type next."""

    written: tuple[Path, ...] = ()
    cases: int | None = None
    problems: tuple[ConfigError, ...] = ()
    next: str | None = None
    reports: Reports | None = None


def columns_of(assigned: Sequence[str]) -> Mapping[str, str]:
    """Read NAME=COLUMN, as often as it is given.

    Raises:
        ConfigError: one assigns nothing, or a name is given twice.
    """
    columns: dict[str, str] = {}
    for one in assigned:
        name, equals, column = (part.strip() for part in one.partition("="))
        if not (equals and name and column):
            raise ConfigError(f"--map {one} assigns nothing", remedy="write --map NAME=COLUMN, such as message=text")
        if name in columns:
            raise ConfigError(f"--map gives {name} two columns: {columns[name]} and {column}")
        columns[name] = column
    return columns


def import_source(wanted: Wanted) -> ExitCode:
    """Import a source, and print what came of it.

    Raises:
        ConfigError: the source, or an option, cannot be used; or a file is there already.
        WriteError: a file cannot be written.
    """
    if wanted.kind is None:
        _print_kinds()
        return ExitCode.BAD_CONFIG
    kind, source = _kind_and_source(wanted.kind, wanted.source)
    _check_options(kind, wanted.options)
    draft = _named(read(kind, source, wanted.options), wanted.options.name)
    lost = [note for note in draft.notes if note.lost]
    refused = bool(lost) and not wanted.allow_partial
    outcome = Outcome() if refused or wanted.dry_run else _written(draft, wanted)
    if wanted.as_json:
        _print_json(kind, source, draft, outcome)
    else:
        _print(kind, source, draft, outcome)
        if refused:
            say(
                f"nothing was written: {counted(len(lost), 'thing')} would be lost; write the rest with --allow-partial"
            )
        elif wanted.dry_run:
            say("nothing was written: --dry-run")
    for problem in outcome.problems:
        print_error(problem)
    return ExitCode.BAD_CONFIG if refused or outcome.problems else ExitCode.OK


def _kind_and_source(kind: str, source: str | None) -> tuple[str, str]:
    if source is not None:
        return kind, source
    if kind in KINDS:
        raise ConfigError(
            "SOURCE is missing", remedy=f"write: evalkit import {kind} {KINDS[kind].words.split(':')[0]!r}"
        )
    if "://" not in kind and not Path(kind).exists():
        raise ConfigError(
            f"there is no {kind}", remedy=f"name a file, or one of the kinds: {', '.join(KINDS)}, and a file"
        )
    found = guess(kind)
    if found is None:
        raise ConfigError(
            f"what {kind} is cannot be told from it",
            remedy=f"say it: evalkit import KIND {shlex.quote(kind)}, with one of: {', '.join(KINDS)}",
        )
    return found, kind


def _check_options(kind: str, options: ImportOptions) -> None:
    for option, name, kinds in _ONLY:
        if kind in KINDS and getattr(options, name) and kind not in kinds:
            raise ConfigError(f"{option} says nothing of {kind}", remedy=f"leave it out; it is for: {', '.join(kinds)}")


def _named(draft: DraftSuite | DraftRun, name: str | None) -> DraftSuite | DraftRun:
    if name is not None and suite_name(name) != name.lower():
        raise ConfigError(
            f"{name!r} cannot name a suite", remedy="use letters, digits, '.', - and _ only, such as support-triage"
        )
    if isinstance(draft, DraftRun):
        return draft if name is None else dataclasses.replace(draft, suite=name)
    return draft if name is None else dataclasses.replace(draft, name=name)


def _written(draft: DraftSuite | DraftRun, wanted: Wanted) -> Outcome:
    if isinstance(draft, DraftRun):
        return _written_run(draft, wanted.out or Path("results"))
    written = write_suite(draft, wanted.out or Path(draft.name))
    return Outcome(written.files, written.cases, written.problems, _next(written, draft))


def _next(written: Written, draft: DraftSuite) -> str:
    todo = bool(written.problems or draft.todo or any(note.lost for note in draft.notes))
    command = ["evalkit", "validate" if todo else "run", str(written.suite)]
    return shlex.join([*command, *(["--allow-code"] if written.needs_code else [])])


def _written_run(draft: DraftRun, results: Path) -> Outcome:
    from evalkit.analysis import load_run
    from evalkit.imports.store import store
    from evalkit.report import write_reports

    folder = store(draft, results)
    reports = write_reports(load_run(folder))
    return Outcome((folder,), next=shlex.join(["evalkit", "view", str(folder)]), reports=reports)


def _print(kind: str, source: str, draft: DraftSuite | DraftRun, outcome: Outcome) -> None:
    say(f"{source}, read as {kind}: {_contents(draft)}")
    width = max((len(share.kind) for share in draft.shares), default=0)
    for share in draft.shares:
        say(f"  {share.kind:<{width}}  {share.carried:,} of {share.found:,}")
    for title, notes in (
        ("Lost:", [note for note in draft.notes if note.lost]),
        ("Carried over with a change:", [note for note in draft.notes if not note.lost]),
    ):
        print_notes(title, notes)
    for path in outcome.written:
        say(f"wrote {path}")
    if outcome.reports:
        from evalkit.cli.screen import print_results

        print_results(outcome.reports)
    if outcome.written:
        told = tuple(note.message for note in draft.notes if note.lost)
        _print_todo([one for one in _todo(draft) if not one.startswith(told)])
    if outcome.next:
        say("Next:")
        say(f"  {outcome.next}")


def _contents(draft: DraftSuite | DraftRun) -> str:
    several = (("case", draft.cases), ("prompt", draft.prompts), ("model", draft.models))
    return ", ".join(counted(len(things), name) for name, things in several if len(things))


def _todo(draft: DraftSuite | DraftRun) -> list[str]:
    """What the files ask a person to finish, by what they say at their tops."""
    if isinstance(draft, DraftRun):
        return []
    of_prompts = (f"prompt {prompt.name}: {todo}" for prompt in draft.prompts for todo in prompt.todo)
    return list(dict.fromkeys([*draft.todo, *of_prompts]))


def _print_todo(todo: Sequence[str]) -> None:
    if todo:
        say("To do:")
    for one in todo[:MOST_SHOWN]:
        say(f"  {one}")
    if len(todo) > MOST_SHOWN:
        say(f"  ... and {len(todo) - MOST_SHOWN} more; see TODO in the files")


def _print_kinds() -> None:
    width = max(map(len, KINDS))
    say("What can be imported, as evalkit import KIND SOURCE:")
    for kind in KINDS.values():
        say(f"  {kind.name:<{width}}  {kind.words}; becomes a {kind.becomes}")


def _print_json(kind: str, source: str, draft: DraftSuite | DraftRun, outcome: Outcome) -> None:
    problems = [part for problem in outcome.problems for part in error_parts(problem)]
    content = {
        "kind": kind,
        "source": source,
        "becomes": KINDS[kind].becomes,
        "name": draft.suite if isinstance(draft, DraftRun) else draft.name,
        "cases": len(draft.cases),
        "prompts": len(draft.prompts),
        "models": len(draft.models),
        "shares": [dataclasses.asdict(share) for share in draft.shares],
        "notes": [_note(note) for note in draft.notes],
        "todo": _todo(draft),
        "written": [str(path) for path in outcome.written],
        "problems": [{"where": str(one.where or ""), "message": one.message, "remedy": one.remedy} for one in problems],
        "next": outcome.next,
    }
    printed = Printed()
    printed.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    printed.close()


def _note(note: Note) -> dict[str, Any]:
    return {
        "file": str(note.where.path),
        "line": note.where.line,
        "kind": note.kind,
        "message": note.message,
        "lost": note.lost,
        "remedy": note.remedy,
    }
