"""Scorers as assertions mean the same: told by reading them again and judging answers with both."""

from __future__ import annotations

import json

import pytest

from evalkit.exports.promptfoo import CONFIG
from evalkit.imports.kinds import read
from evalkit.imports.options import ImportOptions
from evalkit.imports.write import write_suite
from evalkit.suite import load_suite
from evalkit.types import Record
from evalkit.yaml12 import load_file

ANSWERS = [
    "yes",
    " yes\n",
    "YES",
    "Yes, that is right.",
    "I say yes",
    "no",
    "",
    "yes and no",
    "yes-2024",
    '{"a": 1}',
    'Here: {"a": "x"} done',
    "[1, 2]",
    "<a><b/></a>",
    "one two three",
    "x" * 50,
]

SAME = [
    "exact",
    {"exact": {"ignore_case": True}},
    {"exact": {"strip": False}},
    {"one_of": ["yes", "no"]},
    "contains",
    {"contains": ["yes", "no"]},
    {"contains": {"value": "YES", "ignore_case": True}},
    {"contains_all": ["yes", "and"]},
    {"contains_any": {"values": ["AND", "right"], "ignore_case": True}},
    {"starts_with": "yes"},
    {"ends_with": "yes"},
    {"regex": "y.s"},
    {"length": {"min_words": 2, "max_words": 3}},
    {"length": {"max_chars": 10, "min_chars": 3}},
    {"json": {"strict": True}},
    {"json": {"type": ["object", "array"]}},
    {"json_schema": {"schema": {"type": "object", "required": ["a"]}, "strict": True}},
    {"json_schema": {"schema": {"properties": {"a": {"type": "integer"}}, "type": "object"}}},
    {"xml": {"strict": True}},
    {"not": {"contains": "no"}},
    {"all_of": ["contains", {"not": {"regex": "and"}}]},
]


def judged(suite, answers):
    """Whether each answer passes all scorers of the only case."""
    (case,) = suite.cases
    entries = suite.scorers_for(case)
    records = [Record("id", "m", "p", case.id, 1, output=answer) for answer in answers]
    return [all(entry.scorer.score(record, case).passed for entry in entries) for record in records]


def again(done, folder):
    draft = read("promptfoo", str(done.files[0]), ImportOptions(models=("openai:gpt-4o-mini",)))
    assert [note.message for note in draft.notes if note.lost] == []
    return load_suite(write_suite(draft, folder).suite)


def config(done):
    return load_file(done.files[0]).data


@pytest.mark.parametrize("scorer", SAME, ids=str)
def test_an_assertion_judges_as_its_scorer_does(scorer, suite_of, exported, tmp_path):
    suite = suite_of([{"id": "a", "vars": {"text": "t"}, "expected": "yes"}], scorers=[scorer])
    done = exported(suite, "promptfoo")
    assert done.lost == 0
    verdicts = judged(suite, ANSWERS)
    assert True in verdicts
    assert False in verdicts
    assert judged(again(done, tmp_path / "in"), ANSWERS) == verdicts


@pytest.mark.parametrize(
    "scorer",
    [
        {"label": ["yes", "no"]},
        "f1",
        "numeric",
        {"exact": {"ignore_punctuation": True}},
        {"contains": {"value": "x", "extract": "last_number"}},
        {"contains": {"value": ["x", "y"], "threshold": 0.5}},
        {"contains": "{{ x }}"},
        {"contains": "file://x"},
        {"regex": "yes$"},
        {"regex": {"pattern": "yes", "flags": "i"}},
        {"regex": "(?P<word>yes)"},
        {"regex": "(?i)yes"},
        {"length": {"max_sentences": 2}},
        {"json": "object"},
        {"xml": ["a"]},
        {"any_of": ["exact", {"contains": "x"}]},
        {"not": {"length": {"max_words": 3}}},
        {"judge": "Is it good?"},
        {"rouge": {"variant": "rougeL", "threshold": 0.5}},
    ],
    ids=str,
)
def test_a_scorer_without_an_equal_is_named_and_stands_in_a_comment(scorer, suite_of, exported):
    judge = {"judge": "keeper"} if "judge" in scorer else {}
    expected = "5" if scorer == "numeric" else "yes"
    suite = suite_of([{"id": "a", "vars": {"text": "t"}, "expected": expected}], scorers=[scorer], **judge)
    refused = exported(suite, "promptfoo")
    assert refused.files == ()
    (lost,) = [note for note in refused.notes if note.kind == "scorer"]
    assert lost.lost
    assert "has no equal" in lost.message
    assert 'case "a"' in lost.message
    done = exported(suite, "promptfoo", allow_partial=True)
    text = " ".join(done.files[0].read_text().replace("#", "").split())
    assert f"TODO: `{' '.join(json.dumps(scorer).split())}` has no equal" in text
    assert "assert" not in config(done)["tests"][0]


def test_scorers_that_ask_models_name_providers(suite_of, exported):
    scorers = [{"judge": {"rubric": "Is it kind?", "model": "gpt"}}, {"embedding": {"model": "gpt", "threshold": 0.8}}]
    suite = suite_of([{"id": "a", "vars": {"text": "t"}, "expected": "yes"}], scorers=scorers)
    done = exported(suite, "promptfoo")
    assert config(done)["defaultTest"]["assert"] == [
        {"type": "llm-rubric", "value": "Is it kind?", "provider": "openai:chat:gpt-4o-mini"},
        {"type": "similar", "value": "yes", "provider": "openai:chat:gpt-4o-mini", "threshold": 0.8},
    ]
    assert any("asks in other words" in note.message for note in done.notes)


def test_limits_weights_names_and_tags_are_carried(suite_of, exported):
    scorers = [
        {"latency_under": 1500},
        {"cost_under": {"usd": 0.01, "weight": 2}},
        {"finish_reason": "stop"},
        {"contains": {"value": "x", "name": "has x", "weight": 0, "tags": ["en"]}},
    ]
    cases = [
        {"id": "a", "vars": {"text": "t"}, "tags": ["en"]},
        {"id": "b", "vars": {"text": "t"}, "tags": ["de"]},
    ]
    suite = suite_of(cases, scorers=scorers, threshold=0.5, trials=3, vars={"shared": ["x", "y"]})
    data = config(exported(suite, "promptfoo"))
    assert data["defaultTest"] == {
        "vars": {"shared": ["x", "y"]},
        "options": {"disableVarExpansion": True},
        "threshold": 0.5,
        "assert": [
            {"type": "latency", "threshold": 1500},
            {"type": "cost", "threshold": 0.01, "weight": 2},
            {"type": "finish-reason", "value": "stop"},
        ],
    }
    assert data["evaluateOptions"] == {"repeat": 3}
    assert data["tests"][0]["assert"] == [{"type": "contains", "value": "x", "metric": "has x", "weight": 0}]
    assert "assert" not in data["tests"][1]


MODELS = {
    "gpt": {"provider": "openai", "model": "gpt-4o-mini", "params": {"temperature": 0, "max_tokens": 5}},
    "own": {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9000/v1", "api_key_env": "OWN_KEY"},
    "vllm": {"provider": "vllm", "model": "Qwen/Qwen", "base_url": "http://127.0.0.1:8000/v1"},
    "claude": {"provider": "anthropic", "model": "claude-x", "params": {"max_tokens": 9}},
    "gem": {"provider": "gemini", "model": "gemini-x", "params": {"max_tokens": 9, "top_p": 0.5}},
    "mine": {"provider": "python", "function": "f.py:f"},
}


def test_models_become_providers_and_those_without_an_equal_are_named(suite_of, exported, tmp_path):
    suite = suite_of([{"id": "a", "vars": {"text": "t"}, "expected": "x"}], models=[*MODELS, "nobody"])
    (tmp_path / "m.yaml").write_text(json.dumps({"models": MODELS}))
    done = exported(suite, "promptfoo", allow_partial=True, models_file=tmp_path / "m.yaml")
    assert config(done)["providers"] == [
        {"id": "openai:chat:gpt-4o-mini", "label": "gpt", "config": {"temperature": 0, "max_tokens": 5}},
        {
            "id": "openai:chat:m",
            "label": "own",
            "config": {"apiBaseUrl": "http://127.0.0.1:9000/v1", "apiKeyEnvar": "OWN_KEY"},
        },
        {"id": "openai:chat:Qwen/Qwen", "label": "vllm", "config": {"apiBaseUrl": "http://127.0.0.1:8000/v1"}},
        {"id": "anthropic:messages:claude-x", "label": "claude", "config": {"max_tokens": 9}},
        {"id": "google:gemini-x", "label": "gem", "config": {"maxOutputTokens": 9, "topP": 0.5}},
    ]
    lost = [note.message for note in done.notes if note.lost]
    assert lost == ["no model 'nobody' is configured", "the model 'mine' (python) has no equal"]


def test_a_models_file_that_is_not_there_is_named(suite_of, exported, tmp_path):
    suite = suite_of([{"id": "a", "vars": {"text": "t"}, "expected": "x"}])
    done = exported(suite, "promptfoo", allow_partial=True, models_file=tmp_path / "nowhere.yaml")
    assert config(done)["providers"] == ["echo"]
    assert "the models cannot be read" in done.notes[0].message


def test_what_else_a_config_cannot_hold_is_named(suite_of, exported):
    cases = [
        {"id": "a", "vars": {"text": "file://x"}, "expected": "x", "data_policy": "local"},
        {"id": "b", "vars": {"text": "{{ shared }}\n"}, "expected": "x", "turns": [{"user": "more"}]},
        {"id": "c", "vars": {"text": None, "n": [{"deep": 1.0}]}, "expected": "x"},
    ]
    tool = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    prompts = [
        {"name": "logic", "messages": [{"user": "{% if text %}{{ text }}{% endif %}"}]},
        {"name": "history", "messages": [{"insert": "talk"}, {"user": "x"}]},
    ]
    suite = suite_of(cases, prompts=prompts, vars={"talk": [{"user": "hi"}]}, tools=[tool], gate={"max_drop": 0.1})
    done = exported(suite, "promptfoo", allow_partial=True)
    lost = {note.kind: note.message for note in done.notes if note.lost}
    assert {"suite", "prompt", "var", "turn"} == lost.keys()
    changed = " ".join(note.message for note in done.notes if not note.lost)
    for words in ("`gate:`", "looks like a template", "line end", "null", "1.0", "more than text and vars"):
        assert words in changed
    assert [path.name for path in done.files] == [CONFIG, "logic.json"]
