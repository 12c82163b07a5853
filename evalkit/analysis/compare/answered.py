"""What a candidate's answers were like, case by case: time, tokens, cost, who gave them. Needs numpy: lazily."""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.latencies import percentile_intervals
from evalkit.analysis.rows import CallRow
from evalkit.stats.distributions import beta_cdf, beta_quantile
from evalkit.stats.intervals import Interval
from evalkit.stats.paired import clustered_difference
from evalkit.stats.quantiles import quantile
from evalkit.types import Record

_TIMED: Final = (("p50", 0.5), ("p95", 0.95))


class Judged(NamedTuple):
    """The first trial of a case: its answer as a digest, and whether it passed."""

    digest: bytes
    passed: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """A candidate's answers to some cases.

    Attributes:
        latencies: milliseconds of all answers.
        timed: the place of the case that each of these is of.
        latency_log, cost, output_tokens: the mean over each case's answers, NaN where it is unknown; of latency, the
            mean of its logarithm.
        served_models, fingerprints, finish_reasons: how many answers said so; what no answer said is left out.
        judged: of each case's first trial, None where it has no verdict.
        scorers: the names of those who judged.
    """

    latencies: Sequence[float]
    timed: Sequence[int]
    latency_log: NDArray[np.float64]
    cost: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    served_models: Mapping[str, int]
    fingerprints: Mapping[str, int]
    finish_reasons: Mapping[str, int]
    judged: Sequence[Judged | None]
    scorers: frozenset[str]


class Percentile(NamedTuple):
    """A percentile of latency in milliseconds; an end is None where there are too few answers to give it."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """A mean per case on both sides, over the `cases` where both are known, and the difference new - old.

    `interval` and `p` are of the difference of the means, case by case.
    """

    cases: int
    old: float
    new: float
    interval: Interval
    p: float

    @property
    def difference(self) -> float:
        """New - old."""
        return self.new - self.old


@dataclass(frozen=True, slots=True)
class Slowdown:
    """How long answers took on both sides.

    `ratio` is the geometric mean, over the `cases` that both answered, of new / old; with interval and p-value.
    """

    old: Mapping[str, Percentile]
    new: Mapping[str, Percentile]
    cases: int
    ratio: float
    interval: Interval
    p: float


def answered(rows: Iterable[CallRow], case_ids: Sequence[str]) -> Answered:
    """Read a candidate's answers to these cases."""
    collect = _Collect(case_ids)
    for row in rows:
        collect.add(row)
    return collect.answers()


def change(old: NDArray[np.float64], new: NDArray[np.float64], clusters: Sequence[str] | None) -> Change | None:
    """Compare means per case, by Student's t; None where fewer than two cases (or clusters) have one on both sides."""
    both = ~(np.isnan(old) | np.isnan(new))
    before, after = old[both], new[both]
    shared = None if clusters is None else [name for name, kept in zip(clusters, both, strict=True) if kept]
    freedom = (len(before) if shared is None else len(set(shared))) - 1
    if freedom < 1:
        return None
    difference = float((after - before).mean())
    error = _error(after - before, shared)
    x = beta_quantile(0.05, freedom / 2, 0.5)
    half = math.sqrt(freedom * (1 - x) / x) * error
    return Change(
        cases=len(before),
        old=float(before.mean()),
        new=float(after.mean()),
        interval=Interval(difference - half, difference + half),
        p=_p(difference, error, freedom),
    )


def _error(differences: NDArray[np.float64], clusters: Sequence[str] | None) -> float:
    """The standard error of the mean of differences of any size: that of differences of -1..1, stretched."""
    reach = float(np.abs(differences).max())
    return clustered_difference(differences / reach, clusters).error * reach if reach else 0.0


def _p(difference: float, error: float, freedom: int) -> float:
    """How likely a mean so far from 0 is where there is no difference."""
    if not difference:
        return 1.0
    return beta_cdf(freedom / (freedom + (difference / error) ** 2), freedom / 2, 0.5) if error else 0.0


def slowdown(old: Answered, new: Answered, clusters: Sequence[str] | None) -> Slowdown | None:
    """Compare latencies; None where fewer than two cases were timed on both sides."""
    logs = change(old.latency_log, new.latency_log, clusters)
    if logs is None:
        return None
    return Slowdown(
        _percentiles(old),
        _percentiles(new),
        logs.cases,
        math.exp(logs.difference),
        Interval(math.exp(logs.interval.low), math.exp(logs.interval.high)),
        logs.p,
    )


def _percentiles(answers: Answered) -> dict[str, Percentile]:
    ends = percentile_intervals(answers.latencies, answers.timed)
    return {name: Percentile(quantile(answers.latencies, q), *ends[name]) for name, q in _TIMED}


class _Collect:
    """Adds up rows case by case."""

    def __init__(self, case_ids: Sequence[str]) -> None:
        self._places = {case_id: place for place, case_id in enumerate(case_ids)}
        self._latencies = array("d")
        self._timed = array("L")
        self._means = {name: _Means(len(case_ids)) for name in ("latency_log", "cost", "output_tokens")}
        self._said: dict[str, Counter[str]] = {
            name: Counter() for name in ("served_model", "fingerprint", "finish_reason")
        }
        self._judged: list[Judged | None] = [None] * len(case_ids)
        self._scorers: set[str] = set()

    def add(self, row: CallRow) -> None:
        place = self._places.get(row.call.case_id)
        if place is None or row.answer is None:
            return
        self._measure(row.answer, place)
        for name, said in self._said.items():
            if value := getattr(row.answer, name):
                said[value] += 1
        if row.verdict:
            self._scorers.update(verdict.scorer for verdict in row.verdict.verdicts)
            if row.call.trial == 1:
                self._judged[place] = Judged(_digest(row.answer), row.verdict.passed)

    def _measure(self, answer: Record, place: int) -> None:
        if answer.latency_ms is not None:
            self._latencies.append(answer.latency_ms)
            self._timed.append(place)
        if answer.latency_ms:
            self._means["latency_log"].add(place, math.log(answer.latency_ms))
        self._means["cost"].add(place, answer.cost_usd)
        self._means["output_tokens"].add(place, answer.usage.output)

    def answers(self) -> Answered:
        served, fingerprints, reasons = (dict(said.most_common()) for said in self._said.values())
        logs, cost, tokens = (sums.means() for sums in self._means.values())
        return Answered(
            self._latencies,
            self._timed,
            logs,
            cost,
            tokens,
            served,
            fingerprints,
            reasons,
            self._judged,
            frozenset(self._scorers),
        )


class _Means:
    """Means per case of what is known."""

    def __init__(self, cases: int) -> None:
        self._sums = np.zeros(cases)
        self._counts = np.zeros(cases)

    def add(self, place: int, value: float | None) -> None:
        if value is not None:
            self._sums[place] += value
            self._counts[place] += 1

    def means(self) -> NDArray[np.float64]:
        return np.divide(self._sums, self._counts, out=np.full_like(self._sums, np.nan), where=self._counts > 0)


def _digest(answer: Record) -> bytes:
    content = json.dumps([answer.output, answer.tool_calls], default=str)
    return hashlib.blake2b(content.encode(), digest_size=8).digest()
