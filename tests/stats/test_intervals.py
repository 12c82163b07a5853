import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from evalkit.stats import Interval, clustered_mean_interval, wilson
from evalkit.stats.intervals import clopper_pearson, clustered_standard_error


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("passed", "n"), [(0, 1), (1, 1), (0, 150), (150, 150), (139, 150), (1, 3), (49_999, 100_000)])
def test_wilson_agrees_with_scipy(passed, n, confidence):
    expected = binomtest(passed, n).proportion_ci(confidence, method="wilson")
    assert wilson(passed, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_is_exact_at_its_ends():
    assert wilson(0, 7).low == 0.0
    assert wilson(7, 7).high == 1.0


def test_wilson_of_nothing_says_nothing():
    assert wilson(0, 0) == Interval(0.0, 1.0)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=50, deadline=None)
def test_wilson_holds_the_estimate_and_stays_within_bounds(counts):
    passed, n = counts
    low, high = wilson(passed, n)
    assert 0 <= low <= passed / n <= high <= 1
    mirrored = wilson(n - passed, n)
    assert (low, high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(
    ("passed", "n"), [(0, 1), (1, 1), (0, 150), (150, 150), (139, 150), (1, 3), (49_999, 100_000), (3, 1_000_000)]
)
def test_clopper_pearson_agrees_with_scipy(passed, n, confidence):
    expected = binomtest(passed, n).proportion_ci(confidence, method="exact")
    assert clopper_pearson(passed, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-10)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=50, deadline=None)
def test_clopper_pearson_agrees_with_scipy_everywhere(counts):
    expected = binomtest(*counts).proportion_ci(0.95, method="exact")
    assert clopper_pearson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-10)


def test_clopper_pearson_of_nothing_says_nothing():
    assert clopper_pearson(0, 0) == Interval(0.0, 1.0)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@pytest.mark.parametrize(("passed", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_impossible_counts_are_refused(interval, passed, n):
    with pytest.raises(ValueError, match=r"within 0\.\.n"):
        interval(passed, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.1])
def test_confidence_is_a_fraction(confidence):
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence)
    with pytest.raises(ValueError, match="confidence"):
        clopper_pearson(0, 0, confidence)
    with pytest.raises(ValueError, match="confidence"):
        clustered_mean_interval([[1.0], [0.0]], confidence)


def double_sum(clusters):
    """Miller's formula as printed: the independent variance plus the covariances within clusters."""
    values = np.concatenate([np.asarray(values, float) for values in clusters])
    mean, n = values.mean(), len(values)
    total = ((values - mean) ** 2).sum()
    for cluster in clusters:
        total += sum((a - mean) * (b - mean) for i, a in enumerate(cluster) for j, b in enumerate(cluster) if i != j)
    return mean, math.sqrt(max(0.0, total)) / n


@given(st.lists(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=4), min_size=2, max_size=12))
@settings(max_examples=100, deadline=None)
def test_clustered_interval_follows_the_published_formula(clusters):
    mean, error = double_sum(clusters)
    assert clustered_standard_error(clusters) == pytest.approx(error, abs=1e-12)
    low, high = clustered_mean_interval(clusters)
    assert 0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1
    if error > 1e-6:
        # Wilson's ends are where the score test of the effective sample just rejects: |mean - p| = z sqrt(p(1-p)/n).
        effective = mean * (1 - mean) / error**2
        for end in (low, high):
            if 1e-9 < end < 1 - 1e-9:
                bound = 1.959963984540054 * math.sqrt(end * (1 - end) / effective)
                assert abs(mean - end) == pytest.approx(bound, rel=1e-6)


def test_clusters_of_one_value_give_the_plain_interval():
    assert clustered_mean_interval([[1.0]] * 30 + [[0.0]] * 10) == pytest.approx(wilson(30, 40))


@pytest.mark.parametrize(("p", "n"), [(0.97, 100), (0.95, 150), (0.5, 100)])
def test_trials_of_a_deterministic_model_keep_the_coverage(p, n):
    covered = 0.0
    for passed in range(n + 1):
        low, high = clustered_mean_interval([[1.0] * 3] * passed + [[0.0] * 3] * (n - passed))
        covered += scipy.stats.binom.pmf(passed, n, p) if low <= p <= high else 0.0
    assert covered > 0.93


def test_repeats_that_agree_add_no_certainty():
    once = clustered_mean_interval([[1.0]] * 6 + [[0.0]] * 4)
    thrice = clustered_mean_interval([[1.0] * 3] * 6 + [[0.0] * 3] * 4)
    assert thrice == pytest.approx(once)


@pytest.mark.parametrize(
    ("clusters", "stand_in"),
    [([[1.0, 1.0]] * 20, (20, 20)), ([[0.0] * 3] * 5, (0, 5)), ([[1.0, 0.0]] * 10, (5, 10)), ([[1.0, 1.0]], (1, 1))],
)
def test_clusters_all_alike_are_not_certainty(clusters, stand_in):
    assert clustered_mean_interval(clusters) == pytest.approx(wilson(*stand_in))


def test_rounding_noise_counts_as_alike():
    assert clustered_mean_interval([[1.0, 1.0, 0.0]] * 7) == pytest.approx(tuple(wilson(14, 21)), abs=0.15)
    assert clustered_mean_interval([[0.1] * 3] * 7).high > 0.3


def test_empty_clusters_are_ignored():
    assert clustered_mean_interval([[], [1.0], [0.0], []]) == clustered_mean_interval([[1.0], [0.0]])
    assert clustered_mean_interval([[], []]) == clustered_mean_interval([]) == Interval(0.0, 1.0)
    assert clustered_standard_error([[], []]) == 0.0


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_values_outside_the_unit_interval_are_refused(value):
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        clustered_mean_interval([[1.0], [value]])


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [((0.1, 0.4), (0.4, 0.6), True), ((0.1, 0.4), (0.41, 0.6), False), ((0.0, 1.0), (0.4, 0.5), True)],
)
def test_overlap_is_symmetric(one, other, overlap):
    assert Interval(*one).overlaps(Interval(*other)) is overlap
    assert Interval(*other).overlaps(Interval(*one)) is overlap
