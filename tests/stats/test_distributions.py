import math

import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.distributions import (
    beta_cdf,
    beta_quantile,
    binomial_cdf,
    first_above,
    normal_quantile,
    normal_two_sided,
    two_sided_z,
)

shapes = st.floats(0.5, 5000)
fractions = st.floats(0, 1)


@given(fractions, shapes, shapes)
@settings(max_examples=300)
def test_beta_agrees_with_scipy(x, a, b):
    assert beta_cdf(x, a, b) == pytest.approx(scipy.special.betainc(a, b, x), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(("x", "a", "b"), [(0.5, 1e6, 1e6), (0.01, 1e4, 1e6), (0.0102, 1e4, 1e6), (1e-6, 1, 1e6)])
def test_beta_of_large_samples_agrees_with_scipy(x, a, b):
    assert beta_cdf(x, a, b) == pytest.approx(scipy.special.betainc(a, b, x), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(("x", "a", "b", "value"), [(0, 2, 3, 0), (1, 2, 3, 1), (0.3, 1, 1, 0.3), (0.5, 7, 7, 0.5)])
def test_beta_of_known_values(x, a, b, value):
    assert beta_cdf(x, a, b) == pytest.approx(value, abs=1e-14)


def test_small_tails_keep_their_digits():
    assert beta_cdf(1e-3, 50, 3) == pytest.approx(scipy.special.betainc(50, 3, 1e-3), rel=1e-11)
    assert normal_two_sided(30.0) == pytest.approx(2 * scipy.stats.norm.sf(30.0), rel=1e-11)


@given(st.floats(0.001, 0.999), shapes, shapes)
@settings(max_examples=50)
def test_the_beta_quantile_turns_the_distribution_round(p, a, b):
    x = beta_quantile(p, a, b)
    assert x == pytest.approx(scipy.stats.beta.ppf(p, a, b), abs=1e-10)
    assert beta_cdf(x, a, b) == pytest.approx(p, abs=1e-9)


@given(st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(-1, n + 1), st.just(n))), st.floats(0.01, 0.99))
@settings(max_examples=150)
def test_binomial_agrees_with_scipy(counts, p):
    k, n = counts
    assert binomial_cdf(k, n, p) == pytest.approx(scipy.stats.binom.cdf(k, n, p), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(("confidence", "z"), [(0.95, 1.959963984540054), (0.5, 0.6744897501960817)])
def test_normal_quantiles(confidence, z):
    assert two_sided_z(confidence) == pytest.approx(z, abs=1e-12)
    assert normal_quantile((1 - confidence) / 2) == pytest.approx(-z, abs=1e-12)
    assert normal_two_sided(-z) == normal_two_sided(z) == pytest.approx(1 - confidence, abs=1e-12)


def test_first_above_ends_at_the_last_bit():
    assert first_above(lambda x: x >= 0.3) == 0.3
    assert first_above(lambda x: x > 0.3) == math.nextafter(0.3, 1)


def test_first_above_stops_where_it_is_close_enough():
    asked = []
    found = first_above(lambda x: asked.append(x) or x >= 0.3, within=1e-3)
    assert 0.3 <= found < 0.301
    assert len(asked) == 10


def test_first_above_what_never_holds_is_the_end():
    assert first_above(lambda _: False) == 1.0
    assert first_above(lambda _: True) < 1e-300
