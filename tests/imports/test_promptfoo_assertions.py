"""promptfoo's assertions as scorers: what each type means, its negation, weights, thresholds, transforms, graders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from promptfoo_config import (
    HEAD,
    asserting,
    asserting_each,
    imported,
    judged,
    lost,
    misjudged,
    remarks,
    scorers,
    written,
)

from evalkit.imports.draft import Share
from evalkit.models.config import load_models

TYPES = [
    # an assertion, an answer that passes, one that fails; as promptfoo 0.121 judges them
    ({"type": "contains", "value": "World"}, "Hello World", "hello world"),
    ({"type": "contains", "value": 42}, "It is 42.", "It is 4."),
    ({"type": "not-contains", "value": "World"}, "hello world", "Hello World"),
    ({"type": "icontains", "value": "WORLD"}, "Hello World", "Hello"),
    ({"type": "contains-any", "value": ["a", "b"]}, "b", "c"),
    ({"type": "contains-any", "value": 'x, "b, c"'}, "a b, c", "b c"),
    ({"type": "contains-all", "value": ["a", "b"]}, "ab", "a"),
    ({"type": "icontains-any", "value": ["A", "B"]}, "b", "c"),
    ({"type": "icontains-all", "value": "A,B"}, "ab", "a"),
    ({"type": "equals", "value": "Yes"}, "Yes", "Yes "),
    ({"type": "equals", "value": 3}, "3", "4"),
    ({"type": "not-equals", "value": "Yes"}, "yes", "Yes"),
    ({"type": "equals", "value": {"a": [1]}}, '{"a": [1]}', '{"a": [1], "b": 2}'),
    ({"type": "starts-with", "value": "He"}, "Hello", " Hello"),
    ({"type": "regex", "value": "^[A-Z].*\\d$"}, "Is 4", "Is 4\n"),
    ({"type": "not-regex", "value": "\\d"}, "no", "4"),
    ({"type": "regex", "value": "(?<year>\\d{4})\\/\\d"}, "2024/1", "24/1"),
    ({"type": "is-json"}, "[1]", "so: [1]"),
    ({"type": "not-is-json"}, "so", "[1]"),
    ({"type": "is-json", "value": {"type": "object", "required": ["a"]}}, '{"a": 1}', "{}"),
    ({"type": "is-json", "value": "{type: object, required: [a]}"}, '{"a": 1}', "{}"),
    ({"type": "contains-json"}, 'so: {"a": 1}', "so"),
    ({"type": "contains-json", "value": {"required": ["a"]}}, 'so: {"a": 1}', 'so: {"b": 1}'),
    ({"type": "is-xml"}, "<a><b/></a>", "a <a>"),
    ({"type": "is-xml", "value": {"requiredElements": ["a.b"]}}, "<a><b/></a>", "<a><c/></a>"),
    ({"type": "word-count", "value": {"min": 2, "max": 3}}, "a b", "a"),
    ({"type": "word-count", "value": 2}, "a b", "a b c"),
    ({"type": "is-refusal"}, "I'm sorry, but I can't help with that.", "Sure."),
    ({"type": "contains", "value": "{{q | upper}}!"}, "say HI!", "say hi!"),
    ({"type": "contains", "value": "x", "transform": "output.trim()"}, " x ", "y"),
    ({"type": "equals", "value": "x", "transform": "output.trim()"}, " x ", "y"),
    ({"type": "equals", "value": "x", "transform": "output => output.toLowerCase()"}, "X", "y"),
    ({"type": "equals", "value": "x", "transform": "JSON.parse(output).a"}, '{"a": "x"}', '{"a": "y"}'),
    ({"type": "contains", "value": "x", "transform": "JSON.parse(output).a"}, '{"a": "xy"}', 'so: {"a": "xy"}'),
    ({"type": "not-contains", "value": "x", "transform": "JSON.parse(output).a"}, '{"a": "y"}', "y"),
    ({"type": "equals", "value": "b", "transform": "output.split(':')[1]"}, "a:b:c", "b"),
    ({"type": "equals", "value": "a", "transform": "output.split(':')[0]"}, "a:b:c", "b:a"),
    ({"type": "equals", "value": "42", "transform": "output.match(/is (\\d+)/)[1]"}, "it is 42 or 3", "it was 42"),
    ({"type": "equals", "value": "b", "transform": "output.split(':')[1].trim()"}, "a: b :c", "a: c"),
    ({"type": "equals", "value": "b", "transform": "output.match(/is (.*)/)[1].trim()"}, "it is  b ", "it is c"),
    ({"type": "equals", "value": "4", "transform": "output.split('</t>').pop().trim()"}, "x</t>5</t>\n4", "4</t>5"),
    ({"type": "equals", "value": "4", "transform": "output.split('</t>').at(-1)"}, "4", "4</t>"),
    ({"type": "javascript", "value": "output.length === 1", "transform": "output.trim()"}, " x ", "xy"),
    (
        {"type": "assert-set", "assert": [{"type": "contains", "value": "a"}, {"type": "contains", "value": "b"}]},
        "ab",
        "a",
    ),
    (
        {
            "type": "assert-set",
            "threshold": 0.5,
            "assert": [{"type": "contains", "value": "a"}, {"type": "contains", "value": "b"}],
        },
        "a",
        "c",
    ),
]


def test_an_assertion_judges_as_it_did(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, [assertion for assertion, _, _ in TYPES])
    assert lost(draft) == []
    assert misjudged(draft, [(name, [good], [bad]) for name, good, bad in TYPES]) == []


SPECS = [
    ({"type": "latency", "threshold": 3000}, {"latency_under": 3000}),
    ({"type": "cost", "threshold": 0.002}, {"cost_under": 0.002}),
    ({"type": "perplexity", "threshold": 4}, {"confidence": {"of": "mean", "threshold": 0.25}}),
    ({"type": "perplexity-score", "threshold": 0.2}, {"confidence": {"of": "mean", "threshold": 0.25}}),
    ({"type": "finish-reason", "value": "stop"}, {"finish_reason": "stop"}),
    ({"type": "llm-rubric", "value": "Is {{q}} polite?"}, {"judge": "Is hi polite?"}),
    ({"type": "not-llm-rubric", "value": "Is rude"}, {"not": {"judge": "Is rude"}}),
    ({"type": "model-graded-closedqa", "value": "Is short"}, {"judge": "Is short"}),
    (
        {"type": "g-eval", "value": "Is short"},
        {"judge": {"rubric": "Is short", "scale": [0, 10], "threshold": 0.7}},
    ),
    ({"type": "factuality", "value": "Rome is in Italy"}, "judge_reference"),
    ({"type": "similar", "value": "ciao"}, {"embedding": {"model": "embedder", "threshold": 0.75}}),
    (
        {"type": "similar", "value": "ciao", "threshold": 0.9},
        {"embedding": {"model": "embedder", "threshold": 0.9}},
    ),
    ({"type": "rouge-n", "value": "ciao", "threshold": 0.6}, {"rouge": {"variant": "rouge1", "threshold": 0.6}}),
    ({"type": "bleu", "value": "ciao"}, {"bleu": {"threshold": 0.5}}),
    ({"type": "contains", "value": "a", "metric": "{{q}} Tone"}, {"contains": {"value": "a", "name": "hi Tone"}}),
    ({"type": "contains", "value": "a", "weight": 3}, {"contains": {"value": "a", "weight": 3}}),
]


def test_an_assertion_becomes_a_scorer(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, [assertion for assertion, _ in SPECS])
    assert lost(draft) == []
    for number, (assertion, spec) in enumerate(SPECS):
        assert scorers(draft, number) == [spec], assertion
    written(draft, tmp_path)


NO_EQUAL = [
    "classifier",
    "moderation",
    "guardrails",
    "webhook",
    "ruby",
    "levenshtein",
    "pi",
    "select-best",
    "max-score",
    "human",
    "context-recall",
    "is-sql",
    "is-html",
    "gleu",
    "meteor",
    "trajectory:goal-success",
    "no-such-type",
    "not-pi",
]


def test_what_has_no_equal_is_named(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, [{"type": kind, "value": "x", "threshold": 0.5} for kind in NO_EQUAL])
    for kind, message, case in zip(NO_EQUAL, lost(draft), draft.cases, strict=True):
        assert message.startswith(f"`{kind}` has no equal here")
        assert any(message in words for words in case.todo)
    assert {Share("assertions", len(NO_EQUAL), 0), Share("tests", len(NO_EQUAL), 0)} <= set(draft.shares)
    assert draft.scorers == ({"length": {"min_chars": 1}},)
    written(draft, tmp_path)


BROKEN = [
    {"type": "contains"},
    {"type": "contains", "value": ""},
    {"type": "contains", "value": {"a": 1}},
    {"type": "contains-any", "value": []},
    {"type": "regex", "value": "(?<=a+)b"},
    {"type": "regex", "value": "("},
    {"type": "is-json", "value": "{type: 7}"},
    {"type": "is-json", "value": "nonsense"},
    {"type": "latency"},
    {"type": "cost", "threshold": "cheap"},
    {"type": "llm-rubric"},
    {"type": "llm-rubric", "value": "x", "rubricPrompt": "Is {{output}} fine?"},
    {"type": "similar", "value": 7},
    {"type": "contains", "value": "file://check.js"},
    {"type": "contains", "value": "file://missing.txt"},
    {"type": "contains", "value": "{{ env.SECRET }}"},
    {"type": "contains", "value": "X", "transform": "output.toLowerCase()"},
    {"type": "contains", "value": "x", "transform": "file://transform.js"},
    {"type": "contains", "value": "x", "transform": "output.map(x => x)"},
    {"type": "contains", "value": "x", "transform": "output.match(/x(.)/g)[1]"},
    {"type": 7},
    {"value": "x"},
    "contains",
    None,
    [],
]


def test_a_broken_assertion_is_told_and_not_more(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, BROKEN)
    assert len(lost(draft)) == len(BROKEN)
    assert all(case.todo for case in draft.cases)
    written(draft, tmp_path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("context-faithfulness", "supported by this context:\n\nRome is old."), ("answer-relevance", "what was asked")],
)
def test_checks_of_retrieval_become_judges(tmp_path: Path, kind: str, words: str) -> None:
    test = {"vars": {"q": "hi", "context": "Rome is old."}}
    draft = asserting(tmp_path, {"type": kind, "threshold": 0.8}, test=test)
    assert lost(draft) == []
    assert words in scorers(draft)[0]["judge"]
    assert any("asked in other words" in one for one in remarks(draft))
    assert len(lost(asserting(tmp_path, {"type": "context-faithfulness"}))) == 1


def test_several_criteria_are_averaged(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "g-eval", "value": ["Is short", "Is kind"], "threshold": 0.6})
    judges = [{"judge": {"rubric": words, "scale": [0, 10]}} for words in ("Is short", "Is kind")]
    assert scorers(draft) == [{"all_of": {"scorers": judges, "threshold": 0.6}}]


def test_several_references_are_a_list(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "similar", "value": ["a", "b"]}, {"type": "equals", "value": "c"})
    assert draft.cases[0].expected == ["a", "b"]
    assert scorers(draft)[1] == {"one_of": {"values": ["c"], "strip": False}}


OTHERWISE = [
    {"type": "similar", "value": "x", "threshold": 3},
    {"type": "similar:euclidean", "value": "x"},
    {"type": "factuality", "value": "x", "rubricPrompt": "y"},
    {"type": "llm-rubric", "value": ["x"]},
    {"type": "llm-rubric", "value": "x", "transform": "output.toLowerCase()"},
    {"type": "g-eval", "value": []},
    {"type": "perplexity"},
    {"type": "perplexity", "threshold": 0.5},
    {"type": "word-count", "value": "many"},
    {"type": "finish-reason", "value": "banana"},
    {"type": "equals", "value": ""},
    {"type": "regex", "value": "^a", "transform": "output.trim()"},
    {"type": "is-valid-openai-tools-call"},
    {"type": "not-g-eval", "value": "x", "threshold": 0},
    {"type": "javascript"},
    {"type": "javascript", "value": "file://check.js"},
    {"type": "is-xml", "value": {"requiredElements": 7}},
]


def test_what_would_mean_something_else_is_left(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, OTHERWISE)
    assert len(lost(draft)) == len(OTHERWISE)
    assert all(case.todo for case in draft.cases)
    written(draft, tmp_path)


def test_two_references_do_not_fit_into_one_case(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "similar", "value": "a"}, {"type": "similar", "value": "b"})
    [message] = lost(draft)
    assert "one `expected`" in message
    assert draft.cases[0].expected == "a"


def test_the_threshold_of_a_test_weighs_its_assertions(tmp_path: Path) -> None:
    both = [{"type": "contains", "value": "a", "weight": 2}, {"type": "contains", "value": "b"}]
    some = {"vars": {"q": "1"}, "assert": both, "threshold": 0.6}
    more = {"vars": {"q": "2"}, "assert": both, "threshold": 0.7}
    draft = imported(tmp_path, json.dumps({"prompts": ["{{q}}"], "providers": ["echo"], "tests": [some, more]}))
    suite = written(draft, tmp_path)
    assert [judged(suite, case, "a") for case in suite.cases] == [True, False]
    alike = imported(tmp_path, json.dumps({"prompts": ["{{q}}"], "providers": ["echo"], "tests": [some, some]}))
    assert alike.settings["threshold"] == 0.6


def test_what_weighs_nothing_decides_nothing(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "contains", "value": "zzz", "weight": 0})
    suite = written(draft, tmp_path)
    assert judged(suite, suite.cases[0], "x")
    assert not judged(suite, suite.cases[0], "")


def test_a_test_without_assertions_wants_an_answer(tmp_path: Path) -> None:
    draft = asserting(tmp_path)
    assert draft.scorers == ({"length": {"min_chars": 1}},)
    assert any("no assertion" in words for words in draft.todo)
    suite = written(draft, tmp_path)
    assert judged(suite, suite.cases[0], "x")
    assert not judged(suite, suite.cases[0], "")


def test_scorers_that_all_cases_share_are_the_suites(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
defaultTest:
  assert: [{type: icontains, value: a}, {type: contains, value: '{{q}}'}]
tests:
  - vars: {q: x}
  - vars: {q: y}
    assert: [{type: equals, value: ay}]
"""
    )
    draft = imported(tmp_path, text)
    assert draft.scorers == ({"contains": {"value": "a", "ignore_case": True}},)
    assert [case.scorers for case in draft.cases] == [
        ({"contains": "x"},),
        ({"contains": "y"}, {"exact": {"strip": False}}),
    ]
    assert draft.cases[1].expected == "ay"


def test_references_to_templates_are_filled_in(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
assertionTemplates:
  loud: &loud {type: contains, value: '!'}
  short: {type: javascript, value: output.length < 5}
tests:
  - vars: {q: x}
    assert:
      - $ref: '#/assertionTemplates/short'
      - <<: *loud
        weight: 2
"""
    )
    draft = imported(tmp_path, text)
    assert lost(draft) == []
    assert scorers(draft) == [{"length": {"max_chars": 4}}, {"contains": {"value": "!", "weight": 2}}]


def test_graders_are_rows_of_the_models(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
defaultTest:
  options:
    provider:
      text: anthropic:messages:claude-sonnet-4-5
      embedding: openai:embedding:text-embedding-3-small
tests:
  - vars: {q: x}
    assert:
      - {type: llm-rubric, value: Is polite}
      - {type: llm-rubric, value: Is short, provider: openai:gpt-4.1}
      - {type: similar, value: hello}
"""
    )
    draft = imported(tmp_path, text)
    assert draft.run == ("gpt-4o-mini",)
    assert draft.models["judge-claude-sonnet-4-5"] == {"provider": "anthropic", "model": "claude-sonnet-4-5"}
    assert scorers(draft) == [
        {"judge": {"rubric": "Is polite", "model": "judge-claude-sonnet-4-5"}},
        {"judge": {"rubric": "Is short", "model": "judge-gpt-4.1"}},
        {"embedding": {"model": "embedder-text-embedding-3-small", "threshold": 0.75}},
    ]
    written(draft, tmp_path)
    assert set(load_models(tmp_path / "imported" / "models.yaml")) == set(draft.models)


def test_a_judge_that_is_not_named_is_remarked(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "llm-rubric", "value": "Is polite"})
    assert draft.settings["judge"] == "judge"
    assert any("no provider is named to judge" in words for words in remarks(draft))


def test_a_grader_without_equal_loses_the_assertion(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "llm-rubric", "value": "Is polite", "provider": "file://grader.py"})
    assert len(lost(draft)) == 2  # the provider, and what it was to grade


def test_notes_lead_to_the_line(tmp_path: Path) -> None:
    text = HEAD + "tests:\n  - vars: {q: x}\n    assert:\n      - {type: contains, value: a}\n      - type: webhook\n"
    draft = imported(tmp_path, text)
    [note] = [note for note in draft.notes if note.lost]
    assert (Path(note.where.path).name, note.where.line) == ("promptfooconfig.yaml", 7)
    assert Share("assertions", 2, 1) in draft.shares


def test_notes_beyond_the_first_thousands_are_told_as_a_number(tmp_path: Path) -> None:
    """Also where what is lost comes after remarks that are too many: it still needs consent."""
    tests = "".join(f"- {{vars: {{q: '{n}'}}, oddity: 1}}\n" for n in range(2_100))
    lost_ones = "- {vars: {q: x}, assert: [{type: select-best}]}\n- {vars: {q: y}, assert: [{type: human}]}\n"
    draft = imported(tmp_path, f"{HEAD}tests:\n{tests}{lost_ones}")
    told = [(note.where.line, note.kind, note.message, note.lost) for note in draft.notes if "..." in note.message]
    first = len(HEAD.splitlines()) + 2
    assert told == [
        (first + 2_000, "test", "... and 100 more of this kind", False),
        (first + 2_100, "assertion", "... and 2 more of this kind", True),
    ]
    assert draft.todo[-1] == "... and 2 more, which the import tells"
    (share,) = (share for share in draft.shares if share.kind == "tests")
    assert (share.found, share.carried) == (2_102, 2_100)
