"""A dry run needs no keys: it says which ones the run would lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.cli import main

SUITE = """
suite: s
models: [a, b, a2]
judge: a
prompts: [{name: p, template: "{{ n }}"}]
cases: [{vars: {n: x}, expected: x}]
scorers: [exact, {judge: {rubric: good?}}]
"""
MODELS = """
models:
  a: {provider: openai, model: x, api_key_env: KEY_THAT_IS_NOT_THERE}
  b: {provider: python, function: "f.py:answer"}
  a2: {provider: openai, model: y, api_key_env: KEY_THAT_IS_THERE}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY_THAT_IS_THERE", "sk-0123456789abcdef")
    (tmp_path / "s.yaml").write_text(SUITE, encoding="utf-8")
    (tmp_path / "models.yaml").write_text(MODELS, encoding="utf-8")
    (tmp_path / "f.py").write_text("def answer(vars):\n    return vars['n']\n", encoding="utf-8")
    return tmp_path


def test_a_dry_run_warns_of_each_missing_key_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "s.yaml", "--dry-run"])
    out, err = capsys.readouterr()
    assert not ended.value.code
    assert "Nothing was asked." in out
    missing = "the environment variable KEY_THAT_IS_NOT_THERE is not set"
    assert err.splitlines() == [
        f"warning: models.yaml:3:3: model 'a' needs an API key: {missing}; the run itself would stop there",
        "  -> export KEY_THAT_IS_NOT_THERE=..., or leave the model out (-m names candidates, the suite its judges)",
    ]
    assert not (folder / "results").exists()


@pytest.mark.usefixtures("folder")
def test_the_run_itself_stops_there(in_process: Any) -> None:
    assert "the environment variable KEY_THAT_IS_NOT_THERE is not set\n" in in_process("run", "s.yaml", code=2)


def test_whatever_else_is_wrong_stops_a_dry_run_too(folder: Path, in_process: Any) -> None:
    (folder / "f.py").unlink()
    err = in_process("run", "s.yaml", "--dry-run", code=2)
    assert "model 'b'" in err
    assert "KEY_THAT_IS_NOT_THERE" not in err
