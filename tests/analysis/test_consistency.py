"""How the trials of a case agree."""

import pytest

from evalkit.analysis import analyse
from evalkit.stats import clustered_mean_interval, wilson


@pytest.fixture
def consistency_of(run_of):
    def consistency_of(*cases, trials=3):
        """The figures of a run, given by a letter per trial of each case."""
        letters = "".join(case[trial] for trial in range(trials) for case in cases)
        return analyse(run_of(letters, trials=trials)).models[0].consistency

    return consistency_of


def test_shares_of_cases_that_pass_ever_and_always(consistency_of):
    found = consistency_of("PPP", "PFP", "FFF", "FEP", "PPP")
    assert (found.k, found.cases, found.flaky) == (3, 5, 2)
    assert (found.pass_at_k, found.pass_hat_k) == (4 / 5, 2 / 5)
    assert (found.pass_at_k_interval, found.pass_hat_k_interval) == (wilson(4, 5), wilson(2, 5))


def test_cases_of_which_a_trial_is_missing_are_left_out(consistency_of):
    found = consistency_of("PPP", "PF?", "PU?", "FFE")
    assert (found.cases, found.flaky, found.pass_at_k, found.pass_hat_k) == (2, 0, 0.5, 0.5)


def test_a_scorers_error_is_not_a_pass(consistency_of):
    found = consistency_of("PSP")
    assert (found.flaky, found.pass_at_k, found.pass_hat_k) == (1, 1.0, 0.0)


def test_one_trial_says_nothing(consistency_of):
    assert consistency_of("P", "F", trials=1) is None


def test_no_finished_case_says_nothing(consistency_of):
    assert consistency_of("P??", "FF?") is None


def test_every_k_up_to_all_trials(consistency_of):
    found = consistency_of("PPP", "PFP", "FFF", "FFP", "PPP")
    assert [one.k for one in found.by_k] == [1, 2, 3]
    assert [one.pass_at_k for one in found.by_k] == pytest.approx(
        [(3 + 2 + 1 + 3) / 15, (1 + 1 + 2 / 3 + 1) / 5, 4 / 5]
    )
    assert [one.pass_hat_k for one in found.by_k] == pytest.approx([9 / 15, (1 + 1 / 3 + 1) / 5, 2 / 5])
    assert found.by_k[0].pass_at_k_interval == found.by_k[0].pass_hat_k_interval
    assert found.by_k[1].pass_hat_k_interval == pytest.approx(clustered_mean_interval([[1], [1 / 3], [0], [0], [1]]))


@pytest.fixture
def of_answers(run_of):
    def of_answers(*cases, trials=3, letters=None):
        """The figures of cases, each given by the fields of its trials' records."""
        fields = [case[trial] for trial in range(trials) for case in cases]
        run = run_of(letters or "P" * len(fields), trials=trials, fields=fields)
        return analyse(run).models[0].consistency

    return of_answers


def test_answers_agree_apart_from_white_space_around_them(run_of, of_answers):
    # Every answer of `run_of` is "out"; tool calls tell them apart.
    call = {"id": "1", "name": "f", "arguments": {"a": 1}}
    same, other = {"tool_calls": (call | {"id": "2"},)}, {"tool_calls": (call | {"name": "g"},)}
    found = of_answers([{}, {}, {}], [{"tool_calls": (call,)}, same, other], [{}, same, other])
    assert found.agreement.value == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert found.agreement.interval == pytest.approx(clustered_mean_interval([[1], [1 / 3], [0]]))


def test_errors_are_no_answers_that_could_agree(of_answers):
    assert of_answers([{}, {}, {}], [{}, {}, {}], letters="PPEPEP").agreement.value == 1
    assert of_answers([{}, {}, {}], letters="PEE").agreement is None


def test_spread_is_the_slowest_over_the_fastest_answer_of_a_case(of_answers):
    def taken(*times):
        return [{"latency_ms": ms} for ms in times]

    found = of_answers(taken(100.0, 150.0, 120.0), taken(10.0, 40.0, 20.0), taken(5.0, 5.0, 10.0))
    assert (found.spread.cases, found.spread.median, found.spread.interval) == (3, 2.0, (None, None))
    many = of_answers(*(taken(1.0, 1.0, 1.0 + i) for i in range(20)))
    low, high = many.spread.interval
    assert low < many.spread.median < high


def test_spread_takes_two_times_above_nothing(of_answers):
    single, still = [{"latency_ms": 5.0}, {}, {}], [{"latency_ms": 0.0}, {"latency_ms": 0.0}, {}]
    assert of_answers(single, still).spread is None
