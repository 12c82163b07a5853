"""`evalkit cascade`, through the command line on stored runs, one of them with published answers."""

from __future__ import annotations

import csv
import json
from functools import partial

import pytest
from published import matrix_run
from stored import store_run

from evalkit.analysis.cascade.worth import Worth
from evalkit.analysis.cost.monthly import Figure
from evalkit.report.cascade import _near, _verdict
from evalkit.stats import Interval
from evalkit.types import Price, Usage

CASES = [f"c{place:02}" for place in range(60)]


@pytest.fixture
def cascade(in_process):
    return partial(in_process, "cascade")


@pytest.fixture
def stored(tmp_path):
    """A small candidate that is cut off where it fails, a middling one, and a big one; two kinds of cases."""

    def store(usd=(0.001, 0.004, 0.01)):
        fields = {
            (model, case): {"cost_usd": each, "latency_ms": 100.0, "output": "x"}
            | ({"finish_reason": "length"} if model == "small" and place % 3 == 0 else {})
            for model, each in zip(("small", "mid", "big"), usd, strict=True)
            for place, case in enumerate(CASES)
        }
        verdicts = {
            "small": {case: place % 3 != 0 for place, case in enumerate(CASES)},
            "mid": {case: place % 4 != 0 for place, case in enumerate(CASES)},
            "big": dict.fromkeys(CASES, True),
        }
        tags = {case: ("hard",) if place % 3 == 0 else ("easy",) for place, case in enumerate(CASES)}
        return store_run(tmp_path / "run", verdicts, fields=fields, tags=tags)

    return store


def test_a_cascade_in_words(cascade, stored):
    out = cascade(stored(), "--cheap", "small", "--strong", "big", width=400)
    assert out.startswith("small -> big\n")
    assert (
        "Near strong: escalate on cut off at the token limit. 100 % (94.0-100.0), $4.33 per 1k calls, against big's "
        "100 % at $10.00: 0.0 (" in out
    )
    assert "57 % (44 to 69) of the cost saved; held out on 60 cases. " in out
    assert "The signal is worth something: better than chance." in out
    assert "mid ->" not in out


def test_only_cascades_to_the_best_are_printed_and_all_are_in_the_file_and_in_json(cascade, stored, tmp_path):
    out = cascade(stored(), "--margin", "0.05")
    assert [line for line in out.splitlines() if " -> " in line] == ["small -> big", "mid -> big"]
    found = json.loads(cascade("run", "--json", "--out", "c.md"))
    assert [(one["cheap"]["model"], one["strong"]["model"]) for one in found["cascades"]] == [
        ("small", "mid"),
        ("small", "big"),
        ("mid", "big"),
    ]
    text = (tmp_path / "c.md").read_text(encoding="utf-8")
    assert "## Every rule: small -&gt; mid" in text
    assert "| cut off at the token limit " in text


def test_routing_by_tag_names_who_takes_what(cascade, stored):
    out = cascade(stored(), width=300)
    assert "Chosen by all cases: easy: small; hard: big; all others: big." in out
    assert "points: cannot be told apart; held out on 60 cases." in out
    found = json.loads(cascade("run", "--json"))["routing_by_tag"]
    assert found["by_tag"]["usd_per_1k"]["value"] == pytest.approx(4)
    assert found["routes"][0] == {"tags": ["easy"], "model": "small", "prompt": "p"}


def test_unknown_costs_are_n_a_and_calls_count_instead(cascade, stored):
    out = cascade(stored((None, None, None)), "--cheap", "small", "--strong", "big", width=400)
    assert "66.7 % of the calls to it saved, the cost of which is n/a" in out
    assert json.loads(cascade("run", "--json"))["cascades"][0]["always_cheap"]["usd_per_1k"] is None


def test_a_pair_that_cannot_save_is_told_as_such(cascade, stored):
    out = cascade(stored(), "--cheap", "big", "--strong", "small", width=400)
    assert "The first costs no less than the second: there is nothing to save." in out
    assert "more paid" in out
    assert "better than chance" not in out


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Figure(0.02, 0.001, 0.04), "better than chance"),
        (Figure(0.02, -0.001, 0.04), "No better than chance is shown"),
        (Figure(-0.02, -0.04, 0.001), "No better than chance is shown"),
        (Figure(-0.02, -0.04, -0.001), "Worse than chance"),
        (None, "nothing to save"),
    ],
)
def test_only_what_is_shown_is_said_of_chance(gain, words):
    worth = Worth(0.5, 0.8, Interval(0.7, 0.9), None, None, Figure(0, 0, 0), None, gain)
    assert words in _verdict(worth)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        (Figure(-0.01, -0.015, 0.0), "That is within 2 points of it. "),
        (Figure(-0.01, -0.03, 0.01), "That is within 2 points of it by estimate; it is not shown. "),
        (Figure(-0.03, -0.05, -0.01), "That is not within 2 points of it. "),
    ],
)
def test_near_the_strong_one_is_shown_or_an_estimate(over, words):
    assert _near(Worth(0.5, 0.8, Interval(0.7, 0.9), None, None, over, None, None), 0.02) == words


def test_a_check_that_judged_nothing_is_refused(cascade, stored):
    said = cascade(stored(), "--check", "exatc", code=2)
    assert 'unknown scorer "exatc"' in said
    assert "exact" in said
    assert "failed exact" in json.dumps(json.loads(cascade("run", "--check", "exact", "--json")))


def test_cases_that_share_sources_are_counted_apart_from_these(cascade, tmp_path):
    verdicts = {
        "weak": {case: place % 12 < 6 for place, case in enumerate(CASES)},
        "good": dict.fromkeys(CASES, True),
    }
    case_vars = {case: {"source": place // 6} for place, case in enumerate(CASES)}
    store_run(tmp_path / "run", verdicts, case_vars=case_vars, cluster="source")
    assert "held out on 60 cases from 10 sources." in cascade("run", width=400)
    (found,) = json.loads(cascade("run", "--json"))["cascades"]
    assert (found["cases"], found["sources"]) == (60, 10)


def test_percentiles_stand_with_their_interval_and_a_run_goes_by_its_id(cascade, stored, tmp_path):
    folder = stored()
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    folder.rename(tmp_path / "results" / "tiny" / "20300101-000000-aaaa")
    out = cascade("20300101-000000-aaaa", width=400)
    assert "100 ms [100-n/a]" in out
    assert out == cascade("tiny", width=400)


def test_nothing_to_pair(cascade, tmp_path):
    store_run(tmp_path / "run", {"m": dict.fromkeys(CASES, True)})
    assert "There is no pair of candidates" in cascade("run")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--cheap", "smal"), "the run has no candidate 'smal'"),
        (("--cheap", "big", "--strong", "big"), "cannot hand on to itself"),
        (("--margin", "2"), "less than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_said(cascade, stored, options, says):
    assert says in " ".join(cascade(stored(), *options, code=2).split())


@pytest.fixture
def routellm(tmp_path, shared):
    """Published answers to GSM8K, with the length in characters over four for tokens."""
    with (shared / "gsm8k" / "routellm_gsm8k.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fields = {
        (model, row["id"]): {
            "output": row[f"{model}_response"],
            "usage": Usage(len(row["prompt"]) // 4, output=len(row[f"{model}_response"]) // 4),
        }
        for model in ("mixtral", "gpt4")
        for row in rows
    }
    models = {"mixtral": {"price": Price(0.6, 0.6)}, "gpt4": {"price": Price(30, 60)}}
    return matrix_run(tmp_path / "routellm", "routellm", shared, fields=fields, models=models)


def test_a_weak_signal_is_held_against_chance(cascade, routellm):
    (found,) = json.loads(cascade(routellm, "--json"))["cascades"]
    cheap, strong, oracle = found["always_cheap"], found["always_strong"], found["perfect_routing"]
    assert (found["cases"], cheap["pass_rate"], strong["pass_rate"]) == (500, 0.646, 0.846)
    near, value = (one["held_out"] for one in found["chosen"])
    for held in (near, value):
        assert cheap["pass_rate"] < held["pass_rate"] < strong["pass_rate"] < oracle["pass_rate"]
        # Whoever asks one of the two by lot gets to this pass rate for the same money.
        share = (held["usd_per_1k"]["value"] - cheap["usd_per_1k"]["value"]) / (
            strong["usd_per_1k"]["value"] - cheap["usd_per_1k"]["value"]
        )
        chance = cheap["pass_rate"] + share * (strong["pass_rate"] - cheap["pass_rate"])
        assert held["over_chance"]["value"] == pytest.approx(held["pass_rate"] - chance)
        assert held["saving"]["low"] > 0
    # The length of an answer says too little to come near GPT-4: that is said, not hidden in the saving.
    assert near["over_strong"]["high"] < 0
    assert near["over_chance"]["value"] < 0
    assert 0 < value["over_chance"]["value"] < 0.05
    out = cascade(routellm, width=500)
    assert "That is not within 2 points of it. Worse than chance" in out
    assert ") of the cost saved; held out on 500 cases." in out


def test_held_out_figures_are_below_those_of_the_cases_the_rule_was_chosen_by(cascade, routellm):
    (found,) = json.loads(cascade(routellm, "--json"))["cascades"]
    best = max(rule["held_out"]["over_chance"]["value"] for rule in found["rules"])
    assert found["chosen"][1]["held_out"]["over_chance"]["value"] < best
