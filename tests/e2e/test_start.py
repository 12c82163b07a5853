"""The command starts at once: nothing heavy before a command needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from workspace import Workspace

pytestmark = pytest.mark.e2e

HEAVY = ("pandas", "datasets", "numpy", "jinja2", "httpx", "aiohttp", "jsonschema", "yaml")


def test_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, evalkit.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["validate", "--help"], ["models", "--help"]])
def test_help_is_there(workspace: Workspace, arguments: list[str]) -> None:
    done = workspace.run(*arguments)
    assert done.code == 0
    assert "Usage: evalkit" in done.out


def test_version_and_module(workspace: Workspace) -> None:
    done = workspace.run("--version")
    module = subprocess.run([sys.executable, "-m", "evalkit", "--version"], capture_output=True, text=True, check=True)
    assert done.code == 0
    assert done.out == module.stdout
    assert done.out.startswith("evalkit ")
