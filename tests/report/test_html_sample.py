"""Which calls a page holds."""

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.report.html import sample
from evalkit.report.html.sample import CaseSample

CASES = [f"c{number}" for number in range(10)]


@pytest.fixture
def content_of(tmp_path):
    def content_of(verdicts, **more):
        run = load_run(store_run(tmp_path / "run", verdicts, **more))
        held = CaseSample(list(run.groups), run.rows.cases)
        assert [row.call.call_id for row in held.watch(run.rows)] == [row.call.call_id for row in run.rows]
        return held.content()

    return content_of


def names(content, of):
    return {content["cases"][call["case"]]["id"] for call in content["calls"] if call["of"] == of}


def test_all_calls_of_a_run_of_usual_size(content_of):
    content = content_of({"a": dict.fromkeys(CASES, True), "b": dict.fromkeys(CASES, "timeout")})
    assert [one["id"] for one in content["cases"]] == CASES
    assert {one["outcomes"] for one in content["cases"]} == {"pe"}
    assert (len(content["calls"]), content["left_out"], content["cases_left_out"]) == (20, 0, 0)


def test_what_did_not_pass_comes_first(content_of, monkeypatch):
    monkeypatch.setattr(sample, "MOST_CALLS", 8)
    verdicts = {case: number < 7 for number, case in enumerate(CASES)}
    content = content_of({"a": verdicts, "b": dict.fromkeys(CASES, True)})
    assert names(content, 0) == {"c7", "c8", "c9", "c0"}
    assert names(content, 1) == {"c0", "c1", "c2", "c3"}
    assert (content["left_out"], content["cases_left_out"]) == (12, 3)
    # Of the calls that are left out the page still tells what became of them.
    assert {one["id"]: one["outcomes"] for one in content["cases"]}["c9"] == "fp"


def test_a_candidate_that_fails_throughout_leaves_room_for_others(content_of, monkeypatch):
    monkeypatch.setattr(sample, "MOST_CALLS", 6)
    content = content_of({"a": dict.fromkeys(CASES, False), "b": dict.fromkeys(CASES, False)})
    assert len(names(content, 0)) == len(names(content, 1)) == 3


def test_unfinished_calls_are_not_left_out(content_of):
    content = content_of({"a": {case: None if case == "c1" else True for case in CASES}})
    assert (content["left_out"], content["cases_left_out"]) == (0, 1)
    assert "c1" not in names(content, 0)


def test_trials_of_a_case_stand_together(content_of):
    content = content_of({"a": {"x": (True, False, None)}, "b": {"x": ("timeout", True, True)}}, trials=3)
    assert content["cases"][0]["outcomes"] == "pfmepp"
    assert sorted((call["of"], call["trial"]) for call in content["calls"]) == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]


def test_long_texts_are_cut_and_say_so(content_of):
    content = content_of({"a": {"x": False, "y": False}}, fields={("a", "x"): {"output": "z" * 10_001}})
    by_case = {call["case"]: call["output"] for call in content["calls"]}
    assert by_case == {0: {"text": "z" * 10_000, "chars": 10_001}, 1: "no"}


def test_texts_are_cut_short_when_there_is_no_room_left(content_of, monkeypatch):
    monkeypatch.setattr(sample, "MOST_CHARS", 1000)
    long = {("a", case): {"output": "z" * 400} for case in CASES}
    outputs = [call["output"] for call in content_of({"a": dict.fromkeys(CASES, False)}, fields=long)["calls"]]
    assert outputs[0] == "z" * 400
    assert outputs[-1] == {"text": "z" * 200, "chars": 400}


def test_passed_answers_do_not_take_the_room_of_failures(content_of, monkeypatch):
    monkeypatch.setattr(sample, "MOST_CHARS", 2000)
    long = {("a", case): {"output": "z" * 400} for case in CASES}
    calls = content_of({"a": {case: case != "c9" for case in CASES}}, fields=long)["calls"]
    assert calls[0]["output"] == "z" * 400
    assert isinstance(calls[-1]["output"], dict)


def test_latencies_are_those_of_answers(tmp_path):
    run = load_run(store_run(tmp_path, {"a": {"x": True, "y": "timeout", "z": None}}))
    held = CaseSample(list(run.groups), run.rows.cases)
    list(held.watch(run.rows))
    assert [list(values) for values in held.latencies_ms] == [[100.0]]
