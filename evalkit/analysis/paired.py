"""Two candidates on the same cases: the difference between them, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.results import CaseResults
from evalkit.stats.intervals import Interval
from evalkit.stats.margin import Verdict, auto_margin, auto_margin_of_mean, verdict
from evalkit.stats.paired import Pairs, clustered_difference, mcnemar_exact, mcnemar_mid_p, tango_interval


class Metric(StrEnum):
    """What of a case is compared: how often it passed, or its mean score."""

    PASS_RATE = "pass_rate"  # noqa: S105 - no password
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Difference:
    """First candidate minus second, on the cases that both have results for.

    Attributes:
        cases: how many these are.
        first, second: their rates (or mean scores) on these cases, 0..1.
        difference: first - second, -1..1; every case counts alike, however many trials it had.
        interval: of the difference, at the confidence that was asked for.
        p: two-sided: McNemar's mid-p, or of the clustered difference.
        p_exact: McNemar's exact p, where each case was asked once.
        error: the standard error of the difference.
        better, worse: cases on which the first did better or worse.
        errors: cases on which either met an error, which counts as not passed.
        pairs: passes and failures against each other, where each case was asked once; else None.
        differences: per common case, for those who go on calculating.
    """

    cases: int
    first: float
    second: float
    difference: float
    interval: Interval
    p: float
    p_exact: float | None
    error: float
    better: int
    worse: int
    errors: int
    pairs: Pairs | None
    differences: NDArray[np.float64]

    @property
    def method(self) -> str:
        """How the interval was made."""
        return "Tango" if self.pairs else "clustered"

    @property
    def auto_margin(self) -> float:
        """The smallest margin at which an unchanged candidate would be NOT WORSE in nine of ten such comparisons."""
        if self.pairs:
            return auto_margin(self.pairs.only_first + self.pairs.only_second, self.cases)
        return auto_margin_of_mean(self.interval, self.error)

    def verdict(self, margin: float) -> Verdict:
        """Whether the first is NOT WORSE than the second by more than the margin, REGRESSED, or neither is shown."""
        return verdict(self.interval, margin)


class _Common(NamedTuple):
    """What two candidates have results for, case by case."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    once: bool
    errors: int
    clusters: Sequence[str] | None


def paired_difference(
    first: CaseResults,
    second: CaseResults,
    *,
    clusters: Sequence[str] | None = None,
    metric: Metric = Metric.PASS_RATE,
    confidence: float = 0.95,
) -> Difference | None:
    """Compare two candidates whose results are aligned case by case.

    Where every case was asked once of both, is passed or not, and stands for itself, the interval is Tango's score
    interval and the p-value McNemar's mid-p; else both come from the standard error of the per-case differences,
    clustered where cases share a source.

    Args:
        first: results of the one.
        second: results of the other, on the same cases in the same order.
        clusters: what each case shares with others; None: each stands for itself.
        metric: what is compared.
        confidence: of the interval.

    Returns:
        None where no case has results of both.
    """
    common = _common(first, second, clusters, metric)
    n = len(common.first)
    if not n:
        return None
    differences = common.first - common.second
    mean = clustered_difference(differences, common.clusters, confidence)
    pairs = _pairs(common) if common.once and metric is Metric.PASS_RATE and clusters is None else None
    return Difference(
        cases=n,
        first=float(common.first.mean()),
        second=float(common.second.mean()),
        difference=float(differences.mean()),
        interval=tango_interval(pairs, confidence) if pairs else mean.interval,
        p=mcnemar_mid_p(pairs) if pairs else mean.p,
        p_exact=mcnemar_exact(pairs) if pairs else None,
        error=mean.error,
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        errors=common.errors,
        pairs=pairs,
        differences=differences,
    )


def _common(first: CaseResults, second: CaseResults, clusters: Sequence[str] | None, metric: Metric) -> _Common:
    times = [np.frombuffer(one.finished, dtype=np.uint32) for one in (first, second)]
    both = (times[0] > 0) & (times[1] > 0)
    rates = [_values(one, metric)[both] / n[both] for one, n in zip((first, second), times, strict=True)]
    faults = np.frombuffer(first.errors, dtype=np.uint32) + np.frombuffer(second.errors, dtype=np.uint32)
    once = bool((times[0][both] == 1).all() and (times[1][both] == 1).all())
    kept = None if clusters is None else [cluster for cluster, in_both in zip(clusters, both, strict=True) if in_both]
    return _Common(rates[0], rates[1], once, int((faults[both] > 0).sum()), kept)


def _values(results: CaseResults, metric: Metric) -> NDArray[np.float64]:
    if metric is Metric.SCORE:
        return np.frombuffer(results.score, dtype=np.float64)
    return np.frombuffer(results.passed, dtype=np.uint32).astype(np.float64)


def _pairs(common: _Common) -> Pairs:
    first, second = common.first > 0, common.second > 0
    return Pairs(
        both=int((first & second).sum()),
        only_first=int((first & ~second).sum()),
        only_second=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )
