"""report.json worked out anew from a run's own files, with pandas and scipy alone: nothing of evalkit is imported."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

Z = float(stats.norm.ppf(0.975))
POWER = Z + float(stats.norm.ppf(0.8))
PERCENTILES = (50, 90, 95, 99)
NAMES = ["model", "prompt"]


# ------------------------------------------------------------------------------------------------------------- formulas


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Both ends of Wilson's interval, as the solutions of (p - x)^2 = z^2 x (1 - x) / n."""
    p = successes / n
    low, high = sorted(np.roots([1 + Z**2 / n, -2 * p - Z**2 / n, p**2]).real)
    return (0.0 if p == 0 else float(low)), (1.0 if p == 1 else float(high))


def of_mean(mean: float, error: float, groups: int) -> tuple[float, float]:
    n = groups if error < 1e-12 else mean * (1 - mean) / error**2
    return wilson(mean * n, n)


def clustered(values: pd.Series, groups: pd.Series) -> tuple[float, float, float]:
    """Mean, and the ends of its interval by the clustered standard error."""
    mean = float(values.mean())
    residuals = (values - mean).groupby(groups).sum()
    return mean, *of_mean(mean, math.sqrt((residuals**2).sum()) / len(values), len(residuals))


def tango(better: int, worse: int, n: int) -> tuple[float, float]:
    def score(d: float) -> float:
        a, b, c = 2 * n, -better - worse + (2 * n - better + worse) * d, -worse * d * (1 - d)
        q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        return (better - worse - n * d) / math.sqrt(max(n * (2 * q + d * (1 - d)), 1e-300))

    def end(sign: int) -> float:
        return float(optimize.brentq(lambda d: score(d) - sign * Z, -1 + 1e-12, 1 - 1e-12, xtol=1e-14, rtol=1e-14))

    return end(1), end(-1)


def clustered_difference(differences: pd.Series, groups: pd.Series) -> tuple[float, float, float, float]:
    """The ends of the interval, p and the standard error: with one more group in either direction."""
    by_group = differences.groupby(groups).agg(["sum", "size"])
    count, mean = len(by_group), differences.mean()
    error = math.sqrt(((by_group["sum"] - mean * by_group["size"]) ** 2).sum()) / len(differences)
    size = by_group["size"].mean()
    reach = (by_group["sum"] / by_group["size"]).abs().max() or 1.0
    sums = [*by_group["sum"], size * reach, -size * reach]
    sizes = np.array([*by_group["size"], size, size])
    centre = sum(sums) / sizes.sum()
    spread = math.sqrt(((np.array(sums) - centre * sizes) ** 2).sum()) / sizes.sum()
    low, high = max(-1.0, centre - Z * spread), min(1.0, centre + Z * spread)
    return low, high, 2 * float(stats.norm.sf(abs(centre / spread))), error * math.sqrt(count / (count - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * (len(p_values) - np.arange(len(p_values)))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return [float(p) for p in adjusted]


def ranks(n: int, q: float, confidence: float = 0.95) -> tuple[int | None, int | None]:
    """The ranks, from 1, of the order statistics that bound a quantile."""
    tail, every = (1 - confidence) / 2, np.arange(1, n + 1)
    low = every[stats.binom.cdf(every - 1, n, q) <= tail]
    high = every[stats.binom.sf(every - 1, n, q) <= tail]
    return (int(low[-1]) if len(low) else None), (int(high[0]) if len(high) else None)


def quantile_ends(values: pd.Series, q: float, cases: pd.Series | None, confidence: float = 0.95) -> list[float | None]:
    ordered, n, worth = np.sort(values), len(values), len(values)
    if cases is not None:
        below = (values <= np.quantile(values, q)).astype(float)
        share = below.mean()
        single = n * share * (1 - share)
        residuals = (below - share).groupby(cases).sum()
        worth = int(n / max(1.0, (residuals**2).sum() / single) + 1e-9) if single else cases.nunique()
    low, high = ranks(worth, q, confidence)
    return [
        None if low is None else float(ordered[math.floor((low - 1) * n / worth)]),
        None if high is None else float(ordered[math.ceil(high * n / worth) - 1]),
    ]


# ---------------------------------------------------------------------------------------------------------------- files


def lines(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [row for row in rows if "session" not in row]


class Run:
    """A run folder as one table, a row for each planned call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.cases = lines(folder / "cases.jsonl")
        self.trials = self.manifest["trials"]
        self.models = {model["name"]: model for model in self.manifest["models"]}
        prompts = [prompt["name"] for prompt in self.manifest["prompts"]]
        self.candidates = [(model, prompt) for model in self.models for prompt in prompts]
        self.tags = {case["id"]: case["tags"] for case in self.cases}
        self.cluster = self.manifest["cluster"]
        self.calls = self._calls()

    def _calls(self) -> pd.DataFrame:
        records = {
            (row["model"], row["prompt"], row["case_id"], row["trial"]): row
            for row in lines(self.folder / "records.jsonl")
        }
        scores = {row["call_id"]: row for row in lines(self.folder / "scores.jsonl")}
        rows = []
        for model, prompt in self.candidates:
            for trial in range(1, self.trials + 1):
                for case in self.cases:
                    record = records.get((model, prompt, case["id"], trial))
                    rows.append(self._call(model, prompt, case, record, scores.get(record and record["call_id"])))
        return pd.DataFrame(rows)

    def _call(
        self, model: str, prompt: str, case: Mapping[str, Any], record: Any, score: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        answered = record is not None and record["error"] is None
        usage = record["usage"] if answered else {}
        return {
            "model": model,
            "prompt": prompt,
            "case": case["id"],
            "group": f"{case['vars'][self.cluster]}" if self.cluster else case["id"],
            "record": record,
            "answered": answered,
            "error": record["error"]["kind"] if record and record["error"] else None,
            "finished": record is not None and (not answered or score is not None),
            "verdict": score if answered else None,
            "passed": bool(answered and score and score["passed"]),
            "value": float(score["value"]) if answered and score else 0.0,
            "latency": record["latency_ms"] if answered else None,
            "ttft": record["ttft_ms"] if answered else None,
            "client": record["client_ms"] if answered else None,
            "said": (record["output"] or "").strip() if answered else None,
            "input": usage.get("input"),
            "output": usage.get("output"),
            "cached": usage.get("cached_input"),
            "cost": self._cost(self.models[model], record) if answered else None,
        }

    def _cost(self, model: Mapping[str, Any], record: Mapping[str, Any]) -> float | None:
        price, usage = model["price"], record["usage"]
        if price is None:
            return record["cost_usd"]
        fresh = usage["input"] - (usage["cached_input"] or 0)
        cached = price["input"] if price["cached_input"] is None else price["cached_input"]
        total = fresh * price["input"] + (usage["cached_input"] or 0) * cached + usage["output"] * price["output"]
        return total / 1e6

    def of(self, candidate: tuple[str, str]) -> pd.DataFrame:
        return self.calls[(self.calls["model"] == candidate[0]) & (self.calls["prompt"] == candidate[1])]


# ----------------------------------------------------------------------------------------------------------- the report


def report(folder: Path) -> dict[str, Any]:
    """All figures of report.json, in its shape; sections that come of rules and races are left out."""
    run = Run(folder)
    finished = run.calls[run.calls["finished"]]
    return {
        "format": 1,
        "run": {
            "trials": run.trials,
            **{key: run.manifest[key] for key in ("selection", "load", "client")},
        },
        "calls": {
            "planned": len(run.calls),
            "passed": int(finished["passed"].sum()),
            "failed": int((finished["verdict"].notna() & ~finished["passed"]).sum()),
            "error": int(finished["verdict"].isna().sum()),
            "missing": int((~run.calls["finished"]).sum()),
            "not_asked": 0,
        },
        "models": [model_figures(run, candidate) for candidate in run.candidates],
        "tags": list(tag_figures(run)),
        **comparisons(run),
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
        "missing": int((~calls["finished"]).sum()),
        "not_asked": 0,
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


def quantile(values: pd.Series, q: float) -> float | None:
    known = values.dropna().astype(float)
    return float(known.quantile(q)) if len(known) else None


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


def moment(text: str) -> float:
    return pd.Timestamp(text).timestamp()


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


# ---------------------------------------------------------------------------------------------------------- comparisons


def comparisons(run: Run) -> dict[str, Any]:
    shares = {candidate: run.of(candidate) for candidate in run.candidates}
    judged = [one for one, calls in shares.items() if calls["verdict"].notna().any()]
    ranked = sorted(judged, key=lambda one: -shares[one].query("finished")["passed"].mean())
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
    run: Run, first: tuple[str, str], second: tuple[str, str], column: str, cases: Sequence[str] | None = None
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
    low, high, p, error = clustered_difference(differences, groups)
    exact = None
    if column == "passed" and run.cluster is None and run.trials == 1:
        low, high = tango(better, worse, len(means))
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


# ---------------------------------------------------------------------------------------------- scorers, labels, judges


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


# ------------------------------------------------------------------------------------------------------- the comparison


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
    elif recounted is not MISSING and told != recounted and not isinstance(told, bool):
        yield f"{path}: {told!r}, recounted {recounted!r}"


MISSING = object()
