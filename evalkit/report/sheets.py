"""Tables with sentences around them, for markdown and for terminals: what commands that answer a question print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.report.markup import plain, table


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table under a title, and what to know of it. All text is plain: no markup, not yet safe to print.

    Attributes:
        title: of the table.
        header: one title per column; the first column holds names.
        rows: cells, as many as the header has.
        before: sentences above the table.
        after: sentences below it.
    """

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def sheets_markdown(title: str, sheets: Sequence[Sheet]) -> str:
    """All sheets as one markdown document."""
    lines = [f"# {plain(title)}", ""]
    for sheet in sheets:
        lines += [f"## {plain(sheet.title)}", ""] if sheet.title else []
        lines += _paragraphs(sheet.before)
        if sheet.rows:
            rows = [[plain(cell) for cell in row] for row in sheet.rows]
            lines += [*table([plain(cell) for cell in sheet.header], rows), ""]
        lines += _paragraphs(sheet.after)
    return "\n".join(lines).rstrip() + "\n"


def _paragraphs(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in (plain(sentence), "")]
