"""Two sides against each other: what is compared, what is left out, and what comes of it."""

import math

import numpy as np
import pytest
import scipy.stats
from published import drift_run, zeroeval_run
from stored import store_run

from evalkit.analysis.compare.answered import answered, change, slowdown
from evalkit.analysis.compare.compared import AUTO, compare_sides
from evalkit.analysis.compare.flips import flipped, read_flips
from evalkit.analysis.compare.pairing import pair_up
from evalkit.analysis.compare.side import align, load_side, resolve_side
from evalkit.analysis.differences import Standing
from evalkit.analysis.rows import Outcome
from evalkit.errors import ConfigError
from evalkit.stats.intervals import wilson
from evalkit.stats.margin import Verdict
from evalkit.stats.paired import Pairs, clustered_difference, mcnemar_mid_p, tango_interval
from evalkit.types import Usage


def compared(old, new, margin=None, home="."):
    sides = [resolve_side(str(text), home) for text in (old, new)]
    return compare_sides(*map(load_side, sides), pair_up(*sides), margin)


def cases(n, passed):
    return {f"c{i:03}": i < passed for i in range(n)}


@pytest.fixture
def runs(tmp_path):
    """Store an old and a new run of one model, and compare them."""

    def stored(old, new, margin=None, **more):
        before = {name: pair[0] for name, pair in more.items()}
        now = {name: pair[1] for name, pair in more.items()}
        store_run(tmp_path / "old", {"m": old}, **before)
        store_run(tmp_path / "new", {"m": new}, **now)
        return compared(tmp_path / "old", tmp_path / "new", margin)

    return stored


def test_the_difference_is_new_minus_old(runs):
    found = runs(cases(100, 90), cases(100, 70))
    (pair,) = found.pairs
    assert (pair.old, pair.new) == (("m", "p"), ("m", "p"))
    assert pair.difference.difference == pytest.approx(-0.2)
    assert pair.difference.interval == tango_interval(Pairs(70, 0, 20, 10))
    assert pair.passes.p == pair.passes.p_holm == mcnemar_mid_p(Pairs(70, 0, 20, 10))
    assert (pair.passes.better, pair.passes.worse) == (0, 20)
    assert pair.passes.standing is Standing.WORSE
    assert tuple(pair.old_interval) == pytest.approx(wilson(90, 100))
    assert tuple(pair.new_interval) == pytest.approx(wilson(70, 100))
    assert (found.same_run, found.run, pair.model) == (False, (), ())


@pytest.mark.parametrize(
    ("passed", "margin", "standing", "verdict"),
    [
        (90, None, Standing.EVEN, None),
        (90, 0.05, Standing.EVEN, Verdict.NOT_WORSE),
        (88, 0.02, Standing.EVEN, Verdict.INCONCLUSIVE),
        (70, 0.02, Standing.WORSE, Verdict.REGRESSED),
        (100, 0.02, Standing.BETTER, Verdict.NOT_WORSE),
    ],
)
def test_the_verdict_by_margin_stands_beside_better_and_worse(runs, passed, margin, standing, verdict):
    (pair,) = runs(cases(100, 90), cases(100, passed), margin).pairs
    assert (pair.passes.standing, pair.verdict, pair.margin) == (standing, verdict, margin)


def test_the_margin_may_be_found(runs):
    (pair,) = runs(cases(100, 90), cases(100, 88), AUTO).pairs
    assert pair.margin == pair.difference.auto_margin
    assert pair.verdict is not None


def test_what_so_many_cases_can_show_is_known_where_they_disagree(runs):
    (pair,) = runs(cases(100, 90), cases(100, 85)).pairs
    assert 0.05 < pair.detectable < 0.2
    (pair,) = runs(cases(100, 90), cases(100, 90)).pairs
    assert pair.detectable is None


def test_only_cases_that_were_asked_alike_are_compared(runs):
    both = dict.fromkeys("abcdef", True)
    found = runs(
        both | {"gone": True},
        both | {"fresh": False, "a": False, "b": False, "d": None},
        case_vars=({"a": {"n": "1"}}, {"a": {"n": "2"}}),
        expected=({"b": "yes", "a": "x"}, {"b": "no", "a": "y"}),
    )
    assert list(found.cases.common) == ["c", "d", "e", "f"]
    assert (found.cases.only_old, found.cases.only_new) == (["gone"], ["fresh"])
    assert (found.cases.asked_otherwise, found.cases.expected_otherwise) == (["a"], ["b"])
    assert (found.pairs[0].difference.cases, found.pairs[0].passes.worse) == (3, 0)
    assert found.pairs[0].new_complete == (7, 0, 1)


def test_a_case_that_expects_something_for_the_first_time_has_changed(runs, tmp_path):
    found = runs({"a": True, "b": True}, {"a": True, "b": True}, expected=({}, {"a": None}))
    assert found.cases.expected_otherwise == ["a"]


@pytest.mark.parametrize(
    ("new", "more"),
    [
        ({"x": True}, {}),
        ({"a": True, "b": True}, {"expected": ({}, {"a": "1", "b": "2"})}),
        ({"a": None, "b": None}, {}),
    ],
)
def test_nothing_in_common_is_an_error(runs, new, more):
    with pytest.raises(
        ConfigError, match=r"no case in common that both finished: \d were asked alike, \d have changed"
    ):
        runs({"a": True, "b": False}, new, **more)


def test_errors_count_as_not_passed_and_are_told(runs):
    (pair,) = runs({"a": True, "b": True, "c": True}, {"a": True, "b": "timeout", "c": "timeout"}).pairs
    assert (pair.passes.worse, pair.difference.errors, pair.difference.first) == (2, 2, pytest.approx(1 / 3))
    assert (pair.old_complete, pair.new_complete) == ((3, 0, 0), (3, 2, 0))
    assert [flip.new.error for flip in pair.flips] == ["timeout: timeout!"] * 2
    assert pair.flips[0].new.output is None


def test_several_pairs_pay_for_each_other(tmp_path):
    barely = {f"c{i}": i >= 6 for i in range(40)}
    every = {f"c{i}": True for i in range(40)}
    store_run(tmp_path / "old", {"a": every, "b": every, "c": every, "gone": every})
    store_run(tmp_path / "new", {"b": barely, "a": every, "c": dict.fromkeys(every), "fresh": every})
    found = compared(tmp_path / "old", tmp_path / "new")
    assert [pair.new[0] for pair in found.pairs] == ["b", "a"]
    assert found.pairs[0].passes.p == pytest.approx(0.5**6)
    assert found.pairs[0].passes.p_holm == pytest.approx(2 * 0.5**6)
    assert found.unmeasured == ((("c", "p"), ("c", "p")),)
    assert (found.only_old, found.only_new) == ((("gone", "p"),), (("fresh", "p"),))


def test_cases_of_one_source_are_clustered(tmp_path):
    ids = [f"c{i}" for i in range(60)]
    facts = {one: {"doc": f"d{i // 6}", "n": one} for i, one in enumerate(ids)}
    old = dict.fromkeys(ids, True)
    new = {one: i // 6 not in {2, 5} for i, one in enumerate(ids)}
    for name, verdicts in (("old", old), ("new", new)):
        store_run(tmp_path / name, {"m": verdicts}, case_vars=facts, cluster="doc")
    (pair,) = compared(tmp_path / "old", tmp_path / "new").pairs
    expected = clustered_difference([new[one] - old[one] for one in ids], [facts[one]["doc"] for one in ids])
    assert pair.difference.method == "clustered"
    assert pair.difference.interval == expected.interval
    assert pair.passes.standing is Standing.EVEN
    assert pair.new_interval.low < wilson(48, 60).low
    assert pair.detectable > 0.1


def test_graded_scores_are_compared_beside_passes(runs):
    (pair,) = runs({"a": 0.9, "b": 0.2, "c": 1}, {"a": 0.6, "b": 0.4, "c": 1}).pairs
    assert pair.difference.difference == 0
    assert pair.score.difference == pytest.approx(-0.1 / 3)
    (pair,) = runs({"a": 1, "b": 0}, {"a": 1, "b": 1}).pairs
    assert pair.score is None


def test_tags_are_compared_where_they_have_enough_cases(runs):
    ids = [f"c{i:02}" for i in range(60)]
    tags = {one: ("all", "es" if i < 20 else "en", *(["rare"] if i < 9 else [])) for i, one in enumerate(ids)}
    old = dict.fromkeys(ids, True)
    new = {one: i >= 12 for i, one in enumerate(ids)}
    (pair,) = runs(old, new, tags=(tags, tags)).pairs
    assert [(one.tag, one.cases, one.passes.worse) for one in pair.tags] == [("en", 40, 0), ("es", 20, 12)]
    assert [one.passes.standing for one in pair.tags] == [Standing.EVEN, Standing.WORSE]
    assert pair.tags[1].passes.p_holm == 2 * pair.tags[1].passes.p
    assert pair.few_tags == ("rare",)


def test_flipped_cases_come_newly_failing_first_and_the_largest_changes_first(tmp_path):
    old = {"a": [1, 1, 1], "b": [1, 1, 0], "c": [0, 0, 0], "d": [1, 1, 1], "e": [0, 0, 1], "f": [1, None, None]}
    new = {"a": [1, 0, 1], "b": [1, 1, 0], "c": [0, 1, 0], "d": [0, 0, 0], "e": [1, 1, 1], "f": [1, 1, 1]}
    store_run(tmp_path / "old", {"m": old}, trials=3, tags={"a": ("x",)})
    store_run(tmp_path / "new", {"m": new}, trials=3, tags={"a": ("x",)})
    (pair,) = compared(tmp_path / "old", tmp_path / "new").pairs
    assert [(flip.case_id, round(flip.change, 2)) for flip in pair.flips] == [
        ("d", -1.0),
        ("a", -0.33),
        ("e", 0.67),
        ("c", 0.33),
    ]
    assert pair.difference.method == "clustered"
    by_id = {flip.case_id: flip for flip in pair.flips}
    worse, better = by_id["a"], by_id["c"]
    assert (worse.old.trial, worse.old.outcome, worse.new.trial, worse.new.outcome) == (
        1,
        Outcome.PASSED,
        2,
        Outcome.FAILED,
    )
    assert (better.old.trial, better.old.outcome, better.new.trial, better.new.outcome) == (
        1,
        Outcome.FAILED,
        2,
        Outcome.PASSED,
    )
    assert (worse.old_passed, worse.old_finished, worse.new_passed, worse.new_finished) == (3, 3, 2, 3)
    assert (worse.tags, worse.expected) == (("x",), "yes")
    assert worse.new.reasons == ("exact: expected yes, got no",)
    assert worse.old.reasons == ()


def test_of_very_many_flips_the_rest_is_only_counted(runs, monkeypatch):
    monkeypatch.setattr("evalkit.analysis.compare.flips.MOST_SHOWN", 2)
    (pair,) = runs(cases(5, 5), cases(5, 0)).pairs
    assert [flip.new is not None for flip in pair.flips] == [True, True, False, False, False]
    assert pair.flips[4].old is None
    assert (pair.flips[4].old_passed, pair.flips[4].new_passed) == (1, 0)


@pytest.mark.parametrize(("passed", "left"), [(0, 47), (50, 50)])
def test_rows_are_read_no_further_than_the_last_one_that_is_shown(tmp_path, monkeypatch, passed, left):
    monkeypatch.setattr("evalkit.analysis.compare.flips.MOST_SHOWN", 3)
    folders = [store_run(tmp_path / name, {"m": cases(50, n)}) for name, n in (("old", 50), ("new", passed))]
    old, new = (load_side(resolve_side(str(folder), tmp_path)) for folder in folders)
    (was,), (now,) = old.results.candidates, new.results.candidates
    aligned = align(new.results.case_ids, now, old.results.case_ids, was)
    before, after = iter(old.run.rows), iter(new.run.rows)
    flips = read_flips(aligned, flipped(aligned), before, after)
    assert [flip.new is not None for flip in flips] == [place < 3 for place in range(50 - passed)]
    assert len(list(before)) == len(list(after)) == left


def test_tool_calls_are_part_of_what_was_said(runs):
    calls = ({"id": "1", "name": "refund", "arguments": {}},)
    (pair,) = runs({"a": True}, {"a": False}, fields=({}, {("m", "a"): {"tool_calls": calls}})).pairs
    assert pair.flips[0].new.tool_calls[0]["name"] == "refund"


def test_the_same_answer_with_another_verdict_was_judged_otherwise(runs):
    same = {("m", name): {"output": "the same"} for name in "abc"}
    called = {("m", "c"): {"output": "the same", "tool_calls": ({"name": "x"},)}}
    (pair,) = runs(
        {"a": True, "b": True, "c": True, "d": True},
        {"a": False, "b": True, "c": False, "d": False},
        fields=(same, same | called),
    ).pairs
    assert pair.judged_apart == ("a",)


def test_who_answered_and_why_they_stopped_is_counted(runs):
    def said(served, fingerprint, reason):
        facts = {"served_model": served, "fingerprint": fingerprint, "finish_reason": reason}
        return {("m", name): facts for name in "ab"}

    late = said("m-2", "fp9", "stop") | {("m", "b"): {"served_model": "m-2", "finish_reason": "length"}}
    (pair,) = runs({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}, fields=(said("m-1", "fp7", "stop"), late)).pairs
    old, new = pair.old_answers, pair.new_answers
    assert (old.served_models, new.served_models) == ({"m-1": 2}, {"m-2": 2})
    assert (old.fingerprints, new.fingerprints) == ({"fp7": 2}, {"fp9": 1})
    assert new.finish_reasons == {"stop": 1, "length": 1}
    assert old.scorers == {"exact"}


def test_latency_is_compared_as_a_ratio_case_by_case(runs):
    rng = np.random.default_rng(1)
    base = dict(zip(cases(80, 80), rng.lognormal(6, 1, 80), strict=True))
    times = [
        {("m", name): {"latency_ms": ms * factor * rng.lognormal(0, 0.1)} for name, ms in base.items()}
        for factor in (1, 1.5)
    ]
    (pair,) = runs(cases(80, 80), cases(80, 80), fields=tuple(times)).pairs
    assert pair.latency.cases == 80
    assert pair.latency.interval.low < 1.5 < pair.latency.interval.high < 1.6
    assert pair.latency.interval.low > 1.4
    assert pair.latency.p < 1e-6
    assert pair.latency.old["p50"].low < pair.latency.old["p50"].value < pair.latency.old["p50"].high
    assert pair.latency.new["p95"].value > pair.latency.old["p95"].value


def test_tokens_and_cost_are_compared_where_both_sides_know_them(runs):
    def used(*facts):
        return {("m", name): {"cost_usd": cost, "usage": Usage(output=out)} for name, cost, out in facts}

    (pair,) = runs(
        {"a": 1, "b": 1, "c": 1, "d": 1},
        {"a": 1, "b": 1, "c": "timeout", "d": 1},
        fields=(
            used(("a", 2.0, 10), ("b", 4.0, 20), ("c", 9.0, 5), ("d", None, 20)),
            used(("a", 5.0, 30), ("b", 9.0, None), ("d", None, 60)),
        ),
    ).pairs
    assert (pair.cost.cases, pair.cost.old, pair.cost.new, pair.cost.difference) == (2, 3.0, 7.0, 4.0)
    assert pair.cost.interval.low < 4 < pair.cost.interval.high
    assert (pair.output_tokens.cases, pair.output_tokens.old, pair.output_tokens.new) == (2, 15, 45)
    (pair,) = runs({"a": 1}, {"a": 1}).pairs
    assert pair.cost is None


def test_no_change_at_all_is_no_change():
    same = np.array([1.0, 2.0, np.nan])
    found = change(same, same, None)
    assert (found.cases, found.interval, found.p) == (2, (0.0, 0.0), 1.0)
    sure = change(same, same + 3, None)
    assert (sure.interval, sure.p) == ((3.0, 3.0), 0.0)


@pytest.mark.parametrize(
    ("old", "clusters"), [([np.nan, np.nan], None), ([1.0, np.nan], None), ([1.0, 2.0], ["x", "x"])]
)
def test_a_single_case_or_source_is_no_evidence(old, clusters):
    assert change(np.array(old), np.array([2.0, 3.0]), clusters) is None


def test_changes_of_any_size_are_judged_by_students_t():
    rng = np.random.default_rng(4)
    old = rng.lognormal(3, 1, 12)
    new = old + rng.normal(20, 30, 12)
    oracle = scipy.stats.ttest_rel(new, old)
    found = change(old, new, None)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-6)
    assert found.interval == pytest.approx(tuple(oracle.confidence_interval()), rel=1e-6)


def test_means_are_of_a_cases_trials_and_clusters_go_with_the_cases():
    found = change(np.array([1.0, 1, np.nan, 1]), np.array([2.0, 2, 9, 4]), ["x", "x", "y", "z"])
    assert found.cases == 3
    assert found.difference == pytest.approx(5 / 3)
    alone = change(np.array([1.0, 1, 1]), np.array([2.0, 2, 4]), None)
    assert found.interval.high - found.interval.low > alone.interval.high - alone.interval.low


def test_answers_that_took_no_measurable_time_are_no_ratio(tmp_path):
    store_run(
        tmp_path, {"m": {"a": 1, "b": 1}}, fields={("m", "a"): {"latency_ms": 0.0}, ("m", "b"): {"latency_ms": None}}
    )
    side = load_side(resolve_side(str(tmp_path), tmp_path))
    answers = answered(side.run.rows, ["a", "b"])
    assert list(answers.latencies) == [0.0]
    assert np.isnan(answers.latency_log).all()
    assert slowdown(answers, answers, None) is None


def test_trials_are_averaged_case_by_case(tmp_path):
    store_run(tmp_path, {"m": {"a": [1, 0, "timeout"], "b": [None] * 3}}, trials=3)
    side = load_side(resolve_side(str(tmp_path), tmp_path))
    answers = answered(side.run.rows, ["a", "b"])
    assert answers.latency_log[0] == pytest.approx(math.log(100))
    assert answers.output_tokens[0] == 5
    assert np.isnan(answers.output_tokens[1])
    assert len(answers.latencies) == 2
    assert answers.judged[0].passed
    assert answers.judged[1] is None


@pytest.mark.parametrize(
    ("task", "model", "standing"),
    [
        ("prime", "gpt-4", Standing.WORSE),
        ("happy", "gpt-4", Standing.WORSE),
        ("prime", "gpt-3.5-turbo", Standing.BETTER),
    ],
)
def test_a_model_that_drifted_is_seen_to(shared, tmp_path, task, model, standing):
    for month in ("march", "june"):
        drift_run(tmp_path / month, shared, task, month)
    (pair,) = compared(f"{tmp_path / 'march'}:{model}", f"{tmp_path / 'june'}:{model}", AUTO).pairs
    assert pair.passes.standing is standing
    assert pair.verdict is (Verdict.REGRESSED if standing is Standing.WORSE else Verdict.NOT_WORSE)
    assert pair.old_answers.served_models.keys().isdisjoint(pair.new_answers.served_models)
    assert pair.latency.p < 0.05
    assert (pair.cost.interval.high < 0) is (model == "gpt-4")


def test_a_quantised_copy_of_a_model_keeps_up_with_it(shared, tmp_path):
    run = zeroeval_run(tmp_path / "z", shared)
    full, quantised = "Llama-3.1-405B-Inst@sambanova", "Llama-3.1-405B-Instruct-Turbo"
    (pair,) = compared(f"{run}:{full}", f"{run}:{quantised}", 0.05).pairs
    assert pair.passes.standing is Standing.EVEN
    assert pair.verdict is Verdict.NOT_WORSE
    assert (pair.passes.better, pair.passes.worse) == (3, 2)
    assert pair.model[0].what == "model"
