from __future__ import annotations

from dataclasses import dataclass

import pytest

from evalkit.scorers import combine
from evalkit.types import CallScore, Case, Record, RecordError, Score, ScorerEntry

CASE = Case(id="c1", vars={})
ANSWER = Record(call_id="k1", model="m", prompt="p", case_id="c1", trial=0, output="x")
ERROR = Record(
    call_id="k1", model="m", prompt="p", case_id="c1", trial=0, error=RecordError("timeout", "no answer in 5 s")
)


@dataclass(frozen=True)
class Fixed:
    value: float
    passed: bool

    def score(self, answer: Record, case: Case) -> Score:
        assert answer.error is None
        return Score(self.value, passed=self.passed)

    def check(self, case: Case) -> str | None:
        return None


def entries(*verdicts: tuple[float, bool, float]) -> list[ScorerEntry]:
    return [ScorerEntry(f"s{n}", Fixed(value, ok), weight) for n, (value, ok, weight) in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "threshold", "value", "passed"),
    [
        ([(1, True, 1), (1, True, 1)], None, 1, True),
        ([(1, True, 1), (0, False, 1)], None, 0.5, False),
        ([(1, True, 3), (0, False, 1)], None, 0.75, False),
        ([(1, True, 3), (0, False, 1)], 0.75, 0.75, True),
        ([(1, True, 3), (0, False, 1)], 0.76, 0.75, False),
        ([(0.1, False, 0.1), (0.1, False, 0.7)], 0.1, 0.1, True),
        ([(0.8, True, 1)], None, 0.8, True),
        ([], None, 0, False),
        ([], 0.0, 0, False),
    ],
)
def test_verdicts_are_combined(
    verdicts: list[tuple[float, bool, float]], threshold: float | None, value: float, passed: bool
) -> None:
    result = combine(entries(*verdicts), ANSWER, CASE, threshold)
    assert result.value == pytest.approx(value)
    assert result.passed is passed
    assert [verdict.scorer for verdict in result.verdicts] == [f"s{n}" for n in range(len(verdicts))]


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_an_error_is_not_an_answer(threshold: float | None) -> None:
    assert combine(entries((1, True, 1)), ERROR, CASE, threshold) == CallScore("k1", passed=False, value=0.0)
