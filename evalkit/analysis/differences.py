"""What comparing a run's candidates comes to, as plain values: `analysis.matrix` works them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from evalkit.analysis.run_data import Candidate
from evalkit.stats import Interval

LEVEL = 0.05
"""An adjusted p-value below this tells two candidates apart."""


class Standing(StrEnum):
    """How a candidate stands to another."""

    BETTER = "better"
    WORSE = "worse"
    EVEN = "cannot be told apart"


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a first candidate is from a second, on the cases that both have results for.

    Attributes:
        difference: first - second, -1..1; every case counts alike, however many trials it had.
        interval: its 95 % interval, of this one difference alone.
        p: two-sided, of this one difference alone.
        p_holm: adjusted for all that are compared beside it (Holm); None where too few cases could show anything.
        better, worse: cases on which the first did better or worse.
    """

    difference: float
    interval: Interval
    p: float
    p_holm: float | None
    better: int
    worse: int

    @property
    def standing(self) -> Standing:
        """Better or worse where the adjusted p-value says so."""
        if self.p_holm is None or self.p_holm >= LEVEL:
            return Standing.EVEN
        return Standing.BETTER if self.difference > 0 else Standing.WORSE

    @property
    def chance_among_many(self) -> bool:
        """Whether it would tell the two apart if nothing else were compared: one of several may do so by chance."""
        return self.p < LEVEL and self.standing is Standing.EVEN


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two candidates; the second has the higher pass rate, or comes first in the run.

    Attributes:
        first, second: their names.
        cases: how many have results of both.
        errors: on how many of these either met an error, which counts as not passed.
        method: how the interval was made: "Tango" or "clustered".
        passes: the gap of their pass rates.
        p_exact: McNemar's exact p where each case was asked once.
        score: the gap of their mean scores; None where scores say no more than pass or fail.
    """

    first: Candidate
    second: Candidate
    cases: int
    errors: int
    method: str
    passes: Gap
    p_exact: float | None
    score: Gap | None


@dataclass(frozen=True, slots=True)
class TagComparison:
    """Two candidates on the cases with one tag; `cases` is how many of these have results of both."""

    tag: str
    first: Candidate
    second: Candidate
    cases: int
    passes: Gap

    @property
    def too_few(self) -> bool:
        """Whether not even a difference on each of the cases would have told them apart."""
        return self.passes.p_holm is None


@dataclass(frozen=True, slots=True)
class Reach:
    """What a suite of this size can show with 80 % power, by how much two of its candidates disagree.

    Attributes:
        first, second: these two, the one with the highest pass rate second and the next one first.
        cases: how many have results of both.
        disagree: on how many of them they did not do equally well.
        detectable: the smallest difference that so many cases show, 0..1.
        trials: how many trials of each case are then looked at.
        with_trials: the smallest difference that so many trials would show.
        at_best: whether that is the least it could be, as single trials do not tell what is chance.
        more_cases: a larger number of cases ...
        with_more_cases: ... and the smallest difference that these would show.
        cases_to_settle: cases that would show a difference as large as the one seen; None where that is settled, or 0.
    """

    first: Candidate
    second: Candidate
    cases: int
    disagree: int
    detectable: float
    trials: int
    with_trials: float
    at_best: bool
    more_cases: int
    with_more_cases: float
    cases_to_settle: int | None


@dataclass(frozen=True, slots=True)
class Comparisons:
    """All candidates that answered something against each other.

    Attributes:
        ranked: by falling pass rate; equal ones in the run's order. Whom a race stopped comes behind all others.
        pairs: those of each with all below it, the first one's pairs first. p-values are adjusted over all of them.
        groups: candidates in order of rank; two of them are in one group if and only if they cannot be told apart.
        tags: every other candidate against the first of `ranked` on the cases of a tag, frequent tags first.
        reach: None where too few cases, or disagreements on them, would make it a guess.
    """

    ranked: tuple[Candidate, ...]
    pairs: tuple[Comparison, ...]
    groups: tuple[tuple[Candidate, ...], ...]
    tags: tuple[TagComparison, ...]
    reach: Reach | None

    @property
    def best(self) -> Candidate:
        """The one with the highest pass rate, the first of several; a race's stopped ones come behind all others."""
        return self.ranked[0]

    def against_best(self) -> Sequence[Comparison]:
        """Every other candidate against that one."""
        return [pair for pair in self.pairs if pair.second == self.best]
