"""Tests that may be looked at after every case without raising the rate of false alarms: e-processes.

An e-process is the wealth of a gambler who bets against a hypothesis at fair odds and starts with 1: under the
hypothesis its expectation never exceeds 1, whenever one stops. So the chance that it ever reaches 1 / alpha is at most
alpha (J. Ville (1939), Étude critique de la notion de collectif; A. Ramdas, P. Grünwald, V. Vovk and G. Shafer (2023),
Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38:576-601), and 1 / (its largest value
so far) is a p-value at every moment.

Needs numpy: import this module lazily.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FRACTIONS: Final = (np.arange(20) + 0.5) / 20
"""Which shares of the highest bet without debt `BoundedEProcess` mixes, each with the same weight."""
FRACTIONS.setflags(write=False)

_ROUNDING: Final = 1e-9


def paired_e_value(wins: int, losses: int) -> float:
    """How strongly pairs of unlike outcomes speak against "the first wins at most half of them".

    The likelihood ratio of a win rate t against 1/2, averaged over t uniform on 1/2..1 (the mixture of H. Robbins
    (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Stat. 41:1397-1409, with a beta
    distribution truncated to the alternatives). With n = wins + losses,

        E = 2 * 2^n * integral of t^wins (1 - t)^losses over 1/2..1
          = sum over k = 0..wins of C(n + 1, k) / ((n + 1) C(n, wins)).

    Args:
        wins: pairs in which the first is the better one.
        losses: pairs in which the second is. Pairs with like outcomes say nothing and are left out.

    Returns:
        The e-value, above 0; infinite beyond what a float can hold.

    Raises:
        ValueError: a count is negative.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"wins and losses must be at least 0, not {wins} and {losses}")
    term = total = 1 / (losses + 1)
    for k in range(wins, 0, -1):
        # The sum taken from its last term down: C(n + 1, k - 1) = C(n + 1, k) k / (n + 2 - k). No term is negative.
        term *= k / (wins + losses + 2 - k)
        total += term
        if term < total * 1e-18:  # from here on each term is smaller than the one before
            break
    return total


class PairedEProcess:
    """Whether the first of two candidates wins more than half of the pairs in which just one of them passes.

    The hypothesis bet against is P(first wins | outcomes differ) <= 1/2; for the other direction use another process
    with wins and losses exchanged. See `paired_e_value`.

    Attributes:
        wins: pairs that only the first passed, so far.
        losses: pairs that only the second passed, so far.
        e_value: the wealth now.
        largest: the largest there was at an update.
    """

    def __init__(self) -> None:
        self.wins = self.losses = 0
        self.e_value = self.largest = 1.0

    def update(self, wins: int, losses: int) -> float:
        """Add so many pairs and return the e-value.

        Raises:
            ValueError: a count is negative.
        """
        if wins < 0 or losses < 0:
            raise ValueError(f"wins and losses must be at least 0, not {wins} and {losses}")
        self.wins += wins
        self.losses += losses
        self.e_value = paired_e_value(self.wins, self.losses)
        self.largest = max(self.largest, self.e_value)
        return self.e_value

    @property
    def p_anytime(self) -> float:
        """A p-value that holds at every moment, however often it was looked at."""
        return min(1.0, 1 / self.largest)


class BoundedEProcess:
    """Whether means of bounded values exceed a given one, for several candidates side by side.

    The hypothesis bet against is, for each candidate, that the mean is at most `null_mean`. Each value x multiplies the
    wealth by 1 + b (x - null_mean), where b is a share of the highest bet 1 / (null_mean - low) that cannot lead into
    debt; the process is the average over the shares of FRACTIONS, which bets on all of them at once (I. Waudby-Smith
    and A. Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86:1-27). For differences
    of single passes and a mean of 0 it is, up to the grid, `paired_e_value`.

    With `population`, values are drawn in random order, without replacement, from that many per candidate, and the
    hypothesis is about the mean of just these. What is left then tells what to expect next: the null mean is replaced
    before each value by (N null_mean - sum so far) / (N - seen so far) (I. Waudby-Smith and A. Ramdas (2020),
    Confidence sequences for sampling without replacement, NeurIPS 33). It gains much once a good part has been seen.

    Args:
        null_mean: the mean under the hypothesis, at least `low` and below `high`.
        candidates: how many streams there are.
        low: the smallest value that can occur; -1 for differences of scores.
        high: the largest.
        population: how many values each stream has in all; None where there is no end.

    Raises:
        ValueError: `null_mean` is not within the bounds.
    """

    def __init__(
        self,
        null_mean: float,
        candidates: int = 1,
        *,
        low: float = -1.0,
        high: float = 1.0,
        population: int | None = None,
    ) -> None:
        if not low <= null_mean < high:
            raise ValueError(f"null_mean must be at least {low} and below {high}, not {null_mean}")
        self._null, self._low, self._high = null_mean, low, high
        self._population = population
        self._log_wealth = np.zeros((len(FRACTIONS), candidates))
        self._sums = np.zeros(candidates)
        self._seen = np.zeros(candidates, dtype=np.int64)
        self._largest = np.zeros(candidates)

    @property
    def seen(self) -> NDArray[np.int64]:
        """How many values each stream has had, shape (candidates,)."""
        return self._seen.copy()

    @property
    def log_e_value(self) -> NDArray[np.float64]:
        """The natural logarithm of the wealth now, shape (candidates,); infinite where the hypothesis is impossible."""
        return _log_mean_exp(self._log_wealth)

    @property
    def p_anytime(self) -> NDArray[np.float64]:
        """A p-value for each candidate that holds at every moment, shape (candidates,)."""
        p: NDArray[np.float64] = np.exp(-self._largest)
        return p

    def update(self, values: ArrayLike) -> NDArray[np.float64]:
        """Add values in the order of their cases.

        Args:
            values: shape (candidates,) or (cases, candidates), within low..high; NaN where there is none.

        Returns:
            The e-value of each candidate, shape (candidates,).

        Raises:
            ValueError: the shape is another one, a value lies outside of the bounds, or there are more than
                `population`.
        """
        rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
        self._check(rows)
        for row in rows:
            self._add(row)
            # Looking after every value costs nothing and finds the highest point.
            self._largest = np.maximum(self._largest, self.log_e_value)
        with np.errstate(over="ignore"):
            e_values: NDArray[np.float64] = np.exp(self.log_e_value)
        return e_values

    def _check(self, rows: NDArray[np.float64]) -> None:
        if rows.ndim != 2 or rows.shape[1] != len(self._seen):
            raise ValueError(f"expected one value per candidate ({len(self._seen)}), not the shape {rows.shape}")
        present = ~np.isnan(rows)
        if (rows[present] < self._low).any() or (rows[present] > self._high).any():
            raise ValueError(f"values must be within {self._low}..{self._high}")
        if self._population is not None and (self._seen + present.sum(axis=0) > self._population).any():
            raise ValueError(f"there are more values than the population of {self._population}")

    def _add(self, row: NDArray[np.float64]) -> None:
        """Let every gambler bet on one value per candidate; where there is none, nothing changes."""
        present = ~np.isnan(row)
        above, room = row[present] - self._low, self._expected()[present] - self._low
        # Without room to lose, no more than `low` may come: no bet is needed, anything else refutes the hypothesis.
        # What is left of the room is a difference of sums: this much of it may be rounding.
        refuted = (room < -_ROUNDING) | ((room <= 0) & (above > _ROUNDING))
        ratio = np.divide(above, room, out=np.ones_like(room), where=room > 0)
        self._log_wealth[:, present] += np.where(refuted, math.inf, np.log1p(np.outer(FRACTIONS, ratio - 1)))
        self._sums[present] += row[present]
        self._seen[present] += 1

    def _expected(self) -> NDArray[np.float64]:
        """The highest mean that the hypothesis allows for each candidate's next value."""
        if self._population is None:
            return np.full(self._sums.shape, self._null)
        left = np.maximum(self._population - self._seen, 1)
        expected: NDArray[np.float64] = (self._population * self._null - self._sums) / left
        return expected


def _log_mean_exp(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the mean of exp(logs) over the first axis, without overflow."""
    top = logs.max(axis=0)
    anchored = np.where(np.isinf(top), 0.0, top)
    with np.errstate(over="ignore"):
        result: NDArray[np.float64] = anchored + np.log(np.exp(logs - anchored).mean(axis=0))
    return result
