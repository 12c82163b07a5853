"""`evalkit run --race`, against a server on loopback."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, completion, last_user
from workspace import Workspace, journal, rows, wait_until

pytestmark = pytest.mark.e2e

RATES = {"good": 0.95, "fair": 0.7, "bad": 0.1}
CASES = 120


def answer(body: dict[str, Any]) -> Reply:
    """Be right as often as the model is, on the same cases every time."""
    text = last_user(body)
    right = random.Random(text + body["model"]).random() < RATES[body["model"]]
    return Reply(completion(text if right else "?"))


@pytest.fixture
def racing(workspace: Workspace, chat_server: ChatServer) -> Workspace:
    """Return a folder with a suite whose three models differ much."""
    chat_server.answer = answer
    row = {"provider": "openai", "base_url": chat_server.url, "price": {"input": 100.0, "output": 200.0}}
    workspace.write("models.yaml", {"models": {name: {**row, "model": name} for name in RATES}})
    workspace.write("suite.yaml", suite())
    return workspace


def suite(**extra: Any) -> dict[str, Any]:
    return {
        "suite": "suite",
        "prompts": [{"name": "p", "template": "{{ n }}"}],
        "models": list(RATES),
        "scorers": ["exact"],
        "cases": [{"id": f"c{n}", "vars": {"n": f"n{n}"}, "expected": f"n{n}"} for n in range(CASES)],
        **extra,
    }


def raced(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["race"])


def test_a_race_asks_less_and_ends_well(racing: Workspace, chat_server: ChatServer) -> None:
    done = racing.run("run", "suite.yaml", "--race")
    assert done.code == 0, done.err
    folder = racing.folder()
    records = journal(folder, "records.jsonl")
    assert chat_server.calls == len(records) < 0.65 * 3 * CASES
    race = raced(folder)
    assert race["over"]
    assert [stop["model"] for stop in race["stops"]] == ["bad", "fair"]
    assert f"after {race['cases']} of {CASES} cases: good" in done.out
    assert "calls were not needed" in done.out
    assert "bad (p): out of the race after 10 cases" in done.err
    unasked = [row for row in rows(folder, "cases.csv") if row["passed"] == ""]
    assert len(unasked) == 3 * CASES - len(records)
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert f"stopped after 10 of {CASES} cases: shown worse than the best, with good ahead" in report
    assert "Incomplete" not in report

    again = racing.run("run", "suite.yaml", "--resume")
    assert again.code == 0, again.err
    assert chat_server.calls == len(records)
    assert raced(folder) == race


def kill_after(calls: int, process: subprocess.Popen[str], server: ChatServer) -> None:
    wait_until(lambda: server.calls >= calls or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_race_goes_on_as_one_race_after_kills(racing: Workspace, chat_server: ChatServer) -> None:
    racing.run("run", "suite.yaml", "--race", "--out", "whole")
    whole = raced(next((racing.path / "whole" / "suite").glob("*-*")))
    chat_server.requests.clear()

    arguments = ["run", "suite.yaml", "--race", "-c", "2"]
    for calls in (12, 30):
        kill_after(calls, racing.start(*arguments), chat_server)
        arguments = ["run", "suite.yaml", "-c", "2", "--resume"]
    assert not raced(racing.folder())["over"]
    done = racing.run(*arguments)
    assert done.code == 0, done.err
    assert len(racing.runs()) == 1
    assert raced(racing.folder()) == whole
    records = journal(racing.folder(), "records.jsonl")
    assert len({record["call_id"] for record in records}) == len(records)
    assert chat_server.calls - len(records) <= 2 * 2 * len(RATES)  # what was in flight at a kill


def test_verdicts_that_take_their_time_decide_as_well(racing: Workspace) -> None:
    slow = {"regex": {"pattern": r"^(n\d+)+$", "timeout": 60}}
    racing.write("suite.yaml", suite(scorers=["exact", slow]))
    process = racing.start("run", "suite.yaml", "--race")
    wait_until(lambda: any(racing.path.glob("results/suite/*/records.jsonl")) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    process.communicate()
    done = racing.run("run", "suite.yaml", *(["--resume"] if racing.runs() else ["--race"]))
    assert done.code == 0, done.err
    assert [stop["model"] for stop in raced(racing.folder())["stops"]] == ["bad", "fair"]


def test_a_budget_ends_a_race_before_its_rule_does(racing: Workspace) -> None:
    done = racing.run("run", "suite.yaml", "--race", "--max-cost", "0.1", "-c", "2")
    assert done.code == 3
    race = raced(racing.folder())
    assert not race["over"]
    assert "The race is not over" in done.out
    done = racing.run("run", "suite.yaml", "--resume")
    assert done.code == 0, done.err
    assert raced(racing.folder())["over"]


def test_a_dead_model_leaves_the_race_and_the_run_incomplete(racing: Workspace, chat_server: ChatServer) -> None:
    def dead(body: dict[str, Any]) -> Reply:
        return Reply({"error": {"message": "no"}}, status=401) if body["model"] == "fair" else answer(body)

    chat_server.answer = dead
    done = racing.run("run", "suite.yaml", "--race", "--keep-going")
    assert done.code == 3
    race = raced(racing.folder())
    assert {stop["model"]: stop["why"] for stop in race["stops"]} == {"fair": "unavailable", "bad": "worse"}
    assert "its model could not be asked" in (racing.folder() / "report.md").read_text(encoding="utf-8")

    chat_server.answer = answer
    done = racing.run("run", "suite.yaml", "--resume")
    assert done.code == 0, done.err
    assert [stop["why"] for stop in raced(racing.folder())["stops"]] != ["unavailable", "worse"]


def test_a_race_can_be_run_to_the_end_of_all_cases(racing: Workspace, chat_server: ChatServer) -> None:
    racing.run("run", "suite.yaml", "--race")
    done = racing.run("run", "suite.yaml", "--resume", "--no-race")
    assert done.code == 0, done.err
    assert chat_server.calls == len(journal(racing.folder(), "records.jsonl")) == 3 * CASES
    assert all(row["passed"] for row in rows(racing.folder(), "cases.csv"))
    changed = racing.run("run", "suite.yaml", "--resume", "--race")
    assert changed.code == 2
    assert "whether it is a race" in changed.err


def test_another_rule_is_another_race(racing: Workspace) -> None:
    racing.run("run", "suite.yaml", "--race")
    done = racing.run("run", "suite.yaml", "--resume", "--keep", "2")
    assert done.code == 2
    assert "the rule of its race" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--race", "--rate", "20/s"], "--rate sends every call when it is due"),
        (["--race", "-m", "good"], "nothing to race: 1 candidate (models x prompts), 1 to keep"),
        (["--race", "--keep", "3"], "nothing to race: 3 candidates (models x prompts), 3 to keep"),
        (["--margin", "0.1"], "add --race"),
        (["--race", "--margin", "2"], "--margin"),
    ],
)
def test_what_is_no_race_is_refused(
    racing: Workspace, chat_server: ChatServer, arguments: list[str], message: str
) -> None:
    done = racing.run("run", "suite.yaml", *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert chat_server.calls == 0


def test_a_plan_says_at_most(racing: Workspace) -> None:
    assert f"= at most {3 * CASES} calls" in racing.run("run", "suite.yaml", "--race", "--dry-run").out
