"""How often intervals hold the truth: by looking at every outcome where they can be counted, else by simulation."""

import math

import numpy as np
import pytest
import scipy.stats

from evalkit.stats.intervals import clustered_standard_error, wilson
from evalkit.stats.margin import Verdict, auto_margin_of_mean, verdict
from evalkit.stats.paired import bootstrap_interval, clustered_difference, tango_bounds
from evalkit.stats.quantiles import quantile_interval

pytestmark = pytest.mark.slow

SIZES, RATES, CORRELATIONS = (50, 100, 150, 200), (0.5, 0.7, 0.9, 0.95, 0.98), (0.0, 0.3, 0.5, 0.7)
# Where fewer than 1.5 discordant pairs are expected, without any difference.
SPARSE = ((50, 0.95, 0.7), (50, 0.98, 0.3), (50, 0.98, 0.5), (50, 0.98, 0.7), (100, 0.98, 0.7))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", RATES)
def test_wilson(n, p):
    covered = 0.0
    for passed in range(n + 1):
        low, high = wilson(passed, n)
        covered += scipy.stats.binom.pmf(passed, n, p) if low <= p <= high else 0.0
    assert 0.92 <= covered <= 0.99


def cells(p, drop, rho):
    """Probabilities that only the first, and that only the second, of two correlated candidates passes; or None."""
    after = p - drop
    both = p * after + rho * math.sqrt(p * (1 - p) * after * (1 - after))
    first, second = p - both, after - both
    return (first, max(0.0, second)) if second > -1e-12 else None


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("drop", [0.0, 0.1])
@pytest.mark.parametrize("p", RATES)
def test_tango(n, drop, p):
    first, second = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    possible = first + second <= n
    first, second = first[possible], second[possible]
    low, high = tango_bounds(first, second, n)
    for rho in CORRELATIONS:
        shares = cells(p, drop, rho)
        if shares is None:
            continue
        discordance = sum(shares)
        holds = (low <= drop + 1e-12) & (high >= drop - 1e-12)
        odds = scipy.stats.binom.pmf(first, first + second, shares[0] / discordance)
        covered = float((scipy.stats.binom.pmf(first + second, n, discordance) * odds)[holds].sum())
        assert covered >= 0.92, rho
        assert covered <= 0.99 or (drop == 0 and (n, p, rho) in SPARSE), rho


@pytest.mark.parametrize(("n", "p", "rho"), SPARSE)
def test_no_interval_could_hold_both_ends_where_hardly_a_pair_is_discordant(n, p, rho):
    """Neither Tango's nor any other interval can cover between 0.92 and 0.99 of every cell: 3 against 0 decides it.

    Say an interval treats both candidates alike, and never excludes 0 at a result less clear than one where it does
    not: one with fewer for the winner, more for the other, or the same lead among more pairs. If it excludes 0 at 3
    against 0, it does at 4 against 0 and so on, and covers less than 0.92 of a cell with more discordant pairs. If it
    does not, it excludes 0 at no lead below 4, and covers more than 0.99 of this one.
    """

    def odds(p, rho, told_apart):
        discordance = sum(cells(p, 0.0, rho))
        return sum(
            scipy.stats.binom.pmf(pairs, n, discordance) * scipy.stats.binom.pmf(first, pairs, 0.5)
            for pairs in range(n + 1)
            for first in range(pairs + 1)
            if told_apart(max(first, pairs - first), min(first, pairs - first))
        )

    busier = {50: 0.95, 100: 0.98}[n]
    assert 1 - odds(busier, 0.3, lambda more, less: more >= 3 and less == 0) < 0.92
    assert 1 - odds(p, rho, lambda more, less: more - less >= 4) > 0.99


def test_the_clustered_error_is_that_of_repeated_samples():
    source = np.random.default_rng(1)
    rates = source.beta(4, 2, (4000, 30, 1))
    samples = source.binomial(1, np.repeat(rates, 5, axis=2)).astype(float)
    truth = samples.mean(axis=(1, 2)).std()
    told = math.sqrt(np.mean([clustered_standard_error(sample.tolist()) ** 2 for sample in samples]))
    assert told == pytest.approx(truth, rel=0.05)
    alone = math.sqrt(np.mean([sample.var() / sample.size for sample in samples]))
    assert alone < 0.8 * truth


def once(n, better, worse):
    """Cases that were asked once."""
    return lambda source: (source.choice([1.0, -1.0, 0.0], n, p=[better, worse, 1 - better - worse]), None)


def trials(n, k):
    """Two runs of one model with k trials each; most cases are sure to pass or to fail."""

    def draw(source):
        rates = source.beta(0.9, 0.1, n)
        return (source.binomial(k, rates) - source.binomial(k, rates)) / k, None

    return draw


def graded(n, spread):
    return lambda source: (source.normal(0, spread, n).clip(-1, 1), None)


def clustered(clusters, size, *, unequal):
    """Cases of which those of a cluster tend to be better or worse together."""

    def draw(source):
        sizes = 1 + source.geometric(1 / size, clusters) if unequal else np.full(clusters, size)
        lean = np.repeat(source.normal(0, 0.3, clusters).clip(-0.5, 0.5), sizes)
        at = source.random(sizes.sum())
        differences = np.where(at < 0.1 * (1 + lean), 1.0, np.where(at > 1 - 0.1 * (1 - lean), -1.0, 0.0))
        return differences, np.repeat(np.arange(clusters), sizes)

    return draw


SCENARIOS = {
    "20 cases": (once(20, 0.05, 0.05), 0.0),
    "50 cases": (once(50, 0.05, 0.05), 0.0),
    "50 cases, 10 points": (once(50, 0.02, 0.12), -0.1),
    "150 cases": (once(150, 0.05, 0.05), 0.0),
    "150 cases, 10 points": (once(150, 0.02, 0.12), -0.1),
    "20 cases, 3 trials": (trials(20, 3), 0.0),
    "150 cases, 3 trials": (trials(150, 3), 0.0),
    "150 cases, 5 trials": (trials(150, 5), 0.0),
    "20 scores": (graded(20, 0.1), 0.0),
    "150 scores": (graded(150, 0.02), 0.0),
    "20 clusters": (clustered(20, 5, unequal=False), 0.0),
    "20 unequal clusters": (clustered(20, 5, unequal=True), 0.0),
    "60 unequal clusters": (clustered(60, 3, unequal=True), 0.0),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_clustered_difference(name):
    draw, truth = SCENARIOS[name]
    source = np.random.default_rng(2)
    found = [clustered_difference(*draw(source)) for _ in range(4000)]
    # The standard error of 4000 draws is 0.0034.
    assert np.mean([one.interval.low <= truth <= one.interval.high for one in found]) >= 0.95 - 0.004
    if not truth:
        assert np.mean([one.p < 0.05 for one in found]) <= 0.06
        told = [verdict(one.interval, auto_margin_of_mean(one.interval, one.error)) for one in found]
        assert np.mean([one is Verdict.NOT_WORSE for one in told]) >= 0.9 - 0.01


@pytest.mark.parametrize("name", ["50 cases", "150 cases, 10 points", "150 cases, 3 trials", "20 unequal clusters"])
def test_bootstrap(name):
    draw, truth = SCENARIOS[name]
    source = np.random.default_rng(3)
    intervals = [bootstrap_interval(*draw(source), resamples=1000) for _ in range(1500)]
    assert np.mean([low <= truth <= high for low, high in intervals]) >= 0.93


@pytest.mark.parametrize(("n", "q"), [(20, 0.5), (150, 0.5), (100, 0.9), (150, 0.95), (400, 0.99), (30, 0.95)])
def test_quantile_interval(n, q):
    """Skewed as latency is; an end that cannot be given is taken for infinitely far."""
    source = np.random.default_rng(4)
    truth = math.exp(scipy.stats.norm.ppf(q))
    held = 0
    for values in source.lognormal(size=(3000, n)):
        low, high = quantile_interval(values.tolist(), q)
        held += (low is None or low <= truth) and (high is None or truth <= high)
    assert held / 3000 >= 0.945
