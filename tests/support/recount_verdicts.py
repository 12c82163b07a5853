"""What report.json says of scorers, labels, judges and load, worked out anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from recount_formulas import (
    clustered,
    of_mean,
    quantile,
)
from recount_run import Run, lines, moment

PERCENTILES = (50, 90, 95, 99)


def verdicts(calls: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {"case": call.case, "group": call.group, **one}
        for call in calls.itertuples()
        if call.verdict
        for one in call.verdict["verdicts"]
    ]
    return pd.DataFrame(rows)


def scorer_figures(run: Run) -> Iterator[dict[str, Any]]:
    for candidate in run.candidates:
        found = verdicts(run.of(candidate))
        for _, given in found.groupby("scorer", sort=False) if len(found) else ():
            passed, values = given["passed"].astype(float), given["value"].astype(float)
            share, low, high = clustered(passed, given["group"])
            mean, mean_low, mean_high = clustered(values, given["group"])
            yield {
                "weight": given["weight"].iloc[0],
                "verdicts": len(given),
                "passed": int(passed.sum()),
                "pass_rate": share,
                "pass_rate_low": low,
                "pass_rate_high": high,
                "mean_value": mean,
                "mean_value_low": mean_low,
                "mean_value_high": mean_high,
                "faults": 0,
            }


def label_figures(run: Run) -> Iterator[dict[str, Any]]:
    for candidate in run.candidates:
        found = verdicts(run.of(candidate))
        told = [details.get("label") is not None for details in found["details"]] if len(found) else []
        if any(told):
            given = found[told]
            cells = pd.DataFrame(list(given["details"])).assign(group=given["case"].to_numpy())
            yield {"left_out": len(found) - len(given), "figures": classification(cells)}


def classification(cells: pd.DataFrame) -> dict[str, Any]:
    names = sorted({*cells["expected"], *cells["label"]})
    right = (cells["expected"] == cells["label"]).astype(float)
    table = pd.crosstab(cells["expected"], cells["label"]).reindex(index=names, columns=names, fill_value=0)
    hits, wanted, given = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    f1 = pd.Series(2 * hits / (wanted + given), index=names)
    accuracy, low, high = clustered(right, cells["group"])
    # The delta method by brute force: how the mean F1 moves as an answer's weight does.
    step = 1e-6

    def macro(counts: pd.DataFrame) -> float:
        return float((2 * np.diag(counts) / (counts.sum(axis=1) + counts.sum(axis=0))).mean())

    moved = []
    for expected, label in zip(cells["expected"], cells["label"], strict=True):
        more = table.astype(float)
        more.loc[expected, label] += step
        less = table.astype(float)
        less.loc[expected, label] -= step
        moved.append((macro(more) - macro(less)) / (2 * step))
    error = math.sqrt((pd.Series(moved).groupby(cells["group"].to_numpy()).sum() ** 2).sum())
    macro_low, macro_high = of_mean(f1.mean(), error, cells["group"].nunique())
    return {
        "answers": len(cells),
        "correct": int(right.sum()),
        "without_label": 0,
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": f1.mean(),
        "macro_f1_low": macro_low,
        "macro_f1_high": macro_high,
        "labels": [
            {
                "support": int(wanted[name]),
                "predicted": int(given[name]),
                "true_positive": int(table.loc[name, name]),
                "precision": table.loc[name, name] / given[name] if given[name] else None,
                "recall": table.loc[name, name] / wanted[name] if wanted[name] else None,
                "f1": f1[name],
            }
            for name in names
        ],
        "confusion": [{"answers": int(n)} for _, n in sorted(cells.groupby(["expected", "label"]).size().items()) if n],
    }


def judge_figures(run: Run) -> Iterator[dict[str, Any]]:
    replies = pd.DataFrame(lines(run.folder / "judgements.jsonl"))
    for judge in run.manifest["judges"]:
        own = replies[replies["model"] == judge["name"]]
        last = own.drop_duplicates("call_id", keep="last")
        paid = own[own["error"].isna()]
        price = judge["price"]
        tokens = [pd.Series([usage[kind] for usage in paid["usage"]]) for kind in ("input", "output")]
        scores = lines(run.folder / "scores.jsonl")
        pairs = [pair for row in scores for one in row["verdicts"] for pair in one["details"].get("pairs", [])]
        yield {
            "questions": len(last),
            "errors": int(last["error"].notna().sum()),
            "input_tokens": int(tokens[0].sum()),
            "output_tokens": int(tokens[1].sum()),
            "cost_usd": (tokens[0].sum() * price["input"] + tokens[1].sum() * price["output"]) / 1e6,
            "latency_p50_ms": quantile(paid["latency_ms"], 0.5),
            "positions": {
                "compared": len(pairs),
                "inconsistent": sum(not pair["consistent"] for pair in pairs),
                "favours_first": sum(pair.get("favours") == "A" for pair in pairs),
                "favours_second": sum(pair.get("favours") == "B" for pair in pairs),
            },
        }


def load_figures(run: Run, calls: pd.DataFrame) -> dict[str, Any]:
    sent = [record for record in calls["record"] if record]
    answers = [record for record in sent if record["error"] is None]
    due = np.array([moment(record["started_at"]) for record in sent])
    went = due + np.array([(record["queue_ms"] or 0.0) / 1000 for record in sent])
    waits = pd.Series([record["queue_ms"] for record in answers])
    extra = waits + pd.Series([record["retry_ms"] for record in answers])
    response = extra + pd.Series([record["latency_ms"] for record in answers])
    first_words = extra + pd.Series([record["ttft_ms"] for record in answers])
    over = max(moment(record["started_at"]) + ms / 1000 for record, ms in zip(answers, response, strict=True))
    working = over - due.min()
    return {
        "asked_per_s": run.manifest["load"]["rate_per_s"],
        "due_per_s": (len(sent) - 1) / (due.max() - due.min()),
        "sent_per_s": (len(sent) - 1) / (went.max() - went.min()),
        "answered_per_s": len(answers) / working,
        "answers": len(answers),
        "errors": len(sent) - len(answers),
        "error_rate": 1 - len(answers) / len(sent),
        **{f"response_p{q}_ms": quantile(response, q / 100) for q in PERCENTILES},
        **{f"ttft_p{q}_ms": quantile(first_words, q / 100) for q in (50, 95, 99)},
        "output_tokens_per_s": sum(record["usage"]["output"] for record in answers) / working,
        "waited_p50_ms": quantile(waits, 0.5),
        "waited_p95_ms": quantile(waits, 0.95),
    }
