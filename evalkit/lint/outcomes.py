"""Cases that tell no candidates apart, by what stored runs say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.history import Tally
from evalkit.lint.subject import Subject
from evalkit.types import Case

_MODELS: Final = 2
"""One model asked in two ways often fails alike."""
_MOST: Final = 0.5
_NEARLY_ALL: Final = 0.9
_GOOD: Final = 0.5


def always_passed(subject: Subject) -> Iterator[Finding]:
    """Find cases that every candidate passed every time, where they are many."""
    cases, known = _always(subject, lambda tally: tally.passed == tally.judged)
    if known and len(cases) >= _MOST * known:
        yield Finding(
            Severity.WARNING if len(cases) >= _NEARLY_ALL * known else Severity.HINT,
            f"{len(cases):,} of {known:,} cases were passed by {_everyone(subject)}, every time",
            "they tell no candidates apart: what decides is the rest",
            "add harder cases; keep these for gates",
            cases[0].where,
            tuple(case.id for case in cases),
        )


def always_failed(subject: Subject) -> Iterator[Finding]:
    """Find cases that every candidate failed every time."""
    cases, known = _always(subject, lambda tally: not tally.passed)
    totals = subject.history.candidates.values()
    best = max((tally.passed / tally.judged for tally in totals), default=0.0)
    if not cases or (best < _GOOD and len(cases) < _MOST * known):
        return
    good = best >= _GOOD
    yield Finding(
        Severity.WARNING if good else Severity.HINT,
        f"{len(cases):,} of {known:,} cases were failed by {_everyone(subject)}, every time",
        f"the best of them passes {100 * best:.0f} %, so what these expect may be wrong, or their scorers too strict"
        if good
        else "nobody passes half of the cases, so these may be too hard, or the suite at fault",
        "read some answers to them: evalkit view",
        cases[0].where,
        tuple(case.id for case in cases),
    )


def _always(subject: Subject, holds: Callable[[Tally], bool]) -> tuple[list[Case], int]:
    """The cases of which it holds for every candidate, and how many cases at least two models have answered."""
    found: list[Case] = []
    known = 0
    for case in subject.cases:
        tallies = subject.history.by_case.get(case.id, {})
        if len({model for model, _ in tallies}) >= _MODELS:
            known += 1
            if all(map(holds, tallies.values())):
                found.append(case)
    return found, known


def _everyone(subject: Subject) -> str:
    runs = subject.history.runs
    return f"all {len(subject.history.candidates)} candidates of {runs} run{'s' * (runs != 1)}"
