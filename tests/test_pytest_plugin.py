"""Suites as tests of pytest, in a pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from evalkit.errors import ConfigError, ExitCode
from evalkit.pytest_plugin import _is_suite

SUITE: dict[str, Any] = {
    "suite": "s",
    "prompts": [{"name": "p", "template": "{{ n }}"}],
    "models": ["m", "k"],
    "scorers": ["exact"],
    "cases": [
        {"id": "good", "vars": {"n": 1}, "expected": "right", "tags": ["easy"]},
        {"id": "bad", "vars": {"n": 2}, "expected": "right"},
        {"id": "broken", "vars": {"n": 3}, "expected": "right"},
    ],
}
MODELS = """models:
  m: {provider: python, function: f.py:answer}
  k: {provider: python, function: f.py:other}
  priced: {provider: python, function: f.py:other, price: {input: 1, output: 1}}
  dead: {provider: openai, model: gpt-4o}
"""
FUNCTIONS = r"""
import pathlib

def note(who, vars):
    with pathlib.Path("asked.txt").open("a") as file:
        file.write(f"{who}{vars['n']} ")

def answer(vars):
    note("m", vars)
    if vars["n"] == 3:
        raise RuntimeError("out of order")
    return "right" if vars["n"] == 1 else "wrong \x1b[31m"

def other(vars):
    note("k", vars)
    return "right"
"""


class Project:
    """A folder with a suite, and a pytest that knows the plugin and no other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.suite(SUITE)
        (path / "evals/models.yaml").write_text(MODELS)
        (path / "evals/f.py").write_text(FUNCTIONS)

    def suite(self, content: dict[str, Any] | str, name: str = "s.yaml") -> None:
        file = self.path / "evals" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))

    def pytest(self, *arguments: str) -> tuple[int, str]:
        """Run pytest; return its exit code and what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "evalkit.pytest_plugin", "-p", "no:cacheprovider", *arguments],
            cwd=self.path,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "100", "PYTEST_ADDOPTS": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    @property
    def asked(self) -> list[str]:
        """Who was asked what since the last time this was looked at."""
        file = self.path / "asked.txt"
        asked = sorted(file.read_text().split()) if file.exists() else []
        file.unlink(missing_ok=True)
        return asked

    @property
    def runs(self) -> list[Path]:
        return [path.parent for path in self.path.glob("results/s/2*/manifest.json")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


ALL = ["k1", "k2", "k3", "m1", "m2", "m3"]


def test_every_case_of_every_model_is_a_test_with_its_own_verdict(project: Project) -> None:
    code, shown = project.pytest("--evalkit", "evals", "--junit-xml=tests.xml")
    assert code == 1, shown
    assert "1 failed, 4 passed, 1 error" in shown
    assert "\nexpected: right\ngot: wrong \u241b[31m\n" in shown
    assert 'FAILED evals/s.yaml::bad[m/p] - Failed: exact: expected "right"' in shown
    assert "ERROR evals/s.yaml::broken[m/p]" in shown
    assert "function: RuntimeError: out of order" in shown
    assert "Traceback" not in shown
    (run,) = project.runs
    assert f"report: {run / 'report.md'}" in shown
    assert (run / "report.md").is_file()
    assert project.asked == ALL
    tests = etree.parse(project.path / "tests.xml").findall(".//testcase")
    told = {
        one.get("name"): float(one.get("value"))
        for one in tests[0].iter("property")
        if one.get("name") != "evalkit_report"
    }
    assert told.keys() == {"score", "latency_ms"}
    assert told["score"] == 1
    assert told["latency_ms"] > 0


def test_costs_are_told_where_they_are_known(project: Project) -> None:
    code, _ = project.pytest("--evalkit", "evals", "--evalkit-model", "priced", "--junit-xml=tests.xml")
    assert code == 0
    properties = etree.parse(project.path / "tests.xml").findall(".//property")
    assert {one.get("name") for one in properties} == {"score", "latency_ms", "evalkit_report"}


def test_collecting_asks_nobody(project: Project) -> None:
    code, shown = project.pytest("--evalkit", "evals", "--collect-only", "-q")
    assert code == 0
    assert (
        "evals/s.yaml::good[m/p]\nevals/s.yaml::bad[m/p]\nevals/s.yaml::broken[m/p]\nevals/s.yaml::good[k/p]" in shown
    )
    assert project.asked == []
    assert not (project.path / "results").exists()


@pytest.mark.parametrize(
    ("words", "asked"),
    [("good", ["k1", "m1"]), ("easy", ["k1", "m1"]), ("m/", ["m1", "m2", "m3"]), ("bad and k/", ["k2"])],
)
def test_only_what_is_selected_is_asked(project: Project, words: str, asked: list[str]) -> None:
    _, shown = project.pytest("--evalkit", "evals", "-k", words)
    assert project.asked == asked, shown
    assert f"{6 - len(asked)} deselected" in shown


def test_a_test_can_be_named(project: Project) -> None:
    code, _ = project.pytest("evals/s.yaml::good[m/p]")
    assert (code, project.asked) == (0, ["m1"])


def test_models_are_chosen_on_the_command_line(project: Project) -> None:
    code, shown = project.pytest("--evalkit", "evals", "--evalkit-model", "k")
    assert (code, project.asked) == (0, ["k1", "k2", "k3"]), shown


def test_each_trial_is_a_test(project: Project) -> None:
    project.suite(SUITE | {"trials": 2, "models": ["k"], "cases": SUITE["cases"][:1]})
    code, shown = project.pytest("--evalkit", "evals", "-v")
    assert code == 0
    assert "good[k/p/1] PASSED" in shown
    assert "good[k/p/2] PASSED" in shown
    assert project.asked == ["k1", "k1"]


def test_workers_share_one_run_of_each_suite(project: Project) -> None:
    project.suite(SUITE | {"suite": "t", "models": ["k"]}, "t.yaml")
    code, shown = project.pytest("-p", "xdist", "-n", "2", "evals/")
    assert code == 1, shown
    assert "1 failed, 7 passed, 1 error" in shown
    assert project.asked == sorted([*ALL, "k1", "k2", "k3"])
    assert len(project.runs) == 1


def test_workers_share_the_reason_why_there_is_no_run(project: Project) -> None:
    (project.path / "results").write_text("in the way")
    code, shown = project.pytest("-p", "xdist", "-n", "2", "--evalkit", "evals")
    assert code == 1
    assert "6 errors" in shown
    assert shown.count("results cannot be written to") >= 6
    assert project.asked == []


@pytest.mark.parametrize("arguments", [[], [".", "evals/deep"]])
def test_suites_are_left_alone_unless_they_are_wanted(project: Project, arguments: list[str]) -> None:
    (project.path / "evals/deep").mkdir()
    project.suite(SUITE, "deep/deeper/t.yaml")
    project.suite(SUITE, "../u.yaml")
    (project.path / "pytest.ini").write_text("[pytest]\ntestpaths = evals\n")
    code, shown = project.pytest("--collect-only", *arguments)
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, shown


def test_outputs_are_no_commands_to_github(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.suite(SUITE | {"models": ["k"], "cases": [SUITE["cases"][0] | {"id": "##[group]a"}, SUITE["cases"][1]]})
    (project.path / "evals/f.py").write_text(
        "def other(vars):\n"
        "    if vars['n'] == 1:\n"
        "        raise OSError('a\\n::error::b')\n"
        "    return 'x\\n ::error::y\\n##[add-mask]z'\n"
    )
    code, shown = project.pytest("evals")
    assert code == 1
    assert "1 failed, 1 error" in shown
    assert ":\u200b:error::b" in shown
    assert ":\u200b:error::y" in shown
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::") or "##[" in line]


def test_a_project_names_its_suites_once_and_for_all(project: Project) -> None:
    project.suite(SUITE | {"suite": "t"}, "other.yaml")
    (project.path / "pytest.ini").write_text("[pytest]\nevalkit_suites = evals/s*.yaml\n")
    _, shown = project.pytest("--collect-only", "-q")
    assert "evals/s.yaml::good[m/p]" in shown
    assert "other.yaml" not in shown


def test_a_broken_suite_is_not_passed_over(project: Project) -> None:
    project.suite(SUITE | {"scorers": ["exakt"]})
    code, shown = project.pytest("--evalkit", "evals")
    assert code == pytest.ExitCode.INTERRUPTED, shown
    assert "exakt" in shown
    assert "ERROR evals/s.yaml" in shown
    assert "Traceback" not in shown
    assert "INTERNALERROR" not in shown


def test_what_to_do_about_it_is_said(project: Project) -> None:
    _, shown = project.pytest("--evalkit", "evals", "--evalkit-model", "kk")
    assert "  -> " in shown


def test_tests_in_python_run_beside_suites(project: Project) -> None:
    (project.path / "evals/test_more.py").write_text("def test_more(): pass\n")
    (project.path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    code, shown = project.pytest("--evalkit", "evals", "-k", "good or more")
    assert (code, project.asked) == (0, ["k1", "m1"]), shown
    assert "3 passed" in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompts: [p.yaml]\ncases: []\n", True),
        ("# a comment\nsuite: s\n'prompts':\n  - p\n\"cases\":\n", True),
        ('{"suite": "s", "prompts": [], "cases": []}', True),
        ('{\n  "prompts": [],\n  "cases": []\n}', True),
        ("prompts: [unclosed\ncases:\n", True),
        ("models:\n  m: {provider: python}\n", False),
        ("prompts: []\nnested:\n  - cases: []\n", False),
        ("jobs:\n  test:\n    steps: []\n", False),
    ],
)
def test_a_suite_is_known_by_its_two_keys(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "s.yaml").write_text(text)
    assert _is_suite(tmp_path / "s.yaml") is expected


def test_nothing_heavy_is_imported_where_nobody_wants_suites() -> None:
    """A plugin is loaded by every pytest in the environment."""
    look = "import sys, evalkit.pytest_plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("evalkit.")} == {"evalkit.pytest_plugin"}
    assert not loaded & {"yaml", "rich", "typer", "numpy"}


def test_a_run_is_not_in_the_time_of_its_first_test(project: Project) -> None:
    """Plugins that limit the time of a test would end a suite's run, and the session with it."""
    (project.path / "timing.py").write_text(
        "import pathlib, pytest\n\n@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_protocol(item):\n"
        "    assert pathlib.Path('asked.txt').exists()\n    return (yield)\n"
    )
    code, shown = project.pytest("-p", "timing", "evals", "-k", "good")
    assert code == 0, shown


def test_ctrl_c_ends_the_session_and_says_how_to_go_on(project: Project) -> None:
    killed = "import os, signal\n\ndef other(vars):\n    os.kill(os.getpid(), signal.SIGINT)\n    return 'right'\n"
    (project.path / "evals/f.py").write_text(killed)
    code, shown = project.pytest("--evalkit", "evals", "--evalkit-model", "k", "-k", "good")
    assert code == pytest.ExitCode.INTERRUPTED
    (run,) = project.runs
    assert f"evals/s.yaml: interrupted; go on with: evalkit run evals/s.yaml --resume {run}" in shown
    assert "INTERNALERROR" not in shown


class TestSuiteRun:
    """What cannot be had from outside."""

    @pytest.fixture
    def run(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
        from evalkit.cli.pytest_suite import SuiteRun

        monkeypatch.chdir(project.path)
        return SuiteRun(project.path / "evals/s.yaml", ("k",), allow_code=False, home=project.path, shared=None)

    @pytest.mark.parametrize("folder", [None, "results/s/r"])
    def test_an_interrupted_run_ends_the_session_and_says_how_to_go_on(
        self, run: Any, folder: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from evalkit.cli import pytest_suite
        from evalkit.cli.conduct import Ended
        from evalkit.cli.pytest_suite import CaseKey

        monkeypatch.setattr(
            pytest_suite, "conduct", lambda _: Ended(ExitCode.INTERRUPTED, Path(folder) if folder else None)
        )
        run.select(CaseKey("k", "p", "good", 1))
        with pytest.raises(KeyboardInterrupt):
            run.ensure()
        words = "; go on with: evalkit run evals/s.yaml --resume results/s/r" if folder else ""
        assert run.how_to_go_on() == f"evals/s.yaml: interrupted{words}"

    def test_a_call_that_the_run_did_not_make_is_an_error(self, run: Any) -> None:
        from evalkit.cli.pytest_suite import CaseKey

        key = CaseKey("k", "p", "good", 1)
        assert run.result(key).error == "the suite was not run"
        run.select(key)
        run.ensure()
        assert run.result(key)[:2] == (None, None)
        assert run.result(key._replace(case="bad")).error == "the run has no such call"

    def test_a_fault_ends_no_other_tests(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from evalkit.cli import pytest_suite
        from evalkit.cli.pytest_suite import CaseKey

        monkeypatch.setattr(pytest_suite, "conduct", lambda _: {}["gone"])
        key = CaseKey("k", "p", "good", 1)
        run.select(key)
        run.ensure()
        assert run.result(key).error == "a fault in evalkit: KeyError: 'gone'"

    def test_a_suite_that_cannot_be_loaded_says_so(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        from evalkit.cli.pytest_suite import SuiteRun

        monkeypatch.chdir(project.path)
        with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
            SuiteRun(project.path / "evals/s.yaml", ("dead",), allow_code=False, home=project.path, shared=None)
