import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats import wilson
from evalkit.stats.ppi import JudgedSample, Labelled, labels_to_halve, prediction_powered_rate

SAMPLE = JudgedSample(Labelled(60, 15, 5, 20), passed=380, n=500)


def test_it_is_the_power_tuned_estimate_of_ppi_plus_plus():
    counts, labels, verdicts = SAMPLE.labelled, [], []
    for count, verdict, label in zip(counts, (1, 1, 0, 0), (1, 0, 1, 0), strict=True):
        labels += [label] * count
        verdicts += [verdict] * count
    y, f = np.array(labels), np.array(verdicts)
    n, rest = len(y), SAMPLE.n - len(y)
    power = np.cov(y, f, bias=True)[0, 1] / ((1 + n / rest) * f.var())
    unlabelled = (SAMPLE.passed - f.sum()) / rest
    found = prediction_powered_rate(SAMPLE)
    assert found.value == pytest.approx(y.mean() + power * (unlabelled - f.mean()))
    assert found.error == pytest.approx(math.sqrt((y - power * f).var() / n + power**2 * f.var() / rest), rel=0.02)


def test_the_interval_of_many_labels_is_the_large_sample_one():
    many = JudgedSample(Labelled(6000, 1500, 500, 2000), 38_000, 50_000)
    found = prediction_powered_rate(many)
    assert found.interval.low == pytest.approx(found.value - 1.96 * found.error, abs=2e-4)
    assert found.interval.high == pytest.approx(found.value + 1.96 * found.error, abs=2e-4)


def test_a_judge_that_says_nothing_leaves_the_labels_alone():
    useless = prediction_powered_rate(JudgedSample(Labelled(30, 10, 30, 10), 300, 600))
    alone = wilson(60, 80)
    assert useless.value == 0.75
    assert useless.interval == pytest.approx(alone, abs=0.01)
    always = prediction_powered_rate(JudgedSample(Labelled(30, 10, 0, 0), 100, 100))
    assert always.value == 0.75
    assert always.interval == pytest.approx(wilson(30, 40))


def test_labels_that_never_contradict_the_judge_leave_room_for_doubt():
    found = prediction_powered_rate(JudgedSample(Labelled(20, 0, 0, 10), 400, 600))
    assert found.value == pytest.approx(2 / 3)
    assert found.interval.low < 0.58
    assert found.interval.high > 0.74


def test_a_verdict_without_labels_counts_like_the_others():
    found = prediction_powered_rate(JudgedSample(Labelled(27, 3, 0, 0), 95, 100))
    assert found.value == pytest.approx(0.9)
    assert found.interval.low < wilson(27, 30).low + 0.01


def test_a_label_for_every_answer_is_the_rate_itself():
    found = prediction_powered_rate(JudgedSample(Labelled(50, 10, 5, 35), 60, 100))
    assert found.value == pytest.approx(0.55)
    assert found.interval == pytest.approx(wilson(55, 100), abs=0.012)


def width(found):
    return found.interval.high - found.interval.low


def test_answers_that_depend_on_each_other_widen_the_interval():
    alone = prediction_powered_rate(SAMPLE)
    shared = prediction_powered_rate(JudgedSample(SAMPLE.labelled, 380, 500, cases_labelled=50))
    assert shared.value == alone.value
    assert width(shared) > 1.3 * width(alone)
    spread = prediction_powered_rate(JudgedSample(SAMPLE.labelled, 380, 500, error=0.05))
    assert width(spread) > width(alone)


def test_twice_the_confidence_is_a_wider_interval():
    assert width(prediction_powered_rate(SAMPLE, 0.99)) > width(prediction_powered_rate(SAMPLE, 0.8))


@given(st.tuples(*[st.integers(0, 30)] * 4).filter(any), st.integers(0, 50), st.integers(0, 50))
def test_the_rate_lies_in_its_interval_and_mirrors(counts, more_passed, more_failed):
    pass_pass, pass_fail, fail_pass, fail_fail = counts
    passed, failed = pass_pass + pass_fail + more_passed, fail_pass + fail_fail + more_failed
    found = prediction_powered_rate(JudgedSample(Labelled(*counts), passed, passed + failed))
    assert 0 <= found.interval.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.interval.high <= 1
    mirrored = JudgedSample(Labelled(fail_fail, fail_pass, pass_fail, pass_pass), failed, passed + failed)
    other = prediction_powered_rate(mirrored)
    assert (1 - other.interval.high, 1 - other.interval.low) == pytest.approx(found.interval, abs=1e-9)
    # A judge that says the opposite each time knows as much.
    opposed = JudgedSample(Labelled(fail_pass, fail_fail, pass_pass, pass_fail), failed, passed + failed)
    assert prediction_powered_rate(opposed).interval == pytest.approx(found.interval, abs=1e-9)


def test_labels_to_halve_do_halve_and_one_less_does_not():
    sample = JudgedSample(Labelled(12, 3, 1, 4), 3800, 5000)
    needed = labels_to_halve(sample)

    def at(n):
        return width(prediction_powered_rate(JudgedSample(sample.labelled, 3800, 5000, cases_labelled=n)))

    assert 60 < needed < 120  # four times 20, give or take
    grown = JudgedSample(Labelled(12 * 5, 3 * 5, 1 * 5, 4 * 5), 3800, 5000)
    assert width(prediction_powered_rate(grown)) < width(prediction_powered_rate(sample)) / 2
    scaled = needed / 20
    near = JudgedSample(Labelled(*(round(count * scaled) for count in sample.labelled)), 3800, 5000)
    assert width(prediction_powered_rate(near)) == pytest.approx(width(prediction_powered_rate(sample)) / 2, rel=0.03)


def test_labels_that_depend_on_each_other_halve_as_slowly():
    sample = JudgedSample(Labelled(12, 3, 1, 4), 3800, 5000)
    half = JudgedSample(Labelled(24, 6, 2, 8), 3800, 5000, cases_labelled=20)
    assert labels_to_halve(half) == pytest.approx(2 * labels_to_halve(sample), abs=2)


def test_where_cases_are_too_few_no_number_of_labels_halves_the_interval():
    assert labels_to_halve(JudgedSample(Labelled(40, 5, 5, 10), 110, 150)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"labelled": Labelled(0, 0, 0, 0), "passed": 1, "n": 2},
        {"labelled": Labelled(-1, 1, 1, 1), "passed": 1, "n": 2},
        {"labelled": Labelled(2, 1, 0, 0), "passed": 2, "n": 9},
        {"labelled": Labelled(0, 0, 2, 1), "passed": 7, "n": 9},
        {"labelled": Labelled(1, 1, 1, 1), "passed": 4, "n": 9, "cases_labelled": 0},
        {"labelled": Labelled(1, 1, 1, 1), "passed": 4, "n": 9, "cases_labelled": 5},
    ],
)
def test_counts_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"labelled|labels|part of"):
        JudgedSample(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.7, 0.85, 0.95])
@pytest.mark.parametrize("lenient", [False, True])
def test_coverage_of_the_corrected_rate(accuracy, lenient):
    rng = np.random.default_rng(3)
    for total in (200, 1000):
        for labels in (10, 30, 60, 100, 200):
            for rate in (0.5, 0.8, 0.95):
                coverage = covered(rng, total, labels, rate, accuracy, lenient=lenient)
                # Above .99 where labels hardly ever contradict the judge: Wilson's interval is wide at such ends.
                assert (0.92 if labels >= 30 else 0.9) <= coverage <= 1.0


def covered(rng, total, labels, rate, accuracy, *, lenient, samples=500):
    """How often the interval holds the truth."""
    of_good = min(1.0, accuracy + 0.04) if lenient else accuracy
    of_bad = max(0.0, (accuracy - rate * of_good) / (1 - rate)) if lenient else accuracy
    good = rng.random((samples, total)) < rate
    right = rng.random((samples, total)) < np.where(good, of_good, of_bad)
    passed = good == right
    hits = 0
    for one in range(samples):
        verdicts, truths = passed[one, :labels], good[one, :labels]
        cells = (verdicts & truths, verdicts & ~truths, ~verdicts & truths, ~verdicts & ~truths)
        counts = Labelled(*(int(cell.sum()) for cell in cells))
        low, high = prediction_powered_rate(JudgedSample(counts, int(passed[one].sum()), total)).interval
        hits += low <= rate <= high
    return hits / samples
