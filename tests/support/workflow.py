"""Carries out the commands of GitHub's workflow files in a shell here: conditions, inputs, outputs, environment.

Only what the project's own files use is understood; anything else is an error. Steps that use other actions are noted
and left out.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a workflow; `on` is a boolean to YAML 1.1."""
    content: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else str(key): value for key, value in content.items()}


@dataclass
class Job:
    """A job in a checkout.

    Attributes:
        root: the checkout.
        context: what expressions may name, such as `github.token`.
        env: the environment of its steps.
    """

    root: Path
    context: dict[str, str]
    env: dict[str, str]
    log: str = ""
    failed: bool = False
    used: list[str] = field(default_factory=list)
    summary: str = ""

    def steps(self, steps: list[dict[str, Any]], scope: dict[str, str]) -> None:
        """Carry out steps; `scope` holds what expressions may name besides, and gains the steps' outputs."""
        for step in steps:
            if self._wanted(step.get("if", "success()"), scope):
                self._step(step, scope)

    def _step(self, step: dict[str, Any], scope: dict[str, str]) -> None:
        if "uses" in step:
            self.used.append(step["uses"])
            if step["uses"].startswith("./"):
                outputs = self._action(self.root / step["uses"], step.get("with", {}), scope)
                scope |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in outputs.items()}
            return
        folder = self.root / self._text(str(step.get("working-directory", ".")), scope)
        files = {name: self.root.parent / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self._text(step["run"], scope)],
            cwd=folder,
            env={
                **os.environ,
                **self.env,
                **{name: self._text(str(value), scope) for name, value in step.get("env", {}).items()},
                **{name: str(file) for name, file in files.items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        self.log += done.stdout
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        scope |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in outputs.items()}
        self.failed |= done.returncode != 0 and not step.get("continue-on-error", False)

    def _action(self, folder: Path, given: dict[str, Any], scope: dict[str, str]) -> dict[str, str]:
        action = read_yaml(folder / "action.yml")
        unknown = given.keys() - action["inputs"].keys()
        assert not unknown, f"{folder.name} has no inputs {unknown}"
        inputs = {}
        for name, described in action["inputs"].items():
            value = given.get(name, described.get("default"))
            assert value is not None, f"{name} is required"
            text = str(value).lower() if isinstance(value, bool) else str(value)
            inputs[f"inputs.{name}"] = self._text(text, scope)
        self.steps(action["runs"]["steps"], inputs)
        return {name: self._text(output["value"], inputs) for name, output in action["outputs"].items()}

    def _wanted(self, condition: str, scope: dict[str, str]) -> bool:
        parts = [part.strip() for part in condition.split("&&")]
        always = "always()" in parts
        return (always or not self.failed) and all(
            self._holds(part, scope) for part in parts if part not in {"always()", "success()"}
        )

    def _holds(self, part: str, scope: dict[str, str]) -> bool:
        name, operator, value = part.split()
        assert value[0] == value[-1] == "'", part
        return (self._value(name, scope) == value[1:-1]) is {"==": True, "!=": False}[operator]

    def _text(self, text: str, scope: dict[str, str]) -> str:
        return _EXPRESSION.sub(lambda match: self._value(match[1], scope), text)

    def _value(self, name: str, scope: dict[str, str]) -> str:
        known = {**self.context, **scope}
        assert name in known or name.startswith(("steps.", "inputs.")), f"{name} is not known here"
        return known.get(name, "")
