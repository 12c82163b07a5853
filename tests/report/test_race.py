"""What reports say of a race."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stored import store_run

from evalkit.analysis import RunSummary, analyse, load_run
from evalkit.analysis.results import run_results
from evalkit.report import write_reports
from evalkit.report.comparison import terminal_comparison
from evalkit.report.labels import Labels
from evalkit.report.markdown import markdown
from evalkit.report.race import race_json, race_line, race_section, stop_words
from evalkit.report.verdict import headline
from evalkit.runner.manifest import Race, RaceStop, read_manifest
from evalkit.runner.race_plan import race_order
from evalkit.types import Price

CASES = 40
STOPS = (
    RaceStop("bad", "p", 10, "worse", ("good", "p"), 0.0004),
    RaceStop("near", "p", 20, "near", ("good", "p"), 0.031),
)
RACE = Race(over=True, cases=20, stops=STOPS)
WORSE = "stopped after 10 of 40 cases: shown worse than the best, with good ahead (p below 0.001)"
NEAR = (
    "stopped after 20 of 40 cases: shown not better than the best by more than 2 points, "
    "with good ahead (p at most 0.031)"
)

OF_TWO = (
    "stopped after 9 of 40 cases: shown not better than the best 2 by more than 1 point, with a ahead (p at most 0.20)"
)


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


def raced(folder: Path, **options: Any) -> RunSummary:
    """A race whose stopped candidate has the highest rate, on the few cases that it was asked."""
    order = list(race_order(CASES, 0))
    verdicts = {
        "left": {f"c{place:02}": position not in {5, 15, 25, 35} for position, place in enumerate(order)},
        "early": {f"c{place:02}": True if position < 5 else None for position, place in enumerate(order)},
    }
    stops = (RaceStop("early", "p", 5, "near", ("left", "p"), 0.04),)
    return analyse(load_run(store_run(folder, verdicts, race=Race(over=True, cases=CASES, stops=stops), **options)))


def test_who_was_stopped_leads_nobody(tmp_path: Path) -> None:
    run = raced(tmp_path)
    assert [one.model for one in run.ranked()] == ["left", "early"]
    assert run.comparisons is not None
    assert run.comparisons.best == ("left", "p")
    told = headline(run, Labels(run.models))
    assert told.startswith("**Highest pass rate of those that the race left: left, 36/40 (90.0 %,")
    assert told.endswith("** Out of the race before its end: early.")
    (line,) = terminal_comparison(run)
    assert line.startswith("early stopped after 5 of 40 cases: shown not better than the best by more than 2 points")
    assert line.endswith("against left: 0.0 points (-43.4 to +43.4), better on 0, worse on 0 of 5 cases")
    text = markdown(run)
    assert "| not asked |" in text.split("## Race")[0]
    assert "The race stopped early early. On the fewer cases of these pairs" in text


def test_a_decision_says_who_was_stopped(tmp_path: Path) -> None:
    price = Price(1.0, 1.0, source="a table", as_of="2030-01-01")
    dear = replace(price, input=5.0)
    raced(tmp_path, models={"left": {"price": dear}, "early": {"price": price}})
    text = write_reports(load_run(tmp_path)).markdown.read_text()
    assert "**Recommended: early.** By estimate not worse than the best (left)" in text
    assert "The race stopped after 5 cases, so" not in text
    assert "The race stopped early after 5 cases, so its figures are over fewer cases than those of others." in text
    assert "| recommended, stopped after 5 cases |" in text
    options = {one["model"]: one for one in report_of(tmp_path)["decision"]["candidates"]}
    assert (options["early"]["stopped_after"], options["left"]["stopped_after"]) == (5, None)


def test_a_stopped_candidate_sets_no_standard(tmp_path: Path) -> None:
    # By estimate it is ahead of both, on the cases that it was asked.
    order = list(race_order(CASES, 0))
    failed = {"a": {1, 20, 30}, "b": {2, 21, 31}}
    verdicts = {
        name: {f"c{place:02}": position not in places for position, place in enumerate(order)}
        for name, places in failed.items()
    }
    verdicts["out"] = {f"c{place:02}": True if position < 10 else None for position, place in enumerate(order)}
    stops = (RaceStop("out", "p", 10, "near", ("a", "p"), 0.04),)
    race = Race(over=True, cases=CASES, stops=stops)
    write_reports(load_run(store_run(tmp_path, verdicts, race=race, decide={"prefer": ["pass_rate"]})))
    decision = report_of(tmp_path)["decision"]
    assert decision["best"]["model"] in failed
    assert all(option["as_good"] for option in decision["candidates"])
    assert decision["runner_up"]["model"] in failed


def report_of(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())
