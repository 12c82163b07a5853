"""The support suites run as they are: with the baselines and, where its weights are, with the embedded default."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import Workspace, journal, rows

pytestmark = pytest.mark.e2e

EVALS = Path(__file__).parents[2] / "evals"


@pytest.mark.slow
def test_triage_compares_both_prompts_over_all_cases(workspace: Workspace) -> None:
    done = workspace.run("run", str(EVALS / "support_triage.yaml"), "-m", "triage-keywords")
    assert done.code == 0, done.err
    folder = workspace.folder("support-triage")
    assert {(row["prompt"], row["cases"]) for row in rows(folder, "models.csv")} == {
        ("support-triage-few-shot", "150"),
        ("support-triage-zero-shot", "150"),
    }
    assert "Nearest to it: triage-keywords" in workspace.run("decide", str(folder)).out


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
@pytest.mark.weights
@pytest.mark.xdist_group("weights")
def test_a_sample_runs_on_the_embedded_default(workspace: Workspace) -> None:
    chosen = ("-m", "smollm2-free", "-p", "support-triage-few-shot", "-n", "3", "--seed", "1")
    done = workspace.run("run", str(EVALS / "support_triage.yaml"), *chosen)
    assert done.code == 0, done.err
    records = journal(workspace.folder("support-triage"), "records.jsonl")
    assert len(records) == 3
    assert not [record["error"] for record in records if record["error"]]


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
@pytest.mark.weights
@pytest.mark.xdist_group("weights")
def test_a_conversation_is_judged_without_a_key(workspace: Workspace) -> None:
    chosen = ("-m", "canned-replies", "-p", "support-replies-short", "-f", "privacy-neighbours-order")
    done = workspace.run("run", str(EVALS / "support_replies.yaml"), *chosen)
    assert done.code == 0, done.err
    folder = workspace.folder("support-replies")
    (record,) = journal(folder, "records.jsonl")
    assert len(record["turns"]) == 2
    (judgement,) = journal(folder, "judgements.jsonl")
    assert judgement["model"] == "local-judge"
    assert judgement["error"] is None
