from dataclasses import replace

import pandas as pd
import pytest

from evalkit.analysis import Outcome, load_run
from evalkit.errors import ConfigError
from evalkit.runner.journal import Journal
from evalkit.runner.manifest import write_cases, write_manifest
from evalkit.types import CallScore, Case


@pytest.fixture
def folder(tmp_path, run_of):
    """A run of two models x two cases: m answered both (once after an error), n nothing."""
    run = run_of("PFEE", models=("m", "n"))
    write_manifest(tmp_path, run.manifest)
    write_cases(tmp_path, run.cases.values())
    first, second, failed, _ = run.rows
    with Journal(tmp_path) as journal:
        journal.add_record(replace(failed.record, call_id=first.call.call_id, model="m"))
        journal.add_record(first.record)
        journal.add_score(replace(first.score, passed=False))
        journal.add_score(first.score)
        journal.add_record(second.record)
        journal.add_score(second.score)
        journal.add_record(replace(second.record, call_id="of another plan"))
        journal.add_score(CallScore("of another plan", True, 1.0))
    return tmp_path


def test_every_planned_call_has_a_row_and_no_other_has(folder):
    run = load_run(folder)
    assert [(row.call.model, row.case.id) for row in run.rows] == [("m", "c0"), ("m", "c1"), ("n", "c0"), ("n", "c1")]


def test_the_last_record_and_the_last_score_count(folder):
    assert [row.outcome for row in load_run(folder).rows] == [
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.MISSING,
        Outcome.MISSING,
    ]


def test_a_folder_without_a_run_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="no run here"):
        load_run(tmp_path)


def test_a_run_that_made_no_call_is_all_missing(tmp_path, run_of):
    run = run_of("??")
    write_manifest(tmp_path, run.manifest)
    write_cases(tmp_path, run.cases.values())
    assert [row.outcome for row in load_run(tmp_path).rows] == [Outcome.MISSING] * 2


def test_groups_are_in_the_manifests_order(run_of):
    run = run_of("PPPP", models=("z", "a"), prompts=("q", "b"))
    assert list(run.groups) == [("z", "q"), ("z", "b"), ("a", "q"), ("a", "b")]


@pytest.mark.parametrize(
    ("letters", "incomplete"), [("PF", False), ("PE", True), ("P?", True), ("PU", True), ("PS", True)]
)
def test_incomplete_as_long_as_any_verdict_lacks(run_of, letters, incomplete):
    assert run_of(letters).incomplete is incomplete


def test_a_run_without_calls_is_not_complete(run_of):
    assert run_of("").incomplete


def test_the_data_frame_has_one_typed_row_per_call(run_of):
    frame = run_of("PFE?S", fields=[{"latency_ms": 1.5, "usage": run_of.usage(input=7)}, {}, {}, {}, {}]).to_pandas()
    assert list(frame["passed"]) == [True, False, False, pd.NA, False]
    assert frame["passed"].mean() == pytest.approx(1 / 4)
    assert frame["error"][2] == "timeout: timeout!"
    assert frame["input_tokens"].dtype == "Int64"
    assert frame["latency_ms"].sum() == 1.5
    assert list(frame["score"]) == [1.0, 0.0, pd.NA, pd.NA, pd.NA]


def test_an_empty_data_frame_still_has_its_columns(run_of):
    assert list(run_of("").to_pandas().columns)[:3] == ["case_id", "tags", "model"]


@pytest.mark.parametrize(
    ("expected", "text"), [("no", "no"), ("", ""), (None, "null"), (1.1, "1.1"), ({"né": "x"}, '{"né": "x"}')]
)
def test_expected_values_as_text(run_of, expected, text):
    run = run_of("P")
    row = replace(run.rows[0], case=Case("c0", {}, expected))
    assert replace(run, rows=(row,)).to_pandas()["expected"][0] == text
