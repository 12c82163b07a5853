"""evalkit from Python."""

# ruff: noqa: A002, A006 - functions are called with what their parameters name, one of which is `vars`

from __future__ import annotations

import ast
import asyncio
import dataclasses
import doctest
import functools
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import evalkit
from evalkit.api import exporting, running, stored

SUITE = """
suite: triage
prompts:
  - {name: plain, template: "Which queue? {{ message }}"}
models: [keywords]
scorers: [exact]
gate: {baseline: baseline.json}
cases:
  - {id: twice, vars: {message: I was charged twice}, expected: billing, tags: [en]}
  - {id: refund, vars: {message: refund me}, expected: billing}
  - {id: crash, vars: {message: crash on start}, expected: bug}
  - {id: hello, vars: {message: hello}, expected: other}
"""
KEYWORDS = """
def classify(vars):
    said = vars["message"]
    return "billing" if "charged" in said or "refund" in said else "bug"
"""


@pytest.fixture(autouse=True)
def workshop(tmp_path, monkeypatch):
    """A folder with a suite, a baseline in Python, and nobody to print to."""
    monkeypatch.chdir(tmp_path)
    evals = tmp_path / "evals"
    evals.mkdir()
    (evals / "triage.yaml").write_text(SUITE)
    (evals / "keywords.py").write_text(KEYWORDS)
    (evals / "models.yaml").write_text("models: {keywords: {provider: python, function: keywords.py:classify}}")
    return tmp_path


@pytest.fixture
def hears_ctrl_c():
    """Whoever started the tests in the background has had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def billing(vars):
    return "billing"


async def bug(vars):
    await asyncio.sleep(0)
    return "bug"


def passed(run):
    return {one.model: one.calls.passed for one in run.summary.models}


@pytest.mark.parametrize("module", [stored, running, exporting], ids=lambda one: one.__name__)
def test_the_examples_are_true(module, workshop):
    suite = Path("evals/triage.yaml")
    suite.write_text(suite.read_text().replace("gate: {baseline: baseline.json}", ""))
    evalkit.run(suite)
    tests = doctest.DocTestFinder().find(module, extraglobs={"evalkit": evalkit})
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test)
    assert runner.failures == 0
    assert runner.tries > 0


def test_a_run_prints_nothing_and_writes_its_reports(capfd):
    run = evalkit.run("evals/triage.yaml")
    assert capfd.readouterr() == ("", "")
    assert passed(run) == {"keywords": 3}
    assert run.complete
    assert json.loads((run.folder / "report.json").read_text())["calls"]["passed"] == 3
    assert [case.id for case in run.cases] == ["twice", "refund", "crash", "hello"]
    assert [row.case.id for row in run.calls] == ["twice", "refund", "crash", "hello"]
    assert repr(run) == f"Run({str(run.folder)!r})"


def test_the_progress_is_shown_when_asked_for(capfd):
    evalkit.run("evals/triage.yaml", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "keywords: 4/4 done, 3 passed" in err


def test_candidates_may_be_functions_and_names(workshop):
    run = evalkit.run("evals/triage.yaml", ["keywords", billing, bug], trials=2)
    assert passed(run) == {"keywords": 6, "billing": 4, "bug": 2}
    assert [model.function for model in run.manifest.models][1:] == [
        f"{__name__}:{name}" for name in ("billing", "bug")
    ]
    (workshop / "evals" / "models.yaml").unlink()
    named = evalkit.run("evals/triage.yaml", {"mine": lambda messages: messages[-1]["content"], "b": billing})
    assert passed(named) == {"mine": 0, "b": 2}
    assert named.manifest.models_file is None


class Router:
    def __init__(self, answer):
        self._answer = answer

    def __call__(self, vars):
        return self._answer


def test_an_object_that_can_be_called_is_a_candidate():
    assert passed(evalkit.run("evals/triage.yaml", Router("other"))) == {"Router": 1}


def test_a_functions_failure_is_an_error_of_the_call():
    def fails(vars):
        if vars["message"] == "hello":
            raise RuntimeError("out of order")
        return "billing"

    run = evalkit.run("evals/triage.yaml", fails)
    assert not run.complete
    assert run.summary.models[0].error_groups[0].message.startswith("RuntimeError: out of order")


def test_where_nobody_answers_that_is_an_error():
    def fails(vars):
        raise SystemExit(3)

    with pytest.raises(evalkit.NothingRanError, match="no call was answered") as error:
        evalkit.run("evals/triage.yaml", fails)
    assert Path(error.value.remedy.removeprefix("see ")).is_file()


def test_it_runs_inside_a_running_event_loop():
    async def notebook():
        return evalkit.run(evalkit.load_suite("evals/triage.yaml"), bug)

    assert passed(asyncio.run(notebook())) == {"bug": 1}


def test_servers_and_worker_processes_are_asked_from_any_loop(chat_server, workshop):
    rows = {"server": {"provider": "openai", "model": "x", "base_url": chat_server.url}}
    (workshop / "evals" / "models.yaml").write_text(json.dumps({"models": rows}))
    suite = workshop / "evals" / "triage.yaml"
    suite.write_text(suite.read_text().replace("scorers: [exact]", "scorers: [{contains: {value: queue, timeout: 5}}]"))

    async def notebook():
        return evalkit.run(suite, ["server", billing])

    assert passed(asyncio.run(notebook())) == {"server": 4, "billing": 0}


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_is_heard_inside_a_running_event_loop():
    calls = []

    def slow(vars):
        calls.append(vars["message"])
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.3)
        return "billing"

    async def program():
        evalkit.run("evals/triage.yaml", slow)

    with pytest.raises(KeyboardInterrupt, match="what was answered so far is kept in"):
        asyncio.run(program())
    assert len(calls) == 1


def test_a_run_is_found_from_another_working_directory(tmp_path, monkeypatch):
    run = evalkit.run("evals/triage.yaml", billing)
    loaded = evalkit.load_run("triage")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for one in (run, loaded):
        assert one.to_pandas().shape == (4, 24)
        assert one.side().candidates == (("billing", "plain"),)
        assert one.decide("pass_rate>=0").recommended == ("billing", "plain")


def test_a_lone_text_is_one_name():
    run = evalkit.run("evals/triage.yaml", billing, prompts="plain", filter="cra*")
    assert [case.id for case in run.cases] == ["crash"]
    assert [bound.measure for bound in run.decide("pass_rate>=0").rules.require] == ["pass_rate"]
    run.freeze("b.json", "billing")
    assert Path("b.json").is_file()


def test_what_a_function_returns_may_have_to_be_awaited():
    def wrapped(vars):
        return bug(vars)

    run = evalkit.run("evals/triage.yaml", wrapped)
    assert passed(run) == {"wrapped": 1}


def test_functions_with_arguments_given_are_called_as_the_function_is():
    def answer(vars, text):
        return text

    run = evalkit.run("evals/triage.yaml", [functools.partial(answer, text="bug"), billing])
    assert passed(run) == {"answer": 1, "billing": 2}


def test_lambdas_are_told_apart_by_what_they_do_and_not_by_their_line():
    first = evalkit.run("evals/triage.yaml", {"f": lambda vars: "bug"}, limit=1)
    again = evalkit.run("evals/triage.yaml", {"f": lambda vars: "bug"}, limit=1, resume=first)
    assert again.folder == first.folder
    with pytest.raises(evalkit.ConfigError, match="has changed since"):
        evalkit.run("evals/triage.yaml", {"f": lambda vars: "other"}, limit=1, resume=first)


def test_it_runs_in_another_thread_than_the_main_one():
    found = []
    thread = threading.Thread(target=lambda: found.append(evalkit.run("evals/triage.yaml", billing)))
    thread.start()
    thread.join()
    assert passed(found[0]) == {"billing": 2}


def test_a_loaded_suite_may_be_changed_before_it_is_run():
    suite = evalkit.load_suite("evals/triage.yaml")
    run = evalkit.run(dataclasses.replace(suite, cases=suite.cases[:2]), billing)
    assert passed(run) == {"billing": 2}
    assert run.summary.cases == 2


def test_a_watcher_is_told_of_every_call():
    steps = []
    evalkit.run("evals/triage.yaml", billing, progress=steps.append)
    assert [(step.done, step.planned, step.record.output) for step in steps] == [
        (number, 4, "billing") for number in (1, 2, 3, 4)
    ]
    assert [step.score.passed for step in steps] == [True, True, False, False]


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_what_a_watcher_raises_ends_the_run_and_keeps_what_was_answered(kind):
    def enough(step):
        raise kind(f"enough after {step.done}")

    def slow(vars):
        time.sleep(0.05)
        return "billing"

    with pytest.raises(kind, match="enough after 1"):
        evalkit.run("evals/triage.yaml", slow, progress=enough)
    kept = evalkit.load_run("triage")
    assert 1 <= kept.summary.answers < 4
    asked = []
    again = evalkit.run("evals/triage.yaml", {"slow": slow}, resume=True, progress=asked.append)
    assert again.folder == kept.folder
    assert again.complete


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_keeps_what_was_answered_and_resume_goes_on():
    calls = []

    def slow(vars):
        calls.append(vars["message"])
        if len(calls) == 2:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.3)
        return "billing"

    with pytest.raises(KeyboardInterrupt, match="what was answered so far is kept in"):
        evalkit.run("evals/triage.yaml", slow)
    kept = evalkit.load_run("triage")
    assert kept.summary.answers == len(calls) == 2
    assert (kept.folder / "report.md").is_file()
    run = evalkit.run("evals/triage.yaml", slow, resume=kept.folder)
    assert len(calls) == 4
    assert run.complete
    assert run.folder == kept.folder


def test_a_changed_function_is_asked_anew():
    def answer(vars):
        return "billing"

    first = evalkit.run("evals/triage.yaml", {"f": answer})

    def answer(vars):
        return "bug"

    with pytest.raises(evalkit.ConfigError, match="has changed since"):
        evalkit.run("evals/triage.yaml", {"f": answer}, resume=first.folder)
    again = evalkit.run("evals/triage.yaml", {"f": answer}, resume=first.folder, accept_changes=True)
    assert passed(again) == {"f": 1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": ["nobody"]}, "no model 'nobody'"),
        ({"models": [billing, billing]}, "two functions have the same name"),
        ({"models": {"keywords": "gpt"}}, "cannot be called"),
        ({"models": {"f": lambda message: message}}, "asks for 'message'"),
        ({"models": []}, "`models` is empty"),
        ({"models": {}}, "`models` is empty"),
        ({"models": 5}, "cannot be called"),
        ({"models": {"": billing}}, "cannot be called ''"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": 1.5}, "limit is 1.5, and must be a whole number of at least 1"),
        ({"concurrency": "many"}, "or 'auto'"),
        ({"max_time": 0}, "max_time is 0, and must be a number above 0"),
        ({"race": True, "keep": 0}, "keep is 0"),
        ({"race": True, "margin": -1}, "margin is -1"),
        ({"race": True, "race_by": "speed"}, "race_by is 'speed', and must be 'pass_rate' or 'score'"),
        ({"rate": 5, "arrivals": "often"}, "arrivals is 'often'"),
        ({"trials": -1}, "trials is -1"),
        ({"max_cost": float("nan")}, "max_cost is nan"),
        ({"rate": 0}, "rate is 0"),
        ({"filter": "nothing-*"}, "no case of triage matches"),
        ({"resume": "20200101"}, "no run '20200101'"),
        ({"arrivals": "poisson"}, "--rate"),
    ],
)
def test_what_is_wrong_is_raised_before_anything_is_asked(options, words):
    with pytest.raises(evalkit.EvalkitError) as error:
        evalkit.run("evals/triage.yaml", **options)
    assert words in f"{error.value} {error.value.remedy}"
    assert not Path("results").exists() or not list(Path("results").glob("*/*/records.jsonl"))


def test_a_function_may_not_have_the_name_of_a_model_that_is_asked_too():
    with pytest.raises(evalkit.ConfigError, match="the name 'keywords' is that of a configured model"):
        running.run("evals/triage.yaml", ["keywords", _named("keywords")])


def _named(name):
    def function(vars):
        return "billing"

    function.__name__ = name
    return function


def test_options_mean_what_they_mean_on_the_command_line():
    run = evalkit.run(
        "evals/triage.yaml", billing, filter=["en", "cra*"], trials=2, results="elsewhere", concurrency=2, warmup=1
    )
    assert run.folder.parent.parent == Path("elsewhere").absolute()
    assert [case.id for case in run.cases] == ["twice", "crash"]
    assert run.manifest.trials == 2
    assert run.manifest.models[0].concurrency == 2
    limited = evalkit.run("evals/triage.yaml", limit=1, seed=3, filter="*")
    assert limited.summary.cases == 1


def test_the_summary_is_that_of_the_report():
    run = evalkit.run("evals/triage.yaml", {"a": billing, "b": bug})
    loaded = evalkit.load_run(run.folder)
    report = json.loads((run.folder / "report.json").read_text())
    for given, model in zip(report["models"], loaded.summary.models, strict=True):
        assert given["pass_rate"] == model.calls.rate
        assert [given["pass_rate_low"], given["pass_rate_high"]] == list(model.calls.interval)
    assert loaded.summary.comparisons == run.summary.comparisons
    assert loaded.report().summary.answers == 8
    assert loaded.to_pandas().shape == (8, 24)


def test_sides_are_compared_as_on_the_command_line():
    old = evalkit.run("evals/triage.yaml", {"f": billing})
    new = evalkit.run("evals/triage.yaml", {"f": bug}, accept_changes=False)
    for found in (evalkit.compare(old, new), evalkit.compare(f"{old.folder}:f", new.side("f"))):
        (pair,) = found.pairs
        assert (pair.difference.better, pair.difference.worse) == (1, 2)
        assert pair.verdict is None
    both = evalkit.run("evals/triage.yaml", {"a": billing, "b": billing})
    assert evalkit.compare(both, margin="auto").pairs[0].verdict is not None
    with pytest.raises(evalkit.ConfigError, match="no candidate"):
        both.side("c")
    with pytest.raises(evalkit.ConfigError, match="margin is 5"):
        evalkit.compare(both, margin=5)


def test_a_run_is_frozen_and_later_ones_are_held_against_it(workshop):
    good = evalkit.run("evals/triage.yaml")
    good.freeze()
    assert (workshop / "evals" / "baseline.json").is_file()
    assert evalkit.run("evals/triage.yaml").gate().outcome.name == "PASSED"
    (workshop / "evals" / "keywords.py").write_text("def classify(vars): return 'nothing'")
    worse = evalkit.run("evals/triage.yaml").gate(rules={"margin": 0.02})
    assert worse.outcome.name == "FAILED"
    assert list(worse.measured.run.folder.glob("gate*")) == []


def test_a_decision_follows_the_rules_given():
    run = evalkit.run("evals/triage.yaml", {"a": billing, "b": bug})
    assert run.decide(["pass_rate>=0.1"]).recommended is not None
    with pytest.raises(evalkit.ConfigError):
        run.decide(["speed>=1"])


def test_suites_and_runs_are_exported(workshop):
    suite = evalkit.load_suite("evals/triage.yaml")
    assert evalkit.export(suite, "a.jsonl").files == (Path("a.jsonl"),)
    run = evalkit.run(suite, billing)
    assert evalkit.export(run, "r.csv").format.what == "results"
    assert evalkit.export("triage", "r.jsonl").files == (Path("r.jsonl"),)
    refused = evalkit.export(suite, "pf", "promptfoo")
    assert (refused.files, refused.lost) == ((), 1)
    assert evalkit.export(suite, "pf", "promptfoo", allow_partial=True).files


def test_type_checkers_are_told_the_names_that_there_are():
    stub = ast.parse(Path(evalkit.__file__).with_suffix(".pyi").read_text())
    (listed,) = [node.value for node in stub.body if isinstance(node, ast.Assign)]
    assert sorted(evalkit.__all__) == sorted(ast.literal_eval(listed))
    imported = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported.keys() | {"__version__"} == set(evalkit.__all__)
    for name, (module, attribute) in imported.items():
        assert getattr(evalkit, name) is getattr(sys.modules[module], attribute)
    assert set(evalkit.__all__) <= set(dir(evalkit))
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        evalkit.rum  # noqa: B018


def test_importing_it_imports_nothing():
    code = "import sys; before = set(sys.modules); import evalkit; print(sorted(set(sys.modules) - before))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "['evalkit']\n"
    heavy = "('numpy', 'pandas', 'typer', 'rich')"
    light = f"import sys, evalkit; evalkit.load_run; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
