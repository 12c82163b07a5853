"""`evalkit compact`: whatever reads a run reads a packed one, and what would write to it says what to do."""

from __future__ import annotations

import json

import pytest

SUITE = """
suite: s
models: [m, n]
prompts: [{name: p, template: "{{ n }}"}]
cases: [{id: a, vars: {n: x}, expected: x}, {id: b, vars: {n: y}, expected: z}, {id: c, vars: {n: z}, expected: z}]
scorers: [SCORER]
"""
MODELS = """
models:
  m: {provider: python, function: f.py:answer, price: {input: 1, output: 1}}
  n: {provider: python, function: f.py:other, price: {input: 2, output: 2}}
"""
ANSWERS = "def answer(vars):\n    return vars['n']\ndef other(vars):\n    return 'z'\n"


@pytest.fixture
def packed(in_process, tmp_path):
    """The folder of a packed run, and what its reports held before it was packed."""
    (tmp_path / "s.yaml").write_text(SUITE.replace("SCORER", "exact"))
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "f.py").write_text(ANSWERS)
    in_process("run", "s.yaml")
    (folder,) = (tmp_path / "results" / "s").glob("2*")
    before = files(folder)
    out = in_process("compact", folder, width=400)
    assert "records.jsonl" in out
    assert "scores.parquet" in out
    return folder, before


def files(folder):
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in {".json", ".md", ".csv", ".xml"}
    }


def test_a_report_of_a_packed_run_is_the_same(packed, in_process):
    folder, before = packed
    assert not {"records.jsonl", "scores.jsonl"} & {path.name for path in folder.iterdir()}
    in_process("report", folder)
    assert files(folder) == before


@pytest.mark.parametrize(
    "command",
    [
        ("compare", "RUN:m", "RUN:n"),
        ("decide", "RUN", "-r", "pass_rate>=0.1"),
        ("cost", "RUN", "--mix", "1:2", "--tokens-per-month", "10M"),
        ("cascade", "RUN"),
    ],
)
def test_commands_say_the_same_of_a_packed_run(packed, in_process, command):
    folder, _ = packed
    words = [word.replace("RUN", str(folder)) for word in command]
    said = in_process(*words)
    in_process("compact", "--undo", folder)
    assert in_process(*words) == said


def test_a_packed_run_is_exported_and_drawn_from(packed, in_process, tmp_path):
    folder, _ = packed

    def written(name):
        in_process("export", folder, "-o", tmp_path / f"{name}.jsonl")
        in_process("judge", folder, "--template", tmp_path / f"{name}.csv", "--scorer", "exact")
        return [(tmp_path / f"{name}{ending}").read_bytes() for ending in (".jsonl", ".csv")]

    before = written("packed")
    in_process("compact", "--undo", folder)
    assert written("unpacked") == before


def test_a_packed_run_can_be_frozen_and_gated(packed, in_process):
    folder, _ = packed
    in_process("baseline", folder)
    assert "PASSED" in in_process("gate", folder).upper()


def test_a_packed_run_is_judged_anew_by_its_suite(packed, in_process, tmp_path):
    folder, before = packed
    (tmp_path / "s.yaml").write_text(SUITE.replace("SCORER", "contains: z"))
    in_process("score", folder)
    assert (folder / "scores.jsonl").exists()
    assert json.loads((folder / "report.json").read_text())["calls"]["passed"] == 4
    in_process("compact", folder)
    (tmp_path / "s.yaml").write_text(SUITE.replace("SCORER", "exact"))
    in_process("score", folder)
    assert (folder / "models.csv").read_bytes() == before["models.csv"]


def test_a_packed_run_goes_on_once_it_is_unpacked(packed, in_process):
    folder, before = packed
    error = in_process("run", "s.yaml", "--resume", folder, code=2, width=400)
    assert f"evalkit compact --undo {folder}" in error
    in_process("compact", "--undo", folder)
    in_process("run", "s.yaml", "--resume", folder)
    assert (folder / "models.csv").read_bytes() == before["models.csv"]
    assert "not packed" in in_process("compact", "--undo", folder, width=400)


def test_what_is_no_run_is_told_of(in_process, tmp_path):
    assert "manifest.json" in in_process("compact", tmp_path, code=2, width=400)
