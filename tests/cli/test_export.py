from __future__ import annotations

import json

import pytest
from stored import store_run

from evalkit.cli import main

SUITE = {
    "suite": "tiny",
    "prompts": [{"name": "p", "template": "{{ text }}"}],
    "models": ["gpt"],
    "scorers": [{"label": ["yes", "no"]}],
    "cases": [
        {"id": "a", "vars": {"text": "one"}, "expected": "yes"},
        {"id": "b", "vars": {"text": "two", "n": 3}, "expected": "no"},
    ],
}


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps(SUITE, indent=1))
    (tmp_path / "models.yaml").write_text("models: {gpt: {provider: openai, model: gpt-4o-mini}}")
    return path


def test_it_says_what_changed_and_what_was_written(in_process, suite, tmp_path):
    said = in_process("export", suite, "-o", "cases.csv", width=200)
    assert said.splitlines() == [
        "Changed:",
        f'  {suite}:21:3: a case without the var n gets an empty one (case "a")',
        f'  {suite}:28:3: the var n is a number, and becomes text (case "b")',
        "wrote cases.csv",
    ]
    assert (tmp_path / "cases.csv").read_text() == "id,text,n,expected\na,one,,yes\nb,two,3,no\n"


def test_nothing_is_written_where_something_would_be_lost(in_process, suite, tmp_path, capsys):
    in_process("export", suite, "-o", "pf", "--format", "promptfoo", code=2)
    assert not (tmp_path / "pf").exists()
    said = in_process("export", suite, "-o", "pf", "--format", "promptfoo", "--allow-partial")
    assert said.startswith("Lost:\n")
    assert '`label` has no equal (case "a" and 1 more). Write an assertion of promptfoo that says it' in said
    assert (tmp_path / "pf" / "promptfooconfig.yaml").is_file()


def test_the_refusal_names_the_way_out(in_process, suite, capsys):
    # Words for people go to standard output, as those of an import do.
    with pytest.raises(SystemExit) as ended:
        main(["export", str(suite), "-o", "pf", "--format", "promptfoo"])
    assert ended.value.code == 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "nothing was written: 1 thing would be lost; write the rest with --allow-partial"


def test_figures_for_programs(in_process, suite):
    said = json.loads(in_process("export", suite, "-o", "x.csv", "--json"))
    assert said["written"] == ["x.csv"]
    assert said["format"] == "csv"
    assert [note["kind"] for note in said["notes"]] == ["var", "value"]
    assert said["notes"][0]["where"] == f"{suite}:21:3"


def test_a_runs_results_are_found_by_the_suites_name(in_process, tmp_path):
    store_run(tmp_path / "results" / "tiny" / "20300101-000000-aaaa", {"m": {"a": True, "b": False}})
    assert in_process("export", "tiny", "-o", "r.parquet") == "wrote r.parquet\n"
    assert "is a format of cases, not of results" in in_process(
        "export", "tiny", "-o", "x", "--format", "promptfoo", code=2
    )


def test_a_second_export_to_the_same_file_is_refused(in_process, suite):
    in_process("export", suite, "-o", "x.jsonl")
    assert "there already: x.jsonl" in in_process("export", suite, "-o", "x.jsonl", code=2)


def test_a_suite_that_runs_code_is_exported_when_that_is_allowed(in_process, tmp_path, suite):
    (tmp_path / "f.py").write_text("raise SystemExit('was run')\n")
    suite.write_text(json.dumps(SUITE | {"scorers": [{"python_tests": {}}]}))
    assert "--allow-code" in in_process("export", suite, "-o", "x.jsonl", code=2)
    assert "wrote x.jsonl" in in_process("export", suite, "-o", "x.jsonl", "--allow-code")
