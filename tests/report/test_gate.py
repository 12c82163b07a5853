from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.gate.baseline import freeze
from evalkit.analysis.gate.limits import Limit, State
from evalkit.analysis.gate.measured import MeasuredRun, measure
from evalkit.analysis.gate.result import GateResult, Look
from evalkit.analysis.gate.verdicts import gate
from evalkit.report.gate import candidate_notes, ending, headlines, limit_words, notes
from evalkit.report.gate_files import gate_json, gate_markdown
from evalkit.suite.gate_rules import gate_rules


def gated(
    folder: Path, before: Any, now: Any, look: Look | None = None, more: Any = None, then: Any = None, **rules: Any
) -> GateResult:
    trials = max((len(one) for one in next(iter(now.values())).values() if isinstance(one, tuple)), default=1)
    old = measure(load_run(store_run(folder / "old", before, **(then or {}))))
    new = measure(load_run(store_run(folder / "new", now, trials=trials, **(more or {}))))
    frozen = freeze(old, [one.candidate for one in old.results.candidates], "1")
    return gate(new, gate_rules(rules), frozen, Path("b.json"), look)


def verdicts(n: int, passed: int) -> dict[str, bool]:
    return {f"c{number:03}": number < passed for number in range(n)}


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (
            Limit("max_p95", 1500.0, 1900.0, State.BROKEN, (1400.0, None)),
            "p95 is 1.90 s (1.40 s to n/a), above 1.50 s, which the interval does not settle",
        ),
        (
            Limit("min_pass_rate", 0.9, 0.95, State.KEPT, (0.91, 0.98)),
            "pass rate is 95.0 % (91.0 % to 98.0 %), not below 90.0 %",
        ),
        (
            Limit("max_cost_per_case", 0.01, 0.002, State.KEPT),
            "cost per case is $0.0020 (n/a), not above $0.010",
        ),
        (Limit("max_error_rate", 0.1, None, State.UNKNOWN), "error rate is unknown: no call was finished"),
        (Limit("must_pass", None, 0.0, State.KEPT, pattern="x"), "must_pass ('x' passes every time) is kept"),
        (
            Limit("min_passes", 2.0, None, State.UNKNOWN, cases=("a", "b")),
            "min_passes (every case passes at least 2 times) is unknown, as calls are missing: a, b",
        ),
        (
            Limit("must_pass", None, 7.0, State.BROKEN, pattern="x", cases=tuple("abcdefg")),
            "must_pass ('x' passes every time) is broken by 7 cases: a, b, c, d, e and 2 more",
        ),
    ],
)
def test_limits_are_told_with_what_was_measured(limit: Limit, words: str) -> None:
    assert limit_words(limit) == words


def test_failing_candidates_come_first(tmp_path: Path) -> None:
    before = {"good": verdicts(60, 50), "bad": verdicts(60, 50), "open": verdicts(60, 50)}
    now = {"good": verdicts(60, 60), "bad": verdicts(60, 20), "open": verdicts(60, 49)}
    result = gated(tmp_path, before, now, margin=0.04)
    assert [line.split(" is ")[0] for line in headlines(result)] == [
        "REGRESSED: bad",
        "INCONCLUSIVE (the gate lets it pass): open",
        "NOT WORSE: good",
    ]
    assert headlines(result)[2].startswith("NOT WORSE: good is 16.7 points better (+")
    assert ending(result) == "gate failed"


def test_a_drop_that_few_cases_cannot_show_is_not_called_worse_and_not_worse_at_once(tmp_path: Path) -> None:
    result = gated(tmp_path, {"m": verdicts(12, 2)}, {"m": verdicts(12, 0)})
    (line,) = headlines(result)
    assert line == (
        "NOT WORSE: m is 16.7 points lower (-44.8 to +11.6) on 12 cases, within the margin of 44.8 points (auto); "
        "so few cases may miss any drop below 44.8 points"
    )
    page = gate_markdown(result)
    assert f"**{line}**" in page
    assert "- 12 cases that disagree so often cannot show less than the margin of 44.8 points; more cases can" in page
    assert "`" not in page


@pytest.mark.parametrize(
    ("before", "now", "rules"),
    [
        pytest.param(verdicts(12, 2), verdicts(12, 0), {"margin": 0.448}, id="a margin that somebody chose"),
        pytest.param(verdicts(12, 0), verdicts(12, 12), {}, id="shown to be better"),
        pytest.param(verdicts(150, 100), verdicts(150, 99), {}, id="enough cases"),
        pytest.param(verdicts(12, 12), verdicts(12, 0), {}, id="shown to be worse"),
    ],
)
def test_few_cases_are_blamed_only_for_what_they_hide(
    before: dict[str, bool], now: dict[str, bool], rules: dict[str, Any], tmp_path: Path
) -> None:
    assert "so few cases" not in headlines(gated(tmp_path, {"m": before}, {"m": now}, **rules))[0]


def test_a_broken_limit_stands_beside_a_difference_within_the_margin(tmp_path: Path) -> None:
    before, now = {"m": verdicts(150, 100)}, {"m": verdicts(150, 99)}
    (line,) = headlines(gated(tmp_path, before, now, min_pass_rate=0.9))
    assert line.startswith("REGRESSED: m is 0.7 points lower (")
    assert " on 150 cases, within the margin of " in line
    assert "; pass rate is 66.0 %" in line


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    result = gated(tmp_path, {"m": {"a": None, "b": True}}, {"m": {"a": True, "b": None}})
    assert headlines(result) == [
        "INCONCLUSIVE (the gate fails): m cannot be compared: no case was finished on both sides"
    ]
    assert "| pass rate  |" in gate_markdown(result)
    assert '"difference": null' in gate_json(result)


def test_scores_are_called_scores(tmp_path: Path) -> None:
    before, now = {f"c{n}": 0.9 for n in range(40)}, {f"c{n}": 0.6 for n in range(40)}
    result = gated(tmp_path, {"m": before}, {"m": now}, metric="score")
    assert "30.0 points worse" in headlines(result)[0]
    assert "by mean score on 40 cases" in headlines(result)[0]
    assert "| mean score |" in gate_markdown(result)


def test_what_the_provider_served_and_another_name_are_told(tmp_path: Path) -> None:
    def fields(served: str) -> dict[str, Any]:
        return {"fields": {("m", f"c{n:03}"): {"served_model": served} for n in range(30)}}

    before, now = {("m", "v1"): verdicts(30, 20)}, {("m", "v2"): verdicts(30, 20)}
    result = gated(tmp_path, before, now, more=fields("m-0613"), then=fields("m-0314"))
    (one,) = result.candidates
    lines = candidate_notes(one, result)
    assert lines[0] == "m@v2 is compared with m@v1 of the baseline"
    assert lines[-1] == "the provider served m-0613, and m-0314 when the baseline was made"


def test_errors_among_the_compared_are_counted(tmp_path: Path) -> None:
    result = gated(tmp_path, {"m": verdicts(100, 90)}, {"m": verdicts(100, 90) | {"c000": "timeout"}})
    (one,) = result.candidates
    assert candidate_notes(one, result)[0] == (
        "better on 0, worse on 1 of 100 cases; errors on 1 case, which count as not passed"
    )


def test_a_limit_that_is_kept_by_a_hair_is_noted(tmp_path: Path) -> None:
    result = gated(tmp_path, {"m": verdicts(100, 90)}, {"m": verdicts(100, 90)}, min_pass_rate=0.88)
    (one,) = result.candidates
    assert candidate_notes(one, result)[0] == (
        "note: pass rate is 90.0 % (82.6 % to 94.5 %), not below 88.0 %, which the interval does not settle"
    )
    assert "| min_pass_rate | kept" in gate_markdown(result)


def test_trials_are_offered_where_they_would_help(tmp_path: Path) -> None:
    before = {"m": verdicts(60, 54)}
    flaky = {f"c{n:03}": (True, n % 3 > 0) if n < 54 else (False, n % 2 > 0) for n in range(60)}
    result = gated(tmp_path, before, {"m": flaky}, margin=0.2)
    (one,) = result.candidates
    if one.comparison and one.comparison.settling and one.comparison.settling.trials:
        assert f"{one.comparison.settling.trials} trials of these cases" in " ".join(candidate_notes(one, result))
    assert "### Flaky: " in gate_markdown(result)


def test_several_looks_and_a_race_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MeasuredRun, "not_asked", 3)
    result = gated(tmp_path, {"m": verdicts(30, 20)}, {"m": verdicts(30, 20)}, look=Look(2))
    found = notes(result)
    assert found[0].startswith("a race did without 3 calls")
    assert found[1].startswith("intervals are wider than 95 % (97.5 %), as 2 looks at the gate were planned")


def test_nothing_that_others_wrote_breaks_out_of_the_page(tmp_path: Path) -> None:
    before = {"m": {"<b>": True, "| x |": True, "@team": True, "\x1b[31m": True}}
    now = {"m": dict.fromkeys(before["m"], False)}
    page = gate_markdown(gated(tmp_path, before, now))
    assert "<b>" not in page
    assert "| x |" not in page
    assert "@team" not in page
    assert "\x1b" not in page


def test_long_lists_are_cut_and_counted(tmp_path: Path) -> None:
    page = gate_markdown(gated(tmp_path, {"m": verdicts(80, 80)}, {"m": verdicts(80, 0)}))
    assert "### Newly failing: 80\n" in page
    assert "- 30 more cases in gate.json\n" in page
    shown, _, folded = page.partition("\n<details><summary>70 more</summary>\n\n")
    assert (shown.count(" from 1/1"), folded.count(" from 1/1")) == (10, 40)
