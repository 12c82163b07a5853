import math
import sys

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binomtest

from evalkit.stats.sequential import BoundedEProcess, PairedEProcess, paired_e_value


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (0, 1), (7, 3), (3, 7), (60, 40), (40, 60), (0, 30)])
def test_the_paired_e_value_is_the_mixture_over_win_rates_above_a_half(wins, losses):
    def ratio(rate):
        return 2 * 2 ** (wins + losses) * rate**wins * (1 - rate) ** losses

    assert paired_e_value(wins, losses) == pytest.approx(quad(ratio, 0.5, 1)[0], rel=1e-9)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 2), (2, 5), (30, 31)])
def test_one_more_pair_changes_the_e_value_fairly(wins, losses):
    after = (paired_e_value(wins + 1, losses) + paired_e_value(wins, losses + 1)) / 2
    assert after == pytest.approx(paired_e_value(wins, losses))


def test_the_paired_e_value_survives_counts_beyond_a_float():
    assert paired_e_value(5000, 0) == math.inf
    assert 0 < paired_e_value(0, 5000) < 1e-3
    assert paired_e_value(100_000, 100_000) == pytest.approx(math.sqrt(math.pi / 2 / 200_000), rel=0.5)


def test_a_paired_process_keeps_its_highest_point():
    process = PairedEProcess()
    assert (process.e_value, process.p_anytime) == (1, 1)
    high = process.update(wins=8, losses=0)
    low = process.update(wins=0, losses=6)
    assert low < high == process.largest
    assert (process.wins, process.losses, process.e_value) == (8, 6, low)
    assert process.p_anytime == 1 / high


@pytest.mark.parametrize("counts", [(-1, 0), (0, -1)])
def test_counts_of_pairs_are_not_negative(counts):
    with pytest.raises(ValueError, match="at least 0"):
        paired_e_value(*counts)
    process = PairedEProcess()
    process.update(3, 3)
    with pytest.raises(ValueError, match="at least 0"):
        process.update(*counts)


def test_for_single_passes_the_bounded_process_is_the_paired_one_up_to_its_grid():
    process = BoundedEProcess(0.0)
    differences = [1, 0, 1, -1, 1, 1, 0, 1, 1, -1, 1, 1]
    assert process.update([[x] for x in differences])[0] == pytest.approx(paired_e_value(8, 2), rel=0.01)
    assert process.seen.tolist() == [12]


def test_a_fair_bet_changes_wealth_fairly():
    ups, downs = BoundedEProcess(-0.2), BoundedEProcess(-0.2)
    start = ups.update([0.5])
    assert downs.update([0.5]) == start
    # Of -1 and 1 the mean is the hypothesis' -0.2 at chances of .6 and .4.
    assert 0.4 * ups.update([1.0]) + 0.6 * downs.update([-1.0]) == pytest.approx(start)


def test_values_within_0_and_1_are_tested_as_well():
    process = BoundedEProcess(0.5, low=0.0, high=1.0)
    assert process.update(np.full((20, 1), 0.9))[0] > 20
    assert process.p_anytime[0] < 0.05


def test_candidates_do_not_touch_each_other_and_gaps_change_nothing():
    together = BoundedEProcess(0.0, 3)
    together.update([[1.0, -1.0, math.nan], [0.5, math.nan, math.nan]])
    together.update([math.nan, 0.25, math.nan])
    alone = [BoundedEProcess(0.0) for _ in range(3)]
    for process, values in zip(alone, ([1.0, 0.5], [-1.0, 0.25], []), strict=True):
        for value in values:
            process.update([value])
    assert together.seen.tolist() == [2, 2, 0]
    assert together.log_e_value.tolist() == pytest.approx([process.log_e_value[0] for process in alone])
    assert together.p_anytime.tolist() == pytest.approx([process.p_anytime[0] for process in alone])


def test_rows_at_once_are_rows_one_by_one_and_the_highest_point_counts():
    rows = [[1.0]] * 12 + [[-1.0]] * 12
    at_once, one_by_one = BoundedEProcess(0.0), BoundedEProcess(0.0)
    at_once.update(rows)
    values = [one_by_one.update(row)[0] for row in rows]
    assert at_once.p_anytime == one_by_one.p_anytime == pytest.approx(1 / max(values))
    assert max(values) > values[-1]


@pytest.mark.parametrize(
    ("values", "words"),
    [([1.5], "within"), ([-1.5], "within"), ([0.0, 0.0], "one value per candidate"), ([[[0.0]]], "one value per")],
)
def test_values_that_cannot_be_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        BoundedEProcess(0.0).update(values)


@pytest.mark.parametrize("null", [-1.1, 1.0, 2.0])
def test_the_hypothesis_lies_within_the_bounds(null):
    with pytest.raises(ValueError, match="null_mean"):
        BoundedEProcess(null)


def test_a_population_that_refutes_the_hypothesis_does_so_before_it_is_seen_whole():
    process = BoundedEProcess(0.0, population=10)
    assert process.update([[1.0]] * 5) < math.inf  # the five others could all be -1
    assert process.update([0.0]) == math.inf
    assert process.p_anytime == 0
    assert process.update([-1.0]) == math.inf


def test_a_population_at_the_hypothesis_is_never_refuted_by_rounding():
    values = np.array([0.1, 0.2, -0.3, 1 / 3, 1 / 3, -2 / 3] * 20)
    for seed in range(50):
        process = BoundedEProcess(0.0, population=len(values))
        process.update(np.random.default_rng(seed).permutation(values)[:, None])
        assert process.log_e_value[0] < 10


def test_a_population_whose_rest_must_be_the_smallest_stays_possible():
    process = BoundedEProcess(0.0, low=0.0, high=1.0, population=4)
    assert process.update([[0.0]] * 4) == 1
    assert BoundedEProcess(0.0, low=0.0, high=1.0, population=4).update([0.5]) == math.inf


def test_a_population_is_not_exceeded():
    process = BoundedEProcess(0.0, population=2)
    process.update([[0.0], [1.0]])
    with pytest.raises(ValueError, match="population of 2"):
        process.update([0.0])


def test_knowing_the_population_speeds_up_the_test():
    rng, values = np.random.default_rng(1), np.array([1.0] * 30 + [-1.0] * 15 + [0.0] * 155)
    orders = np.stack([rng.permutation(values) for _ in range(40)], axis=1)
    known, endless = BoundedEProcess(0.0, 40, population=200), BoundedEProcess(0.0, 40)
    known.update(orders)
    endless.update(orders)
    assert known.p_anytime.max() < 0.05 < np.median(endless.p_anytime)


STREAMS, CASES = 2000, 300


def pass_differences(rng, first, second, rho):
    """Per-case differences of two candidates' passes that correlate by rho; shape (CASES, STREAMS)."""
    both = first * second + rho * math.sqrt(first * (1 - first) * second * (1 - second))
    drawn = rng.random((CASES, STREAMS))
    return np.where(drawn < first - both, 1.0, np.where(drawn < first + second - 2 * both, -1.0, 0.0))


def paired_alarms(differences):
    """The share of streams in which the paired process reaches 20 at some look."""
    wins, losses = (differences > 0).cumsum(axis=0), (differences < 0).cumsum(axis=0)
    pairs, inverse = np.unique(wins * (CASES + 1) + losses, return_inverse=True)
    table = np.array([paired_e_value(*divmod(int(pair), CASES + 1)) for pair in pairs])
    return float((table[inverse].reshape(wins.shape).max(axis=0) >= 20).mean())


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.7])
def test_false_alarms_stay_below_5_percent_with_a_look_after_every_case(rate, rho):
    rng = np.random.default_rng(7)
    differences = pass_differences(rng, rate, rate, rho)
    bounded = BoundedEProcess(0.0, STREAMS)
    bounded.update(differences)
    assert paired_alarms(differences) <= 0.05
    assert (bounded.p_anytime <= 0.05).mean() <= 0.05
    # At the edge of a margin: truly worse by all of it, tested for being worse by less.
    edge = BoundedEProcess(-0.05, STREAMS)
    edge.update(pass_differences(rng, rate - 0.05, rate, rho))
    assert (edge.p_anytime <= 0.05).mean() <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("null", [0.0, -0.05])
def test_false_alarms_of_graded_differences_and_of_known_populations(null):
    rng = np.random.default_rng(11)
    graded = rng.beta(2, 2, (CASES, STREAMS)) - rng.beta(2, 2, (CASES, STREAMS)) + null * rng.random((CASES, 1)) * 2
    graded = graded.clip(-1, 1)
    endless = BoundedEProcess(null, STREAMS)
    endless.update(graded)
    assert (endless.p_anytime <= 0.05).mean() <= 0.05
    surplus = round(-null * CASES)
    values = np.array([1.0] * 30 + [-1.0] * (30 + surplus) + [0.0] * (CASES - 60 - surplus))
    assert values.mean() == pytest.approx(null)
    drawn = rng.permuted(np.tile(values[:, None], (1, STREAMS)), axis=0)
    known = BoundedEProcess(null, STREAMS, population=CASES)
    known.update(drawn)
    assert (known.p_anytime <= 0.05).mean() <= 0.05


@pytest.mark.slow
def test_power_is_worth_having_beside_a_single_look_at_the_end(capsys):
    lines = ["first second rho   e-process  mean cases asked  McNemar at the end"]
    for first, second, rho in [(0.9, 0.8, 0.5), (0.9, 0.85, 0.5), (0.7, 0.6, 0.5), (0.7, 0.5, 0.3)]:
        differences = pass_differences(np.random.default_rng(5), first, second, rho)
        wins, losses = (differences > 0).sum(axis=0), (differences < 0).sum(axis=0)
        tests = {
            (w, n): binomtest(w, n, alternative="greater").pvalue if n else 1.0
            for w, n in set(zip(wins.tolist(), (wins + losses).tolist(), strict=True))
        }
        fixed = np.mean([tests[w, w + x] <= 0.05 for w, x in zip(wins.tolist(), losses.tolist(), strict=True)])
        process, asked = BoundedEProcess(0.0, STREAMS), np.full(STREAMS, CASES)
        for case, row in enumerate(differences, 1):
            process.update(row)
            asked = np.where((process.p_anytime <= 0.05) & (asked == CASES), case, asked)
        power = (process.p_anytime <= 0.05).mean()
        assert power > fixed - 0.3
        lines.append(f"{first:5} {second:6} {rho:3} {power:11.3f} {asked.mean():17.0f} {fixed:19.3f}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
