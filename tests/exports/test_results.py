from __future__ import annotations

import csv
import json

import pandas as pd
import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.tidy import COLUMN_TYPES
from evalkit.errors import ConfigError
from evalkit.exports.results import results_frame
from evalkit.report.files import write_reports
from evalkit.runner.journal import Journal
from evalkit.runner.plan import planned_calls
from evalkit.types import CallScore, Score, ScorerVerdict


@pytest.fixture
def run(tmp_path):
    verdicts = {
        "big": {"a": True, "b": False, "c": "timeout"},
        "small": {"a": 0.5, "b": None, "c": True},
    }
    fields = {("big", "a"): {"output": 'two\nlines, "quoted" é😀', "cost_usd": 0.25, "ttft_ms": 12.5}}
    return load_run(store_run(tmp_path / "run", verdicts, tags={"a": ("x", "y")}, fields=fields))


def test_results_have_the_columns_of_cases_csv_and_two_for_each_scorer(run, exported):
    write_reports(run)
    with (run.folder / "cases.csv").open(newline="") as file:
        base = list(csv.reader(file))
    with exported(run, "csv").files[0].open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[: len(COLUMN_TYPES)] for row in rows] == base
    assert rows[0][len(COLUMN_TYPES) :] == ["exact.score", "exact.passed"]
    own = [row[-2:] for row in rows[1:]]
    assert own == [["1", "true"], ["0", "false"], ["", ""], ["0.5", "true"], ["", ""], ["1", "true"]]


def test_parquet_json_lines_and_the_data_frame_say_the_same(run, exported):
    frame = results_frame(run)
    stored = pd.read_parquet(exported(run, "parquet").files[0], dtype_backend="numpy_nullable")
    assert list(stored.columns) == list(frame.columns)
    for name in frame:
        assert frame[name].dropna().tolist() == stored[name].dropna().tolist()
        assert frame[name].isna().tolist() == stored[name].isna().tolist()
    lines = [json.loads(line) for line in exported(run, "jsonl").files[0].read_text().splitlines()]
    assert [line["output"] for line in lines] == [None if pd.isna(one) else one for one in frame["output"]]
    assert lines[1]["scores"] == {"exact": {"value": 0.0, "passed": False, "reason": "expected yes, got no"}}
    assert lines[2]["scores"] == {}
    assert lines[2]["error"] == "timeout: timeout!"
    assert [line["passed"] for line in lines] == [True, False, False, True, None, True]


def test_what_no_file_can_hold_is_spelled_out_and_formulas_are_told(tmp_path, exported):
    said = "=cut off \ud83d"
    run = load_run(store_run(tmp_path / "run", {"m": {"a": True}}, fields={("m", "a"): {"output": said}}))
    spelled = "=cut off \\ud83d"
    assert results_frame(run)["output"].tolist() == [spelled]
    assert run.to_pandas()["output"].tolist() == [spelled]
    assert pd.read_parquet(exported(run, "parquet").files[0])["output"].tolist() == [spelled]
    table = exported(run, "csv")
    assert spelled in table.files[0].read_text()
    assert [note.kind for note in table.notes] == ["formula"]
    assert json.loads(exported(run, "jsonl").files[0].read_text())["output"] == said


def test_every_scorer_of_a_call_is_in_the_table(run, exported):
    call = next(iter(planned_calls(run.manifest, [row.case for row in run.rows][:3])))
    verdicts = [("exact", 1.0), ("exact", 0.0), ("judge", None)]
    said = tuple(ScorerVerdict(name, Score(value, bool(value))) for name, value in verdicts)
    with Journal(run.folder, {}) as journal:
        journal.add_score(CallScore(call.call_id, False, 0.5, said))
    with exported(load_run(run.folder), "csv").files[0].open(newline="") as file:
        first = next(csv.DictReader(file))
    own = {key: value for key, value in first.items() if key not in COLUMN_TYPES}
    assert own == {
        "exact.score": "1",
        "exact.passed": "true",
        "exact (2).score": "0",
        "exact (2).passed": "false",
        "judge.score": "",
        "judge.passed": "false",
    }


def test_too_many_scorers_are_named_as_lost_and_json_lines_have_them_all(run, exported):
    call = next(iter(planned_calls(run.manifest, [row.case for row in run.rows][:3])))
    said = tuple(ScorerVerdict(f"s{n}", Score(1.0, True)) for n in range(300))
    with Journal(run.folder, {}) as journal:
        journal.add_score(CallScore(call.call_id, True, 1.0, said))
    again = load_run(run.folder)
    refused = exported(again, "csv")
    assert refused.files == ()
    assert refused.lost == 1
    with exported(again, "csv", allow_partial=True).files[0].open(newline="") as file:
        assert len(next(csv.reader(file))) == len(COLUMN_TYPES) + 400
    first = exported(again, "jsonl").files[0].read_text().splitlines()[0]
    assert len(json.loads(first)["scores"]) == 300


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
def test_a_damaged_row_is_an_error_and_leaves_nothing(name, run, exported, tmp_path):
    records = run.folder / "records.jsonl"
    records.write_bytes(records.read_bytes().replace(b'"output"', b'"outpux"', 1).replace(b"two", b'"\xff', 1))
    with pytest.raises(ConfigError):
        exported(load_run(run.folder), name)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and run.folder not in path.parents]
