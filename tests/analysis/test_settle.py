from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

from evalkit.analysis.paired import paired_difference
from evalkit.analysis.results import CaseResults
from evalkit.analysis.settle import Settling, settling
from evalkit.stats.power import cases_needed_for_mean


def results(passed: Any, trials: int) -> CaseResults:
    n = len(passed)
    return CaseResults("m", "p", array("I", passed), array("I", [trials] * n), array("I", [0] * n), array("d", passed))


def settled(now: list[int], before: list[int], margin: float, trials: int = 1) -> Settling:
    first = results(now, trials)
    difference = paired_difference(first, results(before, 1))
    assert difference is not None
    return settling(difference, margin, first)


def test_the_cases_are_those_that_show_the_margin_kept() -> None:
    now, before = [1] * 40 + [0] * 10, [0] + [1] * 40 + [0] * 9
    error2 = np.subtract(now, before).var(ddof=1)
    assert settled(now, before, 0.05) == (cases_needed_for_mean(0.05, error2), None)


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
    assert settled(same, same, 0.1) == (None, None)
