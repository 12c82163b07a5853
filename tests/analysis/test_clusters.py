"""Cases that share a source: rates, scores and consistency are clustered by it."""

import pytest
from stored import store_run

from evalkit.analysis import analyse, load_run
from evalkit.stats import clustered_mean_interval, wilson

CASES = [f"c{i}" for i in range(12)]
DOCS = {case: {"doc": "abc"[i // 4]} for i, case in enumerate(CASES)}
PASSED = [True, True, True, True, True, False, True, True, False, False, False, True]


@pytest.fixture
def run(tmp_path):
    def run(verdicts, **options):
        return analyse(load_run(store_run(tmp_path, verdicts, **options)))

    return run


def by_doc(values, size=4):
    return [values[start : start + size] for start in range(0, len(values), size)]


def test_rates_are_clustered_by_the_var_that_cases_share(run):
    verdicts = {"m": dict(zip(CASES, PASSED, strict=True))}
    (plain,) = run(verdicts, case_vars=DOCS).models
    (shared,) = run(verdicts, case_vars=DOCS, cluster="doc").models
    assert plain.calls.interval == wilson(8, 12)
    assert shared.calls.interval == pytest.approx(clustered_mean_interval(by_doc([float(one) for one in PASSED])))
    assert shared.score.interval == pytest.approx(shared.calls.interval)


def test_trials_of_a_source_stay_together(run):
    verdicts = {"m": {case: [passed, True] for case, passed in zip(CASES, PASSED, strict=True)}}
    (found,) = run(verdicts, trials=2, case_vars=DOCS, cluster="doc").models
    calls = [value for passed in PASSED for value in (float(passed), 1.0)]
    assert found.calls.interval == pytest.approx(clustered_mean_interval(by_doc(calls, 8)))
    always = [float(passed) for passed in PASSED]
    assert found.consistency.pass_hat_k_interval == pytest.approx(clustered_mean_interval(by_doc(always)))


def test_missing_calls_are_in_no_cluster(run):
    verdicts = dict(zip(CASES, PASSED, strict=True)) | {"c0": None, "c1": None, "c2": None, "c3": None}
    (found,) = run({"m": verdicts}, case_vars=DOCS, cluster="doc").models
    rest = [float(passed) for passed in PASSED[4:]]
    assert found.calls.interval == pytest.approx(clustered_mean_interval(by_doc(rest)))


def test_a_case_without_the_var_stands_for_itself(run):
    verdicts = {"m": dict(zip(CASES, PASSED, strict=True))}
    (found,) = run(verdicts, case_vars={case: {"n": case} for case in CASES}, cluster="doc").models
    assert found.calls.interval == wilson(8, 12)


def test_tags_and_scorers_are_clustered_too(run):
    verdicts = {"m": dict(zip(CASES, PASSED, strict=True)), "n": dict.fromkeys(CASES, True)}
    tags = dict.fromkeys(CASES[:8], ("t",))
    found = run(verdicts, case_vars=DOCS, cluster="doc", tags=tags)
    values = [float(passed) for passed in PASSED]
    assert found.tags[0].calls.interval == pytest.approx(clustered_mean_interval(by_doc(values[:8])))
    assert found.scorers[0].passed_interval == pytest.approx(clustered_mean_interval(by_doc(values)))
    assert found.tags[1].calls.interval == pytest.approx(clustered_mean_interval([[1.0] * 4] * 2))


def test_agreement_is_clustered(run):
    verdicts = {"m": {case: [True, passed] for case, passed in zip(CASES, PASSED, strict=True)}}
    (found,) = run(verdicts, trials=2, case_vars=DOCS, cluster="doc").models
    same = [float(passed) for passed in PASSED]  # the answers are "yes" and "yes", or "yes" and "no"
    assert found.consistency.agreement.value == pytest.approx(8 / 12)
    assert found.consistency.agreement.interval == pytest.approx(clustered_mean_interval(by_doc(same)))
