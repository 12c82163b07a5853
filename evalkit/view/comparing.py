"""Two stored runs against each other, in the words of `evalkit compare`.

Needs numpy: import this module lazily.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from evalkit.analysis.compare.compared import CandidateComparison, RunComparison, compare_sides
from evalkit.analysis.compare.flips import Flip, Said
from evalkit.analysis.compare.pairing import halves, pair_up
from evalkit.analysis.compare.side import Side, load_side
from evalkit.errors import ConfigError
from evalkit.report import format as fmt
from evalkit.report.compare import overview, pair_name, pair_sheets
from evalkit.report.compare_files import flips_by_direction, times_passed
from evalkit.report.sheets import Sheet
from evalkit.view.store import StoredRun, candidates_of

_TEXT: Final = 4000
"""Characters shown of an answer."""
_SHOWN: Final = 100
"""Flipped cases shown of each kind."""


@dataclass(frozen=True, slots=True)
class FlipText:
    """A flipped case as text: `old` and `new` hold what was said, each with a class that colours it."""

    case_id: str
    passed: str
    expected: str | None
    old: Sequence[tuple[str, str]]
    new: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PairText:
    """A pair of candidates as text. `flips` come under headings; `left_out` of them are not shown."""

    name: str
    sheets: Sequence[Sheet]
    diff: Sequence[str]
    flips: Sequence[tuple[str, Sequence[FlipText], int]]


@dataclass(frozen=True, slots=True)
class ComparisonText:
    """A comparison as text."""

    overview: Sequence[Sheet]
    pairs: Sequence[PairText]


def compared(old: StoredRun, old_pick: int | None, new: StoredRun, new_pick: int | None) -> ComparisonText:
    """Compare two runs, or a candidate of each; of one run, its two candidates.

    Args:
        old: the run that is A.
        old_pick: the number of its candidate; None for all.
        new: the run that is B.
        new_pick: the number of its candidate; None for all.

    Raises:
        ConfigError: they are the same, or have nothing in common, or a file of theirs is damaged.
    """
    first, second = _side(old, old_pick), _side(new, new_pick)
    if first == second:
        if len(first.candidates) != 2:
            raise ConfigError("A and B are the same.", remedy="choose another run, or another candidate on one side")
        first, second = halves(first)
    comparison = compare_sides(load_side(first), load_side(second), pair_up(first, second))
    return ComparisonText(overview(comparison), [_pair(comparison, pair) for pair in comparison.pairs])


def _pair(comparison: RunComparison, pair: CandidateComparison) -> PairText:
    first, *rest = pair_sheets(comparison, pair)
    sheets = [replace(first, title=""), *rest]  # the pair's name stands above it
    return PairText(pair_name(comparison, pair), sheets, pair.prompt.lines, list(_flip_groups(pair)))


def _side(run: StoredRun, pick: int | None) -> Side:
    if run.manifest is None:
        raise ConfigError(f"{run.name} cannot be compared: {run.fault}.")
    known = candidates_of(run)
    return Side(run.folder, tuple(known) if pick is None or not 0 <= pick < len(known) else (known[pick],))


def _flip_groups(pair: CandidateComparison) -> Iterator[tuple[str, Sequence[FlipText], int]]:
    for heading, flips in flips_by_direction(pair.flips):
        shown = [flip for flip in flips if flip.new][:_SHOWN]
        title = f"{heading}: {fmt.counted(len(flips), 'case')}"
        yield title, [_flip(flip) for flip in shown], len(flips) - len(shown)


def _flip(flip: Flip) -> FlipText:
    tags = f" ({', '.join(flip.tags)})" if flip.tags else ""
    expected = None if flip.expected is None else _clipped(flip.expected)
    return FlipText(f"{flip.case_id}{tags}", times_passed(flip), expected, list(_said(flip.old)), list(_said(flip.new)))


def _said(said: Said | None) -> Iterator[tuple[str, str]]:
    if said is None:
        return
    if said.error is not None:
        yield "failure", _clipped(said.error)
    if said.output or not (said.error or said.tool_calls):
        yield "", _clipped(said.output or "(empty)")
    if said.tool_calls:
        yield "", _clipped(f"tool calls: {fmt.compact(list(said.tool_calls))}")
    for reason in said.reasons:
        yield "why", _clipped(reason)


def _clipped(text: str) -> str:
    rest = f" ... ({fmt.count(len(text))} characters)" if len(text) > _TEXT else ""
    return text[:_TEXT] + rest
