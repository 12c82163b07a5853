"""promptfoo's Python that is more than a plain line: written beside the suite, called as promptfoo calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from promptfoo_config import HEAD, asserting, imported, judged, lost, remarks, scorers

from evalkit.imports.draft import DraftSuite
from evalkit.imports.write import write_suite
from evalkit.scorers import verdict_of
from evalkit.scorers.base import ScorerError
from evalkit.suite.loader import load_suite
from evalkit.types import Record, Score, Suite

LINES = "import re\nwords = re.findall('[a-z]+', output)\nreturn len(words) > 1\n"


def loaded(draft: DraftSuite, folder: Path) -> Suite:
    """Write a suite with its functions, and load both."""
    done = write_suite(draft, folder / "imported")
    assert (done.problems, done.needs_code) == ((), True)
    return load_suite(done.suite, allow_code=True)


def asked(folder: Path, code: str, output: str, **more: Any) -> Score:
    """What a script of several lines says of an answer."""
    draft = asserting(folder, {"type": "python", "value": code, **more})
    assert lost(draft) == []
    suite = loaded(draft, folder)
    record = Record(call_id="1", model="m", prompt="p", case_id="c", trial=1, output=output)
    return verdict_of(suite.scorers[0].scorer, record, suite.cases[0], ())


def with_file(folder: Path, text: str, reference: str = "file://check.py", **more: Any) -> DraftSuite:
    """Import a config of one test with the function of a file."""
    assertion = {"type": "python", "value": reference, **more}
    content = {"prompts": ["{{q}}"], "providers": ["openai:x"], "tests": [{"vars": {"q": "hi"}, "assert": [assertion]}]}
    return imported(folder, json.dumps(content), {"check.py": text})


def test_lines_become_a_function_that_is_not_run_at_import(tmp_path: Path) -> None:
    (tmp_path / "trap").touch()
    draft = asserting(tmp_path, {"type": "python", "value": f"import os\nos.unlink('{tmp_path}/trap')\n{LINES}"})
    assert (lost(draft), scorers(draft)) == ([], [{"python": "python_assertions.py:check_1"}])
    assert draft.shares[-1].carried == draft.shares[-1].found
    assert any("in python_assertions.py as it stands; nothing of it was run" in words for words in remarks(draft))
    assert write_suite(draft, tmp_path / "imported").needs_code
    assert (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    ("code", "output", "passed", "value"),
    [
        (LINES, "a b", True, 1),
        (LINES, "a", False, 0),
        ("[w for w in output.split() if w.islower()] != []", "a B", True, 1),
        ("words = output.split()\nreturn len(words) / 4", "a b", True, 0.5),
        ("x = 0\nreturn x", "a", False, 0),
        ("x = -1\nreturn x", "a", False, 0),
        ("return float(output)\n", "3.5", True, 1),
        ("return float(output)\n", "nan", False, 0),
        ("return output\n", "TRUE", True, 1),
        ("return output\n", "false", False, 0),
        ("return output\n", "0.25", True, 0.25),
        ("return output\n", '{"pass": true, "score": 0.75, "reason": "good"}', True, 0.75),
        ("return output\n", '{"pass": true', False, 0),
        ("return output\n", "words", False, 0),
        ("return None or output.strip() or None\n", " ", False, 0),
        ("if output:\n\treturn {'pass': False, 'score': 0.5, 'reason': 'no'}\nreturn True", "a", False, 0.5),
        ("return {'pass_': True, 'score': 1, 'reason': 'yes'}\n", "a", True, 1),
        ("return {'pass': True, 'score': 1}\n", "a", False, 0),
        ("return {'pass': 'yes', 'score': 1, 'reason': ''}\n", "a", False, 0),
        ("assert 'x' in output, 'no x'\nreturn True", "a", False, 0),
        ("return json.loads(output)['n'] == 2\n", '{"n": 2}', True, 1),
        ("return output == context['vars']['q']\n", "hi", True, 1),
        ("return output == context['test']['vars'].get('q')\n", "hi", True, 1),
        ("q = context.get('vars', {}).get('q')\nreturn q == output", "ho", False, 0),
        ("text = '''a\n  b'''\nreturn 'b' in text and output", "true", True, 1),
    ],
)
def test_what_is_returned_counts_as_in_promptfoo(tmp_path: Path, code: str, output: str, passed: bool, value: float):
    score = asked(tmp_path, code, output)
    assert (score.passed, score.value) == (passed, value)


@pytest.mark.parametrize(
    ("code", "more", "passed"),
    [
        ("x = 0.5\nreturn x", {"threshold": 0.5}, True),
        ("x = 0.5\nreturn x", {"threshold": 0.6}, False),
        ("x = False\nreturn x", {"threshold": 0}, False),
        ("x = 0.0\nreturn x", {"threshold": 0}, True),
        ("x = 0.0\nreturn x", {}, False),
        ("return {'pass': True, 'score': 0.5, 'reason': 'r'}\n", {"threshold": 0.6}, False),
        ("return {'pass': True, 'score': 0.7, 'reason': 'r'}\n", {"threshold": 0.6}, True),
        ("x = True\nreturn x", {"type": "not-python"}, False),
        ("x = 0.5\nreturn x", {"type": "not-python", "threshold": 0.6}, True),
        ("return {'pass': True, 'score': 0.5, 'reason': 'r'}\n", {"type": "not-python"}, False),
        ("x = 1 / 0\nreturn x", {"type": "not-python"}, False),
        ("x = context['config']\nreturn x['least'] < 3", {"config": {"least": 2}}, True),
    ],
)
def test_thresholds_negation_and_config(tmp_path: Path, code: str, more: dict[str, Any], passed: bool) -> None:
    assert asked(tmp_path, code, "a", **more).passed is passed


def test_reasons_say_why(tmp_path: Path) -> None:
    assert asked(tmp_path, "assert 'x' in output, 'no x'\nreturn True", "a").reason == "AssertionError: no x"


def test_a_package_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    draft = asserting(tmp_path, {"type": "python", "value": "import no_such_package\nreturn True"})
    assert any("needs the package `no_such_package`" in words for words in remarks(draft))
    suite = loaded(draft, tmp_path)
    record = Record(call_id="1", model="m", prompt="p", case_id="c", trial=1, output="a")
    with pytest.raises(ScorerError, match="no_such_package"):
        verdict_of(suite.scorers[0].scorer, record, suite.cases[0], ())


def test_a_transform_is_done_first(tmp_path: Path) -> None:
    assert asked(tmp_path, "x = output\nreturn x == 'b'", "a:b", transform="output.split(':')[1]").passed


def test_the_same_lines_are_written_once(tmp_path: Path) -> None:
    same = {"type": "python", "value": LINES}
    draft = asserting(tmp_path, same, same, {**same, "threshold": 0.5}, {**same, "metric": "words"})
    text = draft.files["python_assertions.py"]
    assert (text.count("def script_"), text.count("def check_")) == (1, 2)
    suite = loaded(draft, tmp_path)
    assert judged(suite, suite.cases[0], "a b")


FILE = '''"""Mine."""
from __future__ import annotations

import re


def check_1(text):
    return len(re.findall("[a-z]+", text))


def get_assert(output: str, context) -> bool | dict:
    least = context.get("config", {}).get("least", 1)
    return {"pass": check_1(output) > least, "score": 1.0, "reason": "too few"}


def longer(output, context, by=1):
    return len(output) > len(context["vars"]["q"]) + by
'''


def test_a_file_is_copied_with_the_functions_that_call_it(tmp_path: Path) -> None:
    draft = with_file(tmp_path, FILE)
    assert lost(draft) == []
    assert scorers(draft) == [{"python": "check.py:evalkit_check_1"}]
    assert draft.files["check.py"].startswith(FILE)
    suite = loaded(draft, tmp_path)
    assert judged(suite, suite.cases[0], "a b")
    assert not judged(suite, suite.cases[0], "a")


def test_a_function_of_a_file_may_be_named(tmp_path: Path) -> None:
    suite = loaded(with_file(tmp_path, FILE, "file://check.py:longer"), tmp_path)
    assert judged(suite, suite.cases[0], "abcd")
    assert not judged(suite, suite.cases[0], "abc")


def test_files_of_the_same_name_do_not_meet(tmp_path: Path) -> None:
    asserts = [{"type": "python", "value": f"file://{name}"} for name in ("a/my check.py", "b/my check.py", "to_do.py")]
    content = {"prompts": ["{{q}}"], "providers": ["exec:x"], "tests": [{"vars": {"q": "hi"}, "assert": asserts}]}
    text = "def get_assert(output, context):\n    return len(output) > {}\n"
    files = {"a/my check.py": text.format(1), "b/my check.py": text.format(2), "to_do.py": text.format(0)}
    draft = imported(tmp_path, json.dumps(content), files)
    assert list(draft.files) == ["to_do.py", "my_check.py", "my_check_2.py", "to_do_2.py"]
    suite = loaded(draft, tmp_path)
    assert [judged(suite, suite.cases[0], output) for output in ("ab", "abc")] == [False, True]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("x = 1\nlen(output) > 3", "returns nothing"),
        ("len([w for w in output]) > 3\n", "returns nothing"),
        ("def inner():\n    return 1\ninner()", "returns nothing"),
        ("return\nx = 1", "returns nothing"),
        ("yield 1\nreturn 2", "yields"),
        ("x = merge(output)\nreturn x", "uses `merge`, which it does not define"),
        ("return output in context['prompt']\n", "uses context['prompt']"),
        ("return context['test']['description'] == output\n", "uses context['test']['description']"),
        ("test = context['test']\nreturn test == output", "uses context['test'], which"),
        ("return context.get('providerResponse')\n", "uses context['providerResponse']"),
        ("return len(context) > len(output)\n", "uses `context` as a whole"),
        ("return helper.f(output)\nimport helper", "imports another file (`helper`)"),
        ("from . import x\nreturn x", "imports another file"),
        ("x = open('a').read()\nreturn x == output", "reads files (`open`)"),
        ("from pathlib import Path\nreturn Path('a').read_text() == output", "reads files (`read_text`)"),
        ("x = eval(output)\nreturn x", "loads other code (`eval`)"),
        ("import importlib\nreturn importlib.import_module(output)", "loads other code (`importlib`)"),
        ("return output['a'] == 1\n", "takes `output` for an object"),
        ("return output.get('a') == 1\n", "takes `output` for an object"),
        ("return '{{q}}' == output\nx = 1", "vars are put into its Python"),
        ("return (\n", "cannot be read"),
        ("if output:\nreturn 1", "cannot be read"),
        ("return await output\n", "cannot be read"),
        pytest.param(f"x = {'1 + ' * 60_000}1\nreturn x", "is longer than", id="very long"),
        ("x = \0\nreturn x", "cannot be read"),
    ],
)
def test_what_asks_for_more_is_lost_with_the_reason(tmp_path: Path, code: str, why: str) -> None:
    (tmp_path / "helper.py").touch()
    draft = asserting(tmp_path, {"type": "python", "value": code})
    (words,) = lost(draft)
    assert why in words
    assert any(words in todo for todo in (*draft.todo, *draft.cases[0].todo))
    assert draft.files == {}


@pytest.mark.parametrize(
    ("text", "reference", "why"),
    [
        ("def other(output, context):\n    return 1\n", "file://check.py", "no plain function `get_assert`"),
        ("async def get_assert(output, context):\n    return 1\n", "file://check.py", "no plain function"),
        ("from x import get_assert\n", "file://check.py", "no plain function"),
        ("def get_assert(output):\n    return 1\n", "file://check.py", "not called with an output and a context"),
        ("def get_assert(a, b, c):\n    return 1\n", "file://check.py", "not called with"),
        ("def get_assert(a, b, *, c):\n    return 1\n", "file://check.py", "not called with"),
        ("def f(a, b):\n    return __file__\n", "file://check.py:f", "reads files (`__file__`)"),
        ("def f(a, b):\n    return b['x']\n", "file://check.py:f", "uses b['x']"),
        ("def f(a, b):\n    return 1\n", "file://other.py:f", "is not there"),
        ("def f(a, b):\n    return 1\n", "check.py", "is a program"),
        ("def vars(a, b):\n    return 1\n", "file://check.py:vars", "called `vars`, as what it is given is"),
    ],
)
def test_files_that_ask_for_more_are_lost_with_the_reason(tmp_path: Path, text: str, reference: str, why: str) -> None:
    draft = with_file(tmp_path, text, reference)
    assert [why in words for words in lost(draft)] == [True]
    assert draft.files == {}


@pytest.mark.parametrize("config", ["{a: '{{q}}'}", "{a: .nan}"])
def test_a_config_that_is_no_plain_data_is_lost(tmp_path: Path, config: str) -> None:
    text = f"tests: [{{assert: [{{type: python, value: {json.dumps(LINES)}, config: {config}}}]}}]\n"
    assert "`config` is more than plain data" in lost(imported(tmp_path, HEAD + text))[0]


def test_where_models_call_tools_or_give_objects_it_stays_a_note(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    provider = {"id": "openai:x", "config": {"tools": [tool]}}
    draft = asserting(tmp_path, {"type": "python", "value": LINES}, providers=[provider])
    assert "`output` is more than the answer's text" in lost(draft)[0]
    draft = asserting(tmp_path, {"type": "python", "value": LINES, "transform": "output.trim()"})
    assert "given a changed text" in lost(draft)[0]
    draft = asserting(tmp_path, {"type": "python", "value": LINES, "transform": "JSON.parse(output).a"})
    assert "given a value that a transform makes of the answer" in lost(draft)[0]


@pytest.mark.parametrize(
    "text",
    [
        """
from math import *

def get_assert(output, context):
    return sqrt(len(output)) > 1
""",
        """
def get_assert(output, context):
    global least
    least = 1
    return more(output)

def more(output):
    return any(len(w) > least for w in output.split())
""",
        """
def get_assert(output, context):
    if isinstance(output, str):
        output = json.loads(output)
    return output["n"] > 1

import json
""",
    ],
)
def test_names_that_are_defined_somewhere_are_known(tmp_path: Path, text: str) -> None:
    draft = with_file(tmp_path, text)
    assert lost(draft) == []
    suite = loaded(draft, tmp_path)
    assert judged(suite, suite.cases[0], '{"n": 2}')
