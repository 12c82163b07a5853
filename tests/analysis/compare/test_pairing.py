from pathlib import Path

import pytest

from evalkit.analysis.compare.pairing import halves, pair_up
from evalkit.analysis.compare.side import Side
from evalkit.errors import ConfigError

A, B, C = ("a", "p"), ("b", "p"), ("c", "p")
A2, B2 = ("a", "q"), ("b", "q")


def pairs(old, new, *, same_run=False):
    return pair_up(Side(Path("old"), tuple(old)), Side(Path("old" if same_run else "new"), tuple(new)))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([A, B], [B, C], [(B, B)]),
        ([A], [A, B], [(A, A)]),
        ([A, B], [A2, B2], [(A, A2), (B, B2)]),
        ([A, A2], [B, B2], [(A, B), (A2, B2)]),
        ([A], [B2], [(A, B2)]),
        ([C], [A2, B2], [(C, A2), (C, B2)]),
        ([A2, B2], [C], [(A2, C), (B2, C)]),
    ],
    ids=[
        "the same names in both runs",
        "one with its like among several",
        "the same models with another prompt",
        "the same prompts with another model",
        "one on each side, whatever they are called",
        "one against every one",
        "every one against one",
    ],
)
def test_who_is_compared_with_whom_across_runs(old, new, expected):
    assert pairs(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([A], [B], [(A, B)]),
        ([A], [A, A2], [(A, A2)]),
        ([A], [A, B, C], [(A, B), (A, C)]),
        ([A, B], [A2, B2], [(A, A2), (B, B2)]),
    ],
)
def test_within_a_run_nobody_is_compared_with_itself(old, new, expected):
    assert pairs(old, new, same_run=True) == expected


@pytest.mark.parametrize(
    ("old", "new", "same_run"),
    [([A], [A], True), ([A, B], [A, B], True), ([A, ("a", "r")], [B2, ("c", "s")], False)],
)
def test_what_does_not_belong_together_is_an_error_that_lists_both_sides(old, new, same_run):
    with pytest.raises(ConfigError, match=r"nothing to compare: A is :a@p.* of old, B is :") as raised:
        pairs(old, new, same_run=same_run)
    assert "RUN:MODEL@PROMPT" in raised.value.remedy


def test_a_run_of_two_candidates_is_both_sides():
    assert halves(Side(Path("r"), (A, B))) == (Side(Path("r"), (A,)), Side(Path("r"), (B,)))


@pytest.mark.parametrize("candidates", [(A,), (A, B, C)])
def test_a_run_of_more_or_fewer_is_not(candidates):
    with pytest.raises(ConfigError, match=rf"r has {len(candidates)} candidates? to compare: :a@p"):
        halves(Side(Path("r"), candidates))
