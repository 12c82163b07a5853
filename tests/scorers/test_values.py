from __future__ import annotations

import pytest

from evalkit.scorers.values import as_text, clip, kind_of, show


@pytest.mark.parametrize(
    ("value", "text"),
    [("a b", "a b"), (True, "true"), (None, "null"), (3, "3"), (2.5, "2.5"), ([1, "é"], '[1, "é"]'), ("", "")],
)
def test_values_are_spelled_as_in_json(value: object, text: str) -> None:
    assert as_text(value) == text


def test_shown_text_is_quoted_cut_and_on_one_line() -> None:
    assert show("a\nb") == r'"a\nb"'
    assert show("x" * 10_000_000) == '"' + "x" * 80 + '"...'
    assert show("x" * 80) == '"' + "x" * 80 + '"'
    assert len(show(list(range(1000)))) < 90


def test_shown_text_can_always_be_written_to_a_file() -> None:
    show("\ud800 \x00").encode("utf-8")
    show({"a": "\udfff"}).encode("utf-8")
    clip("\ud800").encode("utf-8")


def test_clip_folds_white_space_and_marks_the_cut() -> None:
    assert clip("a \n b") == "a b"
    assert clip("ab" * 60, 10) == "ababababab..."
    assert clip("\n" * 1000 + "x", 10) == "..."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1.5, "a number"),
        ("", "a string"),
        ({}, "a mapping"),
        ([], "a list"),
    ],
)
def test_kinds_are_named(value: object, words: str) -> None:
    assert kind_of(value) == words
