from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

from evalkit.analysis.gate.settle import Settling, settling
from evalkit.analysis.paired import Metric, paired_difference
from evalkit.analysis.results import CaseResults
from evalkit.stats.paired import tango_bounds
from evalkit.stats.power import cases_needed_for_mean


def results(passed: Any, trials: int) -> CaseResults:
    n = len(passed)
    return CaseResults("m", "p", array("I", passed), array("I", [trials] * n), array("I", [0] * n), array("d", passed))


def settled(
    now: list[int],
    before: list[int],
    margin: float,
    trials: int = 1,
    metric: Metric = Metric.PASS_RATE,
    confidence: float = 0.95,
) -> Settling:
    first = results(now, trials)
    difference = paired_difference(first, results(before, 1), metric=metric, confidence=confidence)
    assert difference is not None
    return settling(difference, margin, first, confidence)


def test_the_cases_are_those_that_show_the_margin_kept() -> None:
    now, before = [1] * 40 + [0] * 10, [0] + [1] * 40 + [0] * 9
    error2 = np.subtract(now, before).var(ddof=1)
    assert settled(now, before, 0.05, metric=Metric.SCORE) == (cases_needed_for_mean(0.05, error2), None)


@pytest.mark.parametrize(("better", "worse", "margin"), [(1, 1, 0.02), (0, 1, 0.02), (8, 10, 0.05)])
def test_so_many_cases_settle_it_in_four_of_five_runs(better: int, worse: int, margin: float) -> None:
    """By Tango's interval, which is wider than a normal one where few cases differ."""
    n = 150
    now, before = [1] * (n - worse) + [0] * worse, [0] * better + [1] * (n - better)
    cases = settled(now, before, margin).cases
    assert cases is not None
    drawn = np.random.default_rng(1).multinomial(cases, [better / n, worse / n, 1 - (better + worse) / n], 4000)
    low, _ = tango_bounds(drawn[:, 0], drawn[:, 1], cases)
    assert 0.74 < float((low > -margin).mean()) < 0.86


@pytest.mark.parametrize(("confidence", "cases"), [(0.95, 189), (0.9833, 281)])
def test_no_difference_at_all_is_settled_as_soon_as_the_interval_is_narrow_enough(
    confidence: float, cases: int
) -> None:
    """Its half is z^2 / (n + z^2): 1.96^2 x 0.98 / 0.02 = 188.2 cases are a margin of 2 points."""
    assert settled([1] * 150, [1] * 150, 0.02, confidence=confidence) == (cases, None)


def test_a_drop_beyond_the_margin_is_settled_by_showing_the_drop() -> None:
    now, before = [1] * 37 + [0] * 13, [1] * 40 + [0] * 10
    error2 = np.subtract(now, before).var(ddof=1)
    assert settled(now, before, 0.02).cases == cases_needed_for_mean(0.06, error2)


def test_trials_help_as_far_as_the_cases_are_flaky() -> None:
    rng = np.random.default_rng(3)
    now, before = [int(n) for n in rng.binomial(2, 0.8, 120)], [1] * 96 + [0] * 24
    few = settled(now, before, 0.18, trials=2)
    assert few.trials is not None
    assert few.trials > 2
    steady = settled([2] * 70 + [0] * 30, [1] * 65 + [0] * 35, 0.0001, trials=2)
    assert steady.trials is None


@pytest.mark.parametrize("margin", [0.0, 1e-9])
def test_what_no_number_would_settle_is_none(margin: float) -> None:
    same = [1, 0, 1, 0]
    assert settled(same, [0, 1, 1, 0], margin) == (None, None)
    assert settled(same, same, margin) == (None, None)
