from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evalkit.errors import ConfigError
from evalkit.types import MISSING, Score

Judge = Callable[..., Score]
Refused = Callable[..., str | None]


@pytest.mark.parametrize(
    ("options", "output", "expected", "passed"),
    [
        ({"pattern": r"\d+"}, "order 12", MISSING, True),
        ({"pattern": r"\d+"}, "order", MISSING, False),
        ({"pattern": "ORDER", "flags": "i"}, "order", MISSING, True),
        ({"pattern": "^b$"}, "a\nb", MISSING, False),
        ({"pattern": "^b$", "flags": "m"}, "a\nb", MISSING, True),
        ({"pattern": "a.b", "flags": "s"}, "a\nb", MISSING, True),
        ({"pattern": "a  b # note", "flags": "xi"}, "AB", MISSING, True),
        ({"pattern": r"\d+", "full": True}, "order 12", MISSING, False),
        ({"pattern": r"\d+", "full": True}, " 12\n", MISSING, True),
        ({"pattern": r"A: (\d+)", "group": 1}, "A: 12", 12, True),
        ({"pattern": r"A: (?P<n>.+)", "group": "n"}, "A: 12 ", "12", True),
        ({"pattern": r"A: (?P<n>.+)", "group": "n"}, "A: 13", "12", False),
        ({"pattern": r"A(x)?", "group": 1}, "A", "x", False),
        ({"pattern": r"A", "group": 0}, "A", "A", True),
        ({}, "order 12", r"\d+", True),
        ({"full": True}, "order 12", r"\d+", False),
        ({"flags": "i"}, "YES", "yes|no", True),
    ],
)
def test_regex(judge: Judge, options: dict[str, Any], output: str, expected: object, passed: bool) -> None:
    assert judge({"regex": options}, output, expected).passed is passed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pattern": "a("}, "at character 2"),
        ({"pattern": "a{99999999999999999999}"}, "too large"),
        ({"pattern": "(" * 5000 + ")" * 5000}, "too large"),
        ({"pattern": "a", "flags": "q"}, 'unknown flag "q"'),
        ({"pattern": "(a)", "group": 2}, "no group 2"),
        ({"pattern": "(a)", "group": "n"}, "no group n"),
        ({"group": 1}, "`pattern` must be given"),
    ],
)
def test_a_bad_pattern_is_found_when_compiled(compiled: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled({"regex": options})
    assert words in str(caught.value)


def test_a_pattern_that_python_warns_about_is_used_in_silence(judge: Judge) -> None:
    assert judge({"regex": "[[a]"}, "a").passed


def test_regex_refuses_what_it_cannot_use(refused: Refused) -> None:
    assert refused({"regex": "a"}) is None
    assert refused("regex", "a+") is None
    assert "missing" in str(refused("regex"))
    assert "which is empty" in str(refused("regex", ""))
    assert "which is a number" in str(refused("regex", 3))
    assert "invalid pattern" in str(refused("regex", "("))
    group = {"regex": {"pattern": "(a)", "group": 1}}
    assert refused(group, "a") is None
    assert "missing" in str(refused(group))
    assert "is a list" in str(refused(group, ["a"]))
