from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.gate.baseline import Baseline, freeze
from evalkit.analysis.gate.measured import MeasuredRun, measure
from evalkit.analysis.gate.result import CandidateGate, GateResult, Look, Outcome
from evalkit.analysis.gate.verdicts import gate
from evalkit.errors import ConfigError
from evalkit.stats.margin import Verdict
from evalkit.suite.gate_rules import gate_rules

FILE = Path("b.json")


class Home:
    """Makes runs and holds them against each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def measured(self, verdicts: dict[Any, Any], **more: Any) -> MeasuredRun:
        self.number += 1
        trials = max((len(one) for one in next(iter(verdicts.values())).values() if isinstance(one, tuple)), default=1)
        return measure(load_run(store_run(self.folder / str(self.number), verdicts, **{"trials": trials} | more)))

    def frozen(self, verdicts: dict[Any, Any], **more: Any) -> Baseline:
        measured = self.measured(verdicts, **more)
        return freeze(measured, [one.candidate for one in measured.results.candidates], "1")

    def gate(self, before: dict[Any, Any], now: dict[Any, Any], **rules: Any) -> GateResult:
        return gate(self.measured(now), gate_rules(rules), self.frozen(before), FILE)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def verdicts(n: int, passed: int, first: int = 0) -> dict[str, bool]:
    """Of n cases, so many pass, from `first` on."""
    return {f"c{number:03}": first <= number < first + passed for number in range(n)}


def only(result: GateResult) -> CandidateGate:
    (one,) = result.candidates
    return one


def test_the_same_verdicts_are_not_worse(home: Home) -> None:
    result = home.gate({"m": verdicts(100, 90)}, {"m": verdicts(100, 90)})
    one = only(result)
    assert (one.verdict, one.passed, result.outcome) == (Verdict.NOT_WORSE, True, Outcome.PASSED)
    assert one.comparison is not None
    assert not one.comparison.renamed
    assert (one.comparison.worse, one.comparison.better, one.comparison.settling) == ((), (), None)


def test_a_large_drop_is_a_regression_and_names_its_cases(home: Home) -> None:
    one = only(result := home.gate({"m": verdicts(100, 90)}, {"m": verdicts(100, 70, first=1)}))
    assert (one.verdict, one.passed, result.outcome, int(result.outcome.exit_code)) == (
        Verdict.REGRESSED,
        False,
        Outcome.FAILED,
        1,
    )
    assert one.comparison is not None
    assert one.comparison.difference is not None
    assert one.comparison.difference.difference == pytest.approx(-0.2)
    assert [shift.case for shift in one.comparison.worse] == ["c000", *(f"c{n:03}" for n in range(71, 90))]
    assert one.comparison.worse[0] == ("c000", (1, 1), (0, 1))


BEFORE, SLIGHTLY_WORSE, MUCH_WORSE = verdicts(50, 40), verdicts(50, 39), verdicts(50, 37)


@pytest.mark.parametrize(
    ("now", "undecided", "passed"),
    [
        (SLIGHTLY_WORSE, "estimate", True),  # 2 points: within the margin of 5
        (MUCH_WORSE, "estimate", False),  # 6 points: beyond it
        (SLIGHTLY_WORSE, "fail", False),
        (MUCH_WORSE, "pass", True),
        (SLIGHTLY_WORSE, "more-trials", True),
        (MUCH_WORSE, "more-trials", False),
    ],
)
def test_the_rules_say_what_becomes_of_an_inconclusive_verdict(
    now: dict[str, bool], undecided: str, passed: bool, home: Home
) -> None:
    result = home.gate({"m": BEFORE}, {"m": now}, margin=0.05, undecided=undecided)
    one = only(result)
    assert (one.verdict, one.passed) == (Verdict.INCONCLUSIVE, passed)
    assert result.outcome is (Outcome.PASSED if passed else Outcome.FAILED)
    assert result.undecided
    assert one.comparison is not None
    assert one.comparison.settling is not None
    assert one.comparison.settling.cases is not None
    assert one.comparison.settling.cases > 50


def test_a_drop_of_just_the_margin_is_within_it(home: Home) -> None:
    assert only(home.gate({"m": verdicts(50, 40)}, {"m": verdicts(50, 38)}, margin=0.04)).passed


def test_a_broken_limit_is_a_regression_however_the_comparison_ends(home: Home) -> None:
    same = {"m": verdicts(100, 90)}
    one = only(result := home.gate(same, same, min_pass_rate=0.95))
    assert (one.verdict, one.passed, result.undecided) == (Verdict.REGRESSED, False, False)
    assert one.comparison is not None
    assert one.comparison.verdict is Verdict.NOT_WORSE
    assert [limit.rule for limit in one.broken] == ["min_pass_rate"]


@pytest.mark.parametrize("undecided", ["estimate", "pass"])
def test_an_unknown_limit_is_never_passed(undecided: str, home: Home) -> None:
    same = {"m": verdicts(100, 90)}
    one = only(result := home.gate(same, same, max_cost_per_case=1, undecided=undecided))
    assert (one.verdict, one.passed, result.outcome) == (Verdict.INCONCLUSIVE, False, Outcome.FAILED)
    assert not result.undecided


def test_a_regression_stays_one_beside_an_unknown_limit(home: Home) -> None:
    one = only(home.gate({"m": verdicts(100, 90)}, {"m": verdicts(100, 60)}, max_cost_per_case=1))
    assert one.verdict is Verdict.REGRESSED


@pytest.mark.parametrize("lack", ["timeout", None])
def test_an_incomplete_run_is_neither_passed_nor_failed(lack: str | None, home: Home) -> None:
    before = verdicts(100, 90)
    result = home.gate({"m": before}, {"m": before | {"c099": lack}})
    assert result.incomplete
    assert (result.outcome, int(result.outcome.exit_code)) == (Outcome.INCOMPLETE, 3)
    assert only(result).missing == (() if lack else ("c099",))


def test_a_failed_gate_beats_an_incomplete_run(home: Home) -> None:
    result = home.gate({"m": verdicts(100, 90)}, {"m": verdicts(100, 60) | {"c099": None}})
    assert (result.incomplete, result.outcome) == (True, Outcome.FAILED)


def test_an_error_counts_as_not_passed(home: Home) -> None:
    one = only(
        home.gate({"m": verdicts(100, 90)}, {"m": verdicts(100, 90) | {f"c{n:03}": "timeout" for n in range(20)}})
    )
    assert one.verdict is Verdict.REGRESSED
    assert one.comparison is not None
    assert one.comparison.difference is not None
    assert one.comparison.difference.errors == 20


def test_nothing_finished_on_both_sides_is_never_passed(home: Home) -> None:
    result = home.gate({"m": {"a": None, "b": True}}, {"m": {"a": True, "b": None}}, undecided="pass")
    one = only(result)
    assert (one.verdict, one.passed) == (Verdict.INCONCLUSIVE, False)
    assert one.comparison is not None
    assert (one.comparison.difference, one.comparison.margin) == (None, None)
    assert result.margins == {}


def test_changed_cases_are_left_out_and_told(home: Home) -> None:
    before = home.frozen({"m": {"same": True, "other": True, "gone": True}})
    now = home.measured({"m": {"same": True, "other": False, "new": False}}, expected={"other": "else"})
    result = gate(now, gate_rules({}), before, FILE)
    assert result.cases == (1, ("new",), ("gone",), ("other",))
    comparison = only(result).comparison
    assert comparison is not None
    assert comparison.difference is not None
    assert (comparison.difference.cases, comparison.worse) == (1, ())


def test_each_candidate_is_held_against_its_own_entry(home: Home) -> None:
    before = {"good": verdicts(100, 90), "weak": verdicts(100, 50)}
    result = home.gate(before, {"good": verdicts(100, 60), "weak": verdicts(100, 50), "new": verdicts(100, 90)})
    assert [(one.model, one.verdict) for one in result.candidates] == [
        ("good", Verdict.REGRESSED),
        ("weak", Verdict.NOT_WORSE),
    ]
    assert result.ungated == (("new", "p"),)
    assert result.outcome is Outcome.FAILED


def test_candidates_without_any_entry_are_refused(home: Home) -> None:
    same = verdicts(10, 9)
    with pytest.raises(ConfigError, match="no entry for c@p, d@p; it has: a@p, b@p"):
        home.gate({"a": same, "b": same}, {"c": same, "d": same})


def test_a_prompt_under_a_new_name_is_told(home: Home) -> None:
    result = home.gate({("m", "v1"): verdicts(10, 9)}, {("m", "v2"): verdicts(10, 9)})
    comparison = only(result).comparison
    assert comparison is not None
    assert (comparison.renamed, comparison.against) == (True, ("m", "v1"))


def test_another_served_model_is_told(home: Home) -> None:
    def fields(served: str) -> dict[Any, Any]:
        return {("m", f"c{n:03}"): {"served_model": served} for n in range(10)}

    before = home.frozen({"m": verdicts(10, 9)}, fields=fields("m-0314"))
    now = home.measured({"m": verdicts(10, 9)}, fields=fields("m-0613"))
    comparison = only(gate(now, gate_rules({}), before, FILE)).comparison
    assert comparison is not None
    assert comparison.drifted == (("m-0314",), ("m-0613",))


def test_limits_alone_are_checked_without_a_baseline(home: Home) -> None:
    kept = gate(home.measured({"m": verdicts(10, 9)}), gate_rules({"min_pass_rate": 0.9}))
    assert (only(kept).verdict, only(kept).comparison, kept.cases, kept.outcome) == (None, None, None, Outcome.PASSED)
    broken = gate(home.measured({"m": verdicts(10, 8)}), gate_rules({"min_pass_rate": 0.9}))
    assert (only(broken).verdict, broken.outcome) == (Verdict.REGRESSED, Outcome.FAILED)
    unknown = gate(home.measured({"m": verdicts(10, 8)}), gate_rules({"max_cost_per_case": 1}))
    assert (only(unknown).verdict, unknown.outcome) == (Verdict.INCONCLUSIVE, Outcome.FAILED)


def test_flaky_cases_are_listed(home: Home) -> None:
    trials = {"m": {"a": (True, False), "b": (True, True), "c": (False, False)}}
    one = only(home.gate(trials, trials))
    assert one.flaky == ("a",)


def test_graded_scores_can_be_compared(home: Home) -> None:
    before = {"m": {f"c{n}": 0.9 for n in range(40)}}
    now = {"m": {f"c{n}": 0.6 + 0.01 * (n % 3) for n in range(40)}}
    assert only(home.gate(before, now)).verdict is Verdict.NOT_WORSE  # all of them still pass
    assert only(home.gate(before, now, metric="score")).verdict is Verdict.REGRESSED


def test_cases_of_one_source_are_no_independent_evidence(home: Home) -> None:
    before, now = verdicts(60, 60), verdicts(60, 48)
    sources = {case: {"n": case, "source": str(number // 12)} for number, case in enumerate(before)}
    apart = only(home.gate({"m": before}, {"m": now}, margin=0.05))
    frozen = home.frozen({"m": before}, case_vars=sources)
    together = only(
        gate(home.measured({"m": now}, case_vars=sources, cluster="source"), gate_rules({"margin": 0.05}), frozen, FILE)
    )
    assert apart.verdict is Verdict.REGRESSED
    assert together.verdict is Verdict.INCONCLUSIVE


def test_several_looks_share_the_error_and_the_margin_never_grows(home: Home) -> None:
    before, now = home.frozen({"m": BEFORE}), home.measured({"m": SLIGHTLY_WORSE})
    rules = gate_rules({"undecided": "more-trials"})
    first = gate(now, rules, before, FILE, Look(3))
    single = gate(now, rules, before, FILE)
    comparison, alone = only(first).comparison, only(single).comparison
    assert comparison is not None
    assert alone is not None
    assert comparison.difference is not None
    assert alone.difference is not None
    assert comparison.confidence == pytest.approx(1 - 0.05 / 3)
    assert comparison.difference.interval.low < alone.difference.interval.low
    assert comparison.margin == alone.margin
    second = gate(now, rules, before, FILE, Look(3, first.margins))
    assert second.margins == first.margins
    tight = gate(now, rules, before, FILE, Look(3, {("m", "p"): 0.01}))
    assert tight.margins == {("m", "p"): 0.01}
    wide = gate(now, rules, before, FILE, Look(3, {("m", "p"): 0.9}))
    assert wide.margins == {("m", "p"): alone.margin}


def test_rules_about_cases_that_the_run_has_not_are_refused(home: Home) -> None:
    with pytest.raises(ConfigError, match="no case and no tag"):
        home.gate({"m": BEFORE}, {"m": BEFORE}, must_pass=["zz"])


def test_more_trials_are_of_no_use_once_something_has_failed(home: Home) -> None:
    result = home.gate(
        {"a": verdicts(50, 40), "b": verdicts(50, 50)}, {"a": verdicts(50, 39), "b": verdicts(50, 30)}, margin=0.05
    )
    assert [one.verdict for one in result.candidates] == [Verdict.INCONCLUSIVE, Verdict.REGRESSED]
    assert not result.undecided
