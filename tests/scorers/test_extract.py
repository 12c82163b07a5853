"""What the steps of `extract` take out of an answer, and how they are refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError, ConfigErrors
from evalkit.scorers import ScorerContext, compile_scorer, verdict_of
from evalkit.scorers.extract import NothingFoundError, compile_steps, extracted
from evalkit.scorers.options import options_of
from evalkit.types import MISSING, Case, Record, Score
from evalkit.yaml12 import load

Judge = Callable[..., Score]

LENGTH = 2_000_000
"""Characters of a hostile answer."""


def taken(steps: Any, text: str) -> str | None:
    """What the steps leave of a text; None where one of them finds nothing."""
    try:
        return extracted(text, compile_steps(steps))
    except NothingFoundError:
        return None


def nothing(steps: Any, text: str) -> str:
    with pytest.raises(NothingFoundError) as caught:
        extracted(text, compile_steps(steps))
    return str(caught.value)


def refused(steps: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        compile_steps(steps)
    return caught.value


# --- regex ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text", "part"),
    [
        (r"\d+", "a 1 b 22 c", "22"),
        ({"pattern": r"\d+", "which": "first"}, "a 1 b 22 c", "1"),
        (r"is (\w+)", "it is A, it is B.", "B"),
        ({"pattern": r"(\w+) is (\w+)", "group": 2}, "it is B", "B"),
        ({"pattern": r"(\w+) is (?P<what>\w+)", "group": "what"}, "it is B", "B"),
        ({"pattern": r"is (\w+)", "group": 0}, "it is B", "is B"),
        # of several groups the one that took part, in a match where one did
        (r"A=(\d)|B=(\d)", "A=1 B=2", "2"),
        (r"A=(\d)|none", "A=1 none", "1"),
        ({"pattern": r"A=(\d)|B=(\d)", "group": 1}, "A=1 B=2", "1"),
        # lines, not only the whole text
        (r"^Answer: (.*)$", "Answer: x\nso", "x"),
        (r"(x?)", "y", ""),
        (r"(?i)answer: (\w)", "ANSWER: c", "c"),
        (r"b", "a", None),
        (r"A=(\d)|none", "none", None),
        (r".", "", None),
    ],
)
def test_regex(options: Any, text: str, part: str | None) -> None:
    assert taken({"regex": options}, text) == part


@pytest.mark.parametrize(
    ("options", "words", "remedy"),
    [
        ("a(", 'extract: regex: invalid pattern "a(": missing ), unterminated subpattern at character 2', None),
        ({"pattern": "(a)", "group": 2}, "extract: regex: the pattern has no group 2", "its groups: 0, 1"),
        ({"pattern": "(?P<n>a)", "group": "m"}, "the pattern has no group m", "its groups: 0, 1, n"),
        ({"pattern": "a", "group": -1}, "no group -1", "its groups: 0"),
        ({"pattern": "a", "which": "all"}, "option `which` must be one of first, last", None),
        ("", "option `pattern` must not be empty", None),
        (None, "option `pattern` is required", None),
        (5, "option `pattern` must be a string, got 5", 'put it in quotes: "5"'),
    ],
)
def test_a_regex_that_cannot_be_used(options: Any, words: str, remedy: str | None) -> None:
    error = refused({"regex": options})
    assert words in error.message
    assert error.remedy == remedy


# --- json_path --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "part"),
    [
        ("$.a", '{"a": "x"}', "x"),
        ("$.a.b[1]", 'Sure:\n```json\n{"a": {"b": [1, 2]}}\n```', "2"),
        ("$.a", '{"a": true}', "true"),
        ("$.a", '{"a": null}', "null"),
        ("$.a", '{"a": {"b": [1.50, "ä"]}}', '{"b": [1.5, "ä"]}'),
        ("$..a", '{"b": {"a": 1}, "a": 2}', "2"),
        ("$", "42", "42"),
        ("$[0]", "see {x}: [7]", "7"),
        ("$.a", 'see [1]: {"a": "x"}', "x"),
        ("$.a", '{"b": 1}', None),
        ("$.a", "[1]", None),
        ("$.a", "no JSON here", None),
        ("$.a", "", None),
    ],
)
def test_json_path(path: str, text: str, part: str | None) -> None:
    assert taken({"json_path": path}, text) == part


def test_a_json_path_that_is_none_is_refused() -> None:
    error = refused({"json_path": "answer"})
    assert 'extract: json_path: "answer" is no JSON path' in error.message
    assert error.remedy is not None
    assert "`$.answer`" in error.remedy
    assert "must not be empty" in refused({"json_path": ""}).message


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("3 apples and 4 pears make 7.", "3", "7"),
        ("$1,234.50 and -5", "$1,234.50", "-5"),
        ("A10 is no number, 3/4 is", "3/4", "3/4"),
        ("none", None, None),
        ("", None, None),
    ],
)
def test_numbers(text: str, first: str | None, last: str | None) -> None:
    assert taken("first_number", text) == first
    assert taken("last_number", text) == last


# --- code_block -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text", "part"),
    [
        (None, "```\na\n```\nand\n```py\nb\n```\n", "b\n"),
        ({"which": "first"}, "```\na\n```\nand\n```py\nb\n```\n", "a\n"),
        ("python", "```python\na\n```\n```sh\nb\n```", "a\n"),
        ("PYTHON", "```Python title=x\na\n```", "a\n"),
        ("python", "```sh\nb\n```", None),
        (None, "no block", None),
        (None, "inline ```a``` only", None),
        (None, "", None),
        # CommonMark 4.5
        (None, "~~~\na\n```\nb\n~~~", "a\n```\nb\n"),
        (None, "````\n```\na\n```\n````", "```\na\n```\n"),
        (None, "```\na\n``\n~~~\n`````\nb", "a\n``\n~~~\n"),
        (None, "```\na\n``` x\nb\n```", "a\n``` x\nb\n"),
        (None, "``\na\n``", None),
        (None, "``` a`b\nx", None),
        (None, "~~~ a`b\nx\n~~~", "x\n"),
        (None, "```\na", "a"),
        (None, "```", ""),
        (None, "```\n```", ""),
        (None, "```\n    ```\na\n```", "    ```\na\n"),
        (None, "   ```\n   a\n    b\n  c\n   ```", "a\n b\nc\n"),
        (None, "```\r\na\r\n```\r\n", "a\r\n"),
        # under a point of a list
        (None, "1. Do:\n\n    ```python\n    if x:\n        y\n    ```\n2. Done", "if x:\n    y\n"),
    ],
)
def test_code_block(options: Any, text: str, part: str | None) -> None:
    assert taken({"code_block": options}, text) == part


def test_a_missing_language_is_named() -> None:
    assert nothing({"code_block": "sql"}, "```\na\n```") == "no sql code block"
    assert nothing("code_block", "a") == "no code block"


# --- after, stop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text", "part"),
    [
        ("Answer:", "answer: A. Answer: B", " B"),
        ({"marker": "Answer:", "which": "first"}, "answer: A. Answer: B", " A. Answer: B"),
        ({"marker": "Answer:", "ignore_case": False, "which": "first"}, "answer: A. Answer: B", " B"),
        (".*", "a.*b", "b"),
        ("####", "x ####", ""),
        ("####", "x", None),
    ],
)
def test_after(options: Any, text: str, part: str | None) -> None:
    assert taken({"after": options}, text) == part


@pytest.mark.parametrize(
    ("options", "text", "part"),
    [
        ("Q:", "7\nQ: next", "7\n"),
        (["\n\n", "Q:"], "7 Q: next\n\nmore", "7 "),
        ({"texts": ["Q:"]}, "7", "7"),
        ("Q:", "Q: 7", ""),
    ],
)
def test_stop(options: Any, text: str, part: str) -> None:
    assert taken({"stop": options}, text) == part


def test_an_empty_stop_text_is_refused() -> None:
    error = refused({"stop": ["a", ""]})
    assert error.message == "extract: stop: a text is empty"
    assert error.remedy is not None
    assert "must not be empty" in refused({"stop": []}).message
    assert "must not be empty" in refused({"after": ""}).message
    assert refused({"stop": [1, "b"]}).remedy == 'put it in quotes: ["1", "b"]'


# --- strip_reasoning --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("<think>hm</think>\n\n42", "42"),
        ("a <Think>hm</THINK> b <reasoning>x</reasoning> c", "a  b  c"),
        ("the template opened it</think> 42", "42"),
        ("<think>one <think>two</think> three</think> 42", "42"),
        ("<think>I am in <think> tags</think> 42", "42"),
        ("x <think>a</think> b</think> 42", "42"),
        ("<thinker>a</thinker> 42", "<thinker>a</thinker> 42"),
        ("<think></think>", ""),
        (" 42 ", "42"),
        ("", ""),
        ("<think>cut off", None),
        ("42 <think>cut off", None),
        ("<think>a</think> 42 <think>cut off", None),
    ],
)
def test_strip_reasoning(text: str, part: str | None) -> None:
    assert taken("strip_reasoning", text) == part


def test_reasoning_may_stand_in_other_tags() -> None:
    assert taken({"strip_reasoning": "scratchpad"}, "<scratchpad>a</scratchpad>b") == "b"
    assert taken({"strip_reasoning": ["seed:think", "x"]}, "<seed:think>a</seed:think>b<x>c</x>") == "b"
    assert taken({"strip_reasoning": "x"}, "<think>a</think>b") == "<think>a</think>b"


@pytest.mark.parametrize("name", ["<think>", "", "a b"])
def test_what_is_no_name_of_a_tag_is_refused(name: str) -> None:
    error = refused({"strip_reasoning": {"tags": ["x", name]}})
    assert "is no tag's name" in error.message
    assert error.remedy == "write it bare, as in `think`"


# --- spelling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "extract: the list of steps is empty"),
        ("last_numbr", 'unknown extraction step "last_numbr"; did you mean `last_number`?'),
        (7, "an extraction step is a name or a mapping of one name to its options, got a number"),
        ([None], "got null"),
        ([["stop"]], "got a list"),
        ({"after": "x", "stop": "y"}, "got a mapping of 2 keys"),
        ({"last_number": 3}, "last_number takes no value of its own, got 3"),
        ({"regex": {"patern": "a"}}, "did you mean `pattern`?"),
    ],
)
def test_a_bad_spelling_is_refused(steps: Any, words: str) -> None:
    error = refused(steps)
    parts = error.errors if isinstance(error, ConfigErrors) else (error,)
    assert any(words in part.message for part in parts)
    assert any(part.remedy for part in parts)


def test_all_bad_steps_are_reported_together() -> None:
    error = refused([{"regex": "("}, "last_number", {"stop": ""}, "nope"])
    assert isinstance(error, ConfigErrors)
    assert len(error.errors) == 3


def test_steps_are_done_in_order() -> None:
    text = "<think>Answer: 1</think>Answer: 2 or 3\n\nQ: 4"
    steps = ["strip_reasoning", {"stop": "Q:"}, {"after": "Answer:"}, "first_number"]
    assert taken(steps, text) == "2"
    assert taken([steps[2], steps[3]], text) == "2"
    assert taken([steps[3]], text) == "1"
    assert taken([{"stop": "2"}, *steps], text) is None
    assert taken([*steps[:2], "last_number", {"after": "3"}], text) == ""


# --- in a scorer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "output", "expected", "passed"),
    [
        ({"exact": {"extract": "last_number"}}, "1 and 2", "2", True),
        ({"numeric": {"extract": {"stop": "Q:"}}}, "2 Q: 3", 2, True),
        ({"contains": {"value": "x", "extract": "strip_reasoning"}}, "<think>x</think>y", MISSING, False),
        ({"label": {"labels": ["a", "b"], "extract": [{"after": "So:"}]}}, "a? So: b", "b", True),
        ({"json_fields": {"fields": ["a"], "extract": "code_block"}}, '{"a": 2}\n```\n{"a": 1}\n```', {"a": 1}, True),
    ],
)
def test_a_scorer_judges_the_part(judge: Judge, spec: Any, output: str, expected: Any, passed: bool) -> None:
    assert judge(spec, output, expected).passed is passed


def test_an_answer_without_the_part_fails_and_says_what_it_lacks(judge: Judge) -> None:
    score = judge({"exact": {"extract": "last_number", "threshold": 0}}, "I do not know", "2")
    assert (score.value, score.passed) == (0, False)
    assert score.reason == 'extract: no number, got "I do not know"'


def test_a_label_that_is_not_there_keeps_its_place_in_the_figures(judge: Judge) -> None:
    score = judge({"label": {"labels": ["a", "b"], "extract": [{"after": "So:"}]}}, "a", "b")
    assert not score.passed
    assert score.details == {"label": None, "expected": "b"}


# --- hostile answers --------------------------------------------------------------------------------------------------

STEPS = [
    {"regex": r"(\w+)!"},
    {"json_path": "$.a"},
    {"json_path": "$..a[?@.b == 1]"},
    "first_number",
    "last_number",
    "code_block",
    {"code_block": "py"},
    {"after": "a"},
    {"stop": ["Q:", "\n\n"]},
    "strip_reasoning",
]
PIECES = [
    "```",
    "~~~",
    "\n",
    "<think>",
    "</think>",
    "{",
    "}",
    "[",
    '"a":',
    "1",
    "a",
    " ",
    "\x00",
    "\ud800",
    "\u200f",
    "é",
]


@pytest.mark.parametrize("step", STEPS, ids=str)
@settings(max_examples=60, deadline=None)
@given(text=st.text() | st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_text_breaks_a_step(step: Any, text: str) -> None:
    part = taken(step, text)
    assert part is None or isinstance(part, str)


@given(text=st.text("ab\n"), stops=st.lists(st.text("ab\n", min_size=1), min_size=1))
@settings(max_examples=60, deadline=None)
def test_stop_leaves_none_of_its_texts_and_changes_nothing_twice(text: str, stops: list[str]) -> None:
    part = taken({"stop": stops}, text)
    assert part is not None
    assert text.startswith(part)
    assert not any(stop in part for stop in stops)
    assert taken({"stop": stops}, part) == part


@given(text=st.text())
@settings(max_examples=60, deadline=None)
def test_what_holds_no_tags_keeps_all_but_the_white_space_around_it(text: str) -> None:
    if "<" not in text:
        assert taken("strip_reasoning", text) == text.strip()


@given(text=st.lists(st.sampled_from(["<think>", "</think>", "a", " "])).map("".join))
@settings(max_examples=60, deadline=None)
def test_reasoning_is_stripped_once_and_for_all(text: str) -> None:
    part = taken("strip_reasoning", text)
    assert part is None or taken("strip_reasoning", part) == part


@given(number=st.integers(), before=st.text("abc ,;:"), after=st.text("abc ;"))
@settings(max_examples=60, deadline=None)
def test_a_lone_number_is_found(number: int, before: str, after: str) -> None:
    assert taken("last_number", f"{before} {number} {after}") == str(number)


LONG = {
    "a": "a" * LENGTH,
    "fences": "```\n" * (LENGTH // 4),
    "growing fences": "\n".join("`" * size for size in range(3, 1500)),
    "half fences": "``` `\n" * (LENGTH // 6),
    "indented": (" " * 1000 + "\n") * (LENGTH // 1000),
    "tags": "<think>" * (LENGTH // 7),
    "closing tags": "</think>" * (LENGTH // 8),
    "pairs of tags": "<think></think>" * (LENGTH // 15),
    "opening brackets": "<" * LENGTH,
    "digits": "1" * LENGTH,
    "numbers": "1 " * (LENGTH // 2),
    "braces": '{"a":' * (LENGTH // 5),
    "NUL": "\x00" * LENGTH,
}


@pytest.mark.parametrize("kind", LONG)
def test_two_million_characters_take_a_few_seconds_at_most(kind: str) -> None:
    text = LONG[kind]
    for step in ["first_number", "last_number", "code_block", {"after": "a"}, {"stop": ["Q:"]}, "strip_reasoning"]:
        started = time.process_time()
        taken(step, text)
        assert time.process_time() - started < 5, step


def test_a_deep_value_is_no_fault_of_the_path() -> None:
    deep = '{"a":' * 99 + "1" + "}" * 99
    assert taken({"json_path": "$..b"}, deep) is None
    assert taken({"json_path": "$..a"}, deep) is not None
    assert taken({"json_path": "$.a"}, '{"a":' * 100_000) is None


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_only_what_is_quick_on_any_text_is_done_beside_the_calls(step: Any) -> None:
    (compiled,) = compile_steps(step)
    longest = compiled.inline_chars()
    assert longest <= 20_000
    assert (longest == 0) == (step == {"json_path": "$..a[?@.b == 1]"})


def test_every_step_explains_itself() -> None:
    from evalkit.scorers.extract import STEPS

    for name, cls in STEPS.items():
        entry = load(cls.example, path="example").data
        assert name in entry if isinstance(entry, dict) else name == entry
        compile_steps(entry)
        assert (cls.__doc__ or "").partition("\n")[0].endswith(".")
        assert all(option.opt.help.endswith(".") for option in options_of(cls).values())


CALLS = (
    {"name": "find", "arguments": {"city": "Rome", "days": [1, 2]}},
    {"name": "book", "arguments": {"city": "Oslo"}},
    {"name": "stop", "arguments": "no JSON"},
)


@pytest.mark.parametrize(
    ("step", "part"),
    [
        ({"tool_call": "city"}, "Rome"),
        ({"tool_call": "days"}, "[1, 2]"),
        ({"tool_call": {"argument": "city", "tool": "book"}}, "Oslo"),
        ({"tool_call": {"tool": "book"}}, '{"city": "Oslo"}'),
        ({"tool_call": {"which": "last"}}, "no JSON"),
        ([{"tool_call": "days"}, "last_number"], "2"),
        ({"tool_call": {"argument": "city", "which": "last"}}, None),
        ({"tool_call": {"tool": "none"}}, None),
    ],
)
def test_an_argument_of_a_tool_call_is_taken(step: Any, part: str | None) -> None:
    record = Record(call_id="1", model="m", prompt="p", case_id="c", trial=1, output="text", tool_calls=CALLS)
    entry = compile_scorer({"contains": {"value": part or "x", "extract": step}}, context=ScorerContext(Path()))
    score = verdict_of(entry.scorer, record, Case(id="c", vars={}), ())
    assert score.passed == (part is not None)


def test_a_tool_call_is_taken_first() -> None:
    assert "must be the first step" in str(refused(["last_number", "tool_call"]))
