"""The cases on which two candidates did not do equally well, with what each of them said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from evalkit.analysis.compare.side import Aligned
from evalkit.analysis.results import CaseResults
from evalkit.analysis.rows import CallRow, Outcome
from evalkit.analysis.tidy import expected_text, telling_verdicts
from evalkit.types import Json

MOST_SHOWN: Final = 500
"""Flipped cases whose answers are kept."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one call: its answer or its error, and the reasons of those who judged it."""

    trial: int
    outcome: Outcome
    output: str | None
    tool_calls: tuple[Json, ...]
    error: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flip:
    """A case that passed more often on one side than on the other.

    Attributes:
        case_id, tags, expected: of the case; `expected` as text, None where nothing is.
        old_passed, old_finished, new_passed, new_finished: trials on both sides.
        old, new: a call that shows the change: of the better side one that passed, of the other one that did not. None
            for a case beyond the first MOST_SHOWN.
    """

    case_id: str
    tags: tuple[str, ...]
    expected: str | None
    old_passed: int
    old_finished: int
    new_passed: int
    new_finished: int
    old: Said | None
    new: Said | None

    @property
    def change(self) -> float:
        """Pass rate of the new side minus that of the old one, -1..1 and not 0."""
        return self.new_passed / self.new_finished - self.old_passed / self.old_finished


def flipped(aligned: Aligned) -> list[str]:
    """The ids of the cases with another pass rate: newly failing ones first, each kind by the size of its change.

    Args:
        aligned: the results of the new side first, those of the old one second.
    """
    changes = {
        case_id: new - old
        for case_id, new, old in zip(aligned.case_ids, _rates(aligned.first), _rates(aligned.second), strict=True)
        if new is not None and old is not None and new != old
    }
    return sorted(changes, key=lambda case_id: (changes[case_id] > 0, -abs(changes[case_id])))


def read_flips(
    aligned: Aligned, order: Sequence[str], old_rows: Iterable[CallRow], new_rows: Iterable[CallRow]
) -> tuple[Flip, ...]:
    """Look up what both sides said to flipped cases.

    Args:
        aligned: the results of the new side first, those of the old one second.
        order: the ids of the flipped cases.
        old_rows: of the old candidate.
        new_rows: of the new one.
    """
    places = {case_id: place for place, case_id in enumerate(aligned.case_ids)}
    new, old = aligned.first, aligned.second
    better = {one for one in order if _rate(new, places[one]) > _rate(old, places[one])}
    shown = frozenset(order[:MOST_SHOWN])
    said_before, said_now = _telling(old_rows, shown, shown - better), _telling(new_rows, shown, shown & better)
    flips = []
    for case_id in order:
        at, before, now = places[case_id], said_before.get(case_id), said_now.get(case_id)
        case = now.case if now else None
        flips.append(
            Flip(
                case_id=case_id,
                tags=case.tags if case else (),
                expected=expected_text(case.expected) if case else None,
                old_passed=old.passed[at],
                old_finished=old.finished[at],
                new_passed=new.passed[at],
                new_finished=new.finished[at],
                old=_said(before) if before else None,
                new=_said(now) if now else None,
            )
        )
    return tuple(flips)


def _rates(results: CaseResults) -> list[float | None]:
    return [_rate(results, place) if n else None for place, n in enumerate(results.finished)]


def _rate(results: CaseResults, place: int) -> float:
    return results.passed[place] / results.finished[place]


def _telling(rows: Iterable[CallRow], cases: AbstractSet[str], passed: AbstractSet[str]) -> Mapping[str, CallRow]:
    """Of each case the first call that passed where that is looked for, else the first that did not.

    Rows are read up to the last one that is looked for: the cases that are shown mostly stand near the beginning.
    """
    found: dict[str, CallRow] = {}
    if not cases:
        return found
    for row in rows:
        case_id = row.call.case_id
        if case_id not in cases or case_id in found or not row.outcome.is_finished:
            continue
        if (row.outcome is Outcome.PASSED) == (case_id in passed):
            found[case_id] = row
            if len(found) == len(cases):
                break
    return found


def _said(row: CallRow) -> Said:
    answer = row.answer
    return Said(
        trial=row.call.trial,
        outcome=row.outcome,
        output=answer.output if answer else None,
        tool_calls=answer.tool_calls if answer else (),
        error=f"{row.error.kind}: {row.error.message}" if row.error else None,
        reasons=tuple(
            f"{verdict.scorer}: {verdict.score.reason}" for verdict in telling_verdicts(row) if verdict.score.reason
        ),
    )
