"""`evalkit run --gate`: run, report, and hold the run against a baseline, asking again where the rules say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli import main

MODELS = """
models:
  m: {provider: python, function: f.py:answer}
  k: {provider: python, function: f.py:answer}
  priced: {provider: python, function: f.py:answer, price: {input: 1.0, output: 1.0}}
"""
ANSWERS = """
import pathlib

HERE = pathlib.Path(__file__).parent


def answer(vars):
    seen = HERE / "seen" / str(vars["n"])
    seen.parent.mkdir(exist_ok=True)
    with seen.open("a") as file:
        file.write("x")
    times = len(seen.read_text())
    rules = (HERE / "wrong.txt").read_text().split()
    if "broken" in rules or ("dies" in rules and times > 1):
        raise RuntimeError("out of order")
    if "vanishes" in rules:
        (HERE / "models.yaml").unlink(missing_ok=True)
    wrong = f"{vars['n']}" in rules or f"{vars['n']}/{times}" in rules
    return "wrong" if wrong else "right"
"""


class Home:
    """A folder with a suite of 40 cases, and a model that gets wrong what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "models.yaml").write_text(MODELS, encoding="utf-8")
        (folder / "f.py").write_text(ANSWERS, encoding="utf-8")
        self.wrong()

    def suite(self, cases: int = 40, **more: Any) -> str:
        """Write the suite."""
        content = {
            "suite": "s",
            "models": ["m"],
            "prompts": [{"name": "p", "template": "{{ n }}"}],
            "scorers": ["exact"],
            "cases": [{"id": f"c{n}", "vars": {"n": n}, "expected": "right"} for n in range(cases)],
        }
        (self.folder / "s.yaml").write_text(json.dumps(content | more), encoding="utf-8")
        return "s.yaml"

    def wrong(self, *cases: int | str) -> None:
        """Choose the cases that are answered wrong; `3/2`: the third one, the second time it is asked."""
        (self.folder / "wrong.txt").write_text(" ".join(map(str, cases)), encoding="utf-8")
        for seen in (self.folder / "seen").glob("*"):
            seen.unlink()

    @property
    def asked(self) -> int:
        """How many calls were made since `wrong`."""
        return sum(len(seen.read_text()) for seen in (self.folder / "seen").glob("*"))

    def baseline(self, **more: Any) -> None:
        """Run the suite and freeze the run."""
        assert evalkit("run", self.suite(**more)) == 0
        assert evalkit("baseline", "s") == 0

    @property
    def gate(self) -> dict[str, Any]:
        """What came of the latest gate."""
        found: dict[str, Any] = json.loads((self.folder / "results/s/latest/gate.json").read_text(encoding="utf-8"))
        return found


def evalkit(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    return Home(tmp_path)


@pytest.mark.parametrize(("wrong", "code"), [((), 0), ((1,), 0), (tuple(range(12)), 1)])
def test_a_run_is_reported_and_gated(
    wrong: tuple[int, ...], code: int, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.baseline()
    home.wrong(*wrong)
    capsys.readouterr()
    assert evalkit("run", "s.yaml", "--gate") == code
    shown = capsys.readouterr().out
    assert shown.index("report: ") < shown.index("margin")
    assert home.gate["exit_code"] == code
    assert (home.folder / "results/s/latest/report.md").is_file()


def test_the_baseline_of_the_suites_gate_starts_from_its_folder(home: Home) -> None:
    gate = {"baseline": "frozen/s.json", "max_drop": 0.02}
    home.baseline(gate=gate)
    assert (home.folder / "frozen/s.json").is_file()
    assert evalkit("run", "s.yaml", "--gate") == 0
    assert home.gate["rules"]["margin"] == 0.02


@pytest.mark.parametrize(
    ("options", "suite", "words"),
    [
        ([], {}, "there is nothing to hold s to: no baseline results/baselines/s.json"),
        (["--baseline", "no.json"], {}, "there is no baseline no.json"),
        ([], {"gate": {"baseline": "x/no.json"}}, "there is no baseline x/no.json"),
        ([], {"gate": {"max_cost_per_case": 0.1}}, "the price of model 'm' is unknown"),
        ([], {"gate": {"must_pass": ["safety"]}}, "about 'safety', which is no case and no tag"),
        ([], {"gate": {"min_passes": 2}}, "the gate wants 2 passes of each case"),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_what_would_keep_a_gate_from_its_verdict_is_found_before_the_first_call(
    options: list[str], suite: dict[str, Any], words: str, dry: bool, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evalkit("run", home.suite(**suite), "--gate", *options, *(["--dry-run"] if dry else [])) == 2
    assert words in capsys.readouterr().err
    assert home.asked == 0
    assert not Path("results").exists()


def test_a_baseline_that_fits_nothing_is_found_before_the_first_call(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.baseline(models=["m", "priced"])
    home.wrong()
    assert (
        evalkit(
            "run",
            home.suite(suite="t"),
            "--gate",
            "--baseline",
            "results/baselines/s.json",
        )
        == 2
    )
    assert "belongs to the suite 's', not to 't'" in capsys.readouterr().err
    assert home.asked == 0


def test_a_plan_is_printed_for_a_gate_as_well(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.baseline()
    home.wrong()
    assert evalkit("run", "s.yaml", "--gate", "--dry-run") == 0
    assert "Nothing was asked" in capsys.readouterr().out
    assert home.asked == 0


def test_a_baseline_goes_with_a_gate(home: Home) -> None:
    assert evalkit("run", home.suite(), "--baseline", "x.json") == 2


def test_a_dead_model_is_never_green(home: Home) -> None:
    home.baseline()
    home.wrong("broken")
    assert evalkit("run", "s.yaml", "--gate", "--keep-going") == 4
    assert not (home.folder / "results/s/latest/gate.json").exists()


def test_a_sample_of_the_cases_says_nothing_of_the_others(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.baseline()
    capsys.readouterr()
    assert evalkit("run", "s.yaml", "--gate", "-n", "10") == 0
    shown = capsys.readouterr().out
    assert "the run asked 10 of the suite's 40 cases: nothing is said of the others" in shown
    assert "compared on the 10 cases that are the same as in the baseline; left out: 30 not asked" in shown
    assert evalkit("baseline", "s") == 0
    shown = capsys.readouterr().out
    assert "30 cases no longer there" in shown
    assert "the run asked 10 of the suite's 40 cases: the others will not be guarded" in shown


def test_a_cost_limit_is_checked_where_there_is_a_price(home: Home) -> None:
    """Nobody counts the tokens of a function, so the cost stays unknown: and unknown is not green."""
    home.baseline(models=["priced"], gate={"max_cost_per_case": 0.1})
    assert evalkit("run", "s.yaml", "--gate") == 1
    (one,) = home.gate["candidates"]
    assert one["verdict"] == "INCONCLUSIVE"
    assert one["limits"][0]["state"] == "unknown"


MORE = {"undecided": "more-trials", "max_trials": 4, "margin": 0.05}


def test_more_trials_are_asked_until_it_is_settled(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """One case fails the first time only: with each trial it weighs less."""
    home.baseline(gate=MORE, cases=80)
    home.wrong("3/1", "4/1")
    capsys.readouterr()
    assert evalkit("run", "s.yaml", "--gate") == 0
    shown = capsys.readouterr().out
    assert "not settled yet: every case is asked up to 2 times" in shown
    assert home.gate["looks"] == 3
    (one,) = home.gate["candidates"]
    assert one["verdict"] == "NOT WORSE"
    assert one["comparison"]["confidence"] == pytest.approx(1 - 0.05 / 3)
    assert home.asked in {160, 320}
    assert len(list((home.folder / "results/s").glob("2*"))) == 2  # the baseline's run, and this one
    assert "intervals are wider than 95 % (98.3 %), as 3 looks at the gate were planned" in shown


def test_a_gate_that_stays_undecided_ends_by_its_estimate(home: Home) -> None:
    home.baseline(gate=MORE)
    home.wrong(1)
    assert evalkit("run", "s.yaml", "--gate") == 0
    assert home.asked == 160
    (one,) = home.gate["candidates"]
    assert (one["verdict"], one["passed"]) == ("INCONCLUSIVE", True)
    home.wrong(1, 2, 3)
    assert evalkit("run", "s.yaml", "--gate") == 1


@pytest.mark.parametrize(("wrong", "code"), [((), 0), (tuple(range(15)), 1)])
def test_a_settled_gate_asks_no_more(wrong: tuple[int, ...], code: int, home: Home) -> None:
    home.baseline(gate=MORE | {"margin": 0.2})
    home.wrong(*wrong)
    assert evalkit("run", "s.yaml", "--gate") == code
    assert home.asked == 40


def test_a_model_that_dies_between_the_looks_leaves_an_incomplete_gate(home: Home) -> None:
    home.baseline(gate=MORE)
    home.wrong(1, "dies")
    assert evalkit("run", "s.yaml", "--gate") == 1
    home.wrong("dies")
    home.suite(gate=MORE | {"margin": 0.6, "undecided": "more-trials"})
    assert evalkit("run", "s.yaml", "--gate") == 0  # settled at the first look: nobody is asked again
    assert home.asked == 40


def test_trials_that_cannot_be_asked_leave_the_verdict_there_is_and_are_not_green(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.baseline(gate=MORE)
    home.wrong(1, "vanishes")
    capsys.readouterr()
    assert evalkit("run", "s.yaml", "--gate") == 3
    shown = capsys.readouterr().out
    assert "INCONCLUSIVE (the gate lets it pass): m is 2.5 points worse" in shown
    assert "the run is incomplete: further trials could not be asked: " in shown
    assert "gate neither passed nor failed: the run is incomplete" in shown
    assert (home.gate["outcome"], home.gate["exit_code"]) == ("incomplete", 3)


def test_a_resumed_gate_spends_its_error_as_if_it_had_been_looked_at_from_the_first_trial(home: Home) -> None:
    """Killed between two looks, a run has two trials by then; the first look has had its share already."""
    home.baseline(gate=MORE)
    assert evalkit("run", "s.yaml", "--trials", "2") == 0
    home.wrong(1)
    assert evalkit("run", "s.yaml", "--gate", "--resume") == 0
    assert home.gate["looks"] == 3
    assert evalkit("gate", "s") == 0
    assert home.gate["looks"] == 3
