"""From a table of what users wrote to a report: sampled, labelled by a person at a terminal, asked of a real model."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("textual")
pytest.importorskip("sklearn")
pytest.importorskip("pyte")
pytest.importorskip("pty")

from terminal import Terminal
from workspace import Workspace, rows

from evalkit.suite import load_suite

pytestmark = [pytest.mark.e2e, pytest.mark.weights, pytest.mark.xdist_group("weights")]

CASES = 2
MOST_TOKENS = "max_tokens: 8"


def test_a_table_becomes_a_report(workspace: Workspace, weights: Path, shared: Path) -> None:
    table = shared / "intents" / "banking77.csv"
    with table.open(encoding="utf-8", newline="") as file:
        meant = {row["text"]: row["category"] for row in csv.DictReader(file)}
    done = workspace.run("sample", str(table), "-n", str(CASES), "--text", "text", "-o", "bank")
    assert done.code == 0, done.err
    suite = workspace.path / "bank" / "suite.yaml"
    unlabelled = suite.read_text(encoding="utf-8")

    labels = _labelled(workspace, meant, [case["vars"]["text"] for case in yaml.safe_load(unlabelled)["cases"]])
    assert set(labels) <= set(meant.values())
    assert [line for line in suite.read_text(encoding="utf-8").splitlines() if "expected: " not in line] == [
        line for line in unlabelled.splitlines() if "expected: " not in line
    ]
    cases = load_suite(suite).cases
    assert [case.expected for case in cases] == labels
    assert [meant[str(case.vars["text"])] for case in cases] == labels

    brief, found = re.subn(r"max_tokens: \d+", MOST_TOKENS, suite.read_text(encoding="utf-8"))
    assert found == 1
    suite.write_text(brief, encoding="utf-8")
    assert workspace.run("validate", str(suite)).code == 0
    done = workspace.run("run", str(suite))
    assert done.code == 0, done.err
    folder = workspace.folder("banking77")
    told = rows(folder, "cases.csv")
    assert [row["expected"] for row in told] == labels
    assert [row["errors"] for row in rows(folder, "models.csv")] == ["0"]
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert f"/{CASES} (" in report
    assert (folder / "report.html").stat().st_size > 0


def _labelled(workspace: Workspace, meant: dict[str, str], texts: list[str]) -> list[str]:
    """Label every case as a person would who knows the table; returns the labels in the order of the cases."""
    labels = []
    with Terminal("label", "bank/suite.yaml", cwd=workspace.path, size=(120, 40)) as terminal:
        for number, text in enumerate(texts):
            begin = " ".join(text.split()[:5])  # it may be drawn on several lines, and after what stands above it
            terminal.wait_for(f"{number} of {CASES} labelled", f"case {number + 1} of {CASES}", begin)
            label = meant[text]
            terminal.answer("enter", "Which label?")
            terminal.answer(label, f"  {label}")
            terminal.press("enter")
            labels.append(label)
        terminal.wait_for(f"{CASES} of {CASES} labelled")
        terminal.answer("q", f"Write {CASES} labels into suite.yaml?")
        terminal.press("y")
        code, said = terminal.finished()
    assert code == 0
    assert f"{CASES} labels written" in said
    return labels
