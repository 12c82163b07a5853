"""pass@k and pass^k against the figures published for four trials of fifty tasks."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.report import write_reports
from evalkit.stats import pass_at_k, pass_hat_k


@pytest.mark.parametrize(("estimate", "key"), [(pass_at_k, "pass_at_k"), (pass_hat_k, "pass_hat_k")])
def test_repeated_runs_of_tau_bench(
    shared: Path, agreement: Callable[..., None], estimate: Callable[[int, int, int], float], key: str
) -> None:
    passed: Counter[str] = Counter()
    with (shared / "repeats/tau_bench_airline_gpt4o.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            passed[row["task_id"]] += row["reward"] == "1.0"
    published = json.loads((shared / "expected/tau_pass_k.json").read_text(encoding="utf-8"))
    n = published["n"]
    assert len(passed) == published["tasks"]
    equal = [
        abs(fmean(estimate(n, count, int(k)) for count in passed.values()) - figure) < 1e-12
        for k, figure in published[key].items()
    ]
    agreement("expected/tau_pass_k.json", key, sum(equal), len(equal), 1.0)


def test_a_run_of_the_same_trials_reports_them(shared: Path, agreement: Callable[..., None], tmp_path: Path) -> None:
    trials: defaultdict[str, list[bool]] = defaultdict(list)
    with (shared / "repeats/tau_bench_airline_gpt4o.csv").open(encoding="utf-8", newline="") as lines:
        for row in sorted(csv.DictReader(lines), key=lambda row: int(row["trial"])):
            trials[row["task_id"]].append(row["reward"] == "1.0")
    published = json.loads((shared / "expected/tau_pass_k.json").read_text(encoding="utf-8"))
    run = load_run(store_run(tmp_path, {"gpt-4o": trials}, trials=published["n"]))
    (model,) = json.loads(write_reports(run).json.read_text(encoding="utf-8"))["models"]
    told = {
        f"{kind} {one['k']}": one[kind] for kind in ("pass_at_k", "pass_hat_k") for one in model["consistency"]["by_k"]
    }
    wanted = {f"{kind} {k}": figure for kind in ("pass_at_k", "pass_hat_k") for k, figure in published[kind].items()}
    assert told.keys() == wanted.keys()
    histogram = published["successes_histogram"]
    assert model["consistency"]["flaky_cases"] == sum(histogram[str(passed)] for passed in range(1, published["n"]))
    agreed = [abs(told[name] - figure) < 1e-6 for name, figure in wanted.items()]
    agreement("expected/tau_pass_k.json", "report.json of a run of four trials", sum(agreed), len(agreed), 1.0)
