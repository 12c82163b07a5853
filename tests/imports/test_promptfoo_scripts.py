"""One-line scripts of assertions: said in our scorers where that means the same, left where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from promptfoo_config import asserting, judged, lost, remarks, scorers, written

JSON = (
    '{"a": "x", "n": 3, "ok": true, "tags": ["red"], "items": [{"name": "A Refund", "price": 2}], "deep": {"k": "v"}}'
)
OTHER = '{"a": "y", "n": 0.4, "ok": false, "tags": [], "items": [], "text": "7 days"}'
PROSE = "Hello World"

SCRIPTS = [
    # the script, answers that pass, answers that fail: as promptfoo 0.121 judges them
    ("output.length < 20", [PROSE], [JSON]),
    ("output.length >= 11 && output.length <= 12", [PROSE, "a b c d e f"], ["x", JSON]),
    ("output.includes('World')", [PROSE], ["hello world"]),
    ("!output.includes('World')", ["hello world"], [PROSE]),
    ("output.toLowerCase().includes('hello w')", [PROSE, "HELLO WORLD"], ["hello"]),
    ("output === 'x'", ["x"], ["x ", "X"]),
    ("output.trim() === 'x'", ["x", " x\n"], ["y"]),
    ("output.toUpperCase() === 'X'", ["x", "X"], ["y"]),
    ("output !== 'x'", ["y"], ["x"]),
    ("JSON.parse(output).a === 'x'", [JSON], [OTHER, PROSE]),
    ("JSON.parse(output).a !== 'x'", [OTHER, "[]", "1"], [JSON, PROSE, "null"]),
    ("!(JSON.parse(output).a === 'x')", [OTHER, "{}"], [JSON, PROSE, "null"]),
    ("JSON.parse(output).deep.k !== 'v'", ['{"deep": {}}'], [JSON, OTHER, PROSE]),
    ("JSON.parse(output).deep?.k !== 'v'", ['{"deep": {}}', OTHER], [JSON, PROSE]),
    ("JSON.parse(output).n > 1", [JSON], [OTHER, PROSE]),
    ("JSON.parse(output).n == '3'", [JSON, '{"n": "3"}'], [OTHER]),
    ("JSON.parse(output).ok", [JSON], [OTHER, PROSE]),
    ("!JSON.parse(output).ok", [OTHER], [JSON, PROSE]),
    ("JSON.parse(output).tags.includes('red')", [JSON, '{"tags": "it is red"}'], [OTHER, PROSE]),
    ("JSON.parse(output).tags.length > 0", [JSON], [OTHER, "{}"]),
    ("JSON.parse(output).items.some(i => i.name.toLowerCase().includes('refund'))", [JSON], [OTHER, PROSE]),
    ("JSON.parse(output).items.every(i => i.price >= 0)", [JSON, OTHER], ['{"items": [{"price": -1}]}', PROSE]),
    ("JSON.parse(output).a.startsWith('x')", [JSON], [OTHER]),
    ("['x', 'z'].includes(JSON.parse(output).a)", [JSON], [OTHER]),
    ("JSON.parse(output).missing === undefined", [JSON], ['{"missing": 1}', PROSE]),
    ("parseInt(JSON.parse(output).text) >= 7", [OTHER, '{"text": 12.5}'], ['{"text": "6"}', '{"text": "x"}']),
    ("parseInt(JSON.parse(output).text) <= 19", [OTHER, '{"text": "-3"}'], ['{"text": "20"}', '{"text": "x"}']),
    ("typeof JSON.parse(output).a === 'string'", [JSON], ['{"a": 1}', "{}"]),
    ("Array.isArray(JSON.parse(output))", ["[1]"], [JSON, PROSE]),
    ("JSON.parse(output).length === 2", ["[1, 2]"], ["[1]", "[]"]),
    ("/world$/i.test(output)", [PROSE], ["world!", "world\n"]),
    ("output.match(/l{2}/) !== null", [PROSE], ["x"]),
    ("output.search(/World/) > -1", [PROSE], ["x"]),
    ("output.trim().split(/\\s+/).length <= 2", [PROSE], ["a b c"]),
    ("output.indexOf('World') === -1", ["x"], [PROSE]),
    ("['World', '42'].some(w => output.includes(w))", [PROSE, "42"], ["x"]),
    ("Math.max(0, Math.min(1, 1 - (output.length - 10) / 30))", [PROSE, "x" * 39], ["x" * 40]),
    ("output.length - 10", [PROSE], ["x" * 10]),
    ("output.length > 5 ? 1 : 0", [PROSE], ["x"]),
    ("const d = JSON.parse(output); d.a === 'x' && d.n === 3", [JSON], [OTHER, PROSE]),
    ("const d = JSON.parse(output);\nreturn d.a === 'x';", [JSON], [OTHER, PROSE]),
    ("JSON.parse(output).a === 'x' || output.includes('World')", [JSON], [PROSE, OTHER]),
    ("output.includes('World') || JSON.parse(output).a === 'x'", [JSON, PROSE], [OTHER]),
    ("({pass: output.includes('World'), score: 0.5, reason: 'so'})", [PROSE], ["x"]),
    ("output.includes(context.vars.q)", ["hi there"], ["Hi"]),
    ("output === `${context.vars.q}!`", ["hi!"], ["hi"]),
]


@pytest.mark.parametrize(("script", "good", "bad"), SCRIPTS, ids=[one[0] for one in SCRIPTS])
def test_a_script_judges_as_it_did(tmp_path: Path, script: str, good: list[str], bad: list[str]) -> None:
    suite = written(asserting(tmp_path, {"type": "javascript", "value": script}), tmp_path)
    assert [answer for answer in good if not judged(suite, suite.cases[0], answer)] == []
    assert [answer for answer in bad if judged(suite, suite.cases[0], answer)] == []


@pytest.mark.parametrize(
    "script",
    [
        "foo(output)",
        "output",
        "true",
        "await check(output)",
        "output.length >= 0",
        "JSON.parse(output).a.map(x => x.b).join('') === 'x'",
        "output.toLowerCase().includes('World')",
        "Math.abs(output.length - 10) < 3",
        "new Date(output) > 0",
        "((((",
        "output.includes('a",
        "const x = 1;\nif (output) { return true }\nreturn false",
        "process.env.SECRET === output",
        "require('fs').readFileSync('/etc/passwd')",
        "!(output.includes('x') && JSON.parse(output).a === 1)",
        "&& " * 400,
        "(" * 2000,
        "!" * 3000 + "output",
        "output.includes('x') && " * 160 + "true",
        "x" * 5000,
        "JSON.parse(output).n > '3'",
        "context.vars.unknown === output",
    ],
)
def test_what_is_not_mechanical_is_told_with_its_place(tmp_path: Path, script: str) -> None:
    draft = asserting(tmp_path, {"type": "javascript", "value": script})
    [note] = [note for note in draft.notes if note.lost]
    assert note.message.startswith("`javascript` has no equal here: ")
    assert (note.where.line, note.kind) == (1, "assertion")
    assert note.remedy
    assert any(note.message in words for words in draft.todo + draft.cases[0].todo)
    written(draft, tmp_path)  # it can be finished by hand


@pytest.mark.parametrize(
    ("script", "good", "bad"),
    [
        ("len(output) > 5", PROSE, "x"),
        ("'World' in output and not output.startswith('x')", PROSE, "x World"),
        ("json.loads(output)['a'] == 'x'", JSON, OTHER),
        ("max(0, len(output) - 5)", PROSE, "x"),
        ("3 < len(output) <= 11", PROSE, "x"),
        ("output.strip().lower() == 'hello world'", PROSE, "hello"),
        ("output not in ['a', 'b']", "c", "a"),
    ],
)
def test_plain_python_is_said_in_scorers(tmp_path: Path, script: str, good: str, bad: str) -> None:
    suite = written(asserting(tmp_path, {"type": "python", "value": script}), tmp_path)
    assert judged(suite, suite.cases[0], good)
    assert not judged(suite, suite.cases[0], bad)


@pytest.mark.parametrize("script", ["import os", "__import__('os').system('x')", "x = 1", "[o for o in output]", "1 +"])
def test_other_python_is_not_run(tmp_path: Path, script: str) -> None:
    draft = asserting(tmp_path, {"type": "python", "value": script})
    assert len(lost(draft)) == 1


def test_a_script_that_fails_on_the_way_fails_when_negated_too(tmp_path: Path) -> None:
    script = {"type": "not-javascript", "value": "JSON.parse(output).a === 'x'"}
    suite = written(asserting(tmp_path, script), tmp_path)
    assert judged(suite, suite.cases[0], OTHER)
    assert not judged(suite, suite.cases[0], JSON)
    assert not judged(suite, suite.cases[0], PROSE)


def test_the_threshold_of_a_number_counts(tmp_path: Path) -> None:
    script = {"type": "javascript", "value": "output.length / 100", "threshold": 0.2}
    suite = written(asserting(tmp_path, script), tmp_path)
    assert judged(suite, suite.cases[0], "x" * 20)
    assert not judged(suite, suite.cases[0], "x" * 19)


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"name": "get_weather", "arguments": {"city": "Boston"}}
OTHER_CALL = {"name": "get_weather", "arguments": {"city": "boston"}}


@pytest.mark.parametrize(
    ("assertion", "good", "bad"),
    [
        ({"type": "javascript", "value": "output[0].function.name === 'get_weather'"}, [CALL], []),
        (
            {"type": "javascript", "value": "JSON.parse(output[0].function.arguments).city === 'Boston'"},
            [CALL],
            [OTHER_CALL],
        ),
        ({"type": "equals", "value": "get_weather", "transform": "output[0].function.name"}, [CALL], []),
        (
            {"type": "contains", "value": "ost", "transform": "JSON.parse(output[0].function.arguments).city"},
            [CALL],
            [{"name": "get_weather", "arguments": {"city": "Rome"}}],
        ),
        ({"type": "is-valid-openai-tools-call"}, [CALL], [{"name": "get_weather", "arguments": {}}]),
        ({"type": "is-json"}, [CALL], []),
    ],
)
def test_calls_of_tools_are_looked_at(tmp_path: Path, assertion: dict[str, Any], good: Any, bad: Any) -> None:
    draft = asserting(tmp_path, assertion, providers=[{"id": "openai:gpt-4o", "config": {"tools": [TOOL]}}])
    assert lost(draft) == []
    suite = written(draft, tmp_path)
    assert [tool.name for tool in suite.tools] == ["get_weather"]
    assert judged(suite, suite.cases[0], "", good)
    assert not judged(suite, suite.cases[0], "no", bad)


def test_what_is_not_quite_the_same_is_remarked(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "javascript", "value": "output.category === 'a' && output.n > 2"})
    assert lost(draft) == []
    assert scorers(draft)[0].keys() == {"all_of"}
    assert any("read as an object" in words for words in remarks(draft))
