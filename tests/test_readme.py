"""The README's examples work as they are written, and what they print is what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from workspace import Finished, Workspace

from evalkit.errors import ExitCode

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
GUARD, MIGRATION = "**Guard a prompt", "**Compare candidates"
CANCEL = '"cancel"'


def part(begin: str, end: str) -> str:
    return TEXT[TEXT.index(begin) : TEXT.index(end)]


def commands(section: str) -> list[list[str]]:
    """What follows `evalkit` in a section's console block."""
    return [shlex.split(line, comments=True)[1:] for line in re.findall(r"^\$ (evalkit .*)$", section, re.MULTILINE)]


def shown(section: str) -> list[str]:
    """The lines of output that a section quotes, without their markdown."""
    return [line.strip("*\\ ").removesuffix(", ...") for line in re.findall(r"^> (.*)$", section, re.MULTILINE)]


def unfolded(done: Finished) -> str:
    """What a command printed, in one line however wide its terminal."""
    return " ".join(done.out.split())


def without_the_rule(rules: Path) -> str:
    """The example's rules without the one that the README takes away."""
    text = rules.read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if CANCEL not in line)


@pytest.fixture
def example(workspace: Workspace) -> Workspace:
    """Return a folder with the example's suite, prompts and rules."""
    for folder in ("evals", "prompts"):
        shutil.copytree(README.parent / folder, workspace.path / folder)
    return workspace


def test_the_readme_is_short() -> None:
    assert len(TEXT.splitlines()) <= 170


@pytest.fixture
def first_suite(workspace: Workspace) -> Workspace:
    """Return a folder with the suite that the README shows, and a function for its candidate."""
    (suite,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    workspace.write("suite.yaml", suite)
    workspace.write("models.yaml", {"models": {"rules": {"provider": "python", "function": "rules.py:route"}}})
    workspace.write("rules.py", "def route(vars):\n    return 'billing' if 'charged' in vars['message'] else 'bug'\n")
    return workspace


@pytest.mark.e2e
def test_the_suite_runs(first_suite: Workspace) -> None:
    done = first_suite.run("run", "suite.yaml")
    assert done.code == 0, done.err
    assert "2/2" in done.out


def test_the_suite_runs_from_python(first_suite: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(first_suite.path)
    *before, last = code.splitlines()
    names: dict[str, object] = {}
    exec("\n".join(before), names)
    rates = eval(last, names)
    assert sorted(rates) == [0.5, 1.0]


@pytest.mark.e2e
def test_the_gate_says_what_is_shown(example: Workspace) -> None:
    """On the example's cases, without the rule that the README takes away."""
    section = part(GUARD, MIGRATION)
    run, freeze, gate = commands(section)
    assert [example.run(*command).code for command in (run, freeze, gate)] == [0, 0, 0]
    rules = example.path / "evals" / "baselines" / "order_rules.py"
    rules.write_text(without_the_rule(rules), encoding="utf-8")
    done = example.run(*gate)
    assert done.code == 1
    assert len(shown(section)) == 3
    assert [line for line in shown(section) if line not in done.out] == []


@pytest.mark.e2e
def test_the_migration_says_what_is_shown(example: Workspace) -> None:
    section = part(MIGRATION, "## Bring")
    run, decide, compare = commands(section)
    folder = example.path / "evals"
    rules = folder / "baselines" / "order_rules.py"
    rules.with_name("order_rules_2.py").write_text(without_the_rule(rules), encoding="utf-8")
    with (folder / "models.yaml").open("a", encoding="utf-8") as models:
        models.write("\n  order-rules-2: {provider: python, function: baselines/order_rules_2.py:extract}\n")
    assert example.run(*run).code == 0
    printed = " ".join(unfolded(example.run(*command)) for command in (decide, compare))
    assert len(shown(section)) == 3
    assert [line for line in shown(section) if line not in printed] == []


@pytest.mark.e2e
def test_the_report_says_of_the_rules_what_is_shown(example: Workspace) -> None:
    """Their passes and scores; the models take minutes, and times differ."""
    (row,) = re.findall(r"^> (\| order-rules .*)$", TEXT, re.MULTILINE)
    cells = [cell.strip() for cell in row.split("|")]
    assert example.run(*commands(part(GUARD, MIGRATION))[0]).code == 0
    report = (example.folder("order-extraction") / "report.md").read_text(encoding="utf-8")
    own, *_ = re.findall(r"^(\| order-rules .*)$", report, re.MULTILINE)
    assert [cell.strip() for cell in own.split("|")][1:6] == cells[1:6]


@pytest.mark.e2e
def test_the_committed_baseline_of_the_example_holds(workspace: Workspace) -> None:
    """With no file of its own, the suite's gate compares with what is in the repository, on every case."""
    suite = str(README.parent / "evals" / "order_extraction.yaml")
    done = workspace.run("run", suite, "-m", "order-rules", "--gate")
    assert done.code == 0, done.out + done.err
    assert done.out.count("NOT WORSE: order-rules / order-extraction-") == 2
    assert done.out.count("better on 0, worse on 0 of 150 cases") >= 2
    assert "left out" not in done.out


def test_every_exit_code_but_that_of_a_bug_is_told() -> None:
    line = part("**Exit codes.**", MIGRATION)
    assert {int(code) for code in re.findall(r"\b(\d+): ", line)} == {*ExitCode} - {ExitCode.BUG}
