"""YAML that is written reads back as it was, and reads well."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from evalkit.yaml12 import load
from evalkit.yaml12.writing import block, can_write, comment, flow

TRAPS = (
    *(
        "no",
        "yes",
        "on",
        "0123",
        "1.10",
        "1e3",
        "null",
        "~",
        "true",
        "---",
        "...",
        "2024-01-01",
        "12:30",
        ".nan",
        "1_000",
    ),
    *(
        "a\nb",
        "a \nb",
        "\ta\nb",
        " a\nb",
        "a\n",
        "a\n\n",
        "\n",
        "",
        " ",
        "a\r\nb",
        "a\x85b\u2028c",
        "\ufeffx",
        "\x00\x7f",
    ),
    *(
        "{{ x }}",
        "# x",
        "a: b",
        "a #b",
        "<<",
        "- a",
        "? a",
        "don't",
        "a,b",
        "x:y",
        "a:",
        "\U0001f600 x",
        "é",
        "[x]",
        "*a",
    ),
    *("&a", "!t", "|", ">", "%x", "@x", "`x`", "=", "http://a.b/c?d=1#e", "trailing ", "\\n", '"q"', "a\tb"),
)
TEXTS = st.one_of(
    st.sampled_from(TRAPS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(st.sampled_from("ab \n\t:#-{}[],'\"\\|>&*!%@`?\r\x85\u2028\ufeff\x7f~=<0123.e+"), max_size=12),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=10,
)


def read(text):
    return load(text, path="f.yaml", literal_keys=frozenset({"vars", "cases.vars"})).data


@hypothesis.settings(max_examples=300)
@hypothesis.given(VALUES)
def test_every_value_reads_back_as_it_was(value):
    for text in ("\n".join(block({"vars": value})), f"vars: {flow(value)}"):
        assert repr(read(text + "\n")) == repr({"vars": value})
    nested = "\n".join(["cases:", *block([{"vars": value}, {"vars": value, "x": 1}], 2)])
    assert repr(read(nested)) == repr({"cases": [{"vars": value}, {"vars": value, "x": 1}]})


@pytest.mark.parametrize("text", TRAPS)
def test_texts_that_other_readers_take_for_something_else(text):
    assert read(f"vars: {flow(text)}\n") == {"vars": text}
    assert read("\n".join(block({"vars": text})) + "\n") == {"vars": text}
    assert read(f"{flow({text: 1})}\n") == {text: 1}


def test_it_reads_well():
    value = {"name": "a plain text", "labels": ["x", "y"], "told": "one\n  two\n", "empty": {}, "n": 1.5, "no": "no"}
    assert list(block(value)) == [
        "name: a plain text",
        "labels: [x, y]",
        "told: |",
        "  one",
        "    two",
        "empty: {}",
        "n: 1.5",
        '"no": "no"',
    ]


def test_what_no_file_can_hold_becomes_what_it_can():
    assert flow([float("nan"), float("inf")]) == "[null, null]"
    assert flow("a\ud83d") == '"a\ufffd"'


def test_a_comment_is_one_whatever_it_says():
    lines = list(comment("a\nb: [\x85cases:\u2028x\r\ny", 2, "TODO: "))
    assert all(line.startswith("  # ") for line in lines)
    assert read("\n".join([*lines, "x: 1"])) == {"x": 1}


def test_keys_beyond_what_a_parser_finds_are_known():
    assert can_write({"a" * 500: [{"b": 1}]})
    assert not can_write([{"a": {"b" * 501: 1}}])
