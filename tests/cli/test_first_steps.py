"""init, new-case, doctor, schema, completion, --explain: what they print, ask and refuse."""

from __future__ import annotations

import builtins
import json
import re

import pytest
import typer
import yaml
from jsonschema import Draft202012Validator
from stored import store_run

from evalkit.cli import adding, checkup, main, starting
from evalkit.providers.reach import Reached
from evalkit.suite import load_suite


@pytest.fixture
def evalkit(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns what it printed on both streams."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments, code=0):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        assert (ended.value.code or 0) == code, said.err
        return said.out + said.err

    return run


@pytest.fixture
def answers(monkeypatch):
    """Sit at a terminal and answer what is asked; keeps the questions."""
    asked, given = [], []

    def visible(prompt=""):
        asked.append(prompt)
        return given.pop(0)

    monkeypatch.setattr(builtins, "input", visible)
    monkeypatch.setattr("evalkit.cli.asking.typer.prompt", lambda text, default, **_: visible(text) or default)
    monkeypatch.setattr("evalkit.cli.asking.typer.confirm", lambda text, **_: visible(text) != "n")
    for module in (starting, adding):
        monkeypatch.setattr(module, "somebody_there", lambda: True)

    def give(*lines):
        given[:] = lines
        return asked

    return give


def test_five_questions_make_a_suite(evalkit, answers, tmp_path):
    asked = answers("ext", "bad name", "my-fields", "gpt-4o", "openai:gpt-4o", "120", "80%", "n")
    out = evalkit("init")
    assert len(asked) == 8
    assert "'bad name' cannot name a suite" in out
    assert "a share of 0 to 1" in out
    assert "export OPENAI_API_KEY=..." in out
    assert "evalkit run evals/my_fields.yaml" in out
    suite = load_suite(tmp_path / "evals/my_fields.yaml")
    assert (suite.models, suite.decide["require"]) == (("gpt-4o", "my-fields-baseline"), {"pass_rate": ">= 0.8"})
    assert not (tmp_path / ".github").exists()


def test_ctrl_c_at_a_question_is_an_interruption(evalkit, monkeypatch, tmp_path):
    def leave(*_, **__):
        raise typer.Abort

    monkeypatch.setattr("evalkit.cli.asking.typer.prompt", leave)
    monkeypatch.setattr(starting, "somebody_there", lambda: True)
    evalkit("init", code=130)
    assert not list(tmp_path.iterdir())


def test_without_a_terminal_nothing_is_asked(evalkit, monkeypatch):
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("asked"))
    assert "wrote evals/support_triage.yaml" in evalkit("init")
    assert "there already" in evalkit("init", code=2)
    assert "cd 'an other' && evalkit run" in evalkit("init", "an other", "--no-ci")


def test_a_machine_without_weights_starts_with_the_baseline(evalkit, monkeypatch, tmp_path):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    out = evalkit("init", "--yes")
    assert "evalkit models pull smollm2-135m" in out
    assert load_suite(tmp_path / "evals/support_triage.yaml").models == ("support-triage-baseline",)
    assert "1 model x 1 prompt" in evalkit("validate", "evals/support_triage.yaml")


def test_weights_are_fetched_on_request_only(evalkit, monkeypatch, tmp_path):
    fetched = []
    monkeypatch.setattr(starting, "fetch", lambda name: fetched.append(name) or tmp_path)
    evalkit("init", "a", "--yes")
    assert fetched == []
    evalkit("init", "b", "--yes", "--pull")
    assert fetched == ["smollm2-135m"]


@pytest.fixture
def suite(evalkit, tmp_path):
    evalkit("init", "--yes", "-m", "ollama:x")
    return tmp_path / "evals/support_triage.yaml"


def test_a_case_is_added_by_flags(evalkit, suite):
    out = evalkit("new-case", str(suite), "--var", "message=a=b", "-e", "bug", "--tag", "x", "--tag", "y")
    assert out == "evals/support_triage.yaml: added x-13; support-triage has 13 cases now\n"
    case = load_suite(suite).cases[-1]
    assert (case.id, case.vars, case.expected, case.tags) == ("x-13", {"message": "a=b"}, "bug", ("x", "y"))


def test_a_case_is_asked_for_at_a_terminal(evalkit, suite, answers):
    asked = answers("", "Help!", "account", "", "mine")
    out = evalkit("new-case", str(suite))
    assert asked == ["message", "message", "expected (empty: none)", "tags, with commas between (empty: none)", "id"]
    assert "it cannot be empty" in out
    case = load_suite(suite).cases[-1]
    assert (case.id, case.expected, case.tags) == ("mine", "account", ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), 'add: --var message="..."'),
        (("--var", "message"), "--var message assigns nothing"),
        (("--var", "message=x", "--var", "message=y"), "--var gives 'message' twice"),
        (("--var", "message=x", "--id", "job", "-e", "bug"), 'the case id "job" is taken'),
        (("--var", "message=x", "-e", "nonsense"), "nonsense"),
    ],
)
def test_a_case_that_does_not_fit_is_refused(evalkit, suite, arguments, message):
    before = suite.read_bytes()
    assert message in evalkit("new-case", str(suite), *arguments, code=2)
    assert suite.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "meant"),
    [("no", "no"), ("5", 5), ("1.10", "1.10"), ("true", True), ('{"a": 1}', {"a": 1}), ("[1,2]", [1, 2]), ("{x", "{x")],
)
def test_what_is_right_is_read_as_it_was_meant(text, meant):
    assert adding.value(text) == meant


def test_doctor_shows_no_key_and_what_is_missing(evalkit, suite, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123456789")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    monkeypatch.setattr(checkup, "reach", lambda models: [Reached(model.name, "no answer") for model in models])
    (tmp_path / "models.yaml").write_text(
        "models:\n  a: {provider: openai, model: a}\n  b: {provider: groq, model: b}\n"
        "  c: {provider: ollama, model: c}\n"
    )
    out = evalkit("doctor", "--models", "models.yaml")
    assert "ok       model a: key in OPENAI_API_KEY; https://api.openai.com/v1 not called (--online does)" in out
    assert "secret" not in out
    assert "note     model 'b' needs an API key" in out
    assert "note     model c: no answer" in out
    assert "nothing stands in the way" in out


def test_doctor_fails_for_a_suite_whose_server_is_down(evalkit, suite, monkeypatch):
    monkeypatch.setattr(checkup, "reach", lambda models: [Reached(model.name, "no answer") for model in models])
    out = evalkit("doctor", str(suite), code=2)
    assert "problem  model x: no answer" in out
    assert "ok       model support-triage-baseline: function found" in out
    assert out.rstrip().endswith("1 problem")


@pytest.mark.parametrize(("ahead", "words"), [(90.0, "90 s ahead of"), (-3600.0, "3,600 s behind"), (2.0, None)])
def test_doctor_compares_clocks(evalkit, suite, monkeypatch, ahead, words):
    monkeypatch.setattr(checkup, "reach", lambda models: [Reached(model.name, clock_s=ahead) for model in models])
    out = evalkit("doctor", str(suite))
    assert "model x: its server answers" in out
    assert (words in out) if words else ("clock" not in out)


def test_doctor_looks_at_an_empty_folder_and_a_broken_suite(evalkit, tmp_path):
    assert "evalkit init" in evalkit("doctor")
    (tmp_path / "s.yaml").write_text("nonsense: 1\n")
    assert "problem  s.yaml" in evalkit("doctor", "s.yaml", code=2)


def test_doctor_looks_at_the_room_on_disk(evalkit, monkeypatch):
    usage = checkup.shutil.disk_usage("/")
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: usage._replace(free=500_000_000))
    assert "note     results: results, 0.5 GB free\n         -> make room" in evalkit("doctor")
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    assert "problem  results" in evalkit("doctor", code=2)


@pytest.mark.parametrize(("columns", "state"), [("40", "note"), ("100", "ok  ")])
def test_doctor_tells_what_a_terminal_can_show(evalkit, monkeypatch, columns, state):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    assert f"{state}     terminal: {columns} columns, no colour, Unicode" in re.sub(
        r"\x1b\[[0-9;]*m", "", evalkit("doctor")
    )


@pytest.mark.parametrize("kind", ["suite", "prompt", "models"])
def test_schemas_are_valid_and_accept_what_init_writes(evalkit, suite, kind):
    schema = json.loads(evalkit("schema", kind))
    Draft202012Validator.check_schema(schema)
    file = {
        "suite": suite,
        "prompt": suite.parents[1] / "prompts/support_triage.yaml",
        "models": suite.parent / "models.yaml",
    }
    Draft202012Validator(schema).validate(yaml.safe_load(file[kind].read_text()))


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete -o default"), ("zsh", "compdef"), ("fish", "complete")])
def test_a_script_for_each_shell(evalkit, shell, word):
    out = evalkit("completion", shell)
    assert word in out
    assert "_EVALKIT_COMPLETE" in out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("evalkit new", ["new-case"]),
        ("evalkit run evals/support_triage.yaml --model sup", ["support-triage-baseline"]),
        ("evalkit run evals/support_triage.yaml --qui", ["--quiet"]),
        ("evalkit run nowhere/x.yaml --models nowhere.yaml -m s", []),
    ],
)
def test_a_shell_is_told_commands_options_and_models(evalkit, suite, monkeypatch, words, offered):
    monkeypatch.setenv("_EVALKIT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert evalkit().split() == offered


def test_a_var_of_the_last_case_alone_is_not_asked_of_a_new_one(evalkit):
    evalkit("init", "--yes", "--task", "answer", "-m", "ollama:x")
    assert "added case-11" in evalkit("new-case", "evals/help_answers.yaml", "--var", "question=Why?", "-e", '["x"]')


@pytest.mark.parametrize("typed", ["support_triage", "support-triage.yaml", "evals/suport_triage.yaml"])
def test_a_suite_that_was_nearly_named_is_told(evalkit, suite, typed):
    out = evalkit("validate", typed, code=2)
    assert out == f"error: {typed}: there is no such file\n  -> did you mean evals/support_triage.yaml?\n"
    assert "check the path" in evalkit("validate", "another.yaml", code=2)


@pytest.mark.parametrize("named", ["tiny", "results/tiny", "r2", "tiny/r2", "results/tiny/r2"])
@pytest.mark.parametrize("command", ["report", "score"])
def test_a_run_to_report_or_judge_is_named_as_everywhere(evalkit, tmp_path, command, named):
    for run in ("r1", "r2"):
        store_run(tmp_path / "results/tiny" / run, {"a": {"c": True}})
    if command == "score":
        assert "suite evals/tiny.yaml is not there" in evalkit(command, named, code=2)
    else:
        assert "report: results/tiny/r2/report.md" in evalkit(command, named)
        assert (tmp_path / "results/tiny/r2/report.md").is_file()
        assert not (tmp_path / "results/tiny/r1/report.md").exists()
    assert "no run 'r3'; the runs in results are: tiny/r2, tiny/r1" in evalkit(command, "r3", code=2)
    assert "no run 'r2'; there are no runs in elsewhere" in evalkit(command, "r2", "--results", "elsewhere", code=2)


def test_statistics_are_explained_on_request(evalkit, tmp_path):
    verdicts = {"a": {f"c{i}": True for i in range(9)}, "b": {f"c{i}": i > 2 for i in range(9)}}
    store_run(tmp_path / "r", verdicts)
    assert "What the words mean" not in evalkit("report", "r")
    assert "95 % interval: Your cases are a sample" in evalkit("report", "r", "--explain")
    assert "better on, worse on: " in evalkit("compare", "r", "--explain")
    gated = evalkit("gate", "r", "--max-error-rate", "0.5", "--explain")
    assert "95 % interval: " in gated
    assert "kappa: " not in gated


def test_json_is_all_that_standard_output_holds(evalkit, tmp_path, monkeypatch, capsys):
    evalkit("init", "--yes", "-m", "ollama:x")
    run = ["run", "evals/support_triage.yaml", "-m", "support-triage-baseline"]

    def streams(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*run, *arguments])
        assert not ended.value.code
        return capsys.readouterr()

    said = streams("--json")
    assert json.loads(said.out)["models"][0]["passed"] == 11
    assert "11/12" in said.err
    quiet = streams("--quiet")
    assert quiet.out.startswith("report: results/support-triage/")
    assert quiet.out.count("\n") == 1
    assert "done" not in quiet.err
    both = streams("--json", "--gate", "-q")
    assert json.loads(both.out)["outcome"] == "passed"
    with pytest.raises(SystemExit) as ended:
        main([*run, "--json", "--dry-run"])
    assert ended.value.code == 2
