"""What commands that answer a question print: sheets on a terminal, JSON, or a markdown file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from evalkit.cli.printed import Printed
from evalkit.cli.screen import Console
from evalkit.files import write_atomically
from evalkit.report.markup import one_line
from evalkit.report.sheets import Sheet, sheets_markdown
from evalkit.types import Json

_NAME = 24
"""Characters of a name that stay on one line where there is no room for all of it."""


def show(
    title: str,
    sheets: Sequence[Sheet],
    figures: Json,
    out: Path | None,
    *,
    as_json: bool,
    details: Sequence[Sheet] = (),
) -> None:
    """Write sheets to a file if one is named, with their details; and print them, or the figures as JSON.

    Raises:
        WriteError: the file cannot be written.
    """
    if out:
        write_atomically(out, sheets_markdown(title, [*sheets, *details]))
    if as_json:
        printed = Printed()
        printed.write(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
        printed.close()
        return
    print_sheets(sheets)


def print_sheets(sheets: Sequence[Sheet]) -> None:
    """Print sheets; where a table is wider than the terminal, row by row."""
    console = Console()
    for number, sheet in enumerate(sheets):
        if number:
            console.print()
        if sheet.title:
            console.print(Text(one_line(sheet.title), "bold"), soft_wrap=True)
        for sentence in sheet.before:
            console.print(Text(one_line(sentence)), soft_wrap=True)
        if sheet.rows:
            _print_table(console, sheet)
        for sentence in sheet.after:
            console.print(Text(one_line(sentence)), soft_wrap=True)


def _print_table(console: Console, sheet: Sheet) -> None:
    lines = [[one_line(cell) for cell in line] for line in (sheet.header, *sheet.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if min(widths[0], _NAME) + sum(widths[1:]) + 2 * len(widths) > console.width:
        _print_rows(console, lines)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(Text(lines[0][0]), overflow="fold")
    for title in lines[0][1:]:
        table.add_column(Text(title), justify="right", no_wrap=True)
    for row in lines[1:]:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_rows(console: Console, lines: Sequence[Sequence[str]]) -> None:
    """One figure a line: what a narrow terminal has room for."""
    titles = lines[0][1:]
    for name, *cells in lines[1:]:
        console.print(Text(name, "bold"), soft_wrap=True)
        for title, cell in zip(titles, cells, strict=True):
            if cell:
                console.print(Text(f"  {title}: {cell}"), soft_wrap=True)
