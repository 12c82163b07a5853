"""How far raters agree beyond chance: Cohen's kappa for two of them, Fleiss' for several. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import NamedTuple, TypeAlias

from evalkit.stats.intervals import Interval, mean_interval

_NEGLIGIBLE = 1e-12
"""A standard error below this is rounding noise of an exact 0."""

Cell: TypeAlias = tuple[int, int]
"""A row and a column of a table: what the first and the second rater said of one thing."""


class Kappa(NamedTuple):
    """Agreement of raters.

    Attributes:
        value: 1 where they always agree, 0 where no more than by chance, negative below; None where chance alone
            leaves no room to disagree, as when both always say the same word.
        interval: of the value, within -1..1; None where that is None.
        agreement: the share of like ratings, 0..1; None without any rating.
        n: how many things were rated.
    """

    value: float | None
    interval: Interval | None
    agreement: float | None
    n: int


def cohen_kappa(
    table: Sequence[Sequence[int]],
    confidence: float = 0.95,
    *,
    clusters: Iterable[Sequence[Cell]] | None = None,
) -> Kappa:
    """Agreement of two raters.

        kappa = (po - pe) / (1 - pe)

    with po the share of like ratings and pe the one expected of raters who keep their shares of words but speak at
    random (J. Cohen (1960), A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20:37-46). The interval
    is kappa +- z SE, with the large-sample error of J. L. Fleiss, J. Cohen and B. S. Everitt (1969), Large sample
    standard errors of kappa and weighted kappa, Psychol. Bull. 72:323-327. It is the spread of

        psi(i, j) = ((i = j) (1 - pe) - (1 - po) (p_j. + p_.i)) / (1 - pe)^2

    over the things rated, so that, where those of a cluster may depend on each other, their psi are added up first.
    Where there is no spread, as when all ratings are alike, the interval is that of po, Wilson's, rescaled.

    Args:
        table: how many things the first rater called i and the second j; square, with counts of at least 0.
        confidence: two-sided, between 0 and 1.
        clusters: the things rated as cells of the table, those of one cluster together; None: each stands alone.

    Raises:
        ValueError: the table is not square, holds a negative count, or other things than the clusters do.
    """
    _check_table(table)
    n = sum(map(sum, table))
    if not n:
        return Kappa(None, None, None, 0)
    size = range(len(table))
    rows = [sum(table[i]) / n for i in size]
    columns = [sum(table[i][j] for i in size) / n for j in size]
    observed = sum(table[i][i] for i in size) / n
    chance = math.fsum(rows[i] * columns[i] for i in size)
    room = 1 - chance
    if room < _NEGLIGIBLE:
        return Kappa(None, None, observed, n)
    psi = [[((i == j) * room - (1 - observed) * (rows[j] + columns[i])) / room**2 for j in size] for i in size]
    mean = math.fsum(table[i][j] * psi[i][j] for i in size for j in size) / n
    squares, groups = _squares(table, [[one - mean for one in row] for row in psi], clusters)
    value = (observed - chance) / room
    error = math.sqrt(squares) / n
    return Kappa(value, _interval(value, error, confidence, observed, chance, groups), observed, n)


def fleiss_kappa(counts: Sequence[Sequence[int]], confidence: float = 0.95) -> Kappa:
    """Agreement of several raters, who need not be the same for each thing.

    J. L. Fleiss (1971), Measuring nominal scale agreement among many raters, Psychol. Bull. 76:378-382. Things may have
    different numbers of ratings; the shares of words are then means over things. The error is that of the linearised
    kappa of each thing, K. L. Gwet (2021), Large-sample variance of Fleiss generalized kappa, Educ. Psychol. Meas.
    81:781-790. Where it is 0 the interval is that of the agreement, Wilson's, rescaled.

    Args:
        counts: for each thing, how many raters used which word; at least 2 ratings each.
        confidence: two-sided, between 0 and 1.

    Raises:
        ValueError: a thing has fewer than 2 ratings, a count is negative, or rows differ in length.
    """
    _check_counts(counts)
    n = len(counts)
    if not n:
        return Kappa(None, None, None, 0)
    raters = [sum(row) for row in counts]
    shares = [math.fsum(row[k] / m for row, m in zip(counts, raters, strict=True)) / n for k in range(len(counts[0]))]
    agreed = [sum(c * (c - 1) for c in row) / (m * (m - 1)) for row, m in zip(counts, raters, strict=True)]
    expected = [
        math.fsum(share * c for share, c in zip(shares, row, strict=True)) / m
        for row, m in zip(counts, raters, strict=True)
    ]
    observed, chance = math.fsum(agreed) / n, math.fsum(share**2 for share in shares)
    room = 1 - chance
    if room < _NEGLIGIBLE:
        return Kappa(None, None, observed, n)
    value = (observed - chance) / room
    linear = ((a - chance - 2 * (1 - value) * (e - chance)) / room for a, e in zip(agreed, expected, strict=True))
    # By n - 1: things are few where people are the raters.
    error = math.sqrt(math.fsum((one - value) ** 2 for one in linear) / (n * max(n - 1, 1)))
    return Kappa(value, _interval(value, error, confidence, observed, chance, n), observed, n)


def _squares(
    table: Sequence[Sequence[int]], centred: Sequence[Sequence[float]], clusters: Iterable[Sequence[Cell]] | None
) -> tuple[float, int]:
    """The sum over clusters of the squared sum of what each thing adds, and how many clusters there are."""
    if clusters is None:
        pairs = [
            (count, one) for row, ones in zip(table, centred, strict=True) for count, one in zip(row, ones, strict=True)
        ]
        return math.fsum(count * one**2 for count, one in pairs), sum(count for count, _ in pairs)
    groups = [group for group in clusters if group]
    if sum(map(len, groups)) != sum(map(sum, table)):
        raise ValueError("the clusters must hold every thing of the table, each once")
    return math.fsum(math.fsum(centred[i][j] for i, j in group) ** 2 for group in groups), len(groups)


def _interval(value: float, error: float, confidence: float, observed: float, chance: float, n: int) -> Interval:
    if error < _NEGLIGIBLE:
        ends = mean_interval(observed, 0.0, n, confidence)
        low, high = ((end - chance) / (1 - chance) for end in ends)
        return Interval(max(-1.0, low), high)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Interval(max(-1.0, value - half), min(1.0, value + half))


def _check_table(table: Sequence[Sequence[int]]) -> None:
    if any(len(row) != len(table) for row in table):
        raise ValueError("the table must be square")
    if any(count < 0 for row in table for count in row):
        raise ValueError("counts must be at least 0")


def _check_counts(counts: Sequence[Sequence[int]]) -> None:
    if len({len(row) for row in counts}) > 1:
        raise ValueError("every row must have one count for each word")
    if any(count < 0 for row in counts for count in row):
        raise ValueError("counts must be at least 0")
    if any(sum(row) < 2 for row in counts):
        raise ValueError("every thing needs at least 2 ratings")
