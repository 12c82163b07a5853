from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigError, ConfigErrors
from evalkit.suite import load_suite
from evalkit.suite.gate_rules import GateRules, MinPasses, Undecided, gate_rules, looks, milliseconds

SUITE = """
suite: s
models: [m]
prompts: [{name: p, template: "{{ n }}"}]
cases: [{vars: {n: x}, expected: x}]
scorers: [exact]
"""


def test_without_rules_the_margin_is_automatic_and_the_estimate_decides() -> None:
    rules = gate_rules({})
    assert rules == GateRules()
    assert (rules.margin, rules.undecided, rules.has_limits) == (None, Undecided.ESTIMATE, False)


def test_every_rule_is_read() -> None:
    rules = gate_rules(
        {
            "baseline": "../b.json",
            "margin": 0.02,
            "metric": "score",
            "undecided": "more-trials",
            "max_trials": 6,
            "max_cost": 2,
            "min_pass_rate": 0.9,
            "max_p95": "1.5s",
            "max_cost_per_case": 0.002,
            "max_error_rate": 0,
            "must_pass": ["safety", "refund-*"],
            "min_passes": {"safety": 3},
        }
    )
    assert rules == GateRules(
        baseline="../b.json",
        margin=0.02,
        metric="score",
        undecided=Undecided.MORE_TRIALS,
        max_trials=6,
        max_cost_usd=2,
        min_pass_rate=0.9,
        max_p95_ms=1500.0,
        max_cost_per_case_usd=0.002,
        max_error_rate=0,
        must_pass=("safety", "refund-*"),
        min_passes=(MinPasses("safety", 3),),
    )
    assert rules.has_limits
    assert rules.patterns == ("safety", "refund-*", "safety")


@pytest.mark.parametrize("rule", [{"max_error_rate": 0}, {"must_pass": ["a"]}, {"min_passes": 1}, {"max_p95": "1s"}])
def test_a_single_limit_is_something_to_check(rule: dict[str, Any]) -> None:
    assert gate_rules(rule).has_limits


def test_a_number_of_passes_is_about_every_case() -> None:
    assert gate_rules({"min_passes": 2}).min_passes == (MinPasses("*", 2),)
    assert gate_rules({"min_passes": 2}).patterns == ()


@pytest.mark.parametrize(("name", "value"), [("margin", 0.02), ("max_drop", 0.02), ("margin", "auto")])
def test_the_margin_has_two_names(name: str, value: float | str) -> None:
    assert gate_rules({name: value}).margin == (None if value == "auto" else value)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"margn": 1}, 'unknown key "margn"; did you mean `margin`?'),
        ({"margin": "aut"}, '`gate.margin` must be `auto`, or a share such as 0.02 for 2 points, got "aut"'),
        ({"margin": 2}, "`gate.margin` must be at most 1, got 2"),
        ({"margin": -0.1}, "`gate.margin` must be at least 0, got -0.1"),
        ({"margin": 0.1, "max_drop": 0.1}, "`gate.max_drop` is another name of `gate.margin`"),
        ({"max_p95": 1.5}, "`gate.max_p95` must be a time with its unit, such as 1.5s or 800ms, got 1.5"),
        ({"max_p95": "2h"}, '`gate.max_p95` must be a time with its unit, such as 1.5s or 800ms, got "2h"'),
        ({"max_trials": 3}, "`gate.max_trials` is for `undecided: more-trials`"),
        ({"max_cost": 3, "undecided": "fail"}, "`gate.max_cost` is for `undecided: more-trials`"),
        ({"undecided": "maybe"}, '`gate.undecided` must be one of estimate, fail, pass, more-trials, got "maybe"'),
        ({"min_passes": {"a": 0}}, "`gate.min_passes.a` must be at least 1, got 0"),
        ({"must_pass": []}, "`gate.must_pass` is empty"),
        ({"min_pass_rate": 90}, "`gate.min_pass_rate` must be at most 1, got 90"),
    ],
)
def test_what_cannot_be_used_is_said(block: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gate_rules(block, "results/run/manifest.json")
    assert caught.value.message == words
    assert str(caught.value.where) == "results/run/manifest.json"


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(ConfigErrors) as caught:
        gate_rules({"margin": 2, "max_p95": 3})
    assert len(caught.value.errors) == 2


@pytest.mark.parametrize(
    ("gate", "place", "words"),
    [
        ("{margin: 0.1, max_drop: 0.1}", "7:21", "another name"),
        ("{max_trials: 3}", "7:8", "more-trials"),
        ("{margni: 0.1}", "7:8", "did you mean"),
        ("{margin: 7}", "7:16", "at most 1"),
    ],
)
def test_a_suite_is_told_where_its_rule_is_wrong(tmp_path: Path, gate: str, place: str, words: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"{SUITE}gate: {gate}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=words) as caught:
        load_suite(file)
    assert str(caught.value.where) == f"{file}:{place}"


def test_a_suite_keeps_its_rules_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"{SUITE}gate:\n  baseline: ../results/baselines/s.json\n  max_drop: 0.02\n", encoding="utf-8")
    assert load_suite(file).gate == {"baseline": "../results/baselines/s.json", "max_drop": 0.02}


@pytest.mark.parametrize(("text", "ms"), [("1.5s", 1500.0), ("800ms", 800.0), (" 2 s ", 2000.0)])
def test_times_have_units(text: str, ms: float) -> None:
    assert milliseconds(text) == ms


def test_a_time_without_a_unit_is_none() -> None:
    with pytest.raises(ValueError, match=r"write 1\.5s or 800ms"):
        milliseconds("15")


@pytest.mark.parametrize(
    ("trials", "most", "plan"), [(1, 4, (1, 2, 4)), (1, 5, (1, 2, 4, 5)), (3, 4, (3, 4)), (4, 4, (4,)), (6, 4, (6,))]
)
def test_looks_are_planned_by_doubling(trials: int, most: int, plan: tuple[int, ...]) -> None:
    assert looks(trials, most) == plan
