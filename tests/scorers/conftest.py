from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.scorers import ScorerContext, compile_scorer
from evalkit.types import MISSING, Case, Record, Score


def case(expected: Any = MISSING, **variables: Any) -> Case:
    return Case(id="c1", vars=variables, expected=expected)


def answer(output: str) -> Record:
    return Record(call_id="k1", model="m", prompt="p", case_id="c1", trial=0, output=output)


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., Any]:
    """Compile a scorer: compiled(spec, allow_code=..., output_schema=...) -> Scorer."""

    def build(spec: Any, **context: Any) -> Any:
        return compile_scorer(spec, context=ScorerContext(tmp_path, **context)).scorer

    return build


@pytest.fixture
def judge(compiled: Callable[..., Any]) -> Callable[..., Score]:
    """Judge one output: judge(spec, output, expected) -> Score."""

    def run(spec: Any, output: str, expected: Any = MISSING, **context: Any) -> Score:
        score = compiled(spec, **context).score(answer(output), case(expected))
        assert isinstance(score, Score)
        assert 0 <= score.value <= 1
        assert score.passed or score.reason
        assert "\n" not in score.reason
        return score

    return run


@pytest.fixture
def refused(compiled: Callable[..., Any]) -> Callable[..., str | None]:
    """Ask a scorer why it cannot judge a case: refused(spec, expected) -> reason or None."""

    def run(spec: Any, expected: Any = MISSING, **context: Any) -> str | None:
        return compiled(spec, **context).check(case(expected))  # type: ignore[no-any-return]

    return run
