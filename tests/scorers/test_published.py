"""Agreement with verdicts that others published; runs where their data lies beside the checkout."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigError
from evalkit.scorers import ScorerContext, compile_scorer
from evalkit.types import Case, Record

DATA = Path(__file__).parents[3] / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/fixtures beside the checkout")


def rows(name: str) -> Iterator[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def verdict(spec: Any, output: str, expected: Any) -> bool:
    scorer = compile_scorer(spec, context=ScorerContext(DATA)).scorer
    return scorer.score(Record("k", "m", "p", "c", 0, output=output), Case("c", {}, expected)).passed


def agreement(pairs: list[tuple[bool, bool]]) -> float:
    return sum(ours is theirs for ours, theirs in pairs) / len(pairs)


def test_numeric_agrees_with_the_authors_of_gsm8k() -> None:
    pairs = [
        (verdict("numeric", system["text"], row["answer"]), system["is_correct"])
        for row in rows("gsm8k/model_solutions.jsonl")
        for system in row["outputs"].values()
    ]
    assert agreement(pairs) >= 0.998


def test_numeric_agrees_with_a_grader_of_chat_answers() -> None:
    gold = {row["id"]: row["answer"] for row in rows("gsm8k/model_solutions.jsonl")}
    with (DATA / "gsm8k/routellm_gsm8k.csv").open(encoding="utf-8", newline="") as lines:
        graded = [row for row in csv.DictReader(lines) if row["id"] in gold]
    pairs = [
        (verdict("numeric", row[f"{model}_response"], gold[row["id"]]), row[f"{model}_correct"] == "1")
        for row in graded
        for model in ("mixtral", "gpt4")
    ]
    assert agreement(pairs) >= 0.97


def test_json_schema_agrees_with_the_official_test_suite() -> None:
    wrong = []
    for row in rows("json_schema/draft2020-12.jsonl"):
        if row["remote"]:
            continue
        spec = {"json_schema": {"schema": row["schema"], "strict": True}}
        try:
            if isinstance(row["schema"], dict) and verdict(spec, json.dumps(row["data"]), None) is not row["valid"]:
                wrong.append((row["group"], row["test"]))
        except ConfigError as error:
            # Python's `re` has no \p{...}: such a schema is refused, never misjudged.
            if r"\\p{" not in str(error):
                wrong.append((row["group"], str(error)))
    assert wrong == []
