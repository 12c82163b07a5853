"""What a run says when calls failed: what to look at, and how to ask again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, completion

from evalkit.cli.mending import look_at
from evalkit.errors import ErrorKind, Location
from evalkit.types import Model

PLACE = Location("models.yaml", 3, 3)
SUITE = {
    "suite": "s",
    "models": ["m"],
    "prompts": [{"name": "p", "template": "{{ n }}"}],
    "cases": [{"id": "c", "vars": {"n": "x"}, "expected": "OK"}],
    "scorers": ["exact"],
}


def served(**fields: Any) -> Model:
    return Model("m", "vllm", "openai", **{"model": "a", "base_url": "http://127.0.0.1:1/v1", "where": PLACE, **fields})


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        (served(api_key_env="MY_KEY"), ErrorKind.AUTH, "look at the key in MY_KEY"),
        (served(api_key_env="NO_KEY"), ErrorKind.AUTH, "export NO_KEY=..., its key"),
        (served(), ErrorKind.AUTH, "name the variable that holds its key: `api_key_env`, models.yaml:3:3"),
        (served(), ErrorKind.NOT_FOUND, "look at `model` and `base_url`, models.yaml:3:3"),
        (served(where=None), ErrorKind.NOT_FOUND, "look at `model` and `base_url`"),
        (served(), ErrorKind.TIMEOUT, ""),
        (served(base_url=None), ErrorKind.AUTH, ""),
    ],
)
def test_a_refusal_leads_to_what_is_wrong(
    model: Model, kind: ErrorKind, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-0123456789abcdef")
    monkeypatch.delenv("NO_KEY", raising=False)
    assert look_at(model, kind) == said


@pytest.fixture
def folder(tmp_path: Path, chat_server: ChatServer) -> Path:
    """Return a folder with a suite whose model is a server of the user's own that wants another key."""
    chat_server.answer = lambda _: Reply({"error": {"message": "no such key"}}, status=401)
    row = {"provider": "vllm", "model": "a", "base_url": chat_server.url}
    (tmp_path / "s.yaml").write_text(json.dumps(SUITE), encoding="utf-8")
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": row}}), encoding="utf-8")
    return tmp_path


def test_it_allows_the_code_that_was_allowed(folder: Path, in_process: Any) -> None:
    (folder / "grade.py").write_text("def ok(output, expected, vars):\n    return True\n", encoding="utf-8")
    (folder / "s.yaml").write_text(json.dumps({**SUITE, "scorers": [{"python": "grade.py:ok"}]}), encoding="utf-8")
    err = in_process("run", "s.yaml", "-q", "--allow-code", code=4)
    again = next(line for line in err.splitlines() if "ask only these again" in line)
    assert again.startswith("  -> ask only these again: evalkit run s.yaml --allow-code --resume results/s/2")


def test_the_command_that_is_shown_asks_again(folder: Path, chat_server: ChatServer, in_process: Any) -> None:
    err = in_process("run", "s.yaml", "-q", code=4)
    lines = [line for line in err.splitlines() if line.startswith("  -> ")]
    assert lines[0] == "  -> m: name the variable that holds its key: `api_key_env`, models.yaml:1:13"
    assert lines[1].startswith("  -> ask only these again: evalkit run s.yaml --resume results/s/2")
    chat_server.answer = lambda _: Reply(completion("OK"))
    out = in_process(*lines[1].split("evalkit ")[1].split())
    assert "1/1" in out
    assert "  -> " not in out


def test_a_model_that_is_not_there_can_be_tried_from_where_one_is(folder: Path, in_process: Any) -> None:
    there = folder / "sub"
    there.mkdir()
    (folder / "s.yaml").rename(there / "s.yaml")
    (folder / "models.yaml").unlink()
    row = {"provider": "vllm", "model": "a", "base_url": "http://127.0.0.1:9/v1"}
    (there / "models.yaml").write_text(json.dumps({"models": {"m": row}}), encoding="utf-8")
    err = in_process("run", "sub/s.yaml", "-q", code=4)
    assert "try with: evalkit models check m --models sub/models.yaml" in " ".join(err.split())
    in_process("models", "check", "m", "--models", "sub/models.yaml", code=3)  # it is found, and still not there
