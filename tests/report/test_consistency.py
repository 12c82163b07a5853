"""pass@k, pass^k and flaky cases in report.md and report.json."""

import json
import re
from dataclasses import replace

import pytest

from evalkit.analysis import load_run
from evalkit.report import write_reports
from evalkit.stats import wilson

# Of each case of `small`, in turn, which of three trials pass; the other models pass always.
TRIALS = ((True, True, True), (True, False, True), (False, False, False), (False, True, False))


def varied(record, score):
    passed = record.model != "small" or TRIALS[int(record.case_id.removeprefix("case-"))][record.trial - 1]
    return record, replace(score, passed=passed)


@pytest.fixture
def reports(run_folder):
    def reports(**options):
        found = write_reports(load_run(run_folder.write(**{"n": 4, "trials": 3, "change": varied, **options})))
        return found.markdown.read_text(encoding="utf-8"), json.loads(found.json.read_text(encoding="utf-8"))

    return reports


def section(text):
    found = re.search(r"^## Consistency\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return found and found[1]


def cells(text, first):
    row = next(line for line in text.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def in_percent(interval):
    return f"{100 * interval.low:.1f}-{100 * interval.high:.1f}"


def test_every_candidate_has_a_row(reports):
    text = section(reports()[0])
    assert [title for title in cells(text, "model") if "95" not in title] == [
        "model",
        "cases",
        "pass@3",
        "pass^3",
        "flaky cases",
    ]
    expected = ["4", "75.0 %", in_percent(wilson(3, 4)), "25.0 %", in_percent(wilson(1, 4)), "2"]
    assert cells(text, "small")[1:] == expected
    assert cells(text, "rules")[1:] == ["4", "100 %", "51.0-100.0", "100 %", "51.0-100.0", "0"]


def test_report_json_holds_the_figures(reports):
    (small, *_) = reports()[1]["models"]
    whole = {
        "pass_at_k": 0.75,
        "pass_at_k_low": wilson(3, 4).low,
        "pass_at_k_high": wilson(3, 4).high,
        "pass_hat_k": 0.25,
        "pass_hat_k_low": wilson(1, 4).low,
        "pass_hat_k_high": wilson(1, 4).high,
    }
    found = small["consistency"]
    assert {key: found[key] for key in ("k", "cases", "flaky_cases", *whole)} == {
        "k": 3,
        "cases": 4,
        "flaky_cases": 2,
        **whole,
    }
    assert [one["k"] for one in found["by_k"]] == [1, 2, 3]
    assert found["by_k"][2] == {"k": 3, **whole}
    (once, twice, _) = found["by_k"]
    assert once["pass_at_k"] == once["pass_hat_k"] == pytest.approx(6 / 12)
    assert (twice["pass_at_k"], twice["pass_hat_k"]) == pytest.approx(((1 + 1 + 0 + 2 / 3) / 4, (1 + 1 / 3) / 4))


def test_answers_of_a_case_are_held_against_each_other(reports):
    said = {"case-000": ("a", " a\n", "a"), "case-001": ("a", "b", "a"), "case-002": ("a", "b", "c")}
    taken = {"case-000": (100.0, 300.0, 200.0), "case-001": (100.0, 100.0, 150.0), "case-002": (50.0, 100.0, 50.0)}

    def change(record, score):
        if record.model != "small" or record.case_id == "case-003":
            return varied(record, score)
        at = record.trial - 1
        told = replace(record, output=said[record.case_id][at], latency_ms=taken[record.case_id][at])
        return told, varied(record, score)[1]

    text, figures = reports(n=3, change=change)
    found = figures["models"][0]["consistency"]
    assert found["agreement"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert found["agreement_low"] < found["agreement"] < found["agreement_high"]
    assert (found["latency_spread"], found["latency_spread_cases"]) == (2.0, 3)
    assert (found["latency_spread_low"], found["latency_spread_high"]) == (None, None)
    assert re.search(r"^\| small +\| +44.4 % \|", section(text), re.MULTILINE)
    assert "2.00 [n/a-n/a]" in section(text)


def test_each_k_has_a_row_unless_there_are_very_many(reports):
    text = section(reports()[0])
    assert "hold nothing else (pass^k)" in text
    assert len(re.findall(r"^\| small +\| +[123] \|", text, re.MULTILINE)) == 3
    assert "hold nothing else" not in section(reports(n=1, trials=2, change=lambda *row: row)[0])
    assert "for each k are in report.json" in section(reports(n=1, trials=9, change=lambda *row: row)[0])


def test_a_run_of_one_trial_has_none(reports):
    text, figures = reports(trials=1)
    assert section(text) is None
    assert {model["consistency"] for model in figures["models"]} == {None}


def test_a_candidate_that_finished_no_case_has_no_row(reports):
    def change(record, score):
        return (None, None) if record.model == "rules" and record.trial == 2 else varied(record, score)

    text, figures = reports(change=change)
    assert "rules" not in section(text)
    assert figures["models"][2]["consistency"] is None
