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
        held = CaseSample(run)
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
    assert (content["left_out"], content["cases_left_out"]) == (0, 0)
    assert [one["outcomes"] for one in content["cases"]] == ["p", "m", *"pppppppp"]
    assert "c1" not in names(content, 0)


def test_cases_that_nobody_was_asked_have_their_limit_too(content_of, monkeypatch):
    monkeypatch.setattr(sample, "MOST_CALLS", 3)
    content = content_of({"a": dict.fromkeys(CASES)})
    assert ([one["id"] for one in content["cases"]], content["cases_left_out"]) == (["c0", "c1", "c2"], 7)


PROMPT = {
    "p": {
        "template": (
            ("system", "{% for one in rules %}{{ one }}. {% endfor %}"),
            ("messages", "shots"),
            ("user", "About {{ n }}: {{ n | upper }}"),
            ("", ""),
        )
    }
}


def test_messages_are_those_that_were_sent_each_text_kept_once(content_of):
    shared = {"rules": ["Be brief", "Be kind"], "shots": [{"user": "hi"}, {"assistant": "hello"}]}
    content = content_of({"a": {"x": True, "y": False}}, prompts=PROMPT, vars=shared)
    sent = [
        [(role, content["texts"][text]) for role, text in one["sent"]["p"]] for one in content["cases"] if one["sent"]
    ]
    same = [("system", "Be brief. Be kind. "), ("user", "hi"), ("assistant", "hello")]
    assert sent == [[*same, ("user", "About x: X")], [*same, ("user", "About y: Y")]]
    assert len(content["texts"]) == 5


def test_a_prompt_that_cannot_be_filled_has_no_messages(content_of):
    unknown = content_of({"a": {"x": True}}, prompts=PROMPT)
    assert "sent" not in unknown["cases"][0]


def test_trials_of_a_case_stand_together(content_of):
    content = content_of({"a": {"x": (True, False, None)}, "b": {"x": ("timeout", True, True)}}, trials=3)
    assert content["cases"][0]["outcomes"] == "pfmepp"
    assert sorted((call["of"], call["trial"]) for call in content["calls"]) == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]


def test_long_texts_are_cut_and_say_so(content_of):
    content = content_of({"a": {"x": False, "y": False}}, fields={("a", "x"): {"output": "z" * 10_001}})
    by_case = {call["case"]: call["output"] for call in content["calls"]}
    assert by_case == {0: {"text": "z" * 10_000, "chars": 10_001}, 1: "no"}


def test_texts_are_cut_short_when_there_is_no_room_left(content_of, monkeypatch):
    monkeypatch.setattr(sample, "MOST_BYTES", 1000)
    long = {("a", case): {"output": "z" * 400} for case in CASES}
    outputs = [call["output"] for call in content_of({"a": dict.fromkeys(CASES, False)}, fields=long)["calls"]]
    assert outputs[0] == "z" * 400
    assert outputs[-1] == {"text": "z" * 200, "chars": 400}


@pytest.mark.parametrize(("text", "size"), [("z", 1), ("<", 6), ("\u65e5", 3), ("\udc80", 1)])
def test_room_is_measured_in_bytes_of_the_page(text, size):
    assert sample._size(text * 10) == 10 * size


def test_passed_answers_do_not_take_the_room_of_failures(content_of, monkeypatch):
    monkeypatch.setattr(sample, "MOST_BYTES", 2000)
    long = {("a", case): {"output": "z" * 400} for case in CASES}
    calls = content_of({"a": {case: case != "c9" for case in CASES}}, fields=long)["calls"]
    assert calls[0]["output"] == "z" * 400
    assert isinstance(calls[-1]["output"], dict)


def test_latencies_are_those_of_answers(tmp_path):
    run = load_run(store_run(tmp_path, {"a": {"x": True, "y": "timeout", "z": None}}))
    held = CaseSample(run)
    list(held.watch(run.rows))
    assert [list(values) for values in held.latencies_ms] == [[100.0]]
