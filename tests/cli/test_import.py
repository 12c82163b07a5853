"""`evalkit import`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os

import pytest

from evalkit.imports.kinds import KINDS
from evalkit.suite import load_suite

TABLE = "text,category\n" + "".join(f"message {n},{('billing', 'bug')[n % 2]}\n" for n in range(8))
LOSSY = TABLE + "only one cell\n"


@pytest.fixture
def evalkit(in_process, tmp_path):
    (tmp_path / "tickets.csv").write_text(TABLE)
    (tmp_path / "lossy.csv").write_text(LOSSY)
    return lambda *arguments, code=0: in_process("import", *arguments, code=code)


def test_a_table_becomes_a_suite(evalkit, tmp_path):
    out = evalkit("table", "tickets.csv", "-o", "evals")
    assert out.splitlines() == [
        "tickets.csv, read as table: 8 cases, 1 prompt",
        "  rows  8 of 8",
        "Carried over with a change:",
        "  tickets.csv: `category` was taken for what is right. Else name another: --expected COLUMN",
        "wrote evals/suite.yaml",
        "wrote evals/prompts/imported.yaml",
        "wrote evals/models.yaml",
        "To do:",
        "  prompt imported: say what the labels mean",
        "Next:",
        "  evalkit run evals/suite.yaml",
    ]
    assert len(load_suite(tmp_path / "evals" / "suite.yaml").cases) == 8


def test_the_kind_is_guessed_and_the_folder_named_after_the_suite(evalkit, tmp_path):
    assert "read as table" in evalkit("tickets.csv")
    assert (tmp_path / "tickets" / "suite.yaml").is_file()
    evalkit("tickets.csv", "--name", "triage", "-m", "openai:gpt-4o")
    suite = load_suite(tmp_path / "triage" / "suite.yaml")
    assert (suite.name, suite.models) == ("triage", ("gpt-4o",))


def test_what_would_be_lost_needs_consent(in_process, tmp_path, evalkit, capsys):
    from evalkit.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["import", "table", "lossy.csv", "-o", "out"])
    assert ended.value.code == 2
    said = capsys.readouterr().out
    assert "  rows  8 of 9\n" in said
    assert "Lost:\n  lossy.csv:10: this row has 1 cells, the header 2. Put a cell" in said
    assert "nothing was written: 1 thing would be lost; write the rest with --allow-partial" in said
    assert not (tmp_path / "out").exists()
    out = evalkit("table", "lossy.csv", "-o", "out", "--allow-partial")
    assert "  evalkit validate out/suite.yaml" in out
    assert len(load_suite(tmp_path / "out" / "suite.yaml").cases) == 8


def test_a_dry_run_writes_nothing(evalkit, tmp_path):
    out = evalkit("tickets.csv", "--dry-run")
    assert out.endswith("nothing was written: --dry-run\n")
    assert not (tmp_path / "tickets").exists()


def test_columns_are_named(evalkit, tmp_path):
    (tmp_path / "t.csv").write_text("ref,q,right,lang\na,x,y,en\n")
    evalkit("t.csv", "--map", "question=q", "-e", "right", "--id", "ref", "--tags", "lang", "-n", "1", "-p", "ask")
    suite = load_suite(tmp_path / "t" / "suite.yaml")
    (case,) = suite.cases
    assert (case.id, case.vars, case.expected, case.tags) == ("a", {"question": "x"}, "y", ("en",))
    assert suite.prompts[0].name == "ask"


def test_json_tells_all(evalkit, tmp_path):
    told = json.loads(evalkit("lossy.csv", "--json", "--allow-partial"))
    assert (told["kind"], told["becomes"], told["name"], told["cases"]) == ("table", "suite", "lossy", 8)
    assert told["shares"] == [{"kind": "rows", "found": 9, "carried": 8}]
    assert [(note["file"], note["line"], note["lost"]) for note in told["notes"]] == [
        ("lossy.csv", 10, True),
        ("lossy.csv", None, False),
    ]
    assert told["written"][0] == "lossy/suite.yaml"
    assert told["problems"] == []
    assert told["todo"] == ["prompt imported: say what the labels mean"]
    assert told["next"] == "evalkit validate lossy/suite.yaml"


def test_without_anything_it_lists_the_kinds(in_process, capsys):
    from evalkit.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["import"])
    assert ended.value.code == 2
    said = capsys.readouterr().out
    assert all(f"  {kind}" in said for kind in KINDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tables", "tickets.csv"], "unknown kind of source"),
        (["table"], "SOURCE is missing"),
        (["nowhere.csv"], "there is no nowhere.csv"),
        (["table", "nowhere.csv"], "there is no nowhere.csv"),
        (["strange.txt"], "cannot be told from it"),
        (["logs", "hf://a/b"], "read from files"),
        (["tickets.csv", "--map", "x"], "assigns nothing"),
        (["tickets.csv", "--map", "x=text", "--map", "x=category"], "two columns"),
        (["tickets.csv", "--name", "../x"], "cannot name a suite"),
        (["tickets.csv", "--scorer", "x"], "--scorer says nothing of table"),
        (["tickets.csv", "--expected-from-output"], "it is for: logs"),
        (["logs", "tickets.csv", "--map", "x=text"], "--map says nothing of logs"),
        (["table", "pipe.csv"], "neither a file nor a folder"),
        (["pipe.csv"], "cannot be told from it"),
        (["tickets.csv", "-m", "gpt"], "no model 'gpt' is configured"),
        (["tickets.csv", "-o", "full"], "there already: full/suite.yaml"),
        (["tickets.csv", "-o", "strange.txt"], "is a file, not a folder"),
    ],
)
def test_errors_say_what_to_do(evalkit, tmp_path, arguments, words):
    (tmp_path / "strange.txt").write_text("?")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "suite.yaml").write_text("mine")
    err = evalkit(*arguments, code=2)
    assert words in err
    assert "Traceback" not in err
    assert (tmp_path / "full" / "suite.yaml").read_text() == "mine"


def test_results_become_a_run(evalkit, tmp_path, shared):
    source = shared / "promptfoo_results" / "sample-export.json"
    out = evalkit(source, "-o", "old")
    assert "read as promptfoo-results: 2 cases" in out
    (report,) = {path.resolve() for path in (tmp_path / "old").glob("*/*/report.md")}
    assert f"wrote {report.parent.relative_to(tmp_path.resolve())}" in out


def test_a_terminals_commands_in_a_source_are_inert(evalkit, tmp_path):
    (tmp_path / "t.csv").write_text("q,\x1b[31mred,label\nx,y,z\n")
    assert "\x1b" not in evalkit("t.csv", "--dry-run")
