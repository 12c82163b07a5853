"""What commands on the files of other tools say: line by line, and nothing of it drives a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer

from evalkit.imports.draft import Note
from evalkit.report.markup import one_line

MOST_SHOWN: Final = 40


def say(text: str) -> None:
    """Print a line, which stays one whatever stands in it."""
    typer.echo(one_line(text))


def print_notes(title: str, notes: Sequence[Note]) -> None:
    """Print notes under a title, each with its place and its remedy; nothing where there are none."""
    if notes:
        say(title)
    for note in notes[:MOST_SHOWN]:
        remedy = f". {note.remedy[:1].upper()}{note.remedy[1:]}" if note.remedy else ""
        say(f"  {note.where}: {note.message}{remedy}")
    if len(notes) > MOST_SHOWN:
        say(f"  ... and {len(notes) - MOST_SHOWN} more; see them all with --json")
