from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evalkit.types import Score

Judge = Callable[..., Score]
Refused = Callable[..., str | None]


@pytest.mark.parametrize(
    ("options", "output", "expected", "passed"),
    [
        ({}, " billing\n", "billing", True),
        ({"strip": False}, "billing\n", "billing", False),
        ({}, "Billing", "billing", False),
        ({"ignore_case": True}, "STRASSE", "straße", True),
        ({}, "a  b", "a b", False),
        ({"ignore_whitespace": True}, "a \n\t b", "a b", True),
        ({}, "a, b.", "a b", False),
        ({"ignore_punctuation": True}, "«a, b.»", "a b", True),
        ({}, "cafe\u0301", "caf\u00e9", True),
        ({"unicode": "none"}, "cafe\u0301", "caf\u00e9", False),
        ({}, "\uff21", "A", False),
        ({"unicode": "NFKC"}, "\uff21", "A", True),
        ({}, "true", True, True),
        ({}, "null", None, True),
        ({}, "3", 3, True),
        ({}, "3.0", 3, False),
        ({}, "no", "no", True),
        ({}, "0123", "0123", True),
        ({}, "123", "0123", False),
        ({}, "", "", True),
        ({}, "", "x", False),
    ],
)
def test_exact(judge: Judge, options: dict[str, Any], output: str, expected: object, passed: bool) -> None:
    assert judge({"exact": options}, output, expected).passed is passed


def test_exact_says_what_was_expected_and_got(judge: Judge) -> None:
    assert judge("exact", "bug\n", "billing").reason == r'expected "billing", got "bug\n"'


def test_exact_refuses_what_is_no_text(refused: Refused) -> None:
    assert refused("exact", "x") is None
    assert refused("exact", None) is None
    assert "missing" in str(refused("exact"))
    for structure in ({"a": 1}, ["a"]):
        assert "json_fields" in str(refused("exact", structure))


@pytest.mark.parametrize(
    ("options", "output", "expected", "value"),
    [
        ({"value": "refund"}, "Your refund is due", None, 1),
        ({"value": "refund"}, "Your Refund is due", None, 0),
        ({"value": "refund", "ignore_case": True}, "Your REFUND is due", None, 1),
        ({"value": ["a", "b", "c", "d"]}, "a c d", None, 0.75),
        ({}, "it is 42.", 42, 1),
        ({}, "a and b", ["a", "b"], 1),
        ({}, "only a", ["a", "b"], 0.5),
        ({"value": "caf\u00e9"}, "cafe\u0301", None, 1),
    ],
)
def test_contains(judge: Judge, options: dict[str, Any], output: str, expected: object, value: float) -> None:
    score = judge({"contains": options}, output, expected)
    assert score.value == value
    assert score.passed is (value == 1)


def test_contains_names_what_is_absent(judge: Judge) -> None:
    assert judge({"contains": ["a", "zz"]}, "a").reason == 'does not contain "zz", got "a"'


def test_contains_needs_something_to_look_for(refused: Refused) -> None:
    assert refused({"contains": "x"}) is None
    assert refused("contains", ["a", 1]) is None
    assert "missing" in str(refused("contains"))
    assert "json_fields" in str(refused("contains", {"a": 1}))
    assert "empty text" in str(refused("contains", ""))
    assert "empty text" in str(refused("contains", ["a", ""]))
    assert "empty text" in str(refused("contains", []))
    assert "empty text" in str(refused({"contains": ["a", ""]}))
