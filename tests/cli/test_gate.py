"""`evalkit baseline` and `evalkit gate`, on stored runs."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from published import drift_run
from stored import store_run
from workspace import EVALKIT

from evalkit.cli import main
from evalkit.runner.manifest import ManifestSuite, read_manifest, write_manifest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def evalkit(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def verdicts(passed: int, n: int = 100) -> dict[str, bool]:
    return {f"c{number:03}": number < passed for number in range(n)}


def run(name: str, *args: Any, **more: Any) -> str:
    store_run(Path("results/tiny") / name, *args, run_id=name, **more)
    return name


def test_a_drop_fails_the_gate_and_the_headline_comes_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evalkit("baseline", run("old", {"m": verdicts(90)})) == 0
    assert capsys.readouterr().out == ("m@p: 90.0 % of 100 cases passed\nbaseline: results/baselines/tiny.json\n")
    assert evalkit("gate", run("new", {"m": verdicts(75)})) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "REGRESSED: m is 15.0 points worse (-23.3 to -9.3) on 100 cases; margin 13.7 points (auto)"
    assert "better on 0, worse on 15 of 100 cases" in shown
    assert shown[-2].startswith("newly failing (15): c075 from 1/1 to 0/1, c076")
    assert shown[-2].endswith("and 5 more")
    assert shown[-1] == "gate failed: results/tiny/new/gate.md"
    page = Path("results/tiny/new/gate.md").read_text(encoding="utf-8")
    assert page.startswith("# Gate: tiny\n\n**REGRESSED: m is 15.0 points worse")
    assert "### Newly failing: 15\n\n- c075 from 1/1 to 0/1\n" in page


def test_the_figures_are_printed_as_they_are_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90)}))
    capsys.readouterr()
    assert evalkit("gate", run("new", {"m": verdicts(90)}), "--json") == 0
    printed = capsys.readouterr().out
    assert printed == Path("results/tiny/new/gate.json").read_text(encoding="utf-8")
    figures = json.loads(printed)
    assert (figures["outcome"], figures["exit_code"]) == ("passed", 0)
    (one,) = figures["candidates"]
    assert (one["verdict"], one["passed"], one["cost_per_case_usd"]) == ("NOT WORSE", True, None)
    assert one["comparison"]["cases"] == 100
    assert one["comparison"]["difference"] == 0


def test_a_baseline_is_not_made_of_an_incomplete_run_unless_it_is_allowed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = run("old", {"m": verdicts(90) | {"c000": "timeout", "c001": None}})
    assert evalkit("baseline", name) == 2
    said = capsys.readouterr().err
    assert "is incomplete: 1 call ended in an error, 1 call never finished" in said
    assert "evalkit run evals/tiny.yaml --resume results/tiny/old" in said
    assert not Path("results/baselines").exists()
    assert evalkit("baseline", name, "--allow-incomplete") == 0
    results = json.loads(Path("results/baselines/tiny.json").read_text())["candidates"][0]["results"]
    assert (results["c000"], results["c001"], results["c002"]) == ("0/1, 1 error", "0/0", "1/1")


def test_a_new_baseline_says_what_it_changes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90), "k": verdicts(50)}))
    capsys.readouterr()
    new = verdicts(90) | {"c000": False, "c095": True}
    assert evalkit("baseline", run("new", {"m": new | {"extra": True}}, expected={"c050": "else"})) == 0
    assert capsys.readouterr().out.splitlines() == [
        "m@p: 90.1 % of 101 cases passed",
        "in place of the run old (2030-01-01):",
        "  m@p: 1 case passes less often: c000; 1 case passes more often: c095",
        "  1 case new: extra",
        "  1 case changed: c050",
        "  no longer guarded: k@p",
        "baseline: results/baselines/tiny.json",
    ]
    evalkit("baseline", "new")
    assert "  m@p: every case passes as often as before" in capsys.readouterr().out


def test_one_candidate_can_be_frozen(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = run(
        "old", {("m", "a"): verdicts(90), ("m", "b"): verdicts(50), ("k", "a"): verdicts(1), ("k", "b"): verdicts(2)}
    )
    assert evalkit("baseline", name, "--candidate", "m@b", "--candidate", "k", "-o", "b.json") == 0
    frozen = json.loads(Path("b.json").read_text())["candidates"]
    assert [(one["model"], one["prompt"]) for one in frozen] == [("k", "a"), ("k", "b"), ("m", "b")]
    assert evalkit("baseline", f"{name}:m@a", "-o", "c.json") == 0
    assert len(json.loads(Path("c.json").read_text())["candidates"]) == 1
    capsys.readouterr()
    assert evalkit("baseline", name, "--candidate", "x") == 2
    assert "has no candidate 'x'" in (said := capsys.readouterr().err)
    assert "it has: m@a, m@b, k@a, k@b" in said


def test_a_baseline_that_cannot_be_written_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert evalkit("baseline", run("old", {"m": verdicts(90)}), "-o", "file/b.json") != 0
    assert "file/b.json" in capsys.readouterr().err


def test_a_baseline_of_another_suite_is_neither_replaced_nor_compared_with(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90)}), "-o", "b.json")
    other = run("other", {"m": verdicts(90)}, suite="other")
    before = Path("b.json").read_text()
    assert evalkit("baseline", other, "-o", "b.json") == 2
    assert evalkit("gate", other, "--baseline", "b.json") == 2
    said = capsys.readouterr().err
    assert "b.json is the baseline of the suite 'tiny', not of 'other'" in said
    assert "the baseline b.json belongs to the suite 'tiny', not to 'other'" in said
    assert Path("b.json").read_text() == before


def test_the_gate_of_the_suite_holds_and_options_take_its_place(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths in the block start from the suite's folder: evals/tiny.yaml."""
    Path("evals").mkdir()
    Path("evals/tiny.yaml").touch()
    block = {"baseline": "../frozen/b.json", "max_drop": 0.2, "min_pass_rate": 0.5}
    assert evalkit("baseline", run("old", {"m": verdicts(90)}, gate=block)) == 0
    assert Path("frozen/b.json").is_file()
    assert evalkit("gate", run("new", {"m": verdicts(85)}, gate=block)) == 0
    assert "within the margin of 20.0 points\n" in capsys.readouterr().out
    assert evalkit("gate", "new", "--margin", "0.01", "--undecided", "fail") == 1
    assert evalkit("gate", "new", "--min-pass-rate", "0.9") == 1
    assert "pass rate is 85.0 % (76.7 % to 90.7 %), below 90.0 %" in capsys.readouterr().out
    more_trials = block | {"undecided": "more-trials", "max_trials": 3}
    assert evalkit("gate", run("more", {"m": verdicts(85)}, gate=more_trials), "--undecided", "pass") == 0


def test_a_baseline_is_not_looked_for_or_written_in_a_wrong_folder(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run names its suite as it was typed: from elsewhere, a path beside it leads astray."""
    name = run("old", {"m": verdicts(90)}, gate={"baseline": "../b.json"})
    assert evalkit("baseline", name) == 2
    assert evalkit("gate", name) == 2
    said = capsys.readouterr().err
    words = "the baseline ../b.json starts from the folder of evals/tiny.yaml, which cannot be seen from here"
    assert said.count(words) == 2
    assert not (home / "b.json").exists()
    assert evalkit("baseline", name, "-o", "b.json") == 0
    assert evalkit("gate", name, "--baseline", "b.json") == 0


def test_the_rules_can_be_read_from_the_suite_as_it_is_now(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90)}))
    run("new", {"m": verdicts(90)})
    Path("tiny.yaml").write_text("suite: tiny\ngate: {baseline: results/baselines/tiny.json, min_pass_rate: 0.95}\n")
    assert evalkit("gate", "new", "--suite", "tiny.yaml") == 1
    Path("tiny.yaml").write_text("suite: other\n")
    assert evalkit("gate", "new", "--suite", "tiny.yaml") == 2
    Path("tiny.yaml").write_text("suite: tiny\ngate: 3\n")
    assert evalkit("gate", "new", "--suite", "tiny.yaml") == 2
    said = capsys.readouterr().err
    assert "the run belongs to the suite 'tiny', not to 'other'" in said
    assert "`gate` must be a mapping" in said


def test_without_a_baseline_limits_alone_are_checked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("new", {"m": verdicts(90)})
    assert evalkit("gate", "new") == 2
    said = capsys.readouterr().err
    assert "there is nothing to hold tiny to: no baseline results/baselines/tiny.json, and no limit" in said
    assert "evalkit baseline RUN -o results/baselines/tiny.json" in said
    assert evalkit("gate", "new", "--min-pass-rate", "0.9") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "WITHIN LIMITS: m: every limit is kept"
    assert "only limits were checked: there is no baseline to compare with" in shown
    assert "note: pass rate is 90.0 % (82.6 % to 94.5 %), not below 90.0 %" not in shown
    assert evalkit("gate", "new", "--baseline", "no.json", "--min-pass-rate", "0.9") == 2
    assert "there is no baseline no.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-p95", "50ms"], "p95 is 100 ms (100 ms to 100 ms), above 50.0 ms"),
        (["--max-cost-per-case", "0.1"], "cost per case is unknown: not every answer has a known price"),
        (["--must-pass", "hard"], "must_pass ('hard' passes every time) is broken by 1 case: c099"),
        (["--min-passes", "1"], "min_passes (every case passes at least 1 time) is broken by 10 cases: c090, c091"),
        (["--min-passes", "hard=1"], "min_passes ('hard' passes at least 1 time) is broken by 1 case: c099"),
    ],
)
def test_limits_of_the_command_line_fail_the_gate(
    options: list[str], words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90)}))
    run("new", {"m": verdicts(90)}, tags={"c099": ("hard",)})
    capsys.readouterr()
    assert evalkit("gate", "new", *options) == 1
    assert words in capsys.readouterr().out.splitlines()[0]


def test_an_error_rate_has_a_limit(home: Path) -> None:
    run("new", {"m": verdicts(90) | {"c099": "timeout"}})
    assert evalkit("gate", "new", "--max-error-rate", "0") == 1
    assert evalkit("gate", "new", "--max-error-rate", "0.01") == 3  # within it, and still incomplete


@pytest.mark.parametrize(
    "options",
    [["--margin", "2"], ["--margin", "x"], ["--max-p95", "1.5"], ["--min-passes", "a=x"], ["--undecided", "x"]],
)
def test_values_that_cannot_be_used_are_refused(options: list[str], home: Path) -> None:
    run("new", {"m": verdicts(90)})
    assert evalkit("gate", "new", *options) == 2


def test_what_a_reader_must_know_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90), "k": verdicts(90)}))
    run(
        "new",
        {"m": verdicts(90, 101) | {"c003": "timeout"}, "x": verdicts(90, 101)},
        expected={"c000": "else"},
    )
    capsys.readouterr()
    assert evalkit("gate", "new") == 3
    shown = capsys.readouterr().out
    assert "NOT GATED: x@p has no entry in the baseline" in shown
    assert "the run is incomplete: 1 call ended in an error, which counts as not passed" in shown
    assert "compared on the 99 cases that are the same as in the baseline; left out: 1 new, 1 changed" in shown
    assert "gate neither passed nor failed: the run is incomplete" in shown
    page = Path("results/tiny/new/gate.md").read_text(encoding="utf-8")
    assert "### New cases: 1\n\n- c100\n" in page
    assert "### Changed cases: 1\n\n- c000\n" in page


def test_other_scorers_are_suspected_where_nothing_else_explains_the_suite(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90)}))
    folder = Path("results/tiny") / run("new", {"m": verdicts(90)})
    altered = ManifestSuite("tiny", "evals/tiny.yaml", "", "altered")
    write_manifest(folder, replace(read_manifest(folder), suite=altered))
    capsys.readouterr()
    assert evalkit("gate", "new") == 0
    assert "the suite's scorers, parameters, vars or threshold have changed" in capsys.readouterr().out


def test_limits_hold_for_a_candidate_that_the_baseline_does_not_know(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90), "gone": verdicts(90)}))
    run("new", {"m": verdicts(90), "added": verdicts(10)})
    capsys.readouterr()
    assert evalkit("gate", "new") == 0
    shown = capsys.readouterr().out
    assert "NOT GATED: added@p has no entry in the baseline; freeze a new one to guard it" in shown
    assert "the baseline also has gone@p, which this run did not ask" in shown
    assert evalkit("gate", "new", "--min-pass-rate", "0.8") == 1
    shown = capsys.readouterr().out
    assert shown.startswith("REGRESSED: added: pass rate is 10.0 % (5.5 % to 17.4 %), below 80.0 %\nNOT WORSE: m ")
    assert "NOT COMPARED: added@p has no entry in the baseline: only its limits were checked" in shown
    assert json.loads(Path("results/tiny/new/gate.json").read_text())["not_gated"] == [
        {"model": "added", "prompt": "p"}
    ]


def test_a_baseline_with_holes_is_pointed_out(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors count as not passed: against a baseline that had many, any candidate looks good."""
    holes = {"c000": None, "c001": "timeout", "c002": "timeout"}
    evalkit("baseline", run("old", {"m": verdicts(90) | holes}), "--allow-incomplete")
    shown = capsys.readouterr().out
    assert "m@p: 87.9 % of 99 cases passed\n  1 case with no result, and will not be compared\n" in shown
    assert "  2 cases with errors, kept as failures\n" in shown
    evalkit("gate", run("new", {"m": verdicts(90)}))
    assert (
        "the baseline is itself incomplete (no result of 1 case; errors on 2 cases, counted as not passed)"
        in capsys.readouterr().out
    )


def test_a_baseline_that_cannot_be_read_is_not_overwritten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = run("old", {"m": verdicts(90)})
    for content in ("<<<<<<< HEAD", '{"a": 1}'):
        Path("b.json").write_text(content)
        assert evalkit("baseline", name, "-o", "b.json") == 2
        assert Path("b.json").read_text() == content
    said = capsys.readouterr().err
    assert "mend it, or remove it and write it anew: evalkit baseline RUN -o b.json" in said
    assert "b.json: is no baseline" in said


def test_a_baseline_is_written_through_a_link(home: Path) -> None:
    Path("link.json").symlink_to("elsewhere/real.json")
    assert evalkit("baseline", run("old", {"m": verdicts(90)}), "-o", "link.json") == 0
    assert Path("link.json").is_symlink()
    assert evalkit("gate", "old", "--baseline", "elsewhere/real.json") == 0


@pytest.mark.parametrize(("passed", "code"), [(90, 3), (50, 1)])
def test_files_that_cannot_be_written_hide_no_verdict(
    passed: int, code: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evalkit("baseline", run("old", {"m": verdicts(90)}))
    Path("results/tiny", run("new", {"m": verdicts(passed)}), "gate.json").mkdir()
    capsys.readouterr()
    assert evalkit("gate", "new") == code
    shown = capsys.readouterr()
    assert shown.out.startswith("REGRESSED" if code == 1 else "NOT WORSE")
    assert "cannot write results/tiny/new/gate.json" in shown.err


def test_graded_scores_are_counted_by_what_is_compared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {f"c{n}": 0.6 + n / 300 for n in range(50)}
    evalkit("baseline", run("old", {"m": scores}))
    assert evalkit("gate", run("same", {"m": scores}), "--metric", "score") == 0
    assert "better on 0, worse on 0 of 50 cases" in capsys.readouterr().out
    assert evalkit(
        "gate", run("new", {"m": {case: score - 0.05 for case, score in scores.items()}}), "--metric", "score"
    )
    assert "better on 0, worse on 50 of 50 cases" in capsys.readouterr().out


def test_an_inconclusive_gate_says_what_would_settle_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = {"margin": 0.05, "undecided": "more-trials"}
    evalkit("baseline", run("old", {"m": verdicts(90)}))
    run("new", {"m": verdicts(89)}, gate=block)
    capsys.readouterr()
    assert evalkit("gate", "new") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("INCONCLUSIVE (the gate lets it pass): m is 1.0 points worse")
    assert "cases would settle it" in shown
    assert "(98.3 %), as 3 looks at the gate were planned" in shown
    assert "to ask until it is settled: evalkit run evals/tiny.yaml --gate --resume results/tiny/new" in shown
    assert evalkit("gate", "new", "--undecided", "more-trials", "--baseline", "results/baselines/tiny.json") == 0
    assert (
        "to ask until it is settled: with `gate: {undecided: more-trials}` in the suite, "
        "evalkit run evals/tiny.yaml --gate --baseline results/baselines/tiny.json --resume results/tiny/new"
    ) in capsys.readouterr().out
    assert evalkit("gate", run("all", {"m": verdicts(89)}, gate=block | {"max_trials": 2}, trials=2)) == 0
    assert "nobody was asked again" not in capsys.readouterr().out
    assert evalkit("gate", "new", "--undecided", "fail") == 1
    assert capsys.readouterr().out.startswith("INCONCLUSIVE (the gate fails): ")
    assert evalkit("gate", "new", "--undecided", "estimate") == 0
    assert "until it is settled, with gate: {undecided: more-trials}" in capsys.readouterr().out


def test_a_coarse_margin_is_pointed_out(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evalkit("baseline", run("old", {"m": verdicts(8, 10)}))
    capsys.readouterr()
    evalkit("gate", run("new", {"m": verdicts(7, 10)}))
    assert "10 cases that disagree so often cannot show less than the margin of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("task", "model", "code", "verdict"),
    [
        ("prime", "gpt-4", 1, "REGRESSED"),
        ("happy", "gpt-4", 1, "REGRESSED"),
        ("prime", "gpt-3.5", 0, "NOT WORSE"),
    ],
)
def test_published_drift_is_found(
    task: Any, model: str, code: int, verdict: str, home: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held against itself of March 2023, GPT-4 of June is worse at both tasks, and GPT-3.5 better at primes."""
    march = drift_run(home / "march", shared, task, "march")
    june = drift_run(home / "june", shared, task, "june")
    name = next(
        row["name"] for row in json.loads((march / "manifest.json").read_text())["models"] if model in row["name"]
    )
    assert evalkit("baseline", str(march), "--candidate", name, "-o", "b.json", "--allow-incomplete") == 0
    evalkit("gate", str(june), "--baseline", "b.json")
    figures = json.loads((june / "gate.json").read_text())
    (one,) = (one for one in figures["candidates"] if model in one["model"])
    assert one["verdict"] == verdict
    assert one["passed"] == (code == 0)
    assert (one["comparison"]["low"] > 0) == (code == 0)


def test_the_installed_command_gates(home: Path) -> None:
    """Through a real process, as CI runs it."""
    run("old", {"m": verdicts(90)})
    run("new", {"m": verdicts(75)})

    def call(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [EVALKIT, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "60"}
        )
        return done.returncode, done.stdout

    assert call("baseline", "old")[0] == 0
    assert call("gate", "old") == (0, call("gate", "old")[1])
    code, out = call("gate", "new", "--margin", "auto")
    assert code == 1
    assert out.startswith("REGRESSED: ")
