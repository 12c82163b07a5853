"""A run under way: counts from what its journals gained."""

import json

import pytest

from evalkit.runner.compact import compact, unpack
from evalkit.runner.journal import Journal, replace_scores
from evalkit.runner.manifest import Race, RaceStop, read_manifest
from evalkit.types import CallScore, Record, RecordError
from evalkit.view.progress import Watch

VERDICTS = {
    "large": {"c1": True, "c2": False, "c3": "timeout", "c4": None},
    "small": dict.fromkeys(("c1", "c2", "c3", "c4")),
}


def look(watch, folder):
    return {
        one.model: (one.answered, one.errors, one.judged, one.passed)
        for one in watch.look(read_manifest(folder)).standings
    }


def add(folder, call_id, case, *, error=None, passed=None):
    with Journal(folder, {}) as journal:
        journal.add_record(Record(call_id, "small", "p", case, 1, error=error))
        if passed is not None:
            journal.add_score(CallScore(call_id, passed, float(passed), ()))


@pytest.fixture
def folder(store):
    return store(1, VERDICTS, reported=False, finished_at=None)


def test_counts_and_rates(folder):
    found = Watch(folder).look(read_manifest(folder))
    large, small = found.standings
    assert (large.answered, large.errors, large.judged, large.passed, large.planned) == (2, 1, 2, 1, 4)
    assert large.rate.value == pytest.approx(1 / 3)  # an error has not passed
    assert (small.answered, small.rate) == (0, None)
    assert (found.done, found.planned) == (3, 8)
    assert found.quiet_s < 60


def test_only_new_rows_are_read_and_the_last_of_a_call_counts(folder):
    watch = Watch(folder)
    look(watch, folder)
    add(folder, "a" * 16, "c1", error=RecordError("timeout", "timeout!"))
    assert look(watch, folder)["small"] == (0, 1, 0, 0)
    add(folder, "a" * 16, "c1", passed=True)
    assert look(watch, folder)["small"] == (1, 0, 1, 1)
    assert look(watch, folder)["large"] == (2, 1, 2, 1)
    add(folder, "b" * 16, "c1", passed=False)  # resumed, with another prompt
    assert look(watch, folder)["small"] == (1, 0, 1, 0)


def test_a_torn_row_waits_for_its_end_and_a_damaged_one_is_passed_over(folder):
    watch = Watch(folder)
    row = json.dumps({"call_id": "b" * 16, "model": "small", "prompt": "p", "case_id": "c1", "error": None})
    with (folder / "records.jsonl").open("a") as file:
        file.write("not a row\n[]\n" + row[:40])
        file.flush()
        assert look(watch, folder)["small"] == (0, 0, 0, 0)
        file.write(row[40:] + "\n")
        file.flush()
        assert look(watch, folder)["small"] == (1, 0, 0, 0)


def test_verdicts_given_anew_replace_the_old_ones(folder):
    watch = Watch(folder)
    look(watch, folder)
    replace_scores(folder, [])
    assert look(watch, folder)["large"] == (2, 1, 0, 0)


def test_trials_of_a_case_do_not_count_as_cases_of_their_own(store):
    once = store(1, {"m": {f"c{at}": at % 2 == 0 for at in range(20)}}, reported=False)
    thrice = store(2, {"m": {f"c{at}": [at % 2 == 0] * 3 for at in range(20)}}, reported=False, trials=3)
    rates = [Watch(folder).look(read_manifest(folder)).standings[0].rate for folder in (once, thrice)]
    widths = [rate.interval.high - rate.interval.low for rate in rates]
    assert widths[1] > 0.8 * widths[0]


def test_calls_that_a_race_did_without_are_not_planned(store):
    ten = {f"c{at}": True if at < 5 else None for at in range(10)}
    stops = (RaceStop("small", "p", 4, "worse", ("large", "p"), 0.01),)
    folder = store(1, {"large": ten, "small": ten}, reported=False, race=Race(over=True, cases=6, stops=stops))
    found = Watch(folder).look(read_manifest(folder))
    assert [one.planned for one in found.standings] == [6, 5]  # the stopped one had been asked for one more
    assert not found.open_end


def test_a_packed_run_counts_as_before(store):
    folder = store(1, VERDICTS, reported=False)
    early, before = Watch(folder), look(Watch(folder), folder)
    look(early, folder)
    compact(folder)
    late = Watch(folder)
    assert look(late, folder) == look(early, folder) == before == {"large": (2, 1, 2, 1), "small": (0, 0, 0, 0)}
    replace_scores(folder, [])
    assert look(late, folder)["large"] == (2, 1, 0, 0)
    (folder / "scores.jsonl").unlink()
    unpack(folder)
    assert look(late, folder) == look(Watch(folder), folder) == before


def test_a_damaged_packed_journal_is_passed_over(store):
    folder = store(1, VERDICTS, reported=False)
    compact(folder)
    (folder / "records.parquet").write_bytes(b"PAR1")
    assert look(Watch(folder), folder)["large"] == (0, 0, 0, 0)


def test_nothing_written_yet(folder):
    for name in ("records.jsonl", "scores.jsonl", "cases.jsonl"):
        (folder / name).unlink()
    found = Watch(folder).look(read_manifest(folder))
    assert (found.done, found.planned) == (0, 0)
