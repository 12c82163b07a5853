"""Wire up `evalkit export`: find what is meant, write it, and say what did not fit."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from evalkit.cli.noted import print_notes, say
from evalkit.cli.printed import Printed
from evalkit.errors import ExitCode
from evalkit.exports.export import Exported, export_to, source_of
from evalkit.exports.options import ExportOptions
from evalkit.report.format import counted


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    what: str
    out: Path
    format: str | None
    options: ExportOptions
    results: Path = Path("results")
    allow_partial: bool = False
    allow_code: bool = False
    as_json: bool = False


def export_what(wanted: Wanted) -> ExitCode:
    """Export, and print what came of it.

    Raises:
        ConfigError: there is no such suite, run or format; or a file is there already.
        WriteError: a file cannot be written.
    """
    source = source_of(wanted.what, wanted.results, allow_code=wanted.allow_code)
    done = export_to(source, wanted.out, wanted.format, wanted.options, allow_partial=wanted.allow_partial)
    if wanted.as_json:
        _print_json(done)
    else:
        _print(done)
    return ExitCode.OK if done.files else ExitCode.BAD_CONFIG


def _print(done: Exported) -> None:
    print_notes("Lost:", [note for note in done.notes if note.lost])
    print_notes("Changed:", [note for note in done.notes if not note.lost])
    for path in done.files:
        say(f"wrote {path}")
    if not done.files:
        say(f"nothing was written: {counted(done.lost, 'thing')} would be lost; write the rest with --allow-partial")


def _print_json(done: Exported) -> None:
    content = {
        "format": done.format.name,
        "of": done.format.what,
        "written": [str(path) for path in done.files],
        "notes": [{**dataclasses.asdict(note), "where": str(note.where)} for note in done.notes],
    }
    printed = Printed()
    printed.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    printed.close()
