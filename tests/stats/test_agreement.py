import math

import numpy as np
import pytest

from evalkit.stats import wilson
from evalkit.stats.agreement import cohen_kappa, fleiss_kappa


# The values and limits are those of statsmodels 0.15 (stats.inter_rater.cohens_kappa).
@pytest.mark.parametrize(
    ("table", "kappa", "low", "high"),
    [
        ([[20, 5], [10, 15]], 0.4, 0.151092290476661, 0.6489077095233389),
        ([[90, 3, 1], [2, 4, 0], [5, 5, 5]], 0.5335868187579214, 0.3599927803256524, 0.7071808571901903),
    ],
)
def test_cohen_agrees_with_statsmodels(table, kappa, low, high):
    found = cohen_kappa(table)
    assert found.value == pytest.approx(kappa, abs=1e-12)
    assert found.interval == pytest.approx((low, high), abs=1e-9)
    assert found.n == sum(map(sum, table))


def cells(table):
    return [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]


def test_things_that_stand_alone_are_clusters_of_one():
    table = [[20, 5], [10, 15]]
    assert cohen_kappa(table, clusters=[[cell] for cell in cells(table)]).interval == pytest.approx(
        cohen_kappa(table).interval
    )


def test_saying_everything_twice_tells_nothing_new():
    once = [[20, 5], [10, 15]]
    twice = [[2 * count for count in row] for row in once]
    found = cohen_kappa(twice, clusters=[[cell, cell] for cell in cells(once)])
    assert found.interval == pytest.approx(cohen_kappa(once).interval)
    assert cohen_kappa(twice).interval.low > found.interval.low


def test_clusters_hold_every_thing_once():
    with pytest.raises(ValueError, match="each once"):
        cohen_kappa([[1, 0], [0, 1]], clusters=[[(0, 0)]])


def test_full_agreement_of_few_is_no_certainty():
    found = cohen_kappa([[6, 0], [0, 4]])
    assert found.value == 1
    chance = 0.6**2 + 0.4**2
    assert found.interval == pytest.approx(((wilson(10, 10).low - chance) / (1 - chance), 1))
    assert cohen_kappa([[60, 0], [0, 40]]).interval.low > found.interval.low


def test_of_two_who_always_say_the_same_word_kappa_knows_nothing():
    assert cohen_kappa([[9, 0], [0, 0]]) == (None, None, 1.0, 9)
    assert fleiss_kappa([[3, 0], [2, 0]]) == (None, None, 1.0, 2)


def test_nothing_rated_is_nothing_known():
    assert cohen_kappa([[0, 0], [0, 0]]) == (None, None, None, 0)
    assert fleiss_kappa([]) == (None, None, None, 0)


def test_kappa_stays_within_its_range():
    opposed = cohen_kappa([[0, 5], [5, 0]])
    assert opposed.value == -1
    assert -1 <= opposed.interval.low <= -1 <= opposed.interval.high
    assert cohen_kappa([[3, 0], [1, 3]]).interval.high <= 1


@pytest.mark.parametrize("table", [[[1, 2]], [[1, 2], [3]], [[1, -1], [0, 1]]])
def test_tables_that_are_none_are_refused(table):
    with pytest.raises(ValueError, match=r"square|at least 0"):
        cohen_kappa(table)


@pytest.mark.parametrize("counts", [[[1, 0]], [[2, 0], [1, 1, 1]], [[3, -1]]])
def test_ratings_that_say_nothing_of_agreement_are_refused(counts):
    with pytest.raises(ValueError, match=r"at least|one count for each"):
        fleiss_kappa(counts)


def test_fleiss_takes_things_with_different_numbers_of_ratings():
    same = fleiss_kappa([[3, 0], [0, 3], [2, 1], [0, 3]])
    # Twice as many people in the same shares agree a little more on each thing.
    mixed = fleiss_kappa([[6, 0], [0, 3], [2, 1], [0, 3]])
    assert mixed.value == pytest.approx(same.value)
    assert fleiss_kappa([[4, 2], [0, 3], [2, 1], [0, 3]]).value != pytest.approx(same.value)


def test_fleiss_agrees_with_the_formula_of_1971():
    counts = np.random.default_rng(4).multinomial(6, [0.5, 0.2, 0.2, 0.1], size=30)
    shares = counts.sum(axis=0) / 180
    agreed = (np.square(counts).sum() - 180) / (30 * 6 * 5)
    expected = (agreed - np.square(shares).sum()) / (1 - np.square(shares).sum())
    assert fleiss_kappa(counts.tolist()).value == pytest.approx(expected)


@pytest.mark.parametrize("rates", [(0.1, 0.5, 0.9), (0.7, 0.95, 0.99)])
def test_the_error_of_fleiss_is_the_spread_of_its_estimates(rates):
    rng = np.random.default_rng(0)
    kappas = []
    for _ in range(800):
        passes = rng.binomial(3, rng.choice(rates, 60))
        kappas.append(fleiss_kappa([[3 - int(one), int(one)] for one in passes]))
    spread = np.std([kappa.value for kappa in kappas])
    widths = [kappa.interval.high - kappa.interval.low for kappa in kappas]
    assert np.mean(widths) / (2 * 1.96) == pytest.approx(spread, rel=0.1)


def test_full_agreement_of_several_is_no_certainty():
    found = fleiss_kappa([[3, 0], [0, 3], [3, 0], [0, 3]])
    assert found.value == 1
    assert found.interval.low < 0.5
    assert math.isclose(found.interval.high, 1)
