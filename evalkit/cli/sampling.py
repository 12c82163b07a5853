"""Wire up `evalkit sample`: read inputs, choose among them, write cases, and say how well they cover all."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime as dt
import io
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import typer
from rich.text import Text

from evalkit.cli.noted import print_notes
from evalkit.cli.screen import Console
from evalkit.cli.sheet_screen import show
from evalkit.errors import ConfigError, ExitCode, Location
from evalkit.files import write_atomically
from evalkit.imports.columns import is_empty, var_name
from evalkit.imports.draft import DraftCase, DraftRun, DraftSuite, Note, Stamp
from evalkit.imports.guess import guess
from evalkit.imports.inputs import inputs_of, row_of
from evalkit.imports.kinds import read
from evalkit.imports.logs import OUTPUTS
from evalkit.imports.options import ImportOptions
from evalkit.imports.write import SUITE, write_suite
from evalkit.report.format import counted
from evalkit.report.sampling import Coverage, coverage_json, coverage_sheets
from evalkit.sampling.draw import Input, draw
from evalkit.sampling.kinds import check_installed
from evalkit.sampling.language import detector
from evalkit.sampling.masking import Masker
from evalkit.sampling.moments import moment
from evalkit.sampling.personal import hidden
from evalkit.scorers.values import as_text
from evalkit.suite.ids import Ids
from evalkit.types import MISSING, Json

_FILES: Final = (".jsonl", ".csv")
_COLUMNS: Final = frozenset({"id", "expected", "tags", "data_policy"})
"""What columns of these names hold is no var."""
_BESIDE: Final = frozenset({"answer", "request"})
"""Kinds of changes that sampling makes good, or that are about what was answered, which no case here has."""
_OF_SUITES: Final = frozenset({"model", "parameter", "setting"})
"""Kinds of changes in what suites have beside their cases."""
_EXPECTED: Final = "--expected COLUMN"
_TIMES: Final = "write times as ISO 8601, such as 2026-05-01T10:00:00Z, or as seconds since 1970"


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for. `text` are columns."""

    source: str
    out: Path
    count: int
    options: ImportOptions
    kind: str | None = None
    text: tuple[str, ...] = ()
    seed: int = 0
    near: float = 0.85
    mask: bool = False


def sample_source(wanted: Wanted, report: Path | None, *, as_json: bool) -> ExitCode:
    """Choose among the inputs of a source, write the chosen ones as cases, and report.

    Raises:
        ConfigError: the source cannot be used, the extra `sample` is missing, or a file is there already.
        WriteError: a file cannot be written.
    """
    _check_out(wanted.out)
    check_installed()
    with _doing(f"reading {wanted.source}"):
        draft = _read(wanted)
        cases = draft.cases
        moments, untimed = _moments(cases, wanted)
        draft = dataclasses.replace(draft, notes=(*draft.notes, *untimed))
        # What is masked in the cases is not quoted in the report either, nor does it keep repeats apart.
        texts = [one.text for one in inputs_of(draft)]
        if wanted.mask:
            texts = hidden(texts)
    with _doing(f"looking for kinds and repeats among {counted(len(cases), 'input')}"):
        tags = [tuple(hidden(case.tags)) if wanted.mask else case.tags for case in cases]
        inputs = [Input(*row) for row in zip(texts, tags, moments, strict=True)]
        sample = draw(inputs, wanted.count, seed=wanted.seed, near=wanted.near, detect=detector())
    chosen = [cases[place] for place in sample.chosen]
    if wanted.options.expected is None:
        chosen = [dataclasses.replace(case, expected=MISSING) for case in chosen]
    # What was answered to all inputs is no part of the cases that are drawn from them.
    files = {name: text for name, text in draft.files.items() if name != OUTPUTS}
    drawn = dataclasses.replace(draft, cases=chosen, files=files)
    masker = Masker(map(_contents, chosen)) if wanted.mask else None
    if masker is not None:
        drawn = _masked(drawn, masker)
    named = _write(dataclasses.replace(drawn, cases=list(_named(drawn.cases))), wanted.out)
    unread = sum(share.found - share.carried for share in draft.shares)
    found = Coverage(sample, texts, None if masker is None else masker.replaced, unread)
    notes = list(_notes(draft, wanted))
    figures = {**coverage_json(found), "notes": [{**dataclasses.asdict(one), "where": str(one.where)} for one in notes]}
    show("How well the sample covers the inputs", coverage_sheets(found), figures, report, as_json=as_json)
    if not as_json:
        typer.echo()
        print_notes("Lost:", [note for note in notes if note.lost])
        print_notes("Changed:", [note for note in notes if not note.lost])
        _say_what_is_next(named, wanted)
    return ExitCode.OK


def _check_out(out: Path) -> None:
    """Find what is in the way before any work is done."""
    there = out if out.suffix.lower() in _FILES else out / SUITE
    if os.path.lexists(there):
        raise ConfigError(f"{there} is there already", remedy="name another with -o, or move it")
    if out.suffix and out.suffix.lower() not in _FILES and not out.is_dir():
        raise ConfigError(
            f"cases are not written as {out.suffix}", remedy=f"name a {' or '.join(_FILES)} file, or a folder"
        )


def _read(wanted: Wanted) -> DraftSuite:
    options = wanted.options
    if wanted.text:
        options = dataclasses.replace(options, columns={var_name(column): column for column in wanted.text})
    try:
        draft = read(wanted.kind or guess(wanted.source) or "table", wanted.source, options)
    except ConfigError as error:
        raise _in_our_words(error) from None
    if isinstance(draft, DraftRun):
        raise ConfigError(f"{wanted.source} holds results, not inputs", remedy="sample from a table or a log")
    if not len(draft.cases):
        raise ConfigError(f"{wanted.source} holds no inputs", remedy="name another file, or see --text")
    return dataclasses.replace(draft, cases=list(draft.cases))


def _in_our_words(error: ConfigError) -> ConfigError:
    """Name our option for the column to read where reading names that of `import`."""
    if error.remedy is None or "--map" not in error.remedy:
        return error
    remedy = error.remedy.replace("--map message=COLUMN", "--text COLUMN").replace("--map", "--text")
    return ConfigError(error.message, where=error.where, remedy=remedy)


def _moments(cases: Sequence[DraftCase], wanted: Wanted) -> tuple[list[dt.datetime | None], list[Note]]:
    """Read when each input was asked, as far as that is known; a note tells what cannot be read.

    Raises:
        ConfigError: there are no times where some are wanted.
    """
    column = wanted.options.time
    if column is None:
        return [None] * len(cases), []
    stamps = [case.at or Stamp(Location(wanted.source), None) for case in cases]
    moments = [moment(stamp.value) for stamp in stamps]
    unread = [one for one, at in zip(stamps, moments, strict=True) if at is None and not is_empty(one.value)]
    if not any(moments):
        where = unread[0].where if unread else Location(wanted.source)
        remedy = f"name another column with --time, or {_TIMES}"
        raise ConfigError(f"no time can be read from {column!r}", where=where, remedy=remedy)
    if not unread:
        return moments, []
    total, first = len(unread) + sum(at is not None for at in moments), as_text(unread[0].value)
    words = f"{len(unread):,} of {total:,} times in `{column}` cannot be read, the first: {first[:40]!r}"
    return moments, [Note(unread[0].where, "time", words, lost=False, remedy=_TIMES)]


def _masked(draft: DraftSuite, masker: Masker) -> DraftSuite:
    """Mask all that is written of a suite but its models, which hold addresses that are asked."""
    prompts = [dataclasses.replace(one, messages=masker.masked(one.messages)) for one in draft.prompts]
    # Beside the cases a suite lists what is right in any of them, and says what is shared by all inputs.
    return dataclasses.replace(
        draft,
        cases=[_masked_case(case, masker) for case in draft.cases],
        prompts=[dataclasses.replace(one, todo=masker.masked(one.todo)) for one in prompts],
        scorers=masker.masked(draft.scorers),
        description=masker.masked(draft.description),
        settings=masker.masked(draft.settings),
        todo=masker.masked(draft.todo),
        files=masker.masked(draft.files),
    )


def _masked_case(case: DraftCase, masker: Masker) -> DraftCase:
    return dataclasses.replace(
        case,
        id=case.id if case.id is None or masker.masked(case.id) == case.id else None,
        vars=masker.masked(case.vars),
        expected=case.expected if case.expected is MISSING else masker.masked(case.expected),
        tags=masker.masked(case.tags),
        scorers=masker.masked(case.scorers),
        turns=masker.masked(case.turns),
        todo=masker.masked(case.todo),
    )


def _contents(case: DraftCase) -> Json:
    """All that stands in a case, for a look at it."""
    expected = () if case.expected is MISSING else (case.expected,)
    return [case.vars, *expected, case.tags, case.scorers, case.turns, case.id]


def _named(cases: Iterable[DraftCase]) -> Iterator[DraftCase]:
    """Give each case an id, so that it keeps it when its content is mended."""
    listed = list(cases)
    ids = Ids(frozenset(hash(case.id) & (1 << 60) - 1 for case in listed if case.id))
    for case in listed:
        yield case if case.id else dataclasses.replace(case, id=ids.make(case.vars))


def _write(draft: DraftSuite, out: Path) -> Path:
    """Write a case file, or a suite.

    Returns:
        What to name to the next command.

    Raises:
        WriteError: it cannot be written.
    """
    if out.suffix.lower() not in _FILES:
        return write_suite(draft, out).suite
    with contextlib.suppress(OSError):  # whatever is in the way, the writer says it
        out.parent.mkdir(parents=True, exist_ok=True)
    rows = [row_of(case) for case in draft.cases]
    write_atomically(out, _csv(rows) if out.suffix.lower() == ".csv" else _jsonl(rows))
    return out


def _jsonl(rows: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    return (f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _csv(rows: Sequence[Mapping[str, Json]]) -> str:
    """Write rows as a table; in case files a row without `vars` has every other column as one."""
    names = list(dict.fromkeys(name for row in rows for name in row["vars"]))
    structured = any(isinstance(value, (list, dict)) for row in rows for value in row["vars"].values())
    if structured or any("turns" in row or "scorers" in row for row in rows) or _COLUMNS & set(names):
        raise ConfigError("these cases are more than a table can hold", remedy="name a .jsonl file with -o")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", *names, "expected", "tags"])
    for row in rows:
        cells = [as_text(row["vars"].get(name, "")) for name in names]
        table.writerow([row["id"], *cells, as_text(row.get("expected", "")), ";".join(row.get("tags", ()))])
    return text.getvalue()


def _notes(draft: DraftSuite, wanted: Wanted) -> Iterator[Note]:
    """What was not carried over as it stood, as far as a sample has to do with it; nothing masked is quoted."""
    beside = _BESIDE | (_OF_SUITES if wanted.out.suffix.lower() in _FILES else frozenset())
    for note in draft.notes:
        if note.lost or not (note.kind in beside or _is_on_what_is_right(note)):
            message = hidden([note.message])[0] if wanted.mask else note.message
            yield dataclasses.replace(note, message=message, remedy=note.remedy.replace("--map", "--text"))
    if wanted.options.expected is None and any(case.expected is not MISSING for case in draft.cases):
        words = next((note.message for note in draft.notes if _is_on_what_is_right(note)), "what is right is known")
        words = f"{words}, and left out: cases are to be labelled"
        yield Note(Location(wanted.source), "expected", words, lost=False, remedy=f"keep it: {_EXPECTED}")


def _is_on_what_is_right(note: Note) -> bool:
    """Whether a note is on the guess at what is right, which there is where nobody names it."""
    return not note.lost and note.remedy.endswith(_EXPECTED)


def _say_what_is_next(written: Path, wanted: Wanted) -> None:
    console = Console()
    console.print(Text(f"wrote {written}"), soft_wrap=True)
    if wanted.options.expected is None:
        console.print("Next, say what is right:", soft_wrap=True)
        console.print(Text(f"  {shlex.join(['evalkit', 'label', str(written)])}"), soft_wrap=True)


def _doing(what: str) -> AbstractContextManager[object]:
    """Say on a terminal what takes a while."""
    console = Console(stderr=True)
    return console.status(Text(f"{what} ...")) if console.is_terminal else contextlib.nullcontext()
