"""A gate in CI: a baseline, a changed prompt, exit codes, and a budget for more trials."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_server import ChatServer
from workspace import Workspace

pytestmark = pytest.mark.e2e

CASES = [{"id": f"c{n:02}", "vars": {"n": f"n{n}"}, "expected": f"n{n}"} for n in range(60)]


def suite(template: str, **more: Any) -> dict[str, Any]:
    """Ask an echo to say what is expected of it."""
    return {
        "suite": "suite",
        "prompts": [{"name": "p", "template": template}],
        "models": ["echo"],
        "scorers": ["exact"],
        "cases": CASES,
        **more,
    }


def models(server: ChatServer) -> dict[str, Any]:
    row = {"provider": "openai", "base_url": server.url, "model": "echo", "price": {"input": 1000.0, "output": 1000.0}}
    return {"models": {"echo": row}}


GOOD, BAD = "{{ n }}", "{{ n if n != 'n1' and '3' not in n else 'else' }}"


def test_a_changed_prompt_fails_the_gate(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("models.yaml", models(chat_server))
    workspace.write("suite.yaml", suite(GOOD))
    assert workspace.run("run", "suite.yaml").code == 0
    frozen = workspace.run("baseline", "suite")
    assert frozen.code == 0, frozen.err
    kept = workspace.run("run", "suite.yaml", "--gate")
    assert kept.code == 0, kept.err
    assert "NOT WORSE: echo is neither better nor worse (-6.0 to +6.0) on 60 cases" in kept.out
    workspace.write("suite.yaml", suite(BAD))
    failed = workspace.run("run", "suite.yaml", "--gate")
    assert failed.code == 1
    assert "REGRESSED: echo is 26.7 points worse" in failed.out
    again = workspace.run("gate", "suite", "--json")
    assert again.code == 1
    assert json.loads(again.out) == json.loads((workspace.folder() / "gate.json").read_text())


@pytest.mark.slow
def test_more_trials_stay_within_the_budget(workspace: Workspace, chat_server: ChatServer) -> None:
    """An answer takes 15 tokens, 1.5 cents: 60 cases cost 90 cents, and another trial of them as much."""
    rules = {"undecided": "more-trials", "margin": 0.05, "max_cost": 1.5}
    workspace.write("models.yaml", models(chat_server))
    workspace.write("suite.yaml", suite(GOOD, gate=rules))
    assert workspace.run("run", "suite.yaml").code == 0
    assert workspace.run("baseline", "suite").code == 0
    one_wrong = "{{ n if n != 'n1' else 'else' }}"
    workspace.write("suite.yaml", suite(one_wrong, gate=rules))
    asked = chat_server.calls
    done = workspace.run("run", "suite.yaml", "--gate")
    assert done.code == 0, done.out + done.err
    assert "INCONCLUSIVE (the gate lets it pass)" in done.out
    assert chat_server.calls - asked == 60
    workspace.write("suite.yaml", suite(one_wrong, gate={"undecided": "more-trials", "margin": 0.05}))
    asked = chat_server.calls
    assert workspace.run("run", "suite.yaml", "--gate", "--max-cost", "1.5").code == 0
    assert chat_server.calls - asked == 60
    workspace.write("suite.yaml", suite(one_wrong, gate=rules | {"max_cost": 1.9, "max_trials": 2}))
    asked = chat_server.calls
    assert workspace.run("run", "suite.yaml", "--gate").code == 0
    assert chat_server.calls - asked == 120
