"""The example workflows, carried out on a git repository: a change for the worse fails, with the cases named."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cmarkgfm import github_flavored_markdown_to_html
from workflow import Job, read_yaml
from workspace import EVALKIT

pytestmark = pytest.mark.e2e

GITHUB = Path(__file__).parents[2] / ".github"
EXAMPLES = GITHUB / "workflows-examples"
ACTION = GITHUB / "actions/evalkit-gate"
FILES = [ACTION / "action.yml", *sorted(EXAMPLES.glob("evalkit-*.yml"))]

QUEUES = ("billing", "bug", "shipping")
WORDS = {"billing": "I was charged twice", "bug": "the app closes", "shipping": "my parcel is late"}
PROMPT = """messages:
  - system: |
      Route the message to one of: billing, bug, shipping.
      {rule}
  - user: "{{{{ message }}}}"
"""
# A model that follows its instructions: told to prefer one queue, it does. What it says is not to be trusted.
MODEL = """
def answer(messages):
    system, message = (part["content"] for part in messages)
    if "in doubt" in system and "parcel" in message:
        return "::error::pwned%0A##[add-mask]x <script>alert(1)</script> | @someone ```"
    queues = {"charged": "billing", "app": "bug", "parcel": "shipping"}
    return next(queue for word, queue in queues.items() if word in message)
"""
GH = """#!/bin/sh
echo "gh $*" >> "$GH_LOG"
case "$*" in
  *"body=@"*) for argument; do case "$argument" in body=@*) cp "${argument#body=@}" "$GH_LOG.body";; esac; done;;
  *) cat "$GH_LOG.comments" 2>/dev/null || true;;
esac
"""


class Repository:
    """A team's repository, with the action and the example workflow copied into it as their heads say."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "repository"
        self.log = folder / "gh.log"
        self.bins = f"{folder / 'bin'}{os.pathsep}{EVALKIT.parent}"

    def build(self) -> None:
        """Make it, with a suite and its baseline committed."""
        shutil.copytree(ACTION, self.path / ".github/actions/evalkit-gate")
        gh = self.path.parent / "bin/gh"
        gh.parent.mkdir()
        gh.write_text(GH)
        gh.chmod(0o755)
        self.write("evals/models.yaml", "models:\n  m: {provider: python, function: m.py:answer}\n")
        self.write("evals/m.py", MODEL)
        self.prompt("If unsure, say bug.")
        self.suite()
        self.write(".gitignore", "results/*\n!results/baselines/\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.evalkit("run", "evals/triage.yaml")
        self.evalkit("baseline", "triage")
        self.commit("suite and baseline")

    def write(self, name: str, content: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def suite(self, name: str = "triage", cases: int = 60) -> None:
        """Write a suite of so many cases, a third of each queue, on a line each."""
        lines = [
            f"suite: {name}",
            "prompts: [../prompts/triage.yaml]",
            "models: [m]",
            "scorers: [exact]",
            "cases:",
            *(
                f'  - {{id: {QUEUES[n % 3]}-{n:02}, vars: {{message: "{WORDS[QUEUES[n % 3]]} ({n})"}}, '
                f"expected: {QUEUES[n % 3]}}}"
                for n in range(cases)
            ),
        ]
        self.write(f"evals/{name}.yaml", "\n".join(lines) + "\n")

    def prompt(self, rule: str) -> None:
        self.write("prompts/triage.yaml", PROMPT.format(rule=rule))

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def evalkit(self, *arguments: str) -> None:
        subprocess.run([EVALKIT, *arguments], cwd=self.path, check=True, capture_output=True)

    def job(self, workflow: Path, *, event: str = "pull_request", **inputs: str) -> Job:
        """Carry out a workflow's only job, with these inputs of the gate instead of the example's."""
        (job,) = read_yaml(workflow)["jobs"].values()
        gate = next(step for step in job["steps"] if step.get("uses") == "./.github/actions/evalkit-gate")
        gate["with"] |= inputs
        context = {
            "github.token": "t0ken",
            "github.repository": "team/repository",
            "github.event_name": event,
            "github.event.pull_request.number": "7",
            "github.event.pull_request.head.sha": "c0ffee",
            "github.server_url": "https://git.example",
            "github.ref": "refs/pull/7",
            "github.run_id": "1",
            "github.run_attempt": "1",
        }
        env = {
            "PATH": f"{self.bins}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.path),
            "GH_LOG": str(self.log),
            **{name: str(value) for name, value in job.get("env", {}).items()},
        }
        ran = Job(self.path, context | {f"env.{name}": value for name, value in job.get("env", {}).items()}, env)
        ran.steps(job["steps"], {})
        return ran

    @property
    def comment(self) -> str:
        return self.log.with_name("gh.log.body").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    Repository(folder).build()
    return folder


@pytest.fixture
def repository(built: Path, tmp_path: Path) -> Repository:
    shutil.copytree(built, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Repository(tmp_path)


TRIAGE = {"suite": "evals/triage.yaml", "models": "m", "evalkit": ""}


def test_a_prompt_that_breaks_cases_fails_with_the_cases_named(repository: Repository) -> None:
    repository.prompt("When in doubt about a delivery, explain.")
    repository.commit("a worse prompt")
    assert touches(repository, EXAMPLES / "evalkit-gate.yml")
    job = repository.job(EXAMPLES / "evalkit-gate.yml", **TRIAGE)
    assert job.failed
    broken = [f"shipping-{n:02}" for n in range(2, 60, 3)]
    commands = [line for line in job.log.splitlines() if line.startswith("::")]
    assert len(commands) == 10
    assert commands[0].startswith(
        "::error title=evalkit gate%3A REGRESSED,file=prompts/triage.yaml,line=2::REGRESSED: m"
    )
    assert [re.search(r"title=m%3A (\S+),file=prompts/triage.yaml,line=2::", line)[1] for line in commands[1:]] == (
        broken[:9]
    )
    assert "from 1/1 to 0/1%0Aexact: expected" in commands[1]
    assert "%0Aexpected: shipping%0Agot: ::error::pwned%250A## [add-mask]x" in commands[1]
    assert "##[" not in job.log
    assert "REGRESSED: m is 33.3 points worse" in job.summary
    for page in (job.summary, repository.comment):
        assert all(f"- {case} from 1/1 to 0/1" in page for case in broken)
        assert "billing-00" not in page
        assert "<li>shipping-02 from 1/1 to 0/1</li>" in github_flavored_markdown_to_html(page)


def test_a_neutral_change_passes(repository: Repository) -> None:
    repository.prompt("If you are unsure, say bug.")
    repository.commit("other words")
    job = repository.job(EXAMPLES / "evalkit-gate.yml", **TRIAGE)
    assert not job.failed, job.log
    assert not [line for line in job.log.splitlines() if line.startswith("::")]
    assert "**NOT WORSE: m is neither better nor worse" in job.summary
    assert "gate passed" in repository.comment


def test_a_pull_request_has_one_comment_that_is_kept_up_to_date(repository: Repository) -> None:
    repository.job(EXAMPLES / "evalkit-gate.yml", **TRIAGE)
    assert "gh api --silent --method POST repos/team/repository/issues/7/comments" in repository.log.read_text()
    assert repository.comment.splitlines()[-3:] == [
        "<!-- evalkit gate: triage -->",
        "",
        "Commit c0ffee: [log and run folder](https://git.example/team/repository/actions/runs/1)",
    ]
    repository.log.with_name("gh.log.comments").write_text("41\n42\n")
    repository.job(EXAMPLES / "evalkit-gate.yml", **TRIAGE)
    assert "gh api --silent --method PATCH repos/team/repository/issues/comments/42" in repository.log.read_text()


def test_the_run_is_kept_as_an_artifact_and_no_comment_is_written_unasked(repository: Repository) -> None:
    job = repository.job(EXAMPLES / "evalkit-gate.yml", **TRIAGE, comment="false", options="--limit 5 --seed 1")
    assert job.used[-1].startswith("actions/upload-artifact@")
    assert not repository.log.exists()
    assert "on 5 cases" in job.summary


@pytest.mark.parametrize(
    ("name", "content", "mark"),
    [
        ("evals/models.yaml", "models:\n  m: {provider: openai, model: gpt-4o}\n", ",file=evals/models.yaml,line=2::"),
        ("results/baselines/triage.json", None, "::there is nothing to hold triage to: no baseline"),
        ("evals/m.py", "def answer(messages): raise OSError('down')\n", "::the gate neither passed nor failed"),
    ],
    ids=["fork without secrets", "first run", "provider down"],
)
def test_what_comes_to_no_verdict_fails_and_says_why(
    repository: Repository, name: str, content: str | None, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if content is None:
        (repository.path / name).unlink()
    else:
        repository.write(name, content)
    job = repository.job(EXAMPLES / "evalkit-gate.yml", **TRIAGE)
    assert job.failed
    assert f"::error title=evalkit{mark}" in job.log
    assert job.summary == ""
    assert not repository.log.exists()


def test_a_renamed_prompt_is_held_to_the_same_baseline(repository: Repository) -> None:
    repository.git("mv", "prompts/triage.yaml", "prompts/other.yaml")
    suite = repository.path / "evals/triage.yaml"
    suite.write_text(suite.read_text().replace("prompts/triage.yaml", "prompts/other.yaml"))
    job = repository.job(EXAMPLES / "evalkit-gate.yml", **TRIAGE)
    assert not job.failed
    assert "is compared with m@\u200btriage of the baseline" in job.summary
    assert "have changed" not in job.summary


@pytest.mark.slow
def test_every_night_is_held_against_the_baseline_and_the_night_before(repository: Repository) -> None:
    workflow = repository.path / "nightly.yml"
    workflow.write_text(
        (EXAMPLES / "evalkit-nightly.yml").read_text().replace("SUITE: order-extraction", "SUITE: triage")
    )
    shutil.rmtree(repository.path / "results/triage")  # the first night of all finds nothing to compare with
    first = repository.job(workflow, event="schedule", **TRIAGE)
    assert not first.failed, first.log
    repository.write("evals/m.py", MODEL.replace('"in doubt" in system', "True"))
    second = repository.job(workflow, event="schedule", **TRIAGE)
    assert second.failed
    assert "REGRESSED: m" in second.summary
    assert "shipping-02" in second.summary
    assert len(second.summary) > len(first.summary)
    assert "# " in second.summary.split("gate failed", 1)[1], "the comparison with the night before is missing"
    third = repository.job(workflow, event="schedule", **TRIAGE)
    assert third.failed, "a second bad night is as bad as the first"
    runs = [path for path in (repository.path / "results/triage").iterdir() if not path.is_symlink()]
    assert len(runs) == 2
    (repository.path / "evals/m.py").unlink()
    fourth = repository.job(workflow, event="schedule", **TRIAGE)
    assert fourth.failed
    assert fourth.summary == "", "a night without a run is not compared with the one before"


def test_the_job_for_gitlab_runs_the_same_gate(repository: Repository) -> None:
    job = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["evalkit-gate"]
    (command,) = job["script"]
    command = command.replace("order_extraction", "triage").replace("order-rules", "m")
    env = {**os.environ, "PATH": f"{repository.bins}{os.pathsep}{os.environ['PATH']}"}

    def code() -> int:
        return subprocess.run(["bash", "-c", command], cwd=repository.path, env=env, check=False).returncode

    assert code() == 0
    repository.prompt("When in doubt about a delivery, explain.")
    assert code() == 1
    assert len(list(repository.path.glob(job["artifacts"]["reports"]["junit"]))) == 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_and_nothing_is_put_into_a_shell_command(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"\./\.github/actions/evalkit-gate|actions/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)
    assert "secrets." not in text
    for step in every_step(read_yaml(path)):
        assert "${{" not in step.get("run", ""), "an expression in a command is an injection waiting to happen"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("evalkit-*.yml")), ids=lambda path: path.name)
def test_workflows_may_read_and_at_most_comment(path: Path) -> None:
    workflow = read_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job.get("permissions", {}).items() <= {"contents": "read", "pull-requests": "write"}.items()
        assert job["timeout-minutes"] > 0
    assert "pull_request_target" not in workflow["on"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("evalkit-*.yml")), ids=lambda path: path.name)
def test_the_examples_name_what_this_repository_has(path: Path) -> None:
    root = GITHUB.parent
    models = yaml.safe_load((root / "evals/models.yaml").read_text())["models"]
    (gate,) = [step for step in every_step(read_yaml(path)) if step.get("uses") == "./.github/actions/evalkit-gate"]
    assert (root / gate["with"]["suite"]).is_file()
    assert gate["with"]["models"] in models


def every_step(content: dict[str, Any]) -> list[dict[str, Any]]:
    jobs = content.get("jobs", {}).values()
    return [step for job in jobs for step in job["steps"]] or content["runs"]["steps"]


def touches(repository: Repository, workflow: Path) -> bool:
    """Whether the last commit is one that the workflow runs on."""
    changed = repository.git("diff", "--name-only", "HEAD~1").split()
    paths = read_yaml(workflow)["on"]["pull_request"]["paths"]
    return any(fnmatch.fnmatch(name, pattern) for name in changed for pattern in paths)
