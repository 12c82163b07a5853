"""Answers made to hang, flood or break whoever judges them: every scorer comes to a clean verdict on each."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from chat_server import ChatServer, Reply, completion
from workspace import Workspace, journal, wait_until

from evalkit.scorers import SCORERS
from evalkit.scorers.options import options_of
from evalkit.scorers.programs.sandbox import isolation_fault
from evalkit.scorers.registry import Common
from evalkit.yaml12 import load

pytestmark = pytest.mark.e2e

MB: Final = 1_000_000
CODE: Final = ("python_tests", "program")
EXPECTED: Final[dict[str, Any]] = {
    "numeric": 42,
    "math": 42,
    "label": "bug",
    "choice": "A",
    "sql": "SELECT name FROM staff",
    "json_equal": {"customer": {"name": "Ana"}, "total": 3, "due": "2024-05-01"},
    "json_fields": {"customer": {"name": "Ana"}, "total": 3, "due": "2024-05-01"},
}
"""What scorers need that are not content with any text."""

TEXTS: Final[dict[str, Any]] = {
    "big": "lorem ipsum, dolor 42 sit. " * (10 * MB // 27),
    "deep": "[" * 100_000 + "]" * 100_000,
    "deeper": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "backtracking": "a" * 50_000 + "!",
    "laughs": '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(10))
    + "]><order><total>&k;</total></order>",
    "nulls": "\0" * MB,
    "fences": "```\n" * 100_000,
    "latex": "\\boxed{\\frac{1}{" * 10_000,
    "halves": "\ud83d 42 \udfff \u202e bug",
    "none": None,
    "number": 10**400,
}
BODIES: Final = {
    "forks": "while True: os.fork()",
    "sleeps": "time.sleep(1000)",
    "floods": "while True: print('x' * 100_000)",
    "connects": "socket.create_connection(('127.0.0.1', {port}), 2).sendall(b'hello')",
    "writes": "open({outside!r}, 'w').write('x')",
    "fills": "file = open('x', 'wb')\nwhile True: file.write(b'0' * 2**20)",
}

CANDIDATE: Final = """
import json, pathlib
ANSWERS = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())
def answer(vars):
    return b"\\xff\\xfe" if vars["kind"] == "bytes" else ANSWERS[vars["kind"]]
"""
GRADE: Final = "def polite(output, expected, vars): return len(output or '') > 3\n"


@pytest.fixture
def hostile(workspace: Workspace, chat_server: ChatServer) -> Workspace:
    """A folder with a candidate that gives these answers, and with models for the scorers that ask some."""
    chat_server.answer = judging
    server = {"provider": "openai", "base_url": chat_server.url}
    rows: dict[str, Any] = {name: {**server, "model": name} for name in ("gpt-4o-mini", "nomic-embed")}
    rows["hostile"] = {"provider": "python", "function": "hostile.py:answer"}
    workspace.write("models.yaml", {"models": rows})
    workspace.write("hostile.py", CANDIDATE)
    workspace.write("grade.py", GRADE)
    return workspace


def judging(body: dict[str, Any]) -> Reply:
    if "input" in body:
        return Reply({"object": "list", "data": [{"index": 0, "embedding": [1.0, 0.5]}], "usage": {"prompt_tokens": 1}})
    return Reply(completion('{"reason": "so it is", "verdict": "pass"}'))


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Listen on loopback for whoever gets through."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def no_orphans() -> Iterator[None]:
    """Find processes that are left when the command has ended: they become children of this one."""
    if sys.platform != "linux":
        yield
        return
    libc, subreaper = ctypes.CDLL(None), 36
    before = children()
    libc.prctl(subreaper, 1, 0, 0, 0)
    try:
        yield
        wait_until(lambda: children() <= before, patience_s=5)
    finally:
        libc.prctl(subreaper, 0, 0, 0, 0)


def children() -> set[int]:
    """Return the processes that are our children and have not ended."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.add(int(entry.parent.name))
    return found


def spelled(name: str, /, **more: Any) -> dict[str, Any]:
    """Spell a scorer as its example does, with more options."""
    spec = load(SCORERS[name].example, path=name).data
    value = spec[name] if isinstance(spec, dict) else {}
    own = options_of(SCORERS[name])
    if not (isinstance(value, dict) and value.keys() <= {*own, *options_of(Common)}):
        main = "scorer" if name == "not" else next(option.name for option in own.values() if option.opt.main)
        value = {main: value}
    return {name: {**value, **more}}


def judged_here() -> list[str]:
    """Name the scorers that can be tried on this machine."""
    return [name for name in SCORERS if name not in CODE or not isolation_fault()]


def expected_by(name: str) -> Any:
    return EXPECTED.get(name, "Dear Ana, 42 is the answer")


def group_of(name: str) -> str:
    """Tell apart the scorers that cannot judge the same cases."""
    return json.dumps("a program" if name in CODE else expected_by(name))


def scorer(name: str, /, **more: Any) -> dict[str, Any]:
    limit = {"max_seconds": 1} if name in CODE else {}
    return spelled(name, name=f"by {name}", **limit, **more)


def programs(port: int, outside: Path) -> dict[str, str]:
    head = "```python\nimport os, socket, time\n"
    return {
        kind: head + body.format(port=port, outside=str(outside)) + "\ndef add(a, b): return a + b\n```"
        for kind, body in BODIES.items()
    }


@pytest.mark.slow
def test_every_scorer_judges_hostile_answers_of_a_run(
    hostile: Workspace, listening: socket.socket, no_orphans: None, tmp_path: Path
) -> None:
    temporary, outside = tmp_path / "temporary", tmp_path / "outside"
    temporary.mkdir()
    hostile.write("answers.json", json.dumps(TEXTS | programs(listening.getsockname()[1], outside)))
    names = judged_here()
    by_group = {group: [name for name in names if group_of(name) == group] for group in map(group_of, names)}
    cases = [
        {"id": f"{kind} {number}", "vars": {"kind": kind}, "tags": [f"group {number}"], "expected": json.loads(group)}
        for number, group in enumerate(by_group)
        for kind in ([*BODIES, "big"] if group == group_of("program") else [*TEXTS, "bytes"])
    ]
    scorers = [
        scorer(name, weight=0, tags=[f"group {number}"])  # without weight, all are heard whatever one of them says
        for number, group in enumerate(by_group)
        for name in by_group[group]
    ]
    suite = {"suite": "suite", "prompts": [{"name": "p", "template": "{{ kind }}"}], "models": ["hostile"]}
    decides = {"length": {"max_chars": 20 * MB, "name": "decides"}}
    hostile.write("suite.yaml", suite | {"scorers": [decides, *scorers], "cases": cases})
    done = hostile.run("run", "suite.yaml", "--allow-code", TMPDIR=str(temporary))
    assert done.code == 3, done.out + done.err  # bytes are no answer
    records = {row["call_id"]: row for row in journal(hostile.folder(), "records.jsonl")}
    scores = {row["call_id"]: row for row in journal(hostile.folder(), "scores.jsonl")}
    assert records.keys() == scores.keys()
    assert len(records) == len(cases)
    heard = set()
    for call, record in records.items():
        if record["error"]:
            assert "bytes" in record["case_id"], record["error"]
        for verdict in scores[call]["verdicts"]:
            assert verdict["scorer"] != "scorer error", (record["case_id"], verdict)
            assert_clean(verdict["value"], verdict["reason"])
            if verdict["value"] is None and "error" in verdict["details"]:
                assert "a fault in" not in verdict["reason"], (record["case_id"], verdict)
            heard.add(verdict["scorer"])
    assert heard == {"decides", *(f"by {name}" for name in names)}
    assert not outside.exists()
    with pytest.raises(BlockingIOError):
        listening.accept()
    assert list(temporary.iterdir()) == []
    assert not list(hostile.path.rglob(".*.part"))


def assert_clean(value: float | None, reason: str) -> None:
    """A verdict is a value or a reason why there is none, in a line that can be read."""
    assert value is None or 0 <= value <= 1
    assert value is not None or reason
    assert len(reason) < 1000, reason
    assert "\n" not in reason


@pytest.mark.slow
def test_every_scorer_judges_hostile_outputs_of_a_file(hostile: Workspace, no_orphans: None, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    kinds = ("deep", "backtracking", "laughs", "halves", "none", "number")
    rows = [
        {"id": f"{name} {kind}", "output": TEXTS[kind], "expected": expected_by(name), "tags": [name]}
        for name in judged_here()
        for kind in kinds
    ]
    (hostile.path / "o.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = [word for name in judged_here() for word in ("--scorer", json.dumps(scorer(name, tags=[name])))]
    endless = {"regex": {"pattern": "^(a|a)+$", "timeout": 0.5, "tags": ["regex"]}}
    done = hostile.run(
        "score", "o.jsonl", *options, "--scorer", json.dumps(endless), "--out", "v.jsonl", "--allow-code",
        TMPDIR=str(temporary),
    )  # fmt: skip
    assert done.code == 3, done.out + done.err  # no times, no log probabilities
    verdicts = [json.loads(line) for line in (hostile.path / "v.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [verdict["id"] for verdict in verdicts] == [row["id"] for row in rows]
    for verdict in verdicts:
        assert_clean(verdict["value"], verdict["reason"])
        assert verdict["passed"] in (True, False)
        assert (verdict["value"] is None) == verdict["reason"].startswith("scorer error: "), verdict
        assert "a fault in" not in verdict["reason"], verdict
    said = {verdict["id"]: verdict["reason"] for verdict in verdicts}
    assert said["regex backtracking"] == "scorer error: regex: no verdict after 0.5 s"
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in hostile.path.iterdir() if "part" in path.name) == []
