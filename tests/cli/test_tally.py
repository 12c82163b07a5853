"""What is counted while a run goes on."""

from __future__ import annotations

import pytest

from evalkit.cli.tally import Latencies, Pace, Tally
from evalkit.stats.quantiles import quantile
from evalkit.types import CallScore, Completion, Record, RecordError


def finished(tally, *, passed=True, error=False, **fields):
    tally.add(
        Record("id", "m", "p", "c", 1, error=RecordError("timeout", "late") if error else None, **fields),
        CallScore("id", passed, float(passed)),
    )


@pytest.mark.parametrize("q", [0.0, 0.5, 0.95, 1.0])
def test_percentiles_are_told_to_a_few_per_cent(q):
    latencies, values = Latencies(), [1.1**step for step in range(100)]
    for value in values:
        latencies.add(value)
    assert latencies.quantile(q) == pytest.approx(quantile(values, q), rel=0.03)


def test_no_answer_has_no_percentile_and_none_takes_no_time_at_all():
    assert Latencies().quantile(0.5) is None
    latencies = Latencies()
    latencies.add(0.0)
    assert latencies.quantile(0.5) == pytest.approx(0.001, rel=0.05)


def test_a_tally_keeps_errors_apart_and_the_unknown_unknown():
    tally = Tally(4)
    assert (tally.rate, tally.cost, tally.speed) == ("n/a", "n/a", "p50 n/a, p95 n/a")
    finished(tally, latency_ms=100.0, attempts=3)
    finished(tally, latency_ms=9_000.0, passed=False, error=True)
    assert (tally.done, tally.passed, tally.errors, tally.retries) == (2, 1, 1, 2)
    assert tally.rate == "50.0 % [9.5-90.5]"
    assert tally.latencies.count == 1
    assert tally.cost == "n/a"
    finished(tally, cost_usd=0.25)
    finished(tally, cost_usd=0.25)
    assert tally.cost == "$0.50"


@pytest.mark.parametrize(
    ("fields", "retries"),
    [
        ({"attempts": 2, "turns": 2}, 0),
        ({"attempts": 3, "turns": 2}, 1),
        ({"attempts": 2, "turns": 1, "error": True}, 0),
    ],
)
def test_the_turns_of_a_conversation_are_no_retries(fields, retries):
    tally, reply = Tally(2), Completion("yes")
    finished(tally, **fields | {"turns": (reply,) * fields["turns"]})
    assert tally.retries == retries


def test_the_pace_is_that_of_late_and_not_of_what_an_earlier_session_did():
    pace = Pace(start=0.0)
    assert pace.per_s(5.0) is None
    for second in range(10):
        pace.add(float(second))
    assert pace.per_s(10.0) == pytest.approx(1.0)
    for call in range(200):
        pace.add(10 + call / 10)
    assert pace.per_s(30.0) == pytest.approx(10.0, rel=0.02)
    tally = Tally(5)
    finished(tally, started_at="2001-01-01T00:00:00.000+00:00")
    assert (tally.per_s, tally.left_s) == (None, None)
    finished(tally, started_at="2101-01-01T00:00:00.000+00:00")
    assert tally.left_s == pytest.approx(3 / tally.per_s, rel=0.5)
