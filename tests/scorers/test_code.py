from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigError, ExitCode
from evalkit.scorers import ScorerContext, ScorerError, compile_scorer
from evalkit.types import Case, Record, Score

CASE = Case(id="c1", vars={"tags": ["a"]}, expected={"x": [1]})
ANSWER = Record(call_id="k1", model="m", prompt="p", case_id="c1", trial=0, output="hello")


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], Score]:
    """Score with a function whose body is given."""

    def build(body: str) -> Score:
        (tmp_path / "mine.py").write_text(f"def grade(output, expected, vars):\n    {body}\n", encoding="utf-8")
        context = ScorerContext(tmp_path, allow_code=True)
        return compile_scorer({"python": "mine.py:grade"}, context=context).scorer.score(ANSWER, CASE)

    return build


@pytest.mark.parametrize(
    ("body", "value", "passed", "reason"),
    [
        ("return output == 'hello'", 1.0, True, ""),
        ("return expected['x'] == [2]", 0.0, False, "the function returned false"),
        ("return 0.5", 0.5, False, "the function returned 0.5"),
        ("return 1", 1.0, True, ""),
        ("return {'passed': vars['tags'] == ['a']}", 1.0, True, ""),
        ("return {'value': 0.7, 'passed': True, 'reason': 'good\\nenough'}", 0.7, True, "good enough"),
        ("return {'value': 0.7, 'reason': None}", 0.7, False, ""),
    ],
)
def test_verdicts(run: Any, body: str, value: float, passed: bool, reason: str) -> None:
    assert run(body) == Score(value, passed=passed, reason=reason)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no idea')", "raised ValueError: no idea"),
        ("return None", "got null"),
        ("return 2", "got 2"),
        ("return float('nan')", "got NaN"),
        ("return 'yes'", 'got "yes"'),
        ("return {}", "got one with nothing"),
        ("return {'value': 1, 'why': ''}", "got one with value, why"),
        ("return {'value': 1, 'passed': 1}", "`passed` as true or false"),
        ("return {'passed': 'no'}", 'got "no"'),
    ],
)
def test_a_function_at_fault_is_not_the_models_failure(run: Any, body: str, words: str) -> None:
    with pytest.raises(ScorerError) as caught:
        run(body)
    assert "mine.py:grade" in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.exit_code == ExitCode.INCOMPLETE


def test_a_function_cannot_change_the_case(run: Any) -> None:
    run("vars['tags'].append('b'); expected['x'].clear(); return True")
    assert CASE.vars == {"tags": ["a"]}
    assert CASE.expected == {"x": [1]}


def test_a_case_without_expected_gives_none(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def grade(output, expected, vars): return expected is None", encoding="utf-8")
    entry = compile_scorer({"python": "mine.py:grade"}, context=ScorerContext(tmp_path, allow_code=True))
    assert entry.scorer.score(ANSWER, Case(id="c1", vars={})).passed
    assert entry.scorer.check(CASE) is None


def test_code_is_never_imported_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run code from mine\.py") as caught:
        compile_scorer({"python": "mine.py:grade"}, context=ScorerContext(tmp_path))
    assert caught.value.remedy == "allow it with --allow-code"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("async def grade(output, expected, vars): return True", "is async"),
        ("def grade(output): return True", "cannot be called"),
        ("x = 1", "grade"),
        ("1/0", "ZeroDivisionError"),
        ("def grade(", "SyntaxError"),
    ],
)
def test_unusable_functions_are_found_before_the_first_answer(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        compile_scorer({"python": "mine.py:grade"}, context=ScorerContext(tmp_path, allow_code=True))
