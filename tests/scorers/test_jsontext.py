from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.scorers.jsontext import NoJsonError, find_json, parse_json

FENCED = 'Here you are:\n```json\n{"a": 1}\n```\nAnything else?'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (' \n{"a": 1}\n', {"a": 1}),
        ('\ufeff{"a": 1}', {"a": 1}),
        ("42", 42),
        ('"text"', "text"),
        (FENCED, {"a": 1}),
        ("```\n[1]\n```", [1]),
        ("```json [1]```", [1]),
        ("```[1]```", [1]),
        ("```42```", 42),
        ('```python\nx = 1\n```\n```json\n{"b": 2}\n```', {"b": 2}),
        ('```json\n{"a": 1}', {"a": 1}),
        ('```json\n{"a": "```"}\n```', {"a": "```"}),
        ('The order is {"a": {"b": [1]}}, as {you} asked.', {"a": {"b": [1]}}),
        ('See [1] and {x}: {"a": 1}', {"a": 1}),
        ('[Infinity] {"a": 1}', {"a": 1}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('[{"a": 1}] is a list', [{"a": 1}]),
        ("\\frac{1}{2} " * 1000 + '{"a": 1}', {"a": 1}),
    ],
)
def test_json_is_found(text: str, value: Any) -> None:
    assert find_json(text, dict) == value


def test_without_a_wanted_type_the_first_value_counts() -> None:
    assert find_json('See [1]: {"a": 1}') == [1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ("[1e999]", "1e999 is out of range"),
        ("9" * 5000, "a number of 5000 digits"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("[" * 150 + "]" * 150, "nested more than 100 levels deep"),
        ('{"a": 1', "line 1 column 8"),
        ('{"a": "x\ny"}', "Invalid control character"),
        ("", "not valid JSON"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(NoJsonError, match=words):
        parse_json(text)
    with pytest.raises(NoJsonError, match="no JSON found"):
        find_json(text)


MEGA = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10 * MEGA,
        '{"a":' * 2 * MEGA,
        '{"' * 5 * MEGA,
        "[{" * 5 * MEGA,
        "[NaN]" * 2 * MEGA,
        "[1," * 3 * MEGA,
        "[" + "9" * 10 * MEGA + "]",
        '{"a":"' + "x" * 10 * MEGA,
        "{" + " " * 10 * MEGA,
        "```\n{\n" * MEGA,
        "``````" * MEGA,
        "a " * 5 * MEGA,
        "[1,2" * 2 * MEGA,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_text_ends_quickly(text: str) -> None:
    started = time.process_time()
    with pytest.raises(NoJsonError):
        find_json(text, dict)
    assert time.process_time() - started < 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(), child, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_object_is_found_in_prose_and_fences(value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert find_json(f"Sure! {text} Done.", dict) == value
    assert find_json(f"Sure!\n```json\n{text}\n```\nDone.", dict) == value


@given(st.text(alphabet='{}[]":,`1ntf\\ \n', max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(NoJsonError):
        find_json(text, dict)
