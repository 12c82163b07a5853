"""What the parts of the screen say, line by line; nothing is said by colour alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from textual.content import Content

from evalkit.labelling.session import Progress, Session
from evalkit.labelling.shown import single_line, time_left
from evalkit.labelling.task import Kind
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Json

KEYS_HELP: Final = """\
1-9, 0    set the label of that number
enter     choose a label, or write a text
u         undo, as often as you like
s         skip: comes again at the end
f         flag as unsure, or no longer
t         write a note
x         take the label away

space     next case without a label
n  b      next case, the one before
g         go to a number or an id
/         show some cases only: words,
          tag:NAME, is:labelled,
          is:unlabelled, is:unsure, is:skipped

p         the prompt as models see it
a         what candidates answered
          (it is kept that you looked)
m         more of a long text
q         leave; ctrl+q at once

Every label is on the disk before
you press the next key."""
_BAR: Final = 24
_WIDEST: Final = 28
_NARROWEST: Final = 6
_BESIDE_NAME: Final = 5
"""Cells that a key, its mark and the gaps take beside the name of a label."""
_ROWS: Final = 5
"""As many rows of keys as there is room for."""
_FULL, _EMPTY = "\u2501", "\u2500"


def head(session: Session, title: str, annotator: str, width: int) -> Content:
    """Which case of how many, of what, by whom."""
    at, of = session.place
    words = [single_line(title, 30), f"case {at} of {of}"]
    words += [f"filter: {single_line(session.filter, 20)}"] if session.filter else []
    right = single_line(annotator, 20)
    left = single_line("  ".join(words), max(10, width - len(right) - 2))
    return Content.assemble((left, "bold"), " " * max(1, width - Content(left).cell_length - len(right)), right)


def progress_line(progress: Progress, width: int) -> Content:
    """How far it is: a bar, and counts."""
    words = [f"{progress.labelled} of {progress.total} labelled"]
    words += [f"{progress.skipped} skipped"] if progress.skipped else []
    words += [f"{progress.unsure} unsure"] if progress.unsure else []
    left = time_left(progress.left_s) if progress.labelled < progress.total else "done"
    words += [left] if left else []
    text = "  ".join(words)
    if len(text) > width - 10:
        text = "  ".join([words[0], words[-1]])
    size = max(4, min(_BAR, width - 2 - len(text)))
    full = progress.labelled * size // max(1, progress.total)
    return Content.assemble((_FULL * full, "bold $success"), (_EMPTY * (size - full), "dim"), f"  {text}")


def state_line(session: Session, said: str, width: int) -> Content:
    """What is expected of the case as it is, and what the last key did."""
    mark, label = session.mark, session.label
    marks = [
        word for word, there in (("UNSURE", mark.unsure), ("skipped", mark.skipped), ("seen", mark.looked)) if there
    ]
    marks += [f"note: {mark.note}"] if mark.note else []
    if label is MISSING:
        shown = Content.styled("no label yet: press its number" if session.task.keys else "no label yet", "dim")
    else:
        source = "" if mark.labelled else " (in the file)"
        shown = Content.assemble("label: ", (single_line(as_text(label), max(10, width - 24)), "bold $accent"), source)
    rest = single_line("  ".join(marks), max(10, width - 2 - shown.cell_length)) if marks else ""
    state = Content.assemble(shown, "  " if rest else "", (rest, "bold") if rest else "")
    return Content("\n").join([Content.styled(single_line(said, width), "italic dim"), state])


def keys_pane(session: Session, quick: Mapping[str, Json], width: int) -> Content:
    """The keys that set labels, in as many columns as fit."""
    task = session.task
    if not quick:
        how = {
            Kind.LABEL: f"enter: choose one of {len(task.labels)} labels by typing",
            Kind.TEXT: "enter: write what is expected\none key per label instead: q, then --labels A,B,C",
            Kind.JSON: "enter: write what is expected, in JSON",
        }
        return Content(how[task.kind])
    room = width // math.ceil(len(quick) / _ROWS) - _BESIDE_NAME
    names = [_within(as_text(label), max(_NARROWEST, min(_WIDEST, room))) for label in quick.values()]
    now = None if session.label is MISSING else as_text(session.label)
    widest = max(Content(name).cell_length for name in names) + _BESIDE_NAME
    columns = max(1, min(len(names), width // widest))
    cells = [
        _cell(key, name, widest, chosen=as_text(label) == now)
        for (key, label), name in zip(quick.items(), names, strict=True)
    ]
    rows: Sequence[Content] = [Content("").join(cells[at : at + columns]) for at in range(0, len(cells), columns)]
    return Content("\n").join(rows)


def _within(text: str, cells: int) -> str:
    """Text on one line of at most so many cells, of which some characters take two."""
    line = single_line(text, cells)
    while Content(line).cell_length > cells:
        line = f"{line.removesuffix('...')[:-1].rstrip()}..."
    return line


def _cell(key: str, name: str, width: int, *, chosen: bool) -> Content:
    gap = " " * max(1, width - 3 - Content(name).cell_length)
    style = "reverse bold" if chosen else ""
    return Content.assemble((key, "bold $accent"), ("*" if chosen else " "), (name, style), gap)
