from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.analysis.gate.baseline import Baseline
from evalkit.analysis.gate.match import CaseChanges, check_comparable, entries
from evalkit.errors import ConfigError

FILE = Path("b.json")


def baseline(questions: dict[str, str]) -> Baseline:
    return Baseline("s", "fs", "r", "2030-01-01", "1", 1, questions, ())


def test_cases_are_compared_where_they_ask_the_same() -> None:
    before = {"same": "1", "other": "2", "gone": "3"}
    now = {"new": "9", "other": "8", "same": "1"}
    changes = check_comparable(baseline(before), FILE, "s", now)
    assert changes == CaseChanges(1, ("new",), ("gone",), ("other",))
    assert changes.any


def test_the_same_cases_are_no_change() -> None:
    changes = check_comparable(baseline({"a": "1"}), FILE, "s", {"a": "1"})
    assert changes == CaseChanges(1, (), (), ())
    assert not changes.any


def test_a_baseline_of_another_suite_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"b\.json belongs to the suite 's', not to 'other'"):
        check_comparable(baseline({"a": "1"}), FILE, "other", {"a": "1"})


@pytest.mark.parametrize("now", [{"a": "2"}, {"b": "1"}])
def test_a_baseline_without_a_common_case_is_refused(now: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="no case in common"):
        check_comparable(baseline({"a": "1"}), FILE, "s", now)


M1, M2, K1, K2, N2 = ("m", "1"), ("m", "2"), ("k", "1"), ("k", "2"), ("n", "2")


@pytest.mark.parametrize(
    ("run", "frozen", "found"),
    [
        ([M1, K1], [K1, M1], [M1, K1]),  # by their names
        ([M2], [K1], [K1]),  # one on either side
        ([M2, K2], [M1, K1], [M1, K1]),  # a prompt under a new name
        ([M1, M2], [M1], [M1, None]),  # a second prompt is a new candidate
        ([M1], [M1, M2], [M1]),
        ([("m", "3")], [M1, M2], [None]),  # not clear which
        ([M1, N2], [M1, K1], [M1, None]),
    ],
)
def test_candidates_find_their_entries(
    run: list[tuple[str, str]], frozen: list[tuple[str, str]], found: list[tuple[str, str] | None]
) -> None:
    assert list(entries(run, frozen).values()) == found
