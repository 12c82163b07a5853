"""Every command works on a run that was imported, as on one of evalkit's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from foreign import (
    inspect_eval,
    inspect_header,
    inspect_json,
    inspect_sample,
    lm_eval_file,
    lm_eval_row,
    promptfoo_export,
    promptfoo_row,
)

from evalkit.view.store import State, Store


@pytest.fixture
def run(in_process, tmp_path):
    """Import results of two models on twenty cases; returns the run's folder."""
    rows = [
        promptfoo_row(test, prompt, passed=(test + prompt) % 5 > prompt) for test in range(20) for prompt in range(2)
    ]
    promptfoo_export(tmp_path / "out.json", rows)
    in_process("import", "promptfoo-results", "out.json")
    [folder] = Path("results/out").glob("2*")
    return folder


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["report"], "Imported from out.json, results of promptfoo"),
        (["compare"], "acme:model-1 against acme:model-0"),
        (["decide"], "acme:model-0"),
        (["cost"], "10M tokens/day"),
        (["cascade", "--cheap", "acme:model-0", "--strong", "acme:model-1"], "perfect routing"),
        (["judge", "--scorer", "equals", "--template", "labels.csv"], "drawn at random"),
        (["gate", "--min-pass-rate", "0.1"], "WITHIN LIMITS"),
    ],
)
def test_a_command_on_an_imported_run(in_process, run, command, told):
    name, *options = command
    assert told in " ".join(in_process(name, run, *options).split())


def test_a_baseline_of_an_imported_run_holds_the_next_one_to_it(in_process, run, tmp_path):
    in_process("baseline", run, "-o", "base.json")
    rows = [promptfoo_row(test, prompt, passed=False) for test in range(20) for prompt in range(2)]
    promptfoo_export(tmp_path / "worse.json", rows)
    in_process("import", "promptfoo-results", "worse.json", "--name", "out", "--prompt", "prompt-1")
    [worse] = [folder for folder in Path("results/out").glob("2*") if folder != run]
    in_process("gate", worse, "--baseline", "base.json", code=1)
    assert "REGRESSED" in (worse / "gate.md").read_text()


def test_an_imported_run_cannot_go_on(in_process, run):
    Path("suite.yaml").write_text(
        "suite: out\ncases: [{vars: {input: a}}]\nmodels: [m]\n"
        "prompts: [{name: p, messages: [{role: user, content: '{{ input }}'}]}]\n"
        "scorers: [{contains: a}]\n"
    )
    Path("models.yaml").write_text("models: {m: {provider: openai, model: x, base_url: 'http://localhost:9/v1'}}\n")
    assert "was imported from out.json" in in_process("run", "suite.yaml", "--resume", run.name, code=2)
    assert "name a suite of the same cases" in in_process("score", run, code=2)


def test_the_browser_shows_an_imported_run_as_complete(in_process, run):
    [stored] = Store(Path("results")).runs()
    assert (stored.run_id, stored.state) == (run.name, State.COMPLETE)


def test_losses_are_refused_until_they_are_allowed(in_process, tmp_path):
    inspect_json(tmp_path / "log.json", [inspect_sample(1), {"id": None}], inspect_header())
    in_process("import", "inspect", "log.json", code=2)
    assert not Path("results").exists()
    in_process("import", "inspect", "log.json", "--allow-partial")
    [manifest] = Path("results/yes").glob("2*/manifest.json")
    assert json.loads(manifest.read_text())["imported"]["tool"] == "inspect_ai 0.3.100"


@pytest.mark.parametrize("kind", ["promptfoo-results", "inspect", "lm-eval"])
def test_results_are_known_by_what_they_hold(in_process, tmp_path, kind):
    folder = tmp_path / "theirs"
    folder.mkdir()
    sources = {
        "promptfoo-results": lambda: folder / "out.jsonl",
        "inspect": lambda: inspect_eval(folder / "log.eval", [inspect_sample()], zstd=True).parent,
        "lm-eval": lambda: lm_eval_file(folder / "org__tiny", "sums", [lm_eval_row()]).parent.parent,
    }
    (folder / "out.jsonl").write_text(json.dumps(promptfoo_row()))
    assert f"read as {kind}: 1 case, 1 prompt, 1 model" in in_process("import", sources[kind](), "--dry-run")
