"""Run folders whose verdicts came from judges."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Verdict: TypeAlias = dict[str, Any]
"""A verdict as a row of scores.jsonl holds it."""


def judge_said(verdict: Mapping[str, Any], name: str = "judge", model: str = "j") -> Verdict:
    """Give a verdict the name and the details that one of a judge has."""
    said = {"model": model, "value": verdict["value"], "verdict": "pass" if verdict["passed"] else "fail", "reason": ""}
    return {**verdict, "scorer": name, "details": {"judges": [said]}}


def rejudge(folder: Path, change: Callable[[Verdict], list[Verdict]] = lambda one: [judge_said(one)]) -> Path:
    """Replace the only verdict on every answer of a stored run; by a judge's, unless told otherwise."""
    path = folder / "scores.jsonl"
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "verdicts" in row:
            row["verdicts"] = [new for old in row["verdicts"] for new in change(old)]
        lines.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return folder
