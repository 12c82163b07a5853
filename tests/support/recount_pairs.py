"""What report.json says of candidates against each other, worked out anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd
from recount_formulas import (
    POWER,
    Z,
    clustered_difference,
    holm,
    tango,
)
from recount_run import Run
from scipy import optimize, stats


def comparisons(run: Run, stopped: Collection[tuple[str, str]]) -> dict[str, Any]:
    """All pairs of those that were judged, the best first; whom a race stopped comes behind all others."""
    shares = {candidate: run.of(candidate) for candidate in run.candidates}
    judged = [one for one, calls in shares.items() if calls["verdict"].notna().any()]
    ranked = sorted(judged, key=lambda one: (one in stopped, -shares[one].query("finished")["passed"].mean()))
    if len(ranked) < 2:
        return {"comparisons": [], "tag_comparisons": [], "power": None}
    pairs = [(first, second) for second, first in combinations(ranked, 2)]
    graded = ((run.calls["value"] > 0) & (run.calls["value"] < 1)).any()
    found = [gap(run, *pair, "passed") for pair in pairs]
    scores = [gap(run, *pair, "value") for pair in pairs] if graded else []
    figures = []
    for (first, second), one, p, score in zip(
        pairs, found, holm([one["p"] for one in found]), with_holm(scores) or [None] * len(found), strict=True
    ):
        names = dict(zip(("model", "prompt", "against_model", "against_prompt"), (*first, *second), strict=True))
        counts = {name: one[name] for name in ("cases", "errors", "p_exact")}
        figures.append({**names, **shown(one, p), **counts, "score": score})
    return {
        "comparisons": figures,
        "tag_comparisons": list(tag_comparisons(run, ranked)),
        "power": power(run, *pairs[0], found[0], figures[0]["p_holm"]),
    }


def with_holm(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    adjusted = holm([one["p"] for one in found])
    return [shown(one, p) for one, p in zip(found, adjusted, strict=True)]


def shown(found: Mapping[str, Any], p_holm: float | None) -> dict[str, Any]:
    names = ("difference", "difference_low", "difference_high", "better", "worse", "p")
    verdict = "cannot be told apart"
    if p_holm is None:
        verdict = "too few cases"
    elif p_holm < 0.05:
        verdict = "better" if found["difference"] > 0 else "worse"
    return {name: found[name] for name in names} | {"p_holm": p_holm, "verdict": verdict}


def gap(
    run: Run,
    first: tuple[str, str],
    second: tuple[str, str],
    column: str,
    cases: Sequence[str] | None = None,
    z: float = Z,
) -> dict[str, Any]:
    sides = []
    for candidate in (first, second):
        calls = run.of(candidate)
        finished = calls[calls["finished"] & (calls["case"].isin(cases) if cases is not None else True)]
        sides.append(finished.assign(failed=finished["verdict"].isna()).groupby("case", sort=False))
    means = pd.concat([side[column].mean().astype(float) for side in sides], axis=1, keys=["first", "second"]).dropna()
    differences = means["first"] - means["second"]
    groups = run.calls.groupby("case")["group"].first().loc[means.index]
    faults = pd.concat([side["failed"].any() for side in sides], axis=1).loc[means.index].any(axis=1)
    better, worse = int((differences > 1e-12).sum()), int((differences < -1e-12).sum())
    low, high, p, error = clustered_difference(differences, groups, z)
    exact = None
    if column == "passed" and run.cluster is None and run.trials == 1:
        low, high = tango(better, worse, len(means), z)
        fewer, both = min(better, worse), better + worse
        p = min(1.0, float(2 * stats.binom.cdf(fewer, both, 0.5) - stats.binom.pmf(fewer, both, 0.5)))
        exact = float(stats.binomtest(better, both).pvalue) if both else 1.0
    return {
        "cases": len(means),
        "errors": int(faults.sum()),
        "difference": differences.mean(),
        "difference_low": low,
        "difference_high": high,
        "better": better,
        "worse": worse,
        "p": p,
        "p_exact": exact,
        "error": error,
    }


def tag_comparisons(run: Run, ranked: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    best, *others = ranked
    cases = {
        tag: [case for case, tags in run.tags.items() if tag in tags] for tags in run.tags.values() for tag in tags
    }
    order = sorted(cases, key=lambda tag: (-len(cases[tag]), tag))
    groups = run.calls.groupby("case")["group"].first()
    sizes = {tag: groups.loc[cases[tag]].nunique() for tag in order}
    telling: list[str] = []
    for tag in sorted(order, key=lambda tag: -sizes[tag]):
        if 0.5 ** sizes[tag] * len(others) * (len(telling) + 1) >= 0.05:
            break
        telling.append(tag)
    found = [(tag, gap(run, other, best, "passed", cases[tag])) for tag in order for other in others]
    adjusted = iter(holm([one["p"] for tag, one in found if tag in telling]))
    for tag, one in found:
        yield shown(one, next(adjusted) if tag in telling else None) | {"tag": tag, "cases": one["cases"]}


def power(
    run: Run, first: tuple[str, str], second: tuple[str, str], found: Mapping[str, Any], p_holm: float
) -> dict[str, Any] | None:
    cases, disagree = found["cases"], found["better"] + found["worse"]
    if (run.calls["group"].nunique() if run.cluster else cases) < 20 or disagree < 5:
        return None
    single = found["p_exact"] is not None
    variance = found["error"] ** 2 * cases
    needed = connor(disagree / cases) if single else lambda d: (POWER / d) ** 2 * variance

    def detectable(times: float) -> float:
        return float(optimize.brentq(lambda d: needed(d) - cases * times, 1e-9, 1, xtol=1e-15, rtol=1e-14))

    worth = trials_worth(run, first, second) if run.trials > 1 else None
    settle = math.ceil(needed(abs(found["difference"]))) if found["difference"] and p_holm >= 0.05 else 0
    return {
        "cases": cases,
        "disagree": disagree,
        "detectable_difference": detectable(1),
        "trials": 2 * run.trials if worth else 3 * run.trials,
        "detectable_with_trials": detectable(worth or 3),
        "more_cases": 4 * cases,
        "detectable_with_more_cases": detectable(4),
        "cases_to_settle": settle if settle > cases else None,
    }


def connor(discordance: float) -> Callable[[float], float]:
    def needed(difference: float) -> float:
        psi = max(discordance, difference)
        z_power = float(stats.norm.ppf(0.8))
        return float(((Z * math.sqrt(psi) + z_power * math.sqrt(psi - difference**2)) / difference) ** 2)

    return needed


def trials_worth(run: Run, first: tuple[str, str], second: tuple[str, str]) -> float | None:
    """How many times the cases twice the trials are worth, by the parts of the variance."""
    sides = [
        run.of(one).query("finished").groupby("case")["passed"].agg(["mean", "size", "var"]) for one in (first, second)
    ]
    both = sides[0].add_suffix("_a").join(sides[1].add_suffix("_b")).dropna()
    if len(both) < 2:
        return None
    total = (both["mean_a"] - both["mean_b"]).var()
    within = (both["var_a"] + both["var_b"]).mean()
    noise = (both["var_a"] / both["size_a"] + both["var_b"] / both["size_b"]).mean()
    between = max(0.0, total - noise)
    return float((between + within / run.trials) / (between + within / run.trials / 2))
