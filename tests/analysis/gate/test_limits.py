from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.gate.limits import Limit, Seen, State, check_rules, limits
from evalkit.analysis.gate.measured import measure
from evalkit.errors import ConfigError, ConfigErrors
from evalkit.models.prices import make_price
from evalkit.suite.gate_rules import gate_rules


def checked(folder: Path, rules: dict[str, Any], verdicts: dict[str, Any], **more: Any) -> tuple[Limit, ...]:
    trials = max((len(one) for one in verdicts.values() if isinstance(one, tuple)), default=1)
    measured = measure(load_run(store_run(folder, {"m": verdicts}, trials=trials, **more)))
    (results,), (took,) = measured.results.candidates, measured.candidates
    return limits(gate_rules(rules), Seen(measured.results, results, took, trials))


def one_of(*arguments: Any, **more: Any) -> Limit:
    (limit,) = checked(*arguments, **more)
    return limit


NINE_OF_TEN = {f"c{n}": n > 0 for n in range(10)}


@pytest.mark.parametrize(("least", "state"), [(0.9, State.KEPT), (0.91, State.BROKEN), (0.5, State.KEPT)])
def test_a_pass_rate_is_measured_and_shown_with_its_interval(least: float, state: State, tmp_path: Path) -> None:
    limit = one_of(tmp_path, {"min_pass_rate": least}, NINE_OF_TEN)
    assert (limit.state, limit.value, limit.limit) == (state, 0.9, least)
    assert limit.ends == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert limit.straddles == (least > 0.5958)


def test_trials_of_a_case_are_no_independent_evidence(tmp_path: Path) -> None:
    once = one_of(tmp_path / "1", {"min_pass_rate": 0.5}, NINE_OF_TEN)
    thrice = one_of(tmp_path / "3", {"min_pass_rate": 0.5}, {case: (one,) * 3 for case, one in NINE_OF_TEN.items()})
    assert thrice.value == once.value
    assert thrice.ends == pytest.approx(once.ends, abs=0.01)


@pytest.mark.parametrize(("most", "state"), [(0.2, State.KEPT), (0.19, State.BROKEN)])
def test_errors_are_counted_apart(most: float, state: State, tmp_path: Path) -> None:
    verdicts = NINE_OF_TEN | {"c0": "timeout", "c1": "server"}
    limit = one_of(tmp_path, {"max_error_rate": most}, verdicts)
    assert (limit.state, limit.value) == (state, 0.2)


def test_the_measured_p95_decides_and_its_interval_is_told(tmp_path: Path) -> None:
    cases = {f"c{n:03}": True for n in range(1, 101)}
    fields = {("m", case): {"latency_ms": 10.0 * int(case[1:])} for case in cases}
    limit = one_of(tmp_path / "1", {"max_p95": "951ms"}, cases, fields=fields)
    assert limit.value == pytest.approx(950.5)
    assert limit.state is State.KEPT
    assert limit.straddles
    assert limit.ends[0] < limit.value < limit.ends[1]
    tight = one_of(tmp_path / "2", {"max_p95": "950ms"}, cases, fields=fields)
    assert tight.state is State.BROKEN
    wide = one_of(tmp_path / "3", {"max_p95": "2s"}, cases, fields=fields)
    assert not wide.straddles


def test_too_few_answers_leave_the_upper_end_of_a_p95_open(tmp_path: Path) -> None:
    limit = one_of(tmp_path, {"max_p95": "1s"}, NINE_OF_TEN)
    assert limit.ends[1] is None
    assert limit.straddles  # nobody knows how high it may be


@pytest.mark.parametrize("rule", [{"max_p95": "1s"}, {"max_cost_per_case": 1}])
def test_what_was_not_measured_is_unknown(rule: dict[str, Any], tmp_path: Path) -> None:
    limit = one_of(tmp_path, rule, {"a": "timeout"})
    assert (limit.state, limit.value, limit.ends) == (State.UNKNOWN, None, (None, None))


@pytest.mark.parametrize("rule", [{"min_pass_rate": 0.1}, {"max_error_rate": 1}])
def test_no_finished_call_is_no_rate(rule: dict[str, Any], tmp_path: Path) -> None:
    assert one_of(tmp_path, rule, {"a": None}).state is State.UNKNOWN


@pytest.mark.parametrize(("most", "state"), [(0.004, State.KEPT), (0.0019, State.BROKEN)])
def test_a_cost_is_the_mean_of_the_answers(most: float, state: State, tmp_path: Path) -> None:
    fields = {("m", case): {"cost_usd": 0.001 * (1 + 2 * (case > "c4"))} for case in NINE_OF_TEN}
    limit = one_of(tmp_path, {"max_cost_per_case": most}, NINE_OF_TEN, fields=fields)
    assert (limit.state, limit.value) == (state, pytest.approx(0.002))
    assert limit.ends == pytest.approx((0.002 - 1.96 * 0.001 / 10**0.5, 0.002 + 1.96 * 0.001 / 10**0.5), abs=1e-6)


def test_one_priced_case_has_a_cost_without_an_interval(tmp_path: Path) -> None:
    models = {"m": {"price": make_price({"input": 1.0, "output": 2.0})}}
    limit = one_of(tmp_path, {"max_cost_per_case": 1}, {"a": True}, models=models)
    assert limit.value == pytest.approx(20e-6)
    assert limit.ends == (None, None)
    assert not limit.straddles


@pytest.mark.parametrize(
    ("verdicts", "state", "cases"),
    [
        ({"a": True, "b": False}, State.KEPT, ()),
        ({"a": False, "b": True}, State.BROKEN, ("a",)),
        ({"a": "timeout", "b": True}, State.BROKEN, ("a",)),
        ({"a": None, "b": True}, State.UNKNOWN, ("a",)),
        ({"a": (True, False), "b": (True, True)}, State.BROKEN, ("a",)),
        ({"a": (True, None), "b": (True, True)}, State.UNKNOWN, ("a",)),
        ({"a": (False, None), "b": (True, True)}, State.BROKEN, ("a",)),
    ],
)
@pytest.mark.parametrize("pattern", ["safety", "a", "saf*"])
def test_cases_that_must_pass_pass_every_time(
    verdicts: dict[str, Any], state: State, cases: tuple[str, ...], pattern: str, tmp_path: Path
) -> None:
    limit = one_of(tmp_path, {"must_pass": [pattern]}, verdicts, tags={"a": ("safety",)})
    assert (limit.state, limit.cases, limit.pattern) == (state, cases, pattern)


@pytest.mark.parametrize(
    ("trials", "state"),
    [
        ((True, True, False), State.KEPT),
        ((True, False, False), State.BROKEN),
        ((True, False, None), State.UNKNOWN),
        ((True, True, None), State.KEPT),
        (("timeout", True, False), State.BROKEN),
    ],
)
def test_a_case_passes_k_of_its_n_trials(trials: tuple[Any, ...], state: State, tmp_path: Path) -> None:
    limit = one_of(tmp_path, {"min_passes": 2}, {"a": trials, "b": (True, True, True)})
    assert (limit.state, limit.limit, limit.pattern) == (state, 2, "")
    assert limit.cases == (() if state is State.KEPT else ("a",))


def test_several_limits_are_all_checked(tmp_path: Path) -> None:
    rules = {"min_pass_rate": 0.5, "max_p95": "50ms", "must_pass": ["c0", "c1"], "min_passes": {"c2": 1}}
    found = checked(tmp_path, rules, NINE_OF_TEN)
    assert [(one.rule, one.state.value) for one in found] == [
        ("min_pass_rate", "kept"),
        ("max_p95", "broken"),
        ("must_pass", "broken"),
        ("must_pass", "kept"),
        ("min_passes", "kept"),
    ]


def test_rules_about_cases_that_there_are_not_are_found() -> None:
    rules = gate_rules({"must_pass": ["safety", "b*"], "min_passes": {"c": 2}})
    with pytest.raises(ConfigErrors) as caught:
        check_rules(rules, ("a", "b1"), (("x",), ()), 1)
    assert [error.message for error in caught.value.errors] == [
        "the gate is about 'safety', which is no case and no tag of this run",
        "the gate is about 'c', which is no case and no tag of this run",
        "the gate wants 2 passes of each case, and each is asked 1 time",
    ]
    assert caught.value.errors[0].remedy == "its tags are: x"
    check_rules(gate_rules({"must_pass": ["x"], "min_passes": 2}), ("a", "b1"), (("x",), ()), 2)


def test_cases_without_tags_are_named_by_their_ids() -> None:
    with pytest.raises(ConfigError) as caught:
        check_rules(gate_rules({"must_pass": ["x"]}), ("a",), ((),), 1)
    assert caught.value.remedy == "its cases have no tags; name cases by their ids"
