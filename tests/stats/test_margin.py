import math
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.intervals import Interval
from evalkit.stats.margin import Verdict, auto_margin, auto_margin_of_mean, verdict
from evalkit.stats.paired import Pairs, clustered_difference, tango_bounds, tango_interval


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        (-0.01, 0.05, 0.02, Verdict.NOT_WORSE),
        (-0.02, 0.05, 0.02, Verdict.INCONCLUSIVE),  # the margin itself is already too much
        (-0.03, 0.05, 0.02, Verdict.INCONCLUSIVE),
        (-0.03, 0.0, 0.02, Verdict.INCONCLUSIVE),
        (-0.03, -0.01, 0.02, Verdict.REGRESSED),
        (-0.30, -0.20, 0.02, Verdict.REGRESSED),
        (-0.015, -0.01, 0.02, Verdict.NOT_WORSE),  # worse for sure, but by less than the margin
        (-0.02, -0.01, 0.02, Verdict.INCONCLUSIVE),
        (0.01, 0.05, 0.0, Verdict.NOT_WORSE),
        (0.0, 0.05, 0.0, Verdict.INCONCLUSIVE),
        (-0.05, -0.01, 0.0, Verdict.REGRESSED),
    ],
)
def test_verdicts(low, high, margin, expected):
    assert verdict(Interval(low, high), margin) is expected


def test_verdicts_are_their_words():
    assert [str(one) for one in Verdict] == ["NOT WORSE", "REGRESSED", "INCONCLUSIVE"]


def outcomes(n, better, worse):
    """Every pair of counts that may well come out, with its probability, by scipy."""
    first, second = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    possible = first + second <= n
    first, second = first[possible], second[possible]
    share = better / (better + worse) if better + worse else 0.5
    chances = scipy.stats.binom.pmf(first + second, n, better + worse) * scipy.stats.binom.pmf(
        first, first + second, share
    )
    likely = chances > 1e-12
    return first[likely], second[likely], chances[likely]


@pytest.mark.parametrize(("discordant", "n"), [(0, 150), (1, 30), (3, 20), (13, 150), (40, 120), (60, 60), (1, 1)])
def test_an_unchanged_candidate_is_not_worse_in_nine_of_ten_and_no_smaller_margin_does(discordant, n):
    first, second, chances = outcomes(n, discordant / n / 2, discordant / n / 2)
    low, _ = tango_bounds(first, second, n)
    margin = auto_margin(discordant, n)
    assert chances[low > -margin].sum() >= 0.91 - 1e-7 or margin == 1.0
    assert chances[low > -(margin - 5e-9)].sum() < 0.91


@pytest.mark.parametrize("n", [1, 2, 30, 150, 1000, 1001, 50_000])
def test_the_very_same_verdicts_are_not_worse(n):
    assert verdict(tango_interval(Pairs(n, 0, 0, 0)), auto_margin(0, n)) is Verdict.NOT_WORSE


def test_what_the_margin_does_to_the_gate():
    """n = 150, baseline 90 %, phi 0.5: how often each verdict falls, over all that may come out."""

    def shares(drop):
        after = 0.9 - drop
        joint = 0.9 * after + 0.5 * math.sqrt(0.9 * 0.1 * after * (1 - after))
        first, second, chances = outcomes(150, after - joint, 0.9 - joint)
        intervals = map(Interval, *tango_bounds(first, second, 150))
        found = dict.fromkeys(Verdict, 0.0)
        for interval, differing, chance in zip(intervals, first + second, chances, strict=True):
            found[verdict(interval, auto_margin(int(differing), 150))] += chance
        return found

    unchanged, dropped = shares(0.0), shares(0.1)
    assert unchanged[Verdict.NOT_WORSE] == pytest.approx(0.922, abs=5e-4)
    assert unchanged[Verdict.REGRESSED] == pytest.approx(0.023, abs=5e-4)
    assert dropped[Verdict.NOT_WORSE] == pytest.approx(0.014, abs=5e-4)
    assert dropped[Verdict.REGRESSED] == pytest.approx(0.946, abs=5e-4)


@pytest.mark.parametrize("share", [0.0, 0.005, 0.02, 0.1, 0.5, 1.0])
def test_large_samples_go_on_where_small_ones_end(share):
    assert auto_margin(round(share * 1000), 1000) == pytest.approx(auto_margin(round(share * 1001), 1001), abs=1e-3)


def test_the_margin_grows_with_discordance_and_shrinks_with_cases():
    assert auto_margin(5, 150) < auto_margin(20, 150) < auto_margin(80, 150)
    assert auto_margin(10, 100) > auto_margin(20, 200) > auto_margin(200, 2000) > auto_margin(2000, 20_000)


@pytest.mark.parametrize(("discordant", "n", "seconds"), [(100, 200, 0.02), (500, 1000, 0.2), (5000, 10_000, 0.2)])
def test_the_margin_is_found_quickly(discordant, n, seconds):
    times = []
    for more in range(3):
        start = time.thread_time()
        auto_margin(discordant + 1 + more, n)
        times.append(time.thread_time() - start)
    assert min(times) < seconds


@pytest.mark.parametrize(("discordant", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(discordant, n):
    with pytest.raises(ValueError, match=r"within 0\.\.n"):
        auto_margin(discordant, n)


def test_the_margin_of_a_mean_leaves_room_for_chance():
    found = clustered_difference([0.2, -0.2, 0.0, 0.4, -0.4] * 20)
    half = (found.interval.high - found.interval.low) / 2
    margin = auto_margin_of_mean(found.interval, found.error)
    assert margin == pytest.approx(half + 1.3407550336902165 * found.error, abs=1e-8)


@given(st.integers(1, 40), st.integers(1, 6))
def test_a_mean_of_ties_alone_is_not_worse(cases, size):
    found = clustered_difference([0.0] * cases, [case // size for case in range(cases)])
    assert verdict(found.interval, auto_margin_of_mean(found.interval, found.error)) is Verdict.NOT_WORSE


def test_the_margin_of_a_mean_comes_near_that_of_pairs():
    found = clustered_difference([1.0] * 40 + [-1.0] * 40 + [0.0] * 320)
    assert auto_margin_of_mean(found.interval, found.error) == pytest.approx(auto_margin(80, 400), abs=2e-3)


def test_no_margin_is_beyond_all():
    assert auto_margin_of_mean(Interval(-1.0, 1.0), 0.3) == 1.0
    assert auto_margin(3, 3) == 1.0
