"""What a new project starts with can be used as it is, and takes nothing away."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
import yaml

from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.models.config import load_models
from evalkit.suite import load_suite
from evalkit.suite.starter import EMBEDDED, TASKS, Start, compose, keys_of, model_rows, write_starter


def start(folder, task="classify", **changes):
    plan = Start(task, **{"name": TASKS[task].name, **changes})
    starter = compose(plan, folder)
    return starter, list(write_starter(starter, folder))


@pytest.mark.parametrize("task", TASKS)
def test_each_kind_of_task_has_a_suite_that_loads(tmp_path, task):
    starter, done = start(tmp_path, task, pass_rate=0.8)
    suite = load_suite(tmp_path / starter.suite)
    models = load_models(tmp_path / starter.models)
    assert suite.name == TASKS[task].name
    assert len(suite.cases) >= 8
    assert suite.models == (EMBEDDED, f"{suite.name}-baseline")
    assert set(suite.models) == set(models)
    assert suite.decide["require"] == {"pass_rate": ">= 0.8"}
    assert {what for what, _ in done} == {"wrote"}
    assert all((tmp_path / path).is_file() for _, path in done)
    assert not [path for _, path in done if re.search("@[A-Z_]+@", (tmp_path / path).read_text(encoding="utf-8"))]


def test_the_workflow_holds_the_suite_against_its_gate_with_keys_and_weights_it_needs(tmp_path):
    start(tmp_path, models=(EMBEDDED, "openai:gpt-4o-mini", "groq:llama-3.1-8b-instant"))
    flow = yaml.safe_load((tmp_path / ".github/workflows/evals-support-triage.yml").read_text())
    steps = flow["jobs"]["gate"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [
        "pip install 'evalkit-cli[local]'",
        "evalkit models pull smollm2-135m",
        "evalkit run evals/support_triage.yaml --gate",
    ]
    keys = {"OPENAI_API_KEY": "${{ secrets.OPENAI_API_KEY }}", "GROQ_API_KEY": "${{ secrets.GROQ_API_KEY }}"}
    assert [step["env"] for step in steps if "env" in step] == [keys]
    assert flow["permissions"] == {"contents": "read"}


def test_a_workflow_is_left_out_on_request_and_fetches_no_weights_that_nobody_asks(tmp_path):
    start(tmp_path, workflow=False)
    assert not (tmp_path / ".github").exists()
    start(tmp_path, "extract", models=("openai:gpt-4o",), unready=frozenset({EMBEDDED}))
    assert "models pull" not in (tmp_path / ".github/workflows/evals-booking-fields.yml").read_text()


def test_what_cannot_be_asked_yet_is_configured_but_not_asked(tmp_path):
    starter, _ = start(tmp_path, unready=frozenset({EMBEDDED}))
    assert load_suite(tmp_path / starter.suite).models == ("support-triage-baseline",)
    assert EMBEDDED in load_models(tmp_path / starter.models)


def test_a_second_suite_adds_rows_and_leaves_the_rest(tmp_path):
    (tmp_path / ".gitignore").write_text("mine\n.env\n")
    (tmp_path / "models.yaml").write_text(
        "# ours\nmodels:\n    smollm2-135m: {provider: local, weights: x.gguf}  # kept"
    )
    starter, done = start(tmp_path, models=(EMBEDDED, "openai:gpt-4o"))
    assert starter.models == PurePosixPath("models.yaml")
    assert (tmp_path / "models.yaml").read_text() == (
        "# ours\nmodels:\n    smollm2-135m: {provider: local, weights: x.gguf}  # kept\n"
        "    gpt-4o: {provider: openai, model: gpt-4o}\n"
        "    support-triage-baseline: {provider: python, function: evals/baselines/support_triage.py:candidate}\n"
    )
    assert (tmp_path / ".gitignore").read_text() == "mine\n.env\nresults/*\n!results/baselines/\n"
    assert ("added to", PurePosixPath("models.yaml")) in done
    again, _ = start(tmp_path, "answer", models=("gpt-4o",))
    assert load_suite(tmp_path / again.suite).models == ("gpt-4o", "help-answers-baseline")
    assert PurePosixPath(".gitignore") not in again.longer


def test_what_is_there_is_named_and_nothing_is_written(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/support_triage.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"there already: .*support_triage.yaml; nothing was written"):
        start(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["support_triage.yaml"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a b"}, "'a b' cannot name a suite"),
        ({"name": "../x"}, "cannot name a suite"),
        ({"models": ("gpt-4o",)}, "no model 'gpt-4o' is configured"),
        ({"models": ("azure:gpt-4o",)}, "no row can be made for 'azure:gpt-4o'"),
        ({"models": ("opnai:gpt-4o",)}, "no row can be made"),
        ({"models": ("openai:a b",)}, "letters, digits"),
        ({"models": ("bedrock:x.y-v1",)}, "needs `region`"),
    ],
)
def test_what_cannot_be_configured_is_refused_before_anything_is_written(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        start(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("models", ["models: {a: {provider: local, weights: x}}\n"])
def test_rows_can_only_be_added_where_each_stands_on_a_line_of_its_own(tmp_path, models):
    (tmp_path / "models.yaml").write_text(models)
    with pytest.raises(ConfigError, match="rows cannot be added"):
        start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["models.yaml"]


def test_candidates_are_named_after_their_models():
    rows = model_rows(["together:meta-llama/Llama-3.3-70B", "ollama:llama3.1:8b", EMBEDDED])
    assert list(rows) == ["Llama-3.3-70B", "llama3.1:8b", EMBEDDED]
    assert rows["llama3.1:8b"] == '{provider: ollama, model: "llama3.1:8b"}'
    assert keys_of(["together:x", "ollama:y", EMBEDDED, "together:z"]) == ("TOGETHER_API_KEY",)


def test_two_providers_models_of_one_name_are_two_candidates(tmp_path):
    start(tmp_path, models=("openai:gpt-4o", "openrouter:openai/gpt-4o"))
    again, _ = start(tmp_path, "answer", models=("openai:gpt-4o", "groq:x/gpt-4o", "openrouter:openai/gpt-4o"))
    models = load_models(tmp_path / again.models)
    asked = load_suite(tmp_path / again.suite).models[:-1]
    assert [(models[name].provider, models[name].model) for name in asked] == [
        ("openai", "gpt-4o"),
        ("groq", "x/gpt-4o"),
        ("openrouter", "openai/gpt-4o"),
    ]


@pytest.mark.parametrize("name", ["0", "null", "1e3"])
def test_a_name_that_yaml_would_take_for_something_else_is_a_name(tmp_path, name):
    starter, _ = start(tmp_path, name=name, models=("ollama:123",))
    assert load_suite(tmp_path / starter.suite).name == name


def test_lines_are_added_as_the_files_own_are_ended(tmp_path):
    (tmp_path / "models.yaml").write_bytes(b"models:\r\n  a: {provider: openai, model: a}\r\n")
    (tmp_path / ".gitignore").write_bytes(b"mine\r\n")
    start(tmp_path)
    for file, lines in (("models.yaml", 4), (".gitignore", 4)):
        text = (tmp_path / file).read_bytes()
        assert (text.count(b"\r\n"), text.count(b"\n")) == (lines, lines)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "prompts").touch()
    with pytest.raises(ConfigError, match="prompts is a file, where a folder is needed; nothing was written"):
        start(tmp_path)
    with pytest.raises(ConfigError, match="prompts is a file"):
        start(tmp_path / "prompts")
    assert [path.name for path in tmp_path.iterdir()] == ["prompts"]


def test_what_appears_meanwhile_is_not_overwritten(tmp_path):
    starter = compose(Start("classify", "late"), tmp_path)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/late.yaml").write_text("mine")
    with pytest.raises(WriteError, match="cannot write"):
        list(write_starter(starter, tmp_path))
    assert (tmp_path / "prompts/late.yaml").read_text() == "mine"
