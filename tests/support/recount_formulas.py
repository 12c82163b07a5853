"""The formulas behind report.json, written anew with pandas and scipy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats

Z = float(stats.norm.ppf(0.975))
POWER = Z + float(stats.norm.ppf(0.8))


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


def tango(better: int, worse: int, n: int, z: float = Z) -> tuple[float, float]:
    def score(d: float) -> float:
        a, b, c = 2 * n, -better - worse + (2 * n - better + worse) * d, -worse * d * (1 - d)
        q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        return (better - worse - n * d) / math.sqrt(max(n * (2 * q + d * (1 - d)), 1e-300))

    def end(sign: int) -> float:
        return float(optimize.brentq(lambda d: score(d) - sign * z, -1 + 1e-12, 1 - 1e-12, xtol=1e-14, rtol=1e-14))

    return end(1), end(-1)


def clustered_difference(differences: pd.Series, groups: pd.Series, z: float = Z) -> tuple[float, float, float, float]:
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
    low, high = max(-1.0, centre - z * spread), min(1.0, centre + z * spread)
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


def quantile(values: pd.Series, q: float) -> float | None:
    known = values.dropna().astype(float)
    return float(known.quantile(q)) if len(known) else None
