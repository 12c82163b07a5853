"""report.json worked out anew from a run's own files, with pandas and scipy alone: nothing of evalkit is imported."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from recount_decision import decision
from recount_formulas import (
    clustered,
    quantile,
    quantile_ends,
    wilson,
)
from recount_pairs import comparisons
from recount_race import needed, race, savings
from recount_run import Run, moment
from recount_verdicts import judge_figures, label_figures, load_figures, scorer_figures

PERCENTILES = (50, 90, 95, 99)


def report(folder: Path) -> dict[str, Any]:
    """All figures of report.json, in its shape."""
    run = Run(folder)
    raced = race(run)
    run.calls["awaited"] = ~run.calls["finished"] & (needed(run, raced) | run.calls["record"].notna())
    stopped = {(one["model"], one["prompt"]): one["cases"] for one in raced["stops"]} if raced else {}
    finished = run.calls[run.calls["finished"]]
    models = [model_figures(run, candidate) for candidate in run.candidates]
    tags = list(tag_figures(run))
    return {
        "format": 1,
        "run": {
            "trials": run.trials,
            **{key: run.manifest[key] for key in ("selection", "load", "client")},
        },
        "calls": {
            "planned": len(finished) + int(run.calls["awaited"].sum()),
            "passed": int(finished["passed"].sum()),
            "failed": int((finished["verdict"].notna() & ~finished["passed"]).sum()),
            "error": int(finished["verdict"].isna().sum()),
            "missing": int(run.calls["awaited"].sum()),
            "not_asked": sum(one["not_asked"] for one in models),
        },
        "race": raced and raced | savings(models),
        "models": models,
        "tags": tags,
        **comparisons(run, stopped),
        "decision": decision(run, models, tags, stopped),
        "scorers": list(scorer_figures(run)),
        "uncounted_verdicts": 0,
        "labels": list(label_figures(run)),
        "judges": list(judge_figures(run)),
    }


def rates(calls: pd.DataFrame) -> dict[str, Any]:
    finished = calls[calls["finished"]]
    passed = finished["passed"].astype(float)
    alone = finished["group"].is_unique
    ends = wilson(passed.sum(), len(passed)) if alone else clustered(passed, finished["group"])[1:]
    return {
        "passed": int(passed.sum()),
        "failed": int((finished["verdict"].notna() & ~finished["passed"]).sum()),
        "errors": int(finished["verdict"].isna().sum()),
        "missing": int(calls["awaited"].sum()),
        "not_asked": int((~calls["finished"] & ~calls["awaited"]).sum()),
        "pass_rate": passed.mean(),
        "pass_rate_low": ends[0],
        "pass_rate_high": ends[1],
    }


def model_figures(run: Run, candidate: tuple[str, str]) -> dict[str, Any]:
    calls = run.of(candidate)
    answers, finished = calls[calls["answered"]], calls[calls["finished"]]
    mean, low, high = clustered(finished["value"], finished["group"])
    cost = total_cost(run, candidate[0], answers)
    known = answers[answers["output"].notna() & answers["latency"].notna()]
    return {
        "model": candidate[0],
        "prompt": candidate[1],
        "cases": len(run.cases),
        "trials": run.trials,
        **rates(calls),
        **latencies(answers, run.trials),
        "output_tokens_per_s": known["output"].sum() * 1000 / known["latency"].sum(),
        "input_tokens": int(answers["input"].sum()),
        "output_tokens": int(answers["output"].sum()),
        "cached_input_share": share_of_cached(answers),
        "cost_usd": cost,
        "cost_per_1k_cases_usd": None if cost is None else cost / len(answers) * 1000,
        "cost_per_passed_usd": None if cost is None else cost / finished["passed"].sum(),
        "mean_score": mean,
        "mean_score_low": low,
        "mean_score_high": high,
        "timed_answers": int(answers["latency"].notna().sum()),
        "client_p50_ms": quantile(answers["client"], 0.5),
        "client_p95_ms": quantile(answers["client"], 0.95),
        "server_p50_ms": server_times(answers),
        "load": load_figures(run, calls) if run.manifest["load"] else None,
        "consistency": consistency(run, calls) if run.trials > 1 else None,
        "errors_by_kind": {kind: int(n) for kind, n in calls["error"].value_counts().items()},
    }


def latencies(answers: pd.DataFrame, trials: int) -> dict[str, Any]:
    known = answers[answers["latency"].notna()]
    values, cases = known["latency"].astype(float), known["case"] if trials > 1 else None
    figures: dict[str, Any] = {f"latency_p{q}_ms": quantile(values, q / 100) for q in PERCENTILES}
    for q in PERCENTILES:
        figures[f"latency_p{q}_low_ms"], figures[f"latency_p{q}_high_ms"] = quantile_ends(values, q / 100, cases)
    middle, slow = (quantile_ends(values, q, cases, 0.975) for q in (0.5, 0.95))
    return {
        **figures,
        "latency_p95_to_p50": figures["latency_p95_ms"] / figures["latency_p50_ms"],
        "latency_p95_to_p50_low": slow[0] / middle[1],
        "latency_p95_to_p50_high": None if slow[1] is None else slow[1] / middle[0],
        "ttft_p50_ms": quantile(answers["ttft"], 0.5),
        "ttft_p95_ms": quantile(answers["ttft"], 0.95),
    }


def share_of_cached(answers: pd.DataFrame) -> float | None:
    known = answers[answers["cached"].notna()]
    return float(known["cached"].sum() / known["input"].sum()) if len(known) else None


def server_times(answers: pd.DataFrame) -> dict[str, float]:
    times = pd.DataFrame([record["server_ms"] for record in answers["record"]])
    return {str(part): float(times[part].median()) for part in times.columns}


def total_cost(run: Run, model: str, answers: pd.DataFrame) -> float | None:
    gpu = run.models[model]["gpu"]
    if gpu is None:
        return None if answers["cost"].isna().any() else float(answers["cost"].sum())
    marks: list[tuple[float, int]] = []
    for record in answers["record"]:
        begin = moment(record["started_at"]) + (record["queue_ms"] + record["retry_ms"]) / 1000
        marks += [(begin, 1), (begin + record["latency_ms"] / 1000, -1)]
    busy, running, since = 0.0, 0, 0.0
    for at, step in sorted(marks):
        busy += (at - since) if running else 0.0
        running, since = running + step, at
    return busy / 3600 * float(gpu["count"]) * float(gpu["usd_per_hour"])


def consistency(run: Run, calls: pd.DataFrame) -> dict[str, Any]:
    k = run.trials
    by_case = calls.groupby("case", sort=False).agg(
        passed=("passed", "sum"), finished=("finished", "sum"), group=("group", "first")
    )
    whole = by_case[by_case["finished"] == k]
    each = [{"k": size, **chances(whole, k, size)} for size in range(1, k + 1)]
    agreement = {"agreement": None, "agreement_low": None, "agreement_high": None}
    said = calls[calls["answered"]].groupby("case", sort=False)
    if len(same := said["said"].apply(same_pairs).dropna()):
        groups = by_case["group"].loc[same.index]
        agreement = dict(zip(agreement, mean_of(same, groups), strict=True))
    times = calls[calls["latency"].notna()].groupby("case")["latency"].agg(["min", "max", "size"]).query("size >= 2")
    ratios = times["max"] / times["min"]
    low, high = quantile_ends(ratios, 0.5, None)
    return {
        "k": k,
        "cases": len(whole),
        "flaky_cases": int(((whole["passed"] > 0) & (whole["passed"] < k)).sum()),
        **{name: value for name, value in each[-1].items() if name != "k"},
        "by_k": each,
        **agreement,
        "latency_spread": quantile(ratios, 0.5),
        "latency_spread_low": low,
        "latency_spread_high": high,
        "latency_spread_cases": len(ratios),
    }


def chances(whole: pd.DataFrame, n: int, k: int) -> dict[str, float]:
    """pass@k and pass^k as means over all ways to choose k of the n trials."""
    figures: dict[str, float] = {}
    for name, holds in (("pass_at_k", any), ("pass_hat_k", all)):
        values = whole["passed"].map(
            lambda passed, holds=holds: np.mean([holds(one) for one in combinations([i < passed for i in range(n)], k)])
        )
        figures |= dict(zip((name, f"{name}_low", f"{name}_high"), mean_of(values, whole["group"]), strict=True))
    return figures


def mean_of(values: pd.Series, groups: pd.Series) -> tuple[float, float, float]:
    if groups.is_unique and values.isin([0, 1]).all():
        return float(values.mean()), *wilson(values.sum(), len(values))
    return clustered(values, groups)


def same_pairs(said: pd.Series) -> float:
    pairs = [one == other for one, other in combinations(said, 2)]
    return float(np.mean(pairs)) if pairs else math.nan


def tag_figures(run: Run) -> Iterator[dict[str, Any]]:
    counts = Counter(tag for tags in run.tags.values() for tag in set(tags))
    for candidate in run.candidates:
        calls = run.of(candidate)
        for tag in sorted(counts, key=lambda tag: (-counts[tag], tag)):
            tagged = calls[[tag in run.tags[case] for case in calls["case"]]]
            yield {"tag": tag, "cases": counts[tag], **rates(tagged)}


def disagreements(told: Any, recounted: Any, path: str = "") -> Iterator[str]:
    """Every number of a report that the recount does not have, or has differently."""
    if isinstance(told, dict):
        for key, value in told.items():
            known = recounted.get(key, MISSING) if isinstance(recounted, dict) else MISSING
            yield from disagreements(value, known, f"{path}.{key}")
    elif isinstance(told, list):
        if isinstance(recounted, list) and len(told) != len(recounted):
            yield f"{path}: {len(told)} entries, recounted {len(recounted)}"
        for index, value in enumerate(told):
            known = recounted[index] if isinstance(recounted, list) and index < len(recounted) else MISSING
            yield from disagreements(value, known, f"{path}[{index}]")
    elif isinstance(told, (int, float)) and not isinstance(told, bool):
        if recounted is MISSING:
            yield f"{path}: {told} is not recounted"
        elif recounted is None or not math.isclose(told, recounted, rel_tol=1e-7, abs_tol=1e-9):
            yield f"{path}: {told}, recounted {recounted}"
    elif recounted is not MISSING and told != recounted:
        yield f"{path}: {told!r}, recounted {recounted!r}"


MISSING = object()
