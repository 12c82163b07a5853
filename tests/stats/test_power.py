import math
from array import array

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.paired import tango_bounds
from evalkit.stats.power import (
    VarianceParts,
    cases_needed,
    cases_needed_for_mean,
    detectable_difference,
    detectable_mean_difference,
    variance_parts,
)

sizes = st.integers(5, 5000)
shares = st.floats(0, 1)


@pytest.mark.parametrize(
    ("difference", "discordance", "n"),
    # By hand: (1.959964 sqrt(psi) + 0.841621 sqrt(psi - d^2))^2 / d^2.
    [(0.1, 0.2, 155), (0.1, 0.1, 77), (-0.1, 0.2, 155), (0.05, 0.3, 940), (0.02, 0.0, 391)],
)
def test_cases_needed_by_hand(difference, discordance, n):
    assert cases_needed(difference, discordance) == n


@given(sizes, shares)
def test_what_n_cases_can_show_needs_n_cases(n, discordance):
    difference = detectable_difference(n, discordance)
    assert 0 < difference <= 1
    if difference < 1:
        assert cases_needed(difference * (1 + 1e-9), discordance) <= n
        assert cases_needed(difference * (1 - 1e-9), discordance) >= n


@given(sizes, shares)
def test_more_cases_show_less_and_more_discordance_hides_more(n, discordance):
    assert detectable_difference(2 * n, discordance) < detectable_difference(n, discordance) or n < 8
    assert detectable_difference(n, discordance / 2) <= detectable_difference(n, discordance)
    assert detectable_difference(n, discordance, power=0.9) >= detectable_difference(n, discordance)
    assert detectable_difference(n, discordance, alpha=0.01) >= detectable_difference(n, discordance)


@pytest.mark.parametrize(("n", "discordance"), [(1, 0.0), (3, 0.5)])
def test_too_few_cases_show_nothing(n, discordance):
    assert detectable_difference(n, discordance) == 1.0


@pytest.mark.parametrize(("n", "discordance"), [(50, 0.3), (150, 0.09), (150, 0.2), (500, 0.05)])
def test_the_difference_is_shown_as_often_as_asked_for(n, discordance):
    """Over all that may come out, Tango's interval leaves 0 out in at least four of five, and not far more."""
    difference = detectable_difference(n, discordance)
    first, second = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    share = (discordance + difference) / 2 / discordance
    chances = scipy.stats.binom.pmf(first + second, n, discordance) * scipy.stats.binom.pmf(
        first, first + second, share
    )
    likely = chances > 1e-9
    low, _ = tango_bounds(first[likely], second[likely], n)
    assert 0.8 <= chances[likely][low > 0].sum() <= 0.85


@pytest.mark.parametrize(
    ("difference", "variance", "options", "n"),
    # By statsmodels 0.15: NormalIndPower().solve_power(effect_size=difference / sd, ratio=0, ...).
    [
        (0.08, 0.09, {}, 110.3745995),
        (-0.05, 0.25, {}, 784.8860507),
        (0.02, 0.04, {"power": 0.9, "alpha": 0.01}, 1487.9387166),
    ],
)
def test_cases_needed_for_a_mean(difference, variance, options, n):
    assert cases_needed_for_mean(difference, variance, **options) == math.ceil(n)
    assert detectable_mean_difference(round(n), variance, **options) == pytest.approx(abs(difference), rel=2e-3)


def test_a_mean_without_variance_needs_one_case():
    assert cases_needed_for_mean(0.1, 0.0) == 1
    assert detectable_mean_difference(10, 0.0) == 0.0


def test_no_difference_is_larger_than_all():
    assert detectable_mean_difference(1, 1.0) == 1.0


@pytest.mark.parametrize("needed", [cases_needed, cases_needed_for_mean])
def test_nothing_shows_no_difference(needed):
    with pytest.raises(ValueError, match="difference of 0"):
        needed(0.0, 0.1)


def test_variance_parts_by_hand():
    # Differences 1/2, 0, 0, -1/2; a trial's variance where one of two passed: 1 * 1 / (2 * 1) = 1/2.
    parts = variance_parts([2, 1, 0, 0], [2, 2, 2, 2], [1, 1, 0, 1], [2, 2, 2, 2])
    total, within = (0.25 + 0.25) / 3, (0.5 + 1.0 + 0.0 + 0.5) / 4
    assert parts == VarianceParts(max(0.0, total - within / 2), within)
    assert VarianceParts(0.1, 0.3).after(3) == pytest.approx(0.2)


def test_cases_with_single_trials_tell_nothing():
    assert variance_parts([1, 0, 1], [1, 1, 1], [0, 0, 1], [1, 1, 1]) is None
    assert variance_parts([2, 0, 1], [2, 1, 1], [0, 0, 1], [2, 2, 2]) is None
    assert variance_parts([], [], [], []) is None
    some = variance_parts([2, 0, 1, 1], [2, 2, 1, 0], [0, 0, 1, 1], [2, 2, 2, 2])
    assert some == variance_parts([2, 0], [2, 2], [0, 0], [2, 2])
    assert some == VarianceParts(0.5, 0.0)


def test_parts_of_arrays_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        variance_parts(array("I", [1, 2]), array("I", [2]), array("I", [1]), array("I", [2]))


def test_variance_parts_find_the_true_ones():
    source = np.random.default_rng(11)
    cases = 20_000
    first, second = source.beta(4, 1, cases), source.beta(2, 1, cases)
    trials = source.integers(2, 6, (2, cases))
    parts = variance_parts(
        source.binomial(trials[0], first).tolist(),
        trials[0].tolist(),
        source.binomial(trials[1], second).tolist(),
        trials[1].tolist(),
    )
    assert parts.between == pytest.approx(np.var(first - second), rel=0.05)
    assert parts.within == pytest.approx(np.mean(first * (1 - first) + second * (1 - second)), rel=0.03)
