"""How often the gate is right, through the command line on stored runs, over many simulated runs."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.gate.baseline import Baseline, freeze
from evalkit.analysis.gate.measured import MeasuredRun, measure
from evalkit.analysis.gate.result import Look
from evalkit.analysis.gate.verdicts import gate
from evalkit.cli import app, main
from evalkit.suite.gate_rules import gate_rules, looks

pytestmark = pytest.mark.slow

CASES = [f"c{number:03}" for number in range(150)]
RUNS = 500
MAX_TRIALS = 4


class Bench:
    """A baseline and a run of it, whose verdicts are replaced again and again: quicker than making both anew."""

    def __init__(self, folder: Path, trials: int = 1) -> None:
        self.run = store_run(folder / "results/tiny/run", {"m": dict.fromkeys(CASES, (True,) * trials)}, trials=trials)
        self.file = folder / "results/baselines/tiny.json"
        once = store_run(folder / "results/tiny/once", {"m": dict.fromkeys(CASES, True)})
        assert code("baseline", str(once)) == 0
        self._frozen = json.loads(self.file.read_text())
        self._scores = [json.loads(line) for line in (self.run / "scores.jsonl").read_text().splitlines()]
        assert len([row for row in self._scores if "session" not in row]) == trials * len(CASES)

    def set_baseline(self, passed: NDArray[np.bool_]) -> None:
        """Freeze these verdicts."""
        (frozen,) = self._frozen["candidates"]
        frozen["results"] = {case: f"{int(one)}/1" for case, one in zip(CASES, passed, strict=True)}
        self.file.write_text(json.dumps(self._frozen))

    def set_run(self, passed: NDArray[np.bool_]) -> None:
        """Let the run have these verdicts, trial after trial of all cases."""
        rows = (row for row in self._scores if "session" not in row)
        texts = [
            json.dumps(row | {"passed": bool(one), "value": float(one)})
            for row, one in zip(rows, passed.ravel(), strict=True)
        ]
        (self.run / "scores.jsonl").write_text("\n".join(texts) + "\n")


def code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    # The command is built once instead of each time it is called, which takes longer than the gate.
    monkeypatch.setattr("evalkit.cli.app", typer.main.get_command(app))
    return Bench(tmp_path)


def correlated(rng: np.random.Generator, before: float, now: float, phi: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw pairs of verdicts with these pass rates and this correlation."""
    both = before * now + phi * math.sqrt(before * (1 - before) * now * (1 - now))
    kinds = rng.choice(4, size=len(CASES), p=[both, before - both, now - both, 1 - before - now + both])
    return np.isin(kinds, (0, 1)), np.isin(kinds, (0, 2))


def simulated(bench: Bench, draw: Callable[[], tuple[NDArray[Any], NDArray[Any]]]) -> tuple[Counter[str], Counter[int]]:
    verdicts: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    for _ in range(RUNS):
        before, now = draw()
        bench.set_baseline(before)
        bench.set_run(now)
        codes[code("gate", str(bench.run))] += 1
        verdicts[json.loads((bench.run / "gate.json").read_text())["candidates"][0]["verdict"]] += 1
    return verdicts, codes


def test_an_unchanged_model_is_seldom_called_regressed_and_mostly_not_worse(bench: Bench) -> None:
    rng = np.random.default_rng(20261123)
    verdicts, codes = simulated(bench, lambda: correlated(rng, 0.9, 0.9, 0.5))
    assert verdicts["REGRESSED"] <= 0.03 * RUNS
    assert verdicts["NOT WORSE"] >= 0.90 * RUNS
    assert codes[1] <= 0.03 * RUNS
    assert codes[0] + codes[1] == RUNS


def test_a_drop_of_10_points_is_seldom_called_not_worse_and_mostly_regressed(bench: Bench) -> None:
    rng = np.random.default_rng(20261124)
    verdicts, codes = simulated(bench, lambda: correlated(rng, 0.9, 0.8, 0.5))
    assert verdicts["NOT WORSE"] <= 0.02 * RUNS
    assert verdicts["REGRESSED"] >= 0.85 * RUNS
    assert codes[1] >= verdicts["REGRESSED"]


def looked_at(measured: MeasuredRun, baseline: Baseline, now: NDArray[np.bool_]) -> str:
    """Look at a gate after 1, 2 and 4 trials, as `evalkit run --gate` does, until it is settled."""
    rules = gate_rules({"undecided": "more-trials", "max_trials": MAX_TRIALS})
    planned = looks(1, MAX_TRIALS)
    look = Look(len(planned))
    for trials in planned:
        passed = array("I", now[:trials].sum(axis=0).tolist())
        results = replace(
            measured.results.candidates[0],
            passed=passed,
            finished=array("I", [trials] * len(CASES)),
            score=array("d", passed),
        )
        manifest = replace(measured.run.manifest, trials=trials)
        seen = replace(
            measured,
            results=replace(measured.results, candidates=(results,)),
            run=replace(measured.run, manifest=manifest),
        )
        result = gate(seen, rules, baseline, Path("baseline.json"), look)
        if not result.undecided:
            break
        look = Look(len(planned), look.margins or result.margins)
    return str(result.candidates[0].verdict)


@pytest.mark.parametrize(
    ("drop", "most", "least"),
    [(0.0, ("REGRESSED", 0.03), ("NOT WORSE", 0.88)), (0.1, ("NOT WORSE", 0.03), ("REGRESSED", 0.85))],
)
def test_looking_again_with_more_trials_keeps_the_errors_of_a_single_look(
    drop: float, most: tuple[str, float], least: tuple[str, float], tmp_path: Path
) -> None:
    """The baseline's one trial meets every look. Cases differ in how often they pass, so that trials agree (phi .5)."""
    rng = np.random.default_rng(20261125)
    measured = measure(load_run(store_run(tmp_path / "run", {"m": dict.fromkeys(CASES, True)})))
    frozen = freeze(measured, [("m", "p")], "0")
    verdicts: Counter[str] = Counter()
    for _ in range(RUNS):
        chance = rng.beta(0.9, 0.1, len(CASES))
        before = array("I", (rng.random(len(CASES)) < chance).astype(int).tolist())
        (one,) = frozen.candidates
        baseline = replace(frozen, candidates=(replace(one, results=replace(one.results, passed=before)),))
        now = rng.random((MAX_TRIALS, len(CASES))) < chance * (1 - drop / 0.9)
        verdicts[looked_at(measured, baseline, now)] += 1
    assert verdicts[most[0]] <= most[1] * RUNS
    assert verdicts[least[0]] >= least[1] * RUNS
