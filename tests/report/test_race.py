"""What reports say of a race."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from stored import store_run

from evalkit.analysis import analyse, load_run
from evalkit.analysis.results import run_results
from evalkit.report import write_reports
from evalkit.report.race import race_json, race_line, race_section, stop_words
from evalkit.runner.manifest import Race, RaceStop, read_manifest
from evalkit.runner.race_plan import race_order

CASES = 40
STOPS = (
    RaceStop("bad", "p", 10, "worse", ("good", "p"), 0.0004),
    RaceStop("near", "p", 20, "near", ("good", "p"), 0.031),
)
RACE = Race(over=True, cases=20, stops=STOPS)
WORSE = "stopped after 10 of 40 cases: shown worse than the best, with good ahead (p below 0.001)"
NEAR = (
    "stopped after 20 of 40 cases: shown not better than the best by more than 2 points, with good ahead (p at most 0.031)"
)

OF_TWO = "stopped after 9 of 40 cases: shown not better than the best 2 by more than 1 point, with a ahead (p at most 0.20)"


def stored(folder: Path, race: Race = RACE, *, priced: bool = True, lost: int = 0) -> Path:
    """Store a race: each candidate was asked as far as it went; `lost` of good's answers are missing."""
    order = list(race_order(CASES, 0))
    asked = {"good": 20, "near": 22, "bad": 10}
    verdicts = {
        name: {f"c{place:02}": None for place in range(CASES)}
        | {f"c{place:02}": name != "bad" for place in order[lost if name == "good" else 0 : count]}
        for name, count in asked.items()
    }
    cost = {"cost_usd": 0.01} if priced else {}
    fields = {(name, f"c{place:02}"): cost for name in asked for place in range(CASES)}
    return store_run(folder, verdicts, fields=fields, race=race)


@pytest.mark.parametrize(
    ("race", "stop", "words"),
    [
        (RACE, STOPS[0], WORSE),
        (RACE, STOPS[1], NEAR),
        (
            Race(keep=2, margin=0.01),
            RaceStop("b", "p", 9, "near", ("a", "p"), 0.2),
            OF_TWO,
        ),
        (RACE, RaceStop("b", "p", 10, "unavailable"), "left after 10 of 40 cases: its model could not be asked"),
    ],
)
def test_why_a_candidate_left(race: Race, stop: RaceStop, words: str) -> None:
    assert stop_words(stop, race, CASES) == words


def test_a_race_that_ended_by_its_rule_is_complete(tmp_path: Path) -> None:
    run = analyse(load_run(stored(tmp_path)))
    assert not run.incomplete
    assert (run.missing, run.not_asked, run.planned) == (0, 68, 52)
    by_model = {one.model: one.calls for one in run.models}
    assert {name: (calls.passed, calls.finished, calls.not_asked) for name, calls in by_model.items()} == {
        "good": (20, 20, 20),
        "near": (22, 22, 18),
        "bad": (0, 10, 30),
    }
    assert race_line(run) == (
        "Race: 1 of 3 candidates is left after 20 of 40 cases: good. "
        "68 of 120 calls were not needed (56.7 %, about $0.68 at what the others cost)."
    )


def test_what_is_missing_of_the_cases_that_were_raced_stays_missing(tmp_path: Path) -> None:
    run = analyse(load_run(stored(tmp_path, lost=3)))
    assert (run.missing, run.not_asked) == (3, 68)
    assert run.incomplete


def test_all_is_missing_of_a_race_that_is_not_over_but_for_who_is_out(tmp_path: Path) -> None:
    run = analyse(load_run(stored(tmp_path, Race(cases=10, stops=STOPS[:1]))))
    assert run.incomplete
    assert {one.model: one.calls.missing for one in run.models} == {"good": 20, "near": 18, "bad": 0}
    assert race_line(run) == "The race is not over: 2 of 3 candidates still in it after 10 decided cases."


def test_an_unknown_price_saves_an_unknown_sum(tmp_path: Path) -> None:
    run = analyse(load_run(stored(tmp_path, priced=False)))
    assert "were not needed (56.7 %)." in race_line(run)
    assert race_json(run)["saved_usd"] is None
    assert race_json(run)["not_asked"] == 68


def test_a_race_that_saved_nothing_says_so(tmp_path: Path) -> None:
    folder = store_run(tmp_path, {"a": {"c": True}, "b": {"c": True}}, race=Race(over=True, cases=1))
    assert race_line(analyse(load_run(folder))) == (
        "Race: 2 of 2 candidates are left after all 1 case: a, b. No call was saved."
    )


def test_other_runs_say_nothing_of_races(tmp_path: Path) -> None:
    run = analyse(load_run(store_run(tmp_path, {"a": {"c": True}})))
    assert (race_line(run), race_json(run)) == ("", None)
    assert race_section(run, None) == []


def test_the_report_files_tell_of_the_race(tmp_path: Path) -> None:
    reports = write_reports(load_run(stored(tmp_path)))
    text = reports.markdown.read_text()
    assert "## Race" in text
    assert "shown worse than the best, with good ahead (p below 0.001)" in text
    assert "left in the race" in text
    assert "at most 5 % of such races lose a candidate" in text
    assert "a little too low" in text
    data = json.loads(reports.json.read_text())
    assert data["race"]["stops"][0]["model"] == "bad"
    assert data["race"]["saved_usd"] == pytest.approx(0.68)
    assert data["calls"] == {"planned": 52, "passed": 42, "failed": 10, "error": 0, "missing": 0, "not_asked": 68}
    with reports.cases_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 120
    assert sum(row["passed"] == "" for row in rows) == 68


def test_a_race_by_scores_over_shared_sources_says_so(tmp_path: Path) -> None:
    race = Race(metric="score", over=True, cases=1)
    folder = store_run(tmp_path, {"a": {"c": True}, "b": {"c": True}}, race=race, cluster="source")
    text = write_reports(load_run(folder)).markdown.read_text()
    assert "was stopped, by mean score" in text
    assert "although some share `source`" in text


def test_what_was_not_asked_is_no_result(tmp_path: Path) -> None:
    results = run_results(load_run(stored(tmp_path)))
    assert sum(results.of(("bad", "p")).finished) == 10


def test_a_race_is_read_back_from_the_manifest(tmp_path: Path) -> None:
    assert read_manifest(stored(tmp_path)).race == RACE
    assert RACE.rule == Race()
