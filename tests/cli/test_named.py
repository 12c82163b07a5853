"""Models by name: an error points at who gave the name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SUITE = """
suite: s
models: [m, rules]
prompts: [{name: p, template: "{{ n }}"}]
cases: [{vars: {n: x}, expected: x}]
scorers: [exact]
"""
JUDGED = SUITE.replace("[m, rules]", "[m]").replace("[exact]", "[{judge: {rubric: good?}}]") + "judge: nobody\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SUITE, encoding="utf-8")
    row = {"provider": "python", "function": "f.py:answer"}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": row, "rule": row}}), encoding="utf-8")
    (tmp_path / "f.py").write_text("def answer(vars):\n    return vars['n']\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [("run", "s.yaml", "-m", "rules"), ("validate", "s.yaml", "-m", "rules"), ("models", "check", "rules")],
)
def test_a_name_that_was_typed_is_no_fault_of_the_models_file(command: Any, folder: Path, in_process: Any) -> None:
    assert in_process(*command, code=2).splitlines() == [
        "error: no model 'rules' is configured in models.yaml",
        "  -> did you mean 'rule'?",
    ]


def test_every_name_that_is_not_there_is_told(folder: Path, in_process: Any) -> None:
    err = in_process("run", "s.yaml", "-m", "x", "-m", "m", "-m", "y", code=2)
    assert [line.split()[3] for line in err.splitlines() if line.startswith("error")] == ["'x'", "'y'"]


def test_a_name_in_the_suite_has_its_place_there(folder: Path, in_process: Any) -> None:
    err = in_process("run", "s.yaml", code=2)
    assert err.startswith("error: s.yaml:3:13: no model 'rules' is configured in models.yaml\n")


@pytest.mark.parametrize(
    ("suite", "place"),
    [(JUDGED, "s.yaml:7:8"), (JUDGED.replace("judge: nobody", "").replace("good?", "good?, model: nobody"), "s.yaml")],
)
def test_so_has_a_judge(suite: str, place: str, folder: Path, in_process: Any) -> None:
    (folder / "s.yaml").write_text(suite, encoding="utf-8")
    assert in_process("run", "s.yaml", code=2).startswith(f"error: {place}: no model 'nobody' is configured")


def test_a_judge_that_was_typed_has_no_place(folder: Path, in_process: Any) -> None:
    (folder / "out.jsonl").write_text('{"id": "a", "output": "x"}\n', encoding="utf-8")
    scorer = "judge: {rubric: good?, model: nobody}"
    err = in_process("score", "out.jsonl", "--scorer", scorer, code=2)
    assert err.startswith("error: no model 'nobody' is configured in models.yaml\n")
