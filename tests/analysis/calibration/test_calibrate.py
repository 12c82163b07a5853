import numpy as np
import pytest
from judged import judge_said, rejudge
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.calibration.calibrate import MIN_LABELS, calibrate
from evalkit.analysis.calibration.human_labels import read_labels
from evalkit.analysis.calibration.sample import answers_to_label
from evalkit.errors import ConfigError
from evalkit.stats import wilson
from evalkit.stats.agreement import cohen_kappa
from evalkit.stats.paired import Pairs, clustered_difference, tango_interval
from evalkit.stats.ppi import JudgedSample, Labelled, labels_to_halve, prediction_powered_rate

CASES = [f"c{i:03}" for i in range(120)]
TRUTH = {case: i % 4 != 0 for i, case in enumerate(CASES)}
"""What people would say: three in four pass."""
JUDGE = {case: TRUTH[case] or i % 8 == 0 for i, case in enumerate(CASES)}
"""A lenient judge, which passes half of the bad answers."""


@pytest.fixture
def stored(tmp_path):
    def store(verdicts, change=None, **more):
        return load_run(rejudge(store_run(tmp_path / "run", verdicts, **more), *([change] if change else [])))

    return store


@pytest.fixture
def labelled(tmp_path):
    def write(rows, header="case_id,model,label"):
        path = tmp_path / "labels.csv"
        path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
        return read_labels(path)

    return write


def by_people(cases, model="m"):
    return [(case, model, int(TRUTH[case])) for case in cases]


def test_figures_of_one_candidate(stored, labelled):
    found = calibrate(stored({"m": JUDGE}), labelled(by_people(CASES[:60])))
    (scorer,) = found.scorers
    (one,) = scorer.candidates
    counts = Labelled(45, 8, 0, 7)
    assert scorer.scorer == "judge"
    assert scorer.agreement == one.agreement
    assert one.agreement.counts == counts
    assert (one.agreement.n, one.agreement.agreed, one.agreement.people_passed) == (60, 52, 45)
    assert one.agreement.kappa == cohen_kappa((counts[:2], counts[2:]))
    assert one.agreement.bias == pytest.approx(8 / 60)
    assert one.agreement.bias_interval == tango_interval(Pairs(*counts))
    assert one.agreement.people_interval == pytest.approx(wilson(45, 60))
    assert (one.judged, one.passed, one.rate) == (120, 105, 105 / 120)
    assert one.interval == pytest.approx(wilson(105, 120))
    sample = JudgedSample(counts, 105, 120)
    assert one.corrected == prediction_powered_rate(sample)
    assert one.corrected.interval.low < 0.75 < one.corrected.interval.high
    assert one.to_halve == labels_to_halve(sample)
    assert one.like_random
    assert (found.labelled, found.ties, found.blank, found.annotators, found.people) == (60, 0, 0, 1, None)


def test_several_candidates_are_pooled_by_case(stored, labelled):
    run = stored({"a": JUDGE, "b": dict.fromkeys(CASES, True)})
    rows = by_people(CASES[:40], "a") + by_people(CASES[:40], "b")
    (scorer,) = calibrate(run, labelled(rows)).scorers
    differences = [
        float(verdict[case]) - TRUTH[case] for case in CASES[:40] for verdict in (JUDGE, dict.fromkeys(CASES, True))
    ]
    clustered = clustered_difference(np.array(differences), [case for case in CASES[:40] for _ in range(2)])
    assert scorer.agreement.n == 80
    assert scorer.agreement.bias_interval == pytest.approx(clustered.interval)
    assert (
        scorer.agreement.kappa.interval
        != cohen_kappa((scorer.agreement.counts[:2], scorer.agreement.counts[2:])).interval
    )
    assert [one.agreement.n for one in scorer.candidates] == [40, 40]
    assert [one.agreement.bias_interval for one in scorer.candidates] == [
        tango_interval(Pairs(30, 5, 0, 5)),
        tango_interval(Pairs(30, 10, 0, 0)),
    ]


def test_a_candidate_without_enough_labels_has_no_corrected_rate(stored, labelled):
    run = stored({"a": JUDGE, "b": JUDGE, "c": JUDGE, "d": dict.fromkeys(CASES, "timeout")})
    rows = by_people(CASES[: MIN_LABELS - 1], "a") + by_people(CASES[:MIN_LABELS], "b")
    (scorer,) = calibrate(run, labelled(rows)).scorers
    few, enough, none, dead = scorer.candidates
    assert few.agreement.n == MIN_LABELS - 1
    assert few.corrected is few.to_halve is None
    assert enough.corrected is not None
    assert none.agreement is none.corrected is None
    assert (dead.judged, dead.rate, dead.interval) == (0, None, None)


def test_candidates_can_be_chosen(stored, labelled):
    run = stored({"a": JUDGE, "b": JUDGE})
    rows = by_people(CASES[:20], "a") + by_people(CASES[:30], "b")
    (scorer,) = calibrate(run, labelled(rows), candidates=[("b", "p")]).scorers
    assert [one.model for one in scorer.candidates] == ["b"]
    assert scorer.agreement.n == 30


def test_trials_of_a_case_are_not_taken_for_independent(stored, labelled):
    run = stored({"m": {case: [JUDGE[case]] * 3 for case in CASES}}, trials=3)
    rows = [(case, trial, int(TRUTH[case])) for case in CASES[:20] for trial in (1, 2, 3)]
    (scorer,) = calibrate(run, labelled(rows, "case_id,trial,label")).scorers
    (one,) = scorer.candidates
    single = JudgedSample(Labelled(15, 3, 0, 2), 105, 120)
    assert (one.judged, one.agreement.n) == (360, 60)
    assert one.interval == pytest.approx(wilson(105, 120))
    assert one.agreement.people_interval == pytest.approx(wilson(15, 20))
    assert one.corrected.value == pytest.approx(prediction_powered_rate(single).value)
    assert one.corrected.interval == pytest.approx(prediction_powered_rate(single).interval)


def test_cases_of_one_source_are_not_taken_for_independent(stored, labelled):
    case_vars = {case: {"source": i // 10} for i, case in enumerate(CASES)}
    (alone,) = calibrate(stored({"m": JUDGE}), labelled(by_people(CASES))).scorers
    (shared,) = calibrate(
        stored({"m": JUDGE}, case_vars=case_vars, cluster="source"), labelled(by_people(CASES))
    ).scorers
    assert shared.candidates[0].corrected.value == alone.candidates[0].corrected.value
    assert shared.candidates[0].corrected.interval.low < alone.candidates[0].corrected.interval.low


def test_labels_that_are_not_drawn_at_random_are_noticed(stored, labelled):
    run = stored({"m": JUDGE})
    failed = [case for case in CASES if not JUDGE[case]]
    passed = [case for case in CASES if JUDGE[case]]
    (scorer,) = calibrate(run, labelled(by_people(failed + passed[:15]))).scorers
    assert not scorer.candidates[0].like_random
    # Random among those that the judge passed and among those that it failed: the rate is still right.
    assert scorer.candidates[0].corrected.interval.low < 0.75 < scorer.candidates[0].corrected.interval.high


def test_what_people_do_not_agree_on_is_left_out_and_counted(stored, labelled):
    rows = [(case, int(TRUTH[case]), who) for case in CASES[:20] for who in "ab"]
    rows += [("c050", 1, "a"), ("c050", 0, "b"), ("c051", "", "a")]
    found = calibrate(stored({"m": JUDGE}), labelled(rows, "case_id,label,annotator"))
    assert (found.labelled, found.ties, found.blank, found.annotators) == (21, 1, 1, 2)
    assert found.people.n == 21
    assert 0.8 < found.people.value < 1
    assert found.scorers[0].agreement.n == 20


def test_labelled_answers_without_a_verdict_are_counted_apart(stored, labelled):
    verdicts = JUDGE | {"c000": "timeout", "c001": None}
    (scorer,) = calibrate(stored({"m": verdicts}), labelled(by_people(CASES[:12]))).scorers
    assert scorer.unjudged == 2
    assert scorer.agreement.n == 10
    assert scorer.candidates[0].judged == 118


def both(verdict):
    return [judge_said(verdict, "tone"), verdict, judge_said({**verdict, "passed": True, "value": 1.0}, "grounded")]


def test_scorers_that_asked_a_model_are_found_and_others_named(stored, labelled):
    run, labels = stored({"m": JUDGE}, both), labelled(by_people(CASES[:20]))
    assert [one.scorer for one in calibrate(run, labels).scorers] == ["tone", "grounded"]
    assert [one.scorer for one in calibrate(run, labels, ["exact"]).scorers] == ["exact"]
    with pytest.raises(ConfigError, match="unknown scorer") as refused:
        calibrate(run, labels, ["tune"])
    assert "tone" in str(refused.value)


def test_a_scorers_faults_are_no_verdicts(stored, labelled):
    def change(verdict):
        fault = {
            "scorer": "tone",
            "weight": 0.0,
            "value": None,
            "passed": False,
            "reason": "",
            "details": {"error": "x"},
        }
        return [judge_said(verdict), *([fault] if verdict["passed"] else [judge_said(verdict, "tone")])]

    scorers = calibrate(stored({"m": JUDGE}, change), labelled(by_people(CASES[:20]))).scorers
    assert [one.candidates[0].judged for one in scorers] == [120, 15]


def test_a_run_without_judges_asks_for_a_scorer(stored, labelled):
    run = stored({"m": JUDGE}, lambda verdict: [verdict])
    with pytest.raises(ConfigError, match="asked a model") as refused:
        calibrate(run, labelled(by_people(CASES[:20])))
    assert "--scorer: exact" in refused.value.remedy


@pytest.mark.parametrize("scorers", [(), ("exact",)])
def test_a_run_without_verdicts_is_an_error(stored, labelled, scorers):
    run = stored({"m": dict.fromkeys(CASES, "timeout")})
    with pytest.raises(ConfigError, match="no answer of this run was judged"):
        calibrate(run, labelled(by_people(CASES[:20])), scorers)


def test_the_order_of_two_texts_is_told_by_judge(stored, labelled):
    def change(verdict):
        pair = {"model": "j", "value": 0.5, "consistent": False, "favours": "A"}
        return [{**verdict, "scorer": "judge_pairwise", "details": {"pairs": [pair]}}]

    found = calibrate(stored({"m": JUDGE}, change), labelled(by_people(CASES[:20])))
    assert found.scorers[0].scorer == "judge_pairwise"
    assert (found.positions["j"].compared, found.positions["j"].favours_first) == (120, 120)


def test_a_sample_to_label_is_seeded_random_and_of_judged_answers(stored):
    run = stored({"a": JUDGE | {"c000": "timeout"}, "b": dict(list(JUDGE.items())[:120])})
    rows = answers_to_label(run, 30, seed=1)
    assert [row.call.model for row in rows].count("a") == [row.call.model for row in rows].count("b") == 30
    assert {row.call.model for row in rows[:15]} == {"a", "b"}  # in random order
    assert len({row.call.call_id for row in rows}) == 60
    assert [row.call.call_id for row in answers_to_label(run, 30, seed=1)] == [row.call.call_id for row in rows]
    assert {row.call.call_id for row in answers_to_label(run, 30, seed=2)} != {row.call.call_id for row in rows}
    everything = answers_to_label(run, 500)
    assert len(everything) == 239
    assert {row.call.model for row in answers_to_label(run, 5, candidates=[("b", "p")])} == {"b"}


def test_a_sample_is_of_the_answers_that_the_scorer_judged(stored):
    run = stored({"m": JUDGE}, lambda verdict: [judge_said(verdict), verdict] if verdict["passed"] else [verdict])
    assert len(answers_to_label(run, 500)) == 105
    assert len(answers_to_label(run, 500, scorers=["exact"])) == 120
    with pytest.raises(ConfigError, match="unknown scorer"):
        answers_to_label(run, 5, scorers=["exac"])


def test_an_answer_that_several_judges_judged_is_drawn_once(stored):
    rows = answers_to_label(stored({"m": JUDGE}, both), 100)
    assert len({row.call.call_id for row in rows}) == 100
