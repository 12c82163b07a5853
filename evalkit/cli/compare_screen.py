"""What `evalkit compare` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from evalkit.analysis.compare.compared import CandidateComparison, RunComparison, compare_sides
from evalkit.analysis.compare.flips import Flip, Said
from evalkit.analysis.compare.pairing import halves, pair_up
from evalkit.analysis.compare.side import load_side, resolve_side
from evalkit.cli.explaining import explain
from evalkit.cli.printed import Printed
from evalkit.cli.screen import Console
from evalkit.cli.sheet_screen import print_sheets
from evalkit.files import write_atomically
from evalkit.report import format as fmt
from evalkit.report.compare import overview, pair_sheets
from evalkit.report.compare_files import comparison_json, comparison_markdown, flips_by_direction, times_passed
from evalkit.report.markup import one_line

_TEXT: Final = 400
"""Characters shown of an answer."""
_DIFF_LINES: Final = 60
_COLOURS: Final = {"+": "green", "-": "red", "@": "cyan"}


def print_comparison(
    old: str,
    new: str | None,
    results: Path,
    margin: float | str | None,
    limit: int,
    out: Path | None,
    *,
    as_json: bool,
    explained: bool = False,
) -> None:
    """Compare two sides, or the two candidates of one, and print what comes of it.

    Raises:
        ConfigError: a side names nothing, or the two have nothing in common.
        WriteError: the file cannot be written.
    """
    first = resolve_side(old, results)
    first, second = halves(first) if new is None else (first, resolve_side(new, results))
    comparison = compare_sides(load_side(first), load_side(second), pair_up(first, second), margin)
    if out:
        write_atomically(out, comparison_markdown(comparison))
    if as_json:
        printed = Printed()
        printed.write(json.dumps(comparison_json(comparison), indent=2, ensure_ascii=False) + "\n")
        printed.close()
    else:
        _print(Console(), comparison, limit)
    if out and not as_json:
        Console().print(Text(f"report: {out}"), soft_wrap=True)
    if explained:
        explain(comparison_markdown(comparison), aside=as_json)


def _print(console: Console, comparison: RunComparison, limit: int) -> None:
    if sheets := overview(comparison):
        print_sheets(sheets)
        console.print()
    for pair in comparison.pairs:
        print_sheets(pair_sheets(comparison, pair))
        _print_diff(console, pair)
        _print_flips(console, pair, limit)


def _print_diff(console: Console, pair: CandidateComparison) -> None:
    lines = pair.prompt.lines
    if lines:
        console.print()
    for line in lines[:_DIFF_LINES]:
        console.print(Text(one_line(line), _COLOURS.get(line[:1], "")), soft_wrap=True)
    if len(lines) > _DIFF_LINES:
        console.print(f"... and {fmt.counted(len(lines) - _DIFF_LINES, 'line')} more; all are in a file by --out")


def _print_flips(console: Console, pair: CandidateComparison, limit: int) -> None:
    left = limit
    for heading, flips in flips_by_direction(pair.flips):
        console.print()
        console.print(Text(f"{heading}: {fmt.counted(len(flips), 'case')}", "bold"))
        shown = [flip for flip in flips if flip.new][:left]
        for flip in shown:
            _print_flip(console, flip)
        if more := len(flips) - len(shown):
            console.print(f"... and {fmt.count(more)} more; see --limit and --out")
        left -= len(shown)
    console.print()


def _print_flip(console: Console, flip: Flip) -> None:
    tags = f" ({', '.join(flip.tags)})" if flip.tags else ""
    expected = "" if flip.expected is None else f"; expected: {_clipped(flip.expected)}"
    console.print(Text(one_line(f"{flip.case_id}{tags}: passed {times_passed(flip)}{expected}")), soft_wrap=True)
    table = Table(box=None, pad_edge=False, expand=True, show_header=False, padding=(0, 1))
    for _ in "AB":
        table.add_column(ratio=1, overflow="fold")
    table.add_row(*(Text("\n".join(_lines(letter, said))) for letter, said in (("A", flip.old), ("B", flip.new))))
    console.print(table)


def _lines(letter: str, said: Said | None) -> Iterator[str]:
    if said is None:
        return
    calls: Sequence[object] = said.tool_calls
    if said.error is not None:
        yield f"{letter}: {_clipped(said.error)}"
    if said.output or not (said.error or calls):
        yield f"{letter}: {_clipped(said.output or '(empty)')}"
    if calls:
        yield f"{letter}: {_clipped(f'tool calls: {fmt.compact(list(calls))}')}"
    for reason in said.reasons:
        yield f"  {_clipped(reason)}"


def _clipped(text: str) -> str:
    """A long text without its middle: the verdict may hang on either end."""
    line = one_line(text)
    if len(line) <= _TEXT:
        return line
    head = _TEXT * 2 // 3
    return f"{line[:head]} [...] {line[head - _TEXT :]}"
