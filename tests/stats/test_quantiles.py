import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats import min_n_for_upper_bound, quantile
from evalkit.stats.quantiles import quantile_interval

finite = st.floats(0, 1e7, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=60), st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]))
@settings(max_examples=150, deadline=None)
def test_agrees_with_numpy(values, q):
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-12, abs=1e-9)


def test_leaves_its_argument_alone():
    values = [3.0, 1.0, 2.0]
    assert quantile(values, 0.5) == 2.0
    assert values == [3.0, 1.0, 2.0]


def test_one_value_is_every_quantile():
    assert [quantile([7.0], q) for q in (0, 0.5, 0.99, 1)] == [7.0] * 4


def test_nothing_has_no_quantile():
    with pytest.raises(ValueError, match="at least one"):
        quantile([], 0.5)


@pytest.mark.parametrize("q", [-0.01, 1.01, 95])
def test_q_is_a_fraction(q):
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        quantile([1.0], q)


@pytest.mark.parametrize(("q", "n"), [(0.95, 72), (0.99, 368), (0.5, 6), (0.01, 1)])
def test_sample_sizes_known_from_tables(q, n):
    assert min_n_for_upper_bound(q) == n


@given(st.floats(0.001, 0.9999), st.floats(0.01, 0.999))
@settings(max_examples=200, deadline=None)
def test_is_the_smallest_size_that_bounds(q, confidence):
    tail = (1 - confidence) / 2
    n = min_n_for_upper_bound(q, confidence)
    assert q**n <= tail
    assert n == 1 or q ** (n - 1) > tail


@pytest.mark.parametrize("arguments", [(0, 0.95), (1, 0.95), (0.95, 0), (0.95, 1)])
def test_sample_size_arguments_are_fractions(arguments):
    with pytest.raises(ValueError, match="between 0 and 1"):
        min_n_for_upper_bound(*arguments)


@given(st.integers(1, 600), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=150, deadline=None)
def test_interval_is_the_shortest_with_equal_tails(n, q, confidence):
    low, high = quantile_interval(range(1, n + 1), q, confidence)  # so that values are their own ranks
    tail = (1 - confidence) / 2
    below = scipy.stats.binom(n, q).cdf
    lower, upper = low or 0, high or n + 1
    assert lower == 0 or below(lower - 1) <= tail + 1e-12
    assert below(lower) > tail - 1e-12
    assert upper == n + 1 or 1 - below(upper - 1) <= tail + 1e-12
    assert 1 - below(upper - 2) > tail - 1e-12


@pytest.mark.parametrize(
    ("n", "q", "ranks"), [(10, 0.5, (2, 9)), (100, 0.5, (40, 61)), (72, 0.95, (64, 72)), (5, 0.5, (None, None))]
)
def test_interval_known_from_tables(n, q, ranks):
    assert quantile_interval(range(1, n + 1), q) == ranks


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_the_upper_end_is_there_from_the_size_on_that_is_said_to_bound(q, confidence):
    n = min_n_for_upper_bound(q, confidence)
    assert quantile_interval(range(n), q, confidence)[1] is not None
    assert quantile_interval(range(n - 1), q, confidence)[1] is None


def test_interval_of_an_extreme_quantile_lacks_the_far_end():
    assert quantile_interval([3.0, 1.0, 2.0] * 5, 0.99) == (3.0, None)
    assert quantile_interval([3.0, 1.0, 2.0] * 5, 0.01) == (None, 1.0)
    assert quantile_interval([], 0.5) == (None, None)


@pytest.mark.parametrize("arguments", [(0, 0.95), (1, 0.95), (0.95, 0), (0.95, 1)])
def test_interval_arguments_are_fractions(arguments):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_interval([1.0], *arguments)
