"""One-line scripts of assertions: said in our scorers where that means the same, left where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from promptfoo_config import asserting, asserting_each, judged, lost, misjudged, remarks, scorers, written

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
    ("JSON.parse(output).missing != null", ['{"missing": 1}'], [JSON, '{"missing": null}', PROSE]),
    ("JSON.parse(output).missing == undefined", [JSON, '{"missing": null}'], ['{"missing": 1}', PROSE]),
    ("JSON.parse(output).missing !== null", [JSON, '{"missing": 1}'], ['{"missing": null}', PROSE]),
    ("'a' in JSON.parse(output)", [JSON, OTHER], ["{}", "[]", "3", PROSE]),
    ("!('a' in JSON.parse(output))", ["{}", "[]"], [JSON, "3", PROSE]),
    ("JSON.parse(output).deep.hasOwnProperty('k')", [JSON], [OTHER, '{"deep": {}}']),
    ("/^\\d+ days$/i.test(JSON.parse(output).text)", [OTHER], [JSON, '{"text": "days"}', PROSE]),
    ("output.trim().length > 0", ["x"], ["", " "]),
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
    ("['X'].includes(JSON.parse(output).a.toUpperCase())", [JSON], [OTHER, '{"a": 1}']),
    ("!(JSON.parse(output).a.toLowerCase() === 'x')", [OTHER], [JSON, "{}", '{"a": 1}']),
    ("!JSON.parse(output).a.includes('x')", [OTHER, '{"a": ["y"]}'], [JSON, '{"a": 1}', "{}"]),
    ("!JSON.parse(output).a.endsWith('x')", [OTHER], [JSON, '{"a": 1}', "{}"]),
    ("JSON.parse(output).tags.some(t => t === 'red' && t.length > 2)", [JSON], [OTHER, PROSE]),
    ("JSON.parse(output).tags.some(t => !(t.startsWith('r')) || t.toUpperCase().endsWith('ED'))", [JSON], [OTHER]),
    ("JSON.parse(output).items.some(i => i['price'] !== 2)", ['{"items": [{"price": 3}]}'], [JSON]),
    ("JSON.parse(output).deep['a b'][0] === null", ['{"deep": {"a b": [null]}}'], ['{"deep": {"a b": [1]}}', JSON]),
    ("JSON.parse(output).a === ''", ['{"a": ""}'], [JSON]),
    ("JSON.parse(output).n == 3", [JSON, '{"n": "3"}'], [OTHER]),
    ("3 > JSON.parse(output).n", [OTHER], [JSON]),
    ("parseInt(JSON.parse(output).text) === 7", [OTHER, '{"text": 7.5}'], ['{"text": 70}']),
    ("parseInt(JSON.parse(output).text) > 6", [OTHER], ['{"text": 6}']),
    ("parseInt(JSON.parse(output).text) < 8", [OTHER], ['{"text": 8}', "{}"]),
    ("Number(JSON.parse(output).n) > 1", [JSON], [OTHER]),
    ("+JSON.parse(output).n >= 3", [JSON], [OTHER]),
    ("Boolean(output.includes('World'))", [PROSE], ["x"]),
    ("!!output && String(output).length > 3", [PROSE], ["x"]),
    ("output.trim() && output.includes('x')", ["x"], [" ", "y"]),
    ("JSON.parse(output).tags.length && JSON.parse(output).ok", [JSON], [OTHER]),
    ("typeof JSON.parse(output).a !== 'number'", [JSON], ['{"a": 1}', PROSE]),
    ("Array.isArray(JSON.parse(output).tags)", [JSON], ['{"tags": 1}']),
    ("typeof JSON.parse(output) === 'number'", ["3"], [JSON]),
    ("output.length === 3", ["abc"], ["ab"]),
    ("output.length !== 3", ["ab"], ["abc"]),
    ("output.length > 2.5", ["abc"], ["ab"]),
    ("output.length > 0", ["abc"], []),
    ("output.split(' ').length < 3", [PROSE], ["a b c"]),
    ("output.indexOf('Hello') === 0", [PROSE], ["say Hello"]),
    ("output.search(/x/) === -1", [PROSE], ["x"]),
    ("output.match(/x/) === null", [PROSE], ["x"]),
    ("['a', 'b'].every(w => output.includes(w))", ["ab"], ["a"]),
    ("output.includes('x') ? false : true", ["y"], ["x"]),
    ("output.includes('x') ? output.includes('y') : false", ["xy"], ["x"]),
    ("Math.round(output.length / 10) - 1", ["x" * 15], ["x" * 14]),
    ("Math.ceil((output.length - 10) / 5)", ["x" * 11], ["x" * 10]),
    ("Math.floor(output.length / 10)", ["x" * 10], ["x" * 9]),
    ("2 * output.length - 10", ["x" * 6], ["x" * 5]),
    ("/* why */ output.includes('\\u0041\\x42') // so", ["AB"], ["ab"]),
    ("JSON.stringify(output).includes('World')", [PROSE], ["x"]),
    ("output.includes(context.vars['q'].toUpperCase())", ["HI"], ["hi"]),
    ("[context.vars.q, 'ho'].includes(output)", ["hi", "ho"], ["x"]),
    ("output.includes(context.vars.q)", ["hi there"], ["Hi"]),
    ("output === `${context.vars.q}!`", ["hi!"], ["hi"]),
]


def test_a_script_judges_as_it_did(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, [script for script, _, _ in SCRIPTS], "javascript")
    assert lost(draft) == []
    assert misjudged(draft, SCRIPTS) == []


NOT_MECHANICAL = [
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
    "JSON.parse(output).ok || output.includes('x')",
    "JSON.parse(output).a.trim() === 'x'",
    "JSON.parse(output)[-1] === 1",
    "JSON.parse(output).a > 'b'",
    "JSON.parse(output).a.toLowerCase() > 'b'",
    "JSON.parse(output).a.toLowerCase() === 'X'",
    "JSON.parse(output).a.toLowerCase().length > 3",
    "JSON.parse(output).length > 3",
    "JSON.parse(output).a === [1]",
    "['x', 'Y'].includes(JSON.parse(output).a.toUpperCase())",
    "JSON.parse(output.split('x')[1]).a === 1",
    "parseInt(output) > 3",
    "parseInt(JSON.parse(output).n) > 2.5",
    "parseInt(JSON.parse(output).n) > -3",
    "Array.isArray(output)",
    "typeof output === 'string'",
    "typeof JSON.parse(output)[0].a === 'string'",
    "JSON.parse(output).items.some(i => other(i))",
    "JSON.parse(output).items.some((i, n) => n > 1)",
    "output.some(x => x)",
    "[].some(x => output.includes(x))",
    "output.length === 2.5",
    "output.length < 1e999",
    "JSON.parse(output).a.length < 1e999",
    "output[0] === 'f'",
    "'a' in output",
    "output.length < 0",
    "output.indexOf('x') > 5",
    "output.search(/x/) > 5",
    "output.trim().match(/^x/) !== null",
    "/(?<=a+)b/.test(output)",
    "/\\p{L}/u.test(output)",
    "/x/.test(context.vars.q)",
    "'abc'.includes(output)",
    "output.includes('')",
    "output.trim().includes(' x')",
    "output.split(',').length > 2",
    "output.split(' ')",
    "output.length + context.vars.q",
    "output.length * output.length",
    "output.length - output.length",
    "1 / output.length",
    "1 + 1",
    "true + output.length",
    "output.length + 1 > 0 ? 'a' : 'b'",
    "output ? 1 : 2",
    "{pass: true}",
    "`${output}` === 'x'",
    "`a${{b: 1}}`",
    "output.foo()",
    "output?.()",
    "x => x",
    "return",
    "const x",
    "'\\",
    "#",
]


def test_what_is_not_mechanical_is_told_with_its_place(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, NOT_MECHANICAL, "javascript")
    notes = [note for note in draft.notes if note.lost]
    assert len(notes) == len(NOT_MECHANICAL)
    for script, note, case in zip(NOT_MECHANICAL, notes, draft.cases, strict=True):
        assert note.message.startswith("`javascript` has no equal here: "), script
        assert (note.where.line, note.kind) == (1, "assertion")
        assert note.remedy
        assert any(note.message in words for words in case.todo), script


PYTHON = [
    # the expression, answers for which Python says True, answers for which it says False or fails
    ("len(output) > 5", [PROSE], ["x"]),
    ("'World' in output and not output.startswith('x')", [PROSE], ["x World"]),
    ("json.loads(output)['a'] == 'x'", [JSON], [OTHER]),
    ("max(0, len(output) - 5)", [PROSE], ["x"]),
    ("3 < len(output) <= 11", [PROSE], ["x"]),
    ("output.strip().lower() == 'hello world'", [PROSE], ["hello"]),
    ("output not in ['a', 'b']", ["c"], ["a"]),
    ("any(w in output.lower() for w in ['hello', 'bye'])", [PROSE, "bye"], ["x"]),
    ("not all(w in output for w in ['Hello', 'World'])", ["World"], [PROSE]),
    ("len(output.split()) == 2", [PROSE, " a  b "], ["x", ""]),
    ("'a' in json.loads(output)", [JSON, '["a"]', '"ha"'], ['{"x": "a"}', "[]", "3", PROSE]),
    ("'a' not in json.loads(output)", ['{"x": "a"}', "[]"], [JSON, '["a"]', "3", PROSE]),
    ("3 in json.loads(output)['n']", ['{"n": [3]}'], [JSON, '{"n": {"3": 3}}', '{"n": "3"}', "{}"]),
    ("json.loads(output)['a'] != 'x'", [OTHER], [JSON, "{}", PROSE]),
    ("not json.loads(output)['a'] == 'x'", [OTHER], [JSON, "{}", PROSE]),
    ("json.loads(output).get('a') != 'x'", [OTHER, "{}"], [JSON, PROSE]),
    ("json.loads(output)['a'] is None", ['{"a": null}'], [JSON, "{}"]),
    ("json.loads(output)['a'] is not None", [JSON], ['{"a": null}', "{}", PROSE]),
    ("json.loads(output).get('a') is None", ['{"a": null}', "{}"], [JSON, PROSE]),
    ("json.loads(output).get('a') != None", [JSON], ['{"a": null}', "{}"]),
    ("isinstance(json.loads(output), list)", ["[1]"], [JSON, PROSE]),
    ("isinstance(json.loads(output)['a'], str)", [JSON], ['{"a": 1}', "{}"]),
]


def test_plain_python_is_said_in_scorers(tmp_path: Path) -> None:
    draft = asserting_each(tmp_path, [script for script, _, _ in PYTHON], "python")
    assert lost(draft) == []
    assert misjudged(draft, PYTHON) == []
    for script, good, bad in PYTHON:
        assert [one for one in (*good, *bad) if said_by_python(script, one) != (one in good)] == [], script


def said_by_python(script: str, output: str) -> bool:
    """What Python itself says of an answer."""
    try:
        said = eval(script, {"output": output, "json": json})
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
    return bool(said)


NO_PYTHON = ["import os", "__import__('os').system('x')", "x = 1", "1 +"]
OTHER_PYTHON = [
    "[o for o in output]",
    "any(x for x in output if x)",
    "all(x for x, y in json.loads(output))",
    "output is 'x'",
    "output.split(sep=',')",
    "'x' in 5",
    "None in json.loads(output)",
]


def test_other_python_is_not_run(tmp_path: Path) -> None:
    assert len(lost(asserting_each(tmp_path, NO_PYTHON, "python"))) == len(NO_PYTHON)
    draft = asserting_each(tmp_path, OTHER_PYTHON, "python")
    assert lost(draft) == []
    assert [list(spec) for case in draft.cases for spec in case.scorers] == [["python"]] * len(OTHER_PYTHON)


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
