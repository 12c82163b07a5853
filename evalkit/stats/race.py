"""A race: which of several candidates can be left out already, after every block of the cases that they share.

Needs numpy: import this module lazily.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.sequential import BoundedEProcess

ERROR_RATE: Final = 0.05
"""At most this share of races loses a candidate that is among the best by more than the margin."""


class Out(NamedTuple):
    """A candidate that has left a race.

    Attributes:
        candidate: which one, counted from 0.
        cases: after how many cases.
        ahead: who had the highest mean on these cases; None: the candidate was withdrawn.
        worse: whether it is shown not to be among the best at all; else, not by more than the margin.
        p: of what is shown, valid however often it was looked at; None: the candidate was withdrawn.
    """

    candidate: int
    cases: int
    ahead: int | None = None
    worse: bool = False
    p: float | None = None


class Race:
    """Decides after each block of cases who goes on.

    For each pair, a gambler bets case by case that i is ahead of j (`BoundedEProcess` on the difference of their
    values, against a mean of at most -margin). Were j better by the margin than all the others, none of its rivals'
    gamblers should get rich, and neither should all together, whose wealth is the mean of theirs: an average of
    e-processes is one (V. Vovk and R. Wang (2021), E-values: calibration, combination and applications, Ann. Stat.
    49:1736-1754, section 3). That corrects for the number of candidates, and costs less than Bonferroni's correction,
    which goes by the richest gambler alone. With `keep` above 1, up to keep - 1 rivals may be ahead of a candidate
    that is among the best, whichever they are; the mean leaves out the richest so many. A candidate is out when the
    mean has reached 1 / ERROR_RATE after some block (Ville's inequality: see `sequential`).

    So a candidate that is better than all but keep - 1 others by more than the margin is lost in at most ERROR_RATE of
    the races, for cases like these in random order. Only one hypothesis can be true of each such candidate: no
    correction is due for how many are judged.

    Args:
        candidates: how many there are.
        keep: how many are wanted; at least 1, and fewer than there are.
        margin: 0 or more, below 1: a lead by so much is no reason to go on.

    Raises:
        ValueError: there is nothing to race.
    """

    def __init__(self, candidates: int, *, keep: int = 1, margin: float = 0.02) -> None:
        if not 1 <= keep < candidates:
            raise ValueError(f"keep must be at least 1 and below {candidates}, the number of candidates, not {keep}")
        self.cases = 0
        self.keep = keep
        self.outs: list[Out] = []
        self._running = np.ones(candidates, dtype=np.bool_)
        self._sums = np.zeros(candidates)
        self._near = _Evidence(candidates, keep, margin)
        self._worse = _Evidence(candidates, keep, 0.0) if margin else self._near

    @property
    def running(self) -> tuple[int, ...]:
        """The candidates that are still in the race."""
        return tuple(map(int, np.flatnonzero(self._running)))

    @property
    def over(self) -> bool:
        """Whether no more candidates are in it than are wanted."""
        return len(self.running) <= self.keep

    def after_block(self, values: ArrayLike) -> list[Out]:
        """Take in the results of a block of cases, and decide.

        Args:
            values: shape (cases, candidates), 0..1 each; whatever for those that are out. NaN withdraws a candidate:
                its model cannot be asked any more.

        Returns:
            The candidates that leave the race now, the worst first.

        Raises:
            ValueError: a value is not within 0..1, or the shape is another one.
        """
        rows = np.array(values, dtype=np.float64, ndmin=2)
        self.cases += len(rows)
        leaving = [Out(at, self.cases) for at in self.running if np.isnan(rows[:, at]).any()]
        self._leave(leaving)
        rows[:, ~self._running] = math.nan
        for evidence in {id(one): one for one in (self._near, self._worse)}.values():
            evidence.add(rows)
        self._sums += np.where(self._running, rows.sum(axis=0), 0.0)
        shown = [self._shown(at) for at in self._worst_first() if self._near.p[at] <= ERROR_RATE]
        shown = shown[: max(0, len(self.running) - self.keep)]
        self._leave(shown)
        return leaving + shown

    def _leave(self, outs: Sequence[Out]) -> None:
        self._running[[out.candidate for out in outs]] = False
        self.outs += outs

    def _worst_first(self) -> list[int]:
        """Those in the race by their mean; of equal ones, the last listed goes first."""
        return sorted(self.running, key=lambda at: (self._sums[at], -at))

    def _shown(self, candidate: int) -> Out:
        ahead = next(at for at in reversed(self._worst_first()) if at != candidate)
        p_worse, p_near = self._worse.p[candidate], self._near.p[candidate]
        worse = bool(p_worse <= ERROR_RATE)
        return Out(candidate, self.cases, ahead, worse, float(p_worse if worse else p_near))


class _Evidence:
    """How strongly the cases speak against each candidate's being among the `keep` best by at least a margin.

    Attributes:
        p: per candidate, valid at all times, shape (candidates,).
    """

    def __init__(self, candidates: int, keep: int, margin: float) -> None:
        self.p = np.ones(candidates)
        self._counted = candidates - keep
        self._pairs = BoundedEProcess(-margin, candidates**2)

    def add(self, rows: NDArray[np.float64]) -> None:
        """Let all gamblers bet; shape (cases, candidates), NaN for a candidate that is out, whose pairs stand still."""
        candidates = rows.shape[1]
        differences = rows[:, :, np.newaxis] - rows[:, np.newaxis, :]
        differences[:, range(candidates), range(candidates)] = math.nan
        self._pairs.update(differences.reshape(len(rows), -1))
        log_wealth = self._pairs.log_e_value.reshape(candidates, candidates)
        np.fill_diagonal(log_wealth, math.inf)  # nobody is a rival of itself: sorted behind all the others
        poorest = np.sort(log_wealth, axis=0)[: self._counted]
        log_mean = np.logaddexp.reduce(poorest, axis=0) - math.log(self._counted)
        self.p = np.minimum(self.p, np.exp(-np.maximum(log_mean, 0.0)))
