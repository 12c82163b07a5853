"""Packing journals: nothing is lost, at no moment, and every row comes back as it was written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.errors import ConfigError
from evalkit.report import write_reports
from evalkit.runner import compact as compacting
from evalkit.runner.compact import compact, unpack
from evalkit.runner.execute import recorded
from evalkit.runner.folder import only_writer
from evalkit.runner.journal import Journal, encode_record, read_records, read_scores
from evalkit.runner.manifest import read_cases, read_manifest, write_manifest
from evalkit.runner.rescore import NewScores
from evalkit.runner.stored import every_record
from evalkit.types import CallScore, Completion, Score, ScorerVerdict, Usage

VERDICTS = {
    "a": {"c1": (True, False), "c2": (True, "timeout"), "c3": (0.25, None), "c4": (True, True)},
    "b": {"c1": (True, True), "c2": (None, True), "c3": (0.75, 0.5), "c4": ("server", False)},
}
FIELDS = {
    ("a", "c1"): {
        "output": 'line\nend \u2028 \U0001f600 "quoted" \x00',
        "tool_calls": ({"id": "1", "name": "f", "arguments": {"x": [1, 2.5, None]}},),
        "finish_reason": "tool_calls",
        "logprobs": [{"token": "a", "logprob": -0.1}],
        "usage": Usage(10, 2, 1, 5, 3),
        "server_ms": {"prompt": 1.25},
        "dropped_params": ("seed",),
        "turns": (Completion("one", latency_ms=1.5), Completion("two", latency_ms=2.5, usage=Usage(3))),
        "cost_usd": 0.1 + 0.2,
        "billed": True,
        "served_model": "a-2026",
        "fingerprint": "fp",
        "started_at": "2030-01-01T00:00:00+00:00",
    },
    ("a", "c2"): {"output": "half of a pair: \ud83d", "latency_ms": 7},  # both as no column can hold them
    ("b", "c1"): {"output": "", "cost_usd": float("inf")},
}


@pytest.fixture
def run(tmp_path):
    """A run of all that can come of a call, which was resumed and has rows that count no more."""
    folder = store_run(tmp_path / "run", VERDICTS, trials=2, fields=FIELDS)
    with Journal(folder, {"suite": "again"}) as journal:
        calls = list(read_records(folder))
        journal.add_record(replace(calls[0], output="the later answer", latency_ms=3.125))
        journal.add_record(replace(calls[1], call_id="00000000000000aa", model="removed"))
        verdict = ScorerVerdict("exact", Score(1.0, passed=True, details={"label": None, "expected": "x"}), 0.5)
        journal.add_score(CallScore(calls[0].call_id, True, 1.0, (verdict, verdict)))
    with (folder / "records.jsonl").open("a") as file:
        file.write(json.dumps({**encode_record(calls[2]), "of_a_later_release": 1}) + "\n")
    return folder


def rows(folder):
    return list(load_run(folder).rows)


def lines(folder, name):
    return sorted((folder / name).read_bytes().splitlines(keepends=True))


def reports(folder):
    write_reports(load_run(folder))
    names = ("report.json", "report.md", "models.csv", "cases.csv", "scorers.csv", "junit.xml", "report.html")
    return {name: (folder / name).read_bytes() for name in names}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_packed_run_reads_as_before(run):
    before, records = rows(run), sorted(read_records(run), key=repr)
    asked = list(recorded(list(read_cases(run)), read_manifest(run), run))
    compact(run)
    assert not {"records.jsonl", "scores.jsonl"} & names(run)
    assert rows(run) == before
    assert list(recorded(list(read_cases(run)), read_manifest(run), run)) == asked
    assert sorted(every_record(run), key=repr) == records


def test_a_packed_run_has_the_same_reports(run):
    before = reports(run)
    compact(run)
    assert reports(run) == before


def test_unpacking_gives_every_line_back(run):
    before = {name: lines(run, name) for name in ("records.jsonl", "scores.jsonl")}
    expected = rows(run)
    compact(run)
    unpack(run)
    assert {name: lines(run, name) for name in before} == before
    assert rows(run) == expected
    assert not [name for name in names(run) if "parquet" in name or "rest" in name]


def test_only_rows_that_columns_cannot_give_back_are_kept_as_lines(run):
    import pyarrow.parquet as pq

    compact(run)
    table = pq.read_table(run / "records.parquet").to_pylist()
    assert len(table) == 16
    assert [place for place, row in enumerate(table) if row["line"] is not None] == [1, 2]
    assert [place for place, row in enumerate(table) if row["line"] is None and row["attempts"] is None] == [6, 9]
    assert table[0]["output"] == "the later answer"


def test_packing_again_changes_nothing(run):
    compact(run)
    before = {name: (run / name).read_bytes() for name in names(run)}
    assert compact(run) == []
    assert {name: (run / name).read_bytes() for name in names(run)} == before


def test_what_lies_packed_beside_a_journal_does_not_count(run, tmp_path):
    other = store_run(
        tmp_path / "other", {name: dict.fromkeys(cases, (False, False)) for name, cases in VERDICTS.items()}, trials=2
    )
    compact(other)
    before = rows(run)
    for name in ("records.parquet", "scores.parquet"):
        shutil.copy(other / name, run)
    (run / "scores.rest.jsonl").write_text("stale\n")
    assert rows(run) == before
    compact(run)
    assert rows(run) == before
    assert (run / "scores.rest.jsonl").read_text() != "stale\n"


def test_new_verdicts_take_the_place_of_packed_ones(run):
    compact(run)
    scores = NewScores(run)
    for row in rows(run):
        if row.answer:
            scores.add(
                row.answer, CallScore(row.call.call_id, False, 0.0, (ScorerVerdict("new", Score(0.0, passed=False)),))
            )
    scores.accept()
    assert {"records.parquet", "scores.jsonl"} <= names(run)
    assert "scores.parquet" not in names(run)
    found = rows(run)
    assert all(row.score.verdicts[0].scorer == "new" for row in found if row.answer)
    compact(run)
    assert rows(run) == found


def test_a_run_of_two_halves_reads_as_before(run):
    """Records packed and verdicts not, and the other way round."""
    before = rows(run)
    kept = {name: (run / name).read_bytes() for name in ("records.jsonl", "scores.jsonl")}
    compact(run)
    for name, content in kept.items():
        (run / name).write_bytes(content)
        assert rows(run) == before
        (run / name).unlink()


_KILLED = """
import os, sys
from pathlib import Path
steps = int(sys.argv[2])
def deadly(function):
    def step(*given, **named):
        global steps
        steps -= 1
        if not steps:
            os._exit(9)
        return function(*given, **named)
    return step
import evalkit.runner.compact as compacting
os.fsync = deadly(os.fsync)
Path.replace, Path.unlink = deadly(Path.replace), deadly(Path.unlink)
getattr(compacting, sys.argv[3])(Path(sys.argv[1]))
"""


def killed_at(step, folder, function):
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(folder), str(step), function], check=False)
    assert ended.returncode in {0, 9}
    return ended.returncode == 9


_SOME, _ALL = (5, 6), range(1, 20)


@pytest.mark.parametrize("step", [pytest.param(step, marks=() if step in _SOME else pytest.mark.slow) for step in _ALL])
def test_a_kill_at_any_step_loses_nothing(run, step):
    before = rows(run), {name: lines(run, name) for name in ("records.jsonl", "scores.jsonl")}
    killed_at(step, run, "compact")
    assert rows(run) == before[0]
    compact(run)
    assert rows(run) == before[0]
    killed_at(step, run, "unpack")
    assert rows(run) == before[0]
    unpack(run)
    assert (rows(run), {name: lines(run, name) for name in ("records.jsonl", "scores.jsonl")}) == before
    assert not [name for name in names(run) if name.endswith(".part")]


def test_a_file_that_reads_back_otherwise_is_not_trusted(run, monkeypatch):
    before = rows(run)
    monkeypatch.setattr(compacting, "_read_back", lambda *_: "something else")
    with pytest.raises(ConfigError, match="the journal is as it was"):
        compact(run)
    assert rows(run) == before
    assert not [name for name in names(run) if "parquet" in name]


@pytest.mark.parametrize("name", ["records.parquet", "scores.parquet"])
def test_a_damaged_file_is_told_of_and_not_unpacked(run, name):
    compact(run)
    content = bytearray((run / name).read_bytes())
    content[40] ^= 0xFF
    (run / name).write_bytes(content)
    with pytest.raises(ConfigError) as told:
        rows(run)
    assert name in str(told.value.where)
    with pytest.raises(ConfigError):
        unpack(run)
    assert name in names(run)
    (run / name).write_bytes(content[:60])
    with pytest.raises(ConfigError):
        rows(run)


def test_files_of_another_plan_are_told_of(run):
    compact(run)
    with (run / "cases.jsonl").open("a") as file:
        file.write('{"id": "new", "tags": [], "vars": {}}\n')
    with pytest.raises(ConfigError, match="does not hold the calls"):
        load_run(run)
    with pytest.raises(ConfigError, match="does not hold the calls"):
        list(recorded(list(read_cases(run)), read_manifest(run), run))


def test_candidates_that_changed_places_are_told_of(run):
    compact(run)
    manifest = read_manifest(run)
    write_manifest(run, replace(manifest, models=manifest.models[::-1]))
    with pytest.raises(ConfigError, match="does not hold the calls"):
        load_run(run)


def test_a_run_that_is_not_finished_or_being_written_to_is_left_alone(run):
    before = names(run)
    with only_writer(run), pytest.raises(ConfigError, match="another evalkit process"):
        compact(run)
    write_manifest(run, replace(read_manifest(run), finished_at=None))
    with pytest.raises(ConfigError, match="is not finished"):
        compact(run)
    assert names(run) == before | {".lock"}


def test_a_run_without_verdicts_can_be_packed(tmp_path):
    folder = store_run(tmp_path / "run", {"a": {"c1": "timeout", "c2": None}})
    before = rows(folder)
    compact(folder)
    assert rows(folder) == before
    assert list(read_scores(folder)) == []
