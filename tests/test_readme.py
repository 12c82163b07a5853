"""The README's examples work as they are written."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from workspace import Workspace

from evalkit.scorers import SCORERS
from evalkit.scorers.extract import STEPS
from evalkit.suite.schema import suite_schema

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^\$ (evalkit .*?)(?:\s+#.*)?$", TEXT, re.MULTILINE) + re.findall(
    r"`(evalkit [a-z][^`]*)`", TEXT
)


@pytest.mark.e2e
def test_the_suite_of_the_readme_is_valid_and_runs(workspace: Workspace) -> None:
    suite, prompt, models, *_ = YAML
    workspace.write("suite.yaml", suite)
    workspace.write("triage.yaml", prompt)
    workspace.write("models.yaml", models)
    workspace.write("tickets.jsonl", '{"id": "late", "message": "Where is my parcel?", "expected": "shipping"}\n')
    workspace.write(
        "rules.py", "def route(vars):\n    return 'billing' if 'charged' in vars['message'] else 'shipping'\n"
    )
    assert workspace.run("validate", "suite.yaml", OPENAI_API_KEY="none").code == 0
    done = workspace.run("run", "suite.yaml", "-m", "rules")
    assert done.code == 0, done.err
    assert "2/3" in done.out


@pytest.mark.e2e
def test_the_scorers_of_the_readme_are_valid(workspace: Workspace) -> None:
    suite, prompt, models, scorers, _ = YAML
    entries = yaml.safe_load(scorers)["scorers"]
    content = {**yaml.safe_load(suite), "scorers": entries, "cases": [{"vars": {"message": "?"}, "expected": 3}]}
    workspace.write("suite.yaml", content)
    workspace.write("triage.yaml", prompt)
    workspace.write("models.yaml", models)
    workspace.write("rules.py", "def route(vars):\n    return 'billing'\n")
    done = workspace.run("validate", "suite.yaml", OPENAI_API_KEY="none")
    assert done.code == 0, done.err


@pytest.mark.e2e
def test_the_gate_of_the_readme_says_what_is_shown(workspace: Workspace) -> None:
    """On the example's cases, without the rule that the README takes away."""
    section = TEXT[TEXT.index("**Guard a prompt") : TEXT.index("| exit code |")]
    run, freeze, gate = (
        shlex.split(line, comments=True)[1:] for line in re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    )
    shown = [line.strip("*\\ ").removesuffix(", ...") for line in re.findall(r"^> (.*)$", section, re.MULTILINE)]
    for folder in ("evals", "prompts"):
        shutil.copytree(README.parent / folder, workspace.path / folder)
    assert [workspace.run(*command).code for command in (run, freeze, gate)] == [0, 0, 0]
    rules = workspace.path / "evals" / "baselines" / "order_rules.py"
    text = rules.read_text(encoding="utf-8")
    rules.write_text("".join(line for line in text.splitlines(keepends=True) if '"cancel"' not in line))
    done = workspace.run(*gate)
    assert done.code == 1
    assert len(shown) == 3
    assert [line for line in shown if line not in done.out] == []


@pytest.mark.e2e
def test_the_gate_rules_of_the_readme_are_all_there_are_and_valid(workspace: Workspace) -> None:
    suite, prompt, models, _, rules = YAML
    block = yaml.safe_load(rules)["gate"]
    assert {*block, "max_drop", "metric"} == {*suite_schema()["$defs"]["gate"]["properties"]}
    cases = [{"vars": {"message": "?"}, "expected": "bug", "tags": ["safety", "flaky"]}]
    workspace.write("suite.yaml", {**yaml.safe_load(suite), "cases": cases, "gate": block})
    workspace.write("triage.yaml", prompt)
    workspace.write("models.yaml", models)
    workspace.write("rules.py", "def route(vars):\n    return 'billing'\n")
    done = workspace.run("validate", "suite.yaml", OPENAI_API_KEY="none")
    assert done.code == 0, done.err


@pytest.mark.e2e
def test_the_committed_baseline_of_the_example_holds(workspace: Workspace) -> None:
    """With no file of its own, the suite's gate compares with what is in the repository, on every case."""
    suite = str(README.parent / "evals" / "order_extraction.yaml")
    done = workspace.run("run", suite, "-m", "order-rules", "--gate")
    assert done.code == 0, done.out + done.err
    assert done.out.count("NOT WORSE: order-rules / order-extraction-") == 2
    assert done.out.count("better on 0, worse on 0 of 150 cases") >= 2
    assert "left out" not in done.out


def test_the_readme_names_every_scorer_and_extraction_step() -> None:
    section = TEXT[TEXT.index("### Scorers") : TEXT.index("## Three uses")]
    table = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert {name for line in table for name in re.findall(r"`(\w+)`", line)} == {*SCORERS}
    steps = section[section.index("`extract`:") :].partition(").")[0]
    assert set(re.findall(r"`(\w+)`", steps)) - {"extract"} == {*STEPS}


@pytest.mark.e2e
@pytest.mark.parametrize("command", sorted({command.split()[1] for command in COMMANDS}))
def test_every_command_of_the_readme_exists(workspace: Workspace, command: str) -> None:
    assert workspace.run(command, "--help").code == 0


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
