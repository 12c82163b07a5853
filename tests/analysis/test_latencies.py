"""Intervals of latency percentiles."""

import random

import pytest

from evalkit.analysis import analyse
from evalkit.analysis.latencies import percentile_intervals, tail_interval
from evalkit.stats.quantiles import quantile_interval

RNG = random.Random(1)
VALUES = [round(RNG.lognormvariate(5, 0.5), 3) for _ in range(400)]


def test_independent_answers_have_order_statistic_intervals():
    found = percentile_intervals(VALUES)
    assert list(found) == ["p50", "p90", "p95", "p99"]
    for name, ends in found.items():
        assert ends == quantile_interval(VALUES, int(name[1:]) / 100)


def test_nothing_measured_has_no_interval():
    assert percentile_intervals([]) == {}
    assert tail_interval([]) == (None, None)


def test_an_end_that_n_cannot_give_is_unknown():
    found = percentile_intervals(VALUES[:100])
    assert None not in found["p95"]
    assert found["p99"][0] is not None
    assert found["p99"][1] is None


def test_repeating_the_same_times_tells_no_more():
    once = percentile_intervals(VALUES[:150])
    again = percentile_intervals(VALUES[:150] * 3, list(range(150)) * 3)
    assert again == once
    assert tail_interval(VALUES[:150] * 3, list(range(150)) * 3) == tail_interval(VALUES[:150])


def test_alike_at_the_top_is_not_taken_as_independent():
    assert percentile_intervals([5.0] * 450, list(range(150)) * 3)["p99"] == (5.0, None)


def test_trials_that_have_nothing_in_common_tell_as_much_as_cases():
    cases = [i % 100 for i in range(400)]
    alone, found = percentile_intervals(VALUES), percentile_intervals(VALUES, cases)
    for name, (low, high) in alone.items():
        ends = found[name]
        assert ends[0] <= low  # chance may make them look a little alike, never less than independent
        assert ends[1] is None or high is None or ends[1] >= high
        assert ends[0] == pytest.approx(low, rel=0.25)


def test_equal_times_have_an_interval_without_width():
    assert percentile_intervals([5.0] * 100, list(range(50)) * 2)["p50"] == (5.0, 5.0)
    assert tail_interval([5.0] * 100) == (1.0, 1.0)


def test_the_tail_lies_within_its_interval():
    low, high = tail_interval(VALUES)
    ordered = sorted(VALUES)
    assert low < ordered[379] / ordered[199] < high
    middle, slow = (quantile_interval(VALUES, q, 0.975) for q in (0.5, 0.95))
    assert (low, high) == (slow[0] / middle[1], slow[1] / middle[0])
    assert tail_interval(VALUES[:50])[1] is None
    assert tail_interval([0.0] * 100) == (None, None)


def test_a_run_has_them(run_of):
    fields = [{"latency_ms": ms} for ms in VALUES[:100]]
    latency = analyse(run_of("P" * 100, fields=fields)).models[0].latency
    assert latency.intervals == percentile_intervals(VALUES[:100])
    assert latency.tail == pytest.approx(latency.p95 / latency.p50)
    assert latency.tail_interval == tail_interval(VALUES[:100])


def test_the_trials_of_a_case_are_not_taken_as_independent(run_of):
    fields = [{"latency_ms": ms} for ms in VALUES[:100] * 2]
    latency = analyse(run_of("P" * 200, trials=2, fields=fields)).models[0].latency
    assert latency.n == 200
    assert latency.intervals == percentile_intervals(VALUES[:100])
