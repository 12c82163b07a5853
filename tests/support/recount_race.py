"""A race run again from its verdicts: who was stopped when, why, and what that saved.

The wealth of the gambler who bets that one candidate is ahead of another is the mean, over twenty bets from 1/40 to
39/40, of the product over the cases of 1 + bet * (difference + margin) / (1 - margin).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from recount_run import Run

BETS = np.arange(1, 40, 2) / 40
LEVEL = 0.05


def race(run: Run) -> dict[str, Any] | None:
    """The race as it went, without what it saved."""
    rule = run.manifest["race"]
    if rule is None:
        return None
    table, gone, finished = verdicts(run, rule["metric"])
    racing, cases, stops = list(run.candidates), 0, []
    paths: dict[tuple[Any, Any], list[float]] = {}
    least: dict[tuple[Any, bool], float] = {}
    totals = dict.fromkeys(racing, 0.0)
    for begin, end in blocks(len(table)):
        block = slice(begin, end)
        if len(racing) <= rule["keep"] or not finished[racing][block].all(axis=None):
            break
        cases = end
        withdrawn = [one for one in racing if gone[one][block].any()]
        stops += [stop(one, end, "unavailable") for one in withdrawn]
        racing = [one for one in racing if one not in withdrawn]
        for one in racing:
            totals[one] += table[one][block].sum()
            for other in racing:
                if one != other:
                    paths.setdefault((one, other), []).extend(table[one][block] - table[other][block])
        worst = sorted(racing, key=lambda one: (totals[one], -run.candidates.index(one)))
        for one in run.candidates:
            for margin in (rule["margin"], 0.0):
                e_value = against(one, paths, run.candidates, rule["keep"], margin)
                least[one, margin > 0] = min(least.get((one, margin > 0), 1.0), 1 / max(1.0, e_value))
        shown = [one for one in worst if least[one, rule["margin"] > 0] <= LEVEL][: max(0, len(racing) - rule["keep"])]
        for one in shown:
            ahead = [other for other in worst if other != one][-1]
            why = "worse" if least[one, False] <= LEVEL else "near"
            stops.append(stop(one, end, why, list(ahead), least[one, why == "near"]))
        racing = [one for one in racing if one not in shown]
    over = len(racing) <= rule["keep"] or cases == len(table)
    return {**{key: rule[key] for key in ("keep", "margin", "metric")}, "over": over, "cases": cases, "stops": stops}


def stop(one: tuple[str, str], cases: int, why: str, ahead: Any = None, p: float | None = None) -> dict[str, Any]:
    return {"model": one[0], "prompt": one[1], "cases": cases, "why": why, "ahead": ahead, "p": p}


def verdicts(run: Run, metric: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Cases in the race's order by candidate: means over trials, whose model was given up, and what is finished."""
    column = "value" if metric == "score" else "passed"
    calls = run.calls.assign(
        candidate=list(zip(run.calls["model"], run.calls["prompt"], strict=True)),
        gone=run.calls["error"] == "unavailable",
        result=run.calls[column].astype(float),
    )
    order = order_of(run)
    tables = []
    for name, how in (("result", "mean"), ("gone", "max"), ("finished", "min")):
        wide = calls.groupby(["case", "candidate"])[name].agg(how).unstack()
        wide.columns = pd.Index(list(wide.columns), tupleize_cols=False)
        tables.append(wide.loc[order].reset_index(drop=True))
    return tables[0], tables[1], tables[2]


def order_of(run: Run) -> list[str]:
    places = list(range(len(run.cases)))
    random.Random(f"race {run.manifest['selection']['seed']}").shuffle(places)
    return [run.cases[place]["id"] for place in places]


def blocks(cases: int) -> Iterator[tuple[int, int]]:
    """Ten cases, or a quarter of those that went before."""
    end = 0
    while end < cases:
        begin, end = end, min(cases, end + max(10, round(end / 4)))
        yield begin, end


def against(
    one: tuple[str, str], paths: Mapping[Any, Sequence[float]], candidates: Sequence[Any], keep: int, margin: float
) -> float:
    """How strongly the cases speak against a candidate: the mean wealth but for the keep - 1 richest."""
    rivals = (np.array(paths.get((other, one), [])) for other in candidates if other != one)
    wealth = sorted(
        float(np.mean([np.prod(1 + bet * (gaps + margin) / (1 - margin)) for bet in BETS])) for gaps in rivals
    )
    return float(np.mean(wealth[: len(candidates) - keep]))


def needed(run: Run, found: Mapping[str, Any] | None) -> pd.Series:
    """Whether each planned call was needed, by how far its candidate came."""
    if found is None:
        return pd.Series(data=True, index=run.calls.index)
    place = {case: number for number, case in enumerate(order_of(run))}
    until = dict.fromkeys(run.candidates, found["cases"] if found["over"] else len(place))
    until |= {(one["model"], one["prompt"]): one["cases"] for one in found["stops"]}
    calls = zip(run.calls["model"], run.calls["prompt"], run.calls["case"], strict=True)
    return pd.Series([place[case] < until[model, prompt] for model, prompt, case in calls], index=run.calls.index)


def savings(models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was not asked, and what it would have cost at what each candidate's answers cost on average."""
    spared = [one for one in models if one["not_asked"]]
    unknown = any(one["cost_per_1k_cases_usd"] is None for one in spared)
    usd = None if unknown else sum(one["not_asked"] * one["cost_per_1k_cases_usd"] / 1000 for one in spared)
    return {"not_asked": sum(one["not_asked"] for one in spared), "saved_usd": usd}
