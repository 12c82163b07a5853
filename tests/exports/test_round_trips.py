"""What is exported and read again is the same: ids, vars, expected values, tags and turns, with their types."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.imports.kinds import read
from evalkit.imports.options import ImportOptions
from evalkit.imports.write import write_suite
from evalkit.suite import load_suite
from evalkit.suite.render import Renderer
from evalkit.types import MISSING

TEXTS = [
    "no",
    "",
    " ends with spaces ",
    "two\nlines",
    "a \r\n line end, and a lone\rreturn",
    'quotes " and, commas; and\ttabs',
    "ünïcödé 日本語 😀 \u2028 \u00a0",
    "=1+1",
    "0123",
    "1e3",
    "null",
    "true",
    "# no comment",
    "- no list",
    "{{ not_a_var }}",
    "\x00\x07",
    "\ufeffmark",
]
VALUES = [0, -1, 2**70, 1.5, 1.0, -0.0, True, False, None, [], [1, "a", None], ["a", "b"], {}, {"a": {"b": [1.5]}}]


def facts(case):
    """What a round trip must keep."""
    turns = [(turn.user, typed(turn.expected), [entry.spelling for entry in turn.scorers]) for turn in case.turns]
    scorers = [entry.spelling for entry in case.scorers]
    return case.id, typed(dict(case.vars)), typed(case.expected), case.tags, turns, scorers, case.data_policy


def typed(value):
    """A value with its types, all the way down: 1, 1.0 and true are three."""
    return "missing" if value is MISSING else json.dumps(value, ensure_ascii=False)


def named_in_a_suite(exported, tmp_path, **settings):
    """Load the exported file as the cases of a suite."""
    (file,) = exported.files
    content = {
        "suite": "again",
        "prompts": [{"name": "p", "template": "?"}],
        "models": ["gpt"],
        "scorers": [{"length": {"min_chars": 0}}],
        "cases": [{"file": str(file)}],
        **settings,
    }
    path = tmp_path / "again.yaml"
    path.write_text(json.dumps(content))
    return load_suite(path)


def imported(kind, file, tmp_path, **options):
    """Import the exported file as a suite."""
    draft = read(kind, str(file), ImportOptions(models=("openai:gpt-4o-mini",), **options))
    assert not [note for note in draft.notes if note.lost]
    written = write_suite(draft, tmp_path / "imported")
    assert written.problems == ()
    return load_suite(written.suite)


def cases_of(texts, expected="yes"):
    return [
        {"id": f"case {number}", "vars": {"text": text, "other": "x"}, "expected": expected, "tags": ["en", "a-b"]}
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
def test_texts_come_back_through_a_suite_that_names_the_file(name, suite_of, exported, tmp_path):
    suite = suite_of(cases_of(TEXTS))
    done = exported(suite, name)
    assert [note.kind for note in done.notes] == (["formula"] if name == "csv" else [])
    again = named_in_a_suite(done, tmp_path)
    assert list(map(facts, again.cases)) == list(map(facts, suite.cases))


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
def test_texts_come_back_through_an_import_of_the_table(name, suite_of, exported, tmp_path):
    suite = suite_of(cases_of(TEXTS))
    again = imported("table", exported(suite, name).files[0], tmp_path)
    assert list(map(facts, again.cases)) == list(map(facts, suite.cases))


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_values_of_one_type_come_back_as_they_are(name, value, suite_of, exported, tmp_path):
    cases = [{"id": str(n), "vars": {"text": value}, "expected": value} for n in range(2)]
    suite = suite_of(cases, scorers=[{"length": {"min_chars": 0}}])
    done = exported(suite, name)
    again = named_in_a_suite(done, tmp_path)
    if done.notes:
        assert name == "parquet"
        assert value in (2**70, {}, [1, "a", None])
        assert all("becomes text" in note.message and 'case "0" and 1 more' in note.message for note in done.notes)
    else:
        assert list(map(facts, again.cases)) == list(map(facts, suite.cases))


def test_json_lines_hold_all_of_a_case(suite_of, exported, tmp_path):
    cases = [
        {"id": "plain", "vars": {"text": "a"}},
        {"id": "null", "vars": {"text": None, "more": {"b": [1, None]}}, "expected": None, "data_policy": "local"},
        {
            "id": "talk",
            "vars": {},
            "turns": [{"user": "Hi"}, {"user": "no", "expected": 1.0, "scorers": ["numeric"]}],
            "scorers": [{"length": {"max_words": 5}}, {"contains": {"value": "x", "weight": 0}}],
            "tags": ["a;b", " c ", "1"],
        },
        *({"id": repr(value), "vars": {"v": value}, "expected": value} for value in VALUES),
    ]
    suite = suite_of(cases, template="?", scorers=[{"length": {"min_chars": 0}}])
    done = exported(suite, "jsonl")
    assert list(done.notes) == []
    again = named_in_a_suite(done, tmp_path)
    assert list(map(facts, again.cases)) == list(map(facts, suite.cases))


def test_json_lines_come_back_whole_through_an_import(suite_of, exported, tmp_path):
    cases = [
        {"id": "talk", "vars": {"text": "a"}, "turns": [{"user": "b", "expected": "c", "scorers": ["exact"]}]}
        | {"expected": {"b": 1.0}},
        {"id": "own", "vars": {"text": 1.0}, "scorers": [{"contains": "x"}], "expected": None, "data_policy": "local"},
        {"id": "tags", "vars": {"text": ["no"]}, "expected": {"a": [1]}, "tags": ["a;b"]},
    ]
    suite = suite_of(cases, scorers=[{"length": {"min_chars": 0}}])
    again = imported("table", exported(suite, "jsonl").files[0], tmp_path)
    assert list(map(facts, again.cases)) == list(map(facts, suite.cases))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = st.from_regex(r"[a-z]{1,4}", fullmatch=True).filter(lambda name: name not in ("id", "tags", "vars"))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tables=st.lists(st.dictionaries(NAMES, JSON, max_size=3), min_size=1, max_size=4))
def test_any_values_come_back_from_json_lines(tables, suite_of, exported, tmp_path):
    cases = [{"id": str(n), "vars": table, "expected": table} for n, table in enumerate(tables)]
    try:
        suite = suite_of(cases, template="?", scorers=[{"length": {"min_chars": 0}}])
    except Exception:  # noqa: BLE001 - not every JSON is a case's
        return
    again = named_in_a_suite(exported(suite, "jsonl"), tmp_path)
    assert list(map(facts, again.cases)) == list(map(facts, suite.cases))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_any_text_comes_back_from_a_table(name, texts, suite_of, exported, tmp_path):
    suite = suite_of(cases_of(texts))
    again = named_in_a_suite(exported(suite, name), tmp_path)
    assert list(map(facts, again.cases)) == list(map(facts, suite.cases))


CHAT = [{"system": "Answer {{ how }}."}, {"user": "Q: {{ text }}\n"}]


def test_a_promptfoo_config_comes_back(suite_of, exported, tmp_path):
    cases = [
        {"id": "a", "vars": {"text": "no", "how": "briefly"}, "expected": "yes", "tags": ["en", "x y"]},
        {"id": "b b/é", "vars": {"text": "two\nlines", "how": 1.25}, "expected": 42, "tags": ["1"]},
        {"id": "c", "vars": {"text": ["a", "b"], "how": {"k": [None, True]}}, "expected": 2.5},
        {"id": "d", "vars": {"text": "2024-01-01", "how": "0123"}, "expected": "no"},
        {"id": "e", "vars": {"text": "q\"uo'te: # {}", "how": "日本😀"}, "expected": True},
    ]
    suite = suite_of(cases, prompts=[{"name": "p", "messages": CHAT}], params={"temperature": 0, "max_tokens": 8})
    done = exported(suite, "promptfoo")
    assert list(done.notes) == []
    again = imported("promptfoo", done.files[0], tmp_path)
    kept = [facts(case)[:5] for case in suite.cases]
    assert [facts(case)[:5] for case in again.cases] == kept
    before, now = Renderer(suite.prompts[0], {}), Renderer(again.prompts[0], {})
    assert [now.messages(case) for case in again.cases] == [before.messages(case) for case in suite.cases]


def test_an_openai_eval_comes_back(suite_of, exported, tmp_path):
    cases = [
        {"id": "a é", "vars": {"text": "no"}, "expected": "yes", "tags": ["en"]},
        {"id": "b", "vars": {"text": "two\nlines {{ x }} {% raw %}"}, "expected": ["a", "b"]},
        {"id": "c", "vars": {"text": "日本😀"}, "expected": "0123"},
    ]
    messages = [{"system": "Say {curly} {% raw %}{{ so }}{% endraw %}."}, {"user": "Q: {{ text }}"}]
    suite = suite_of(cases, prompts=[{"name": "p", "messages": messages}], scorers=["contains_any"])
    done = exported(suite, "openai-evals")
    assert [note.kind for note in done.notes] == ["var"]
    again = imported("openai-evals", done.files[0], tmp_path)
    assert [(case.id, case.expected, case.tags) for case in again.cases] == [
        (case.id, case.expected, case.tags) for case in suite.cases
    ]
    before, now = Renderer(suite.prompts[0], {}), Renderer(again.prompts[0], {})
    assert [now.messages(case) for case in again.cases] == [before.messages(case) for case in suite.cases]
    assert [entry.spelling for entry in again.scorers] == ['"contains_any"']


def test_an_inspect_dataset_comes_back_as_a_table(suite_of, exported, tmp_path):
    cases = [
        {"id": "a é", "vars": {"text": "no", "n": 1.5}, "expected": "yes", "tags": ["en"]},
        {"id": "b", "vars": {"text": "two\nlines", "n": None}, "expected": "no"},
    ]
    suite = suite_of(cases)
    again = imported("table", exported(suite, "inspect").files[0], tmp_path)
    assert [(case.id, case.vars["input"], case.expected) for case in again.cases] == [
        (case.id, case.vars["text"], case.expected) for case in suite.cases
    ]
    assert [case.vars["metadata"] for case in again.cases] == [
        {**case.vars, "tags": list(case.tags)} for case in suite.cases
    ]
