import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.intervals import Interval, clustered_standard_error
from evalkit.stats.paired import (
    Pairs,
    bonett_price_interval,
    bootstrap_interval,
    clustered_difference,
    mcnemar_exact,
    mcnemar_mid_p,
    tango_bounds,
    tango_interval,
)

AIRWAY = Pairs(1, 1, 7, 12)
"""Airway hyper-responsiveness before and after a transplantation; analysed by M. W. Fagerland et al. (2013, 2014)."""

pairs = st.builds(Pairs, *[st.integers(0, 60)] * 4).filter(lambda counts: counts.n > 0)
scores = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.0, 0.25, 1.0]), min_size=1, max_size=30)


def test_counts():
    assert (AIRWAY.n, AIRWAY.discordant) == (21, 8)


@pytest.mark.parametrize(
    ("counts", "confidence", "published"),
    [
        (AIRWAY, 0.95, (-0.517, -0.026)),
        (Pairs(300, 28, 25, 265), 0.90, (-0.0148, 0.0247)),  # by PropCIs, scoreci.mp(25, 28, 618)
    ],
)
def test_tango_of_published_examples(counts, confidence, published):
    places = len(str(published[0]).partition(".")[2])
    assert tango_interval(counts, confidence) == pytest.approx(published, abs=0.5 * 10**-places)


def score_by_likelihood(counts, difference):
    """Tango's statistic from its definition: the likeliest table with this difference is searched, not solved for."""
    b, c, n = counts.only_first, counts.only_second, counts.n

    def unlikelihood(q):
        cells = ((b, q + difference), (c, q), (n - b - c, 1 - 2 * q - difference))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in cells if count)

    least, most = max(0.0, -difference), (1 - difference) / 2
    found = scipy.optimize.minimize_scalar(
        unlikelihood, bounds=(least, most), method="bounded", options={"xatol": 1e-13}
    )
    q = min((least, most, found.x), key=unlikelihood)
    return (b - c - n * difference) / math.sqrt(n * (2 * q + difference * (1 - difference)))


@pytest.mark.parametrize(
    "counts",
    [AIRWAY, Pairs(40, 3, 9, 8), Pairs(5, 0, 6, 1), Pairs(0, 20, 1, 0), Pairs(130, 7, 5, 8), Pairs(3, 1, 0, 0)],
)
def test_tango_ends_where_the_likelihood_says(counts):
    z = 1.959963984540054
    low, high = tango_interval(counts)
    assert score_by_likelihood(counts, low) == pytest.approx(z, abs=1e-5)
    assert score_by_likelihood(counts, high) == pytest.approx(-z, abs=1e-5)


@given(pairs, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
@settings(max_examples=80)
def test_tango_holds_the_estimate_within_bounds_and_mirrors(counts, confidence):
    low, high = tango_interval(counts, confidence)
    assert -1 <= low <= (counts.only_first - counts.only_second) / counts.n <= high <= 1
    assert high > low
    mirrored = tango_interval(counts._replace(only_first=counts.only_second, only_second=counts.only_first), confidence)
    assert mirrored == pytest.approx((-high, -low), abs=1e-12)
    assert tango_interval(counts, confidence / 2).high <= high


@given(pairs)
@settings(max_examples=60)
def test_tango_tells_a_difference_where_the_plain_mcnemar_test_does(counts):
    low, high = tango_interval(counts)
    b, c = counts.only_first, counts.only_second
    z = (b - c) / math.sqrt(b + c) if b + c else 0.0
    if abs(abs(z) - 1.959963984540054) > 1e-6:
        assert (low > 0, high < 0) == (z > 1.96, z < -1.96)


@pytest.mark.parametrize("n", [1, 20, 150])
def test_tango_of_ties_alone_is_not_without_width(n):
    z = 1.959963984540054
    bound = z**2 / (n + z**2)
    assert tango_interval(Pairs(n, 0, 0, 0)) == pytest.approx((-bound, bound), abs=1e-12)


def test_tango_of_nothing_but_one_kind_is_one_sided():
    low, high = tango_interval(Pairs(0, 9, 0, 0))
    assert high == 1.0
    assert 0 < low < 1
    assert tango_interval(Pairs(0, 0, 9, 0)) == pytest.approx((-high, -low))


def test_no_cases_say_nothing():
    assert tango_interval(Pairs(0, 0, 0, 0)) == Interval(-1.0, 1.0)
    assert bonett_price_interval(Pairs(0, 0, 0, 0)) == Interval(-1.0, 1.0)


def test_many_tango_intervals_at_once_are_the_same():
    first, second = np.meshgrid(np.arange(5), np.arange(4))
    low, high = tango_bounds(first, second, 12, 0.9)
    assert low.shape == high.shape == (4, 5)
    for at in np.ndindex(4, 5):
        b, c = int(first[at]), int(second[at])
        assert tango_interval(Pairs(12 - b - c, b, c, 0), 0.9) == pytest.approx((low[at], high[at]), abs=1e-14)


def test_bonett_price_of_a_published_example():
    assert bonett_price_interval(AIRWAY) == pytest.approx((-0.508, -0.013), abs=5e-4)


@pytest.mark.parametrize("interval", [tango_interval, bonett_price_interval])
@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_confidence_is_a_fraction(interval, confidence):
    with pytest.raises(ValueError, match="confidence"):
        interval(AIRWAY, confidence)
    with pytest.raises(ValueError, match="confidence"):
        interval(Pairs(0, 0, 0, 0), confidence)


@pytest.mark.parametrize("figure", [tango_interval, bonett_price_interval, mcnemar_exact, mcnemar_mid_p])
def test_counts_are_not_negative(figure):
    with pytest.raises(ValueError, match="negative"):
        figure(Pairs(3, -1, 2, 0))


def test_mcnemar_of_a_published_example():
    assert mcnemar_exact(AIRWAY) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar_mid_p(AIRWAY) == pytest.approx(0.0391, abs=5e-5)


@given(pairs)
@settings(max_examples=80)
def test_mcnemar_agrees_with_the_binomial_test(counts):
    b, c = counts.only_first, counts.only_second
    exact = scipy.stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(counts) == pytest.approx(exact, rel=1e-9)
    own = float(scipy.stats.binom.pmf(b, b + c, 0.5))
    assert mcnemar_mid_p(counts) == pytest.approx(exact - own if b != c else 1.0, rel=1e-9, abs=1e-12)


def test_mcnemar_of_hopeless_splits_is_not_zero():
    assert mcnemar_exact(Pairs(0, 0, 1000, 0)) == pytest.approx(2.0**-999, rel=1e-9)
    assert mcnemar_mid_p(Pairs(0, 0, 1000, 0)) == pytest.approx(2.0**-1000, rel=1e-9)


def as_differences(counts):
    return [1.0] * counts.only_first + [-1.0] * counts.only_second + [0.0] * (counts.both + counts.neither)


@given(pairs, st.sampled_from([0.8, 0.95]))
@settings(max_examples=60)
def test_cases_asked_once_have_the_interval_of_bonett_and_price(counts, confidence):
    found = clustered_difference(as_differences(counts), confidence=confidence)
    assert found.difference == pytest.approx((counts.only_first - counts.only_second) / counts.n)
    assert found.interval == pytest.approx(bonett_price_interval(counts, confidence), abs=1e-12)


@given(scores)
@settings(max_examples=80)
def test_the_interval_holds_the_mean_and_never_lacks_width(differences):
    found = clustered_difference(differences)
    low, high = found.interval
    assert found.difference == pytest.approx(np.mean(differences))
    assert -1 <= low <= found.difference <= high <= 1
    assert high > low
    assert 0 < found.p <= 1
    if not {-1.0, 1.0} & {low, high}:
        assert (found.p < 0.05) is not (low <= 0 <= high)


@given(scores.filter(lambda values: len(values) > 1))
@settings(max_examples=50)
def test_the_error_is_that_of_a_mean(differences):
    assert clustered_difference(differences).error == pytest.approx(scipy.stats.sem(differences), abs=1e-15)


def test_one_cluster_has_no_error_but_an_interval():
    found = clustered_difference([0.5, 0.5, 0.25], ["a", "a", "a"])
    assert found.error == 0.0
    assert found.interval.low < 0 < found.difference < found.interval.high


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.integers(0, 5)), min_size=3, max_size=30))
@settings(max_examples=50)
def test_the_clustered_error_is_millers_with_its_correction(rows):
    by_cluster = {}
    for difference, cluster in rows:
        by_cluster.setdefault(cluster, []).append(difference)
    count = len(by_cluster)
    found = clustered_difference([difference for difference, _ in rows], [f"c{cluster}" for _, cluster in rows])
    plain = clustered_standard_error(list(by_cluster.values()))
    correction = math.sqrt(count / (count - 1)) if count > 1 else 0.0
    assert found.error == pytest.approx(plain * correction if count > 1 else 0.0, abs=1e-12)


def test_repeating_every_case_adds_no_certainty():
    once = clustered_difference([1.0, -1.0, 0.0, 0.0, 0.5, 1.0])
    thrice = clustered_difference(np.repeat([1.0, -1.0, 0.0, 0.0, 0.5, 1.0], 3), np.repeat(np.arange(6), 3))
    assert thrice.interval == pytest.approx(once.interval)
    assert thrice[:2] == pytest.approx(once[:2])
    assert thrice.p == pytest.approx(once.p)


def test_the_scale_of_the_differences_is_that_of_the_interval():
    differences = np.array([0.4, -0.2, 0.6, 0.0, 0.0, 0.2, 0.8, -0.4])
    large, small = clustered_difference(differences), clustered_difference(differences / 10)
    assert np.array(small.interval) * 10 == pytest.approx(np.array(large.interval))
    assert small.p == pytest.approx(large.p)


def test_ties_alone_are_no_certainty():
    found = clustered_difference([0.0] * 150)
    assert (found.difference, found.error, found.p) == (0.0, 0.0, 1.0)
    assert found.interval == pytest.approx(bonett_price_interval(Pairs(150, 0, 0, 0)))
    by_ten = clustered_difference([0.0] * 150, [case // 10 for case in range(150)])
    assert by_ten.interval == pytest.approx(bonett_price_interval(Pairs(15, 0, 0, 0)))


@pytest.mark.parametrize("figure", [clustered_difference, bootstrap_interval])
@pytest.mark.parametrize(
    ("differences", "clusters", "words"),
    [
        ([], None, "at least one"),
        ([0.5, 1.5], None, r"within -1\.\.1"),
        ([0.5, math.nan], None, r"within -1\.\.1"),
        ([0.5, 0.5], ["a"], "2 differences need as many clusters, not 1"),
    ],
)
def test_impossible_differences_are_refused(figure, differences, clusters, words):
    with pytest.raises(ValueError, match=words):
        figure(differences, clusters)


@pytest.mark.parametrize("figure", [clustered_difference, bootstrap_interval])
def test_confidence_of_a_mean_is_a_fraction(figure):
    with pytest.raises(ValueError, match="confidence"):
        figure([0.5, 0.0], confidence=1.0)


def test_the_bootstrap_is_seeded():
    differences = [1.0, 0.0, 0.0, -1.0, 0.0, 1.0, 1.0, 0.0] * 5
    first, again, other = (bootstrap_interval(differences, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first == pytest.approx(other, abs=0.05)


def test_the_bootstrap_comes_near_the_interval_by_formula():
    source = np.random.default_rng(7)
    differences = source.normal(0.1, 0.3, 400).clip(-1, 1)
    clusters = np.repeat(np.arange(100), 4)
    formula = clustered_difference(differences, clusters).interval
    assert bootstrap_interval(differences, clusters) == pytest.approx(formula, abs=0.004)


def test_the_bootstrap_of_ties_is_no_certainty():
    low, high = bootstrap_interval([0.0] * 40)
    assert low < 0 < high


def test_the_bootstrap_draws_the_same_in_parts(monkeypatch):
    differences = np.linspace(-0.5, 0.7, 50)
    whole = bootstrap_interval(differences, resamples=500)
    monkeypatch.setattr("evalkit.stats.paired._BATCH", 700)
    assert bootstrap_interval(differences, resamples=500) == pytest.approx(whole, abs=1e-12)


def test_clusters_make_differences_within_them_count_less():
    differences = [1.0] * 10 + [-1.0] * 5 + [0.0] * 45
    clusters = [case // 5 for case in range(60)]
    alone, together = clustered_difference(differences), clustered_difference(differences, clusters)
    assert together.error > 1.8 * alone.error
    assert together.interval.low < alone.interval.low
