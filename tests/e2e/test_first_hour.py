"""A newcomer's first minutes: an empty folder, two commands, a report."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest
from workspace import Workspace, rows

pytestmark = pytest.mark.e2e

_PATIENCE_S = 180


def next_command(out: str) -> list[str]:
    """Take the command that `evalkit init` tells a newcomer to type, without the program's name."""
    return shlex.split(out.partition("Next:\n")[2].strip())[1:]


def test_two_commands_without_weights(workspace: Workspace) -> None:
    began = time.monotonic()
    cache = str(workspace.path / "no-weights")
    first = workspace.run("init", "--yes", EVALKIT_CACHE=cache)
    assert first.code == 0, first.err
    second = workspace.run(*next_command(first.out), EVALKIT_CACHE=cache)
    assert second.code == 0, second.err
    assert time.monotonic() - began < _PATIENCE_S
    folder = workspace.folder("support-triage")
    assert "11/12" in (folder / "report.md").read_text(encoding="utf-8")
    assert [row["model"] for row in rows(folder, "models.csv")] == ["support-triage-baseline"]


@pytest.mark.weights
@pytest.mark.xdist_group("weights")
def test_two_commands_with_the_embedded_default(workspace: Workspace, weights: Path) -> None:
    began = time.monotonic()
    first = workspace.run("init", "--yes")
    assert first.code == 0, first.err
    second = workspace.run(*next_command(first.out))
    assert second.code == 0, second.err
    assert time.monotonic() - began < _PATIENCE_S
    table = rows(workspace.folder("support-triage"), "models.csv")
    assert [(row["model"], row["errors"]) for row in table] == [("smollm2-135m", "0"), ("support-triage-baseline", "0")]


@pytest.mark.parametrize(
    "task", ["classify", *(pytest.param(task, marks=pytest.mark.slow) for task in ("extract", "answer", "chat"))]
)
def test_every_start_is_valid_guarded_and_grows(workspace: Workspace, task: str) -> None:
    cache = str(workspace.path / "no-weights")
    first = workspace.run("init", "--yes", "--task", task, EVALKIT_CACHE=cache)
    suite = next_command(first.out)[1]
    assert workspace.run("validate", suite, EVALKIT_CACHE=cache).code == 0
    gate = workspace.run("run", suite, "--gate", EVALKIT_CACHE=cache)
    assert gate.code == 0, gate.out + gate.err
    name = suite.removeprefix("evals/").removesuffix(".yaml").replace("_", "-")
    frozen = workspace.run("baseline", name)
    assert frozen.code == 0, frozen.err
    again = workspace.run("run", suite, "--gate", EVALKIT_CACHE=cache)
    assert again.code == 0, again.out + again.err
    assert "NOT WORSE" in again.out


@pytest.mark.parametrize(
    "env",
    [
        {"TERM": "dumb"},
        {"NO_COLOR": "1", "COLUMNS": "40"},
        {"PYTHONIOENCODING": "ascii", "CI": "true"},
        {"PYTHONIOENCODING": "cp1252", "COLUMNS": "20"},
    ],
)
def test_any_terminal_will_do(workspace: Workspace, env: dict[str, str]) -> None:
    cache = str(workspace.path / "no-weights")
    workspace.run("init", "--yes", "--name", "first", EVALKIT_CACHE=cache)
    (workspace.path / "evals" / "first.yaml").rename(workspace.path / "evals" / "first-→.yaml")
    done = workspace.run("run", "evals/first-→.yaml", EVALKIT_CACHE=cache, **env)
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
    assert "11/12" in done.out
    checked = workspace.run("validate", "evals/first-→.yaml", EVALKIT_CACHE=cache, **env)
    assert checked.code == 0, checked.err
    assert "is valid" in checked.out


def test_doctor_speaks_of_the_server_of_a_suite(workspace: Workspace, chat_server) -> None:
    workspace.run("init", "--yes", "--no-ci", "-m", "vllm:served-model")
    models = workspace.path / "evals" / "models.yaml"
    models.write_text(
        models.read_text().replace("model: served-model", f"model: served-model, base_url: '{chat_server.url}'")
    )
    done = workspace.run("doctor", "evals/support_triage.yaml")
    assert done.code == 0, done.out
    assert "model served-model: its server answers" in done.out
    assert chat_server.calls == 0
    chat_server.close()
    down = workspace.run("doctor", "evals/support_triage.yaml")
    assert down.code == 2
    assert "problem  model served-model: " in down.out
