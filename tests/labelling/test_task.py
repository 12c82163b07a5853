"""What is to be set, and how labels are found by typing."""

from __future__ import annotations

import json

import pytest

from evalkit.errors import ConfigError, ConfigErrors
from evalkit.labelling.shown import cleaned, multiline, parts_of, single_line, time_left
from evalkit.labelling.source import open_source
from evalkit.labelling.task import Kind, Task, task_of

CASES = '[{"id": "a", "vars": {"t": 1}}]'


def suite(tmp_path, scorers, cases=CASES, **more):
    path = tmp_path / "s.yaml"
    path.write_text(json.dumps({"scorers": scorers, "cases": json.loads(cases), **more}))
    return open_source(path)


@pytest.mark.parametrize(
    ("scorers", "labels"),
    [
        ([{"label": ["x", "y"]}], ("x", "y")),
        ([{"label": {"labels": {"x": ["ex"], "y": []}}}], ("x", "y")),
        ([{"any": [{"label": {"labels": ["x"], "name": "n"}}, "exact"]}], ("x",)),
        ([{"choice": 3}], ("A", "B", "C")),
        ([{"label": 3}, {"label": ["z"]}], ("z",)),
    ],
)
def test_scorers_know_their_labels(tmp_path, scorers, labels):
    assert task_of(suite(tmp_path, scorers)) == Task(Kind.LABEL, labels, closed=True)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([], Task(Kind.TEXT)),
        (["x", "y", "x", "y"], Task(Kind.LABEL, ("x", "y"))),
        (["x", "y", "z"], Task(Kind.TEXT)),
        ([1, 1, 0, 1], Task(Kind.LABEL, (1, 0))),
        ([{"a": 1}], Task(Kind.JSON)),
        (["long " * 20] * 4, Task(Kind.TEXT)),
        (["", None, "x", "x"], Task(Kind.LABEL, ("x",))),
    ],
)
def test_the_file_shows_its_labels(tmp_path, values, task):
    cases = [{"id": f"c{n}", "vars": {}, "expected": value} for n, value in enumerate(values)]
    assert task_of(suite(tmp_path, ["exact"], json.dumps(cases or json.loads(CASES)))) == task


def test_what_the_user_says_wins(tmp_path):
    source = suite(tmp_path, [{"label": ["x"]}])
    assert task_of(source, ["p", "q", "p"]) == Task(Kind.LABEL, ("p", "q"))
    assert task_of(source, as_json=True) == Task(Kind.JSON)
    assert task_of(suite(tmp_path, ["exact"], output_schema={})).kind is Kind.JSON


def test_keys_are_for_ten_labels_at_most():
    assert Task(Kind.LABEL, tuple("abc")).keys == {"1": "a", "2": "b", "3": "c"}
    assert Task(Kind.LABEL, tuple("abcdefghij")).keys["0"] == "j"
    assert Task(Kind.LABEL, tuple("abcdefghijk")).keys == {}


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("card l", "card_linking"),
        ("lost card", "lost_or_stolen_card"),
        ("CARD_ARR", "card_arrival"),
        ("card", "card"),
        ("arr", "card_arrival"),
        ("lim", "limits"),
        ("", "card_arrival"),
    ],
)
def test_typing_finds_labels(typed, first):
    labels = ("card_arrival", "card_linking", "lost_or_stolen_card", "card", "sublimit", "limits")
    assert Task(Kind.LABEL, labels).matching(typed)[0] == first


def test_typing_nonsense_finds_none():
    assert list(Task(Kind.LABEL, ("a",)).matching("zz")) == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.txt", "", "cannot be labelled in such a file"),
        ("s.yaml", "suite: x\n", "no `cases:`"),
        ("s.yaml", "cases: 3\n", "cases"),
        ("s.yaml", "- x\n", ""),
        ("s.yaml", "{", ""),
        ("s.jsonl", '{"id": "a"}\n{"id": "a"}\n', 'the case id "a" is taken'),
        ("s.jsonl", "{\n3\n", "not JSON"),
        ("s.csv", "a,b\n1\n", "this row has 1 cells"),
        ("s.csv", "", "no cases"),
        ("s.jsonl", "\x00\xff", ""),
        ("s.json", '{"a": 1}', "list of cases"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(tmp_path, name, text, words):
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError) as raised:
        open_source(tmp_path / name)
    error = raised.value
    assert words in str(error)
    errors = error.errors if isinstance(error, ConfigErrors) else [error]
    assert all(one.where for one in errors[:1])


def test_a_suite_that_nobody_could_run_yet_can_be_labelled(tmp_path):
    source = suite(tmp_path, [{"label": ["x"]}, {"no_such_scorer": 1}], models=["nobody"])
    assert [item.case.id for item in source.items] == ["a"]


def test_scripted_conversations_are_shown_turn_by_turn(tmp_path):
    cases = [
        {
            "id": "a",
            "vars": {"t": 1},
            "turns": [{"user": "And then?"}, {"user": 2, "expected": 1, "scorers": ["exact"]}],
        }
    ]
    source = suite(tmp_path, ["exact"], json.dumps(cases))
    assert list(parts_of(source.items[0])) == [("t", "1"), ("user, turn 2", "And then?"), ("user, turn 3", "2")]


def test_prompts_are_rendered_and_their_faults_shown(tmp_path):
    prompts = [{"name": "p", "template": "Say {{ t }}"}, {"name": "q", "template": "{{ nothing }}"}, "gone.txt"]
    source = suite(tmp_path, ["exact"], prompts=prompts)
    shown = list(source.messages(source.items[0]))
    assert shown[0] == ("p - user", "Say 1")
    assert "`nothing` is undefined" in shown[1][1]
    assert "does not exist" in shown[2][1]


HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b31m \u202eabc\u2066 \x7f\x00 \u2028 \ud800 [red]x[/red]"


def test_nothing_in_a_text_drives_the_terminal():
    for shown in (cleaned(HOSTILE), multiline(HOSTILE), single_line(HOSTILE, 300)):
        assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in shown)
        assert not set("\u202e\u2066\u2028") & set(shown)
        assert "[red]x[/red]" in shown
    assert len(cleaned(HOSTILE)) == len(HOSTILE)
    assert multiline("a\r\nb\tc\rd") == "a\nb   c\N{SYMBOL FOR CARRIAGE RETURN}d"
    assert "\u05e9\u05dc" in multiline("\u05e9\u05dc")


def test_long_texts_are_cut():
    assert multiline("x" * 1_000_000, 10) == "x" * 10 + "\n[... 999,990 characters more: m shows them]"
    assert single_line("x" * 1_000_000, 10) == "xxxxxxx..."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (5, "under a minute left"), (700, "about 12 min left"), (7500, "about 2 h 05 min left")],
)
def test_the_time_left_in_words(seconds, words):
    assert time_left(seconds) == words
