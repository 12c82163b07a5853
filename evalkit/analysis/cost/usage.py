"""What one request takes of each candidate of a run: tokens and dollars, measured."""

from __future__ import annotations

import datetime as dt
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from evalkit.analysis.cost.monthly import Figure, Shape, Use
from evalkit.analysis.cost.servers import Server, Throughput, rented
from evalkit.analysis.load import LoadCount
from evalkit.analysis.results import cluster_of
from evalkit.analysis.rows import CallRow
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.models.gpu import busy_s
from evalkit.models.prices import cost_usd, thinks
from evalkit.runner.manifest import ManifestModel
from evalkit.stats.distributions import beta_quantile
from evalkit.types import Price, Record

_COLUMNS: Final = ("requests", "input", "output", "tokens", "usd")


def run_uses(
    run: RunData,
    prices: Mapping[str, Price] | None = None,
    servers: Mapping[str, Server] | None = None,
) -> tuple[Use, ...]:
    """What each candidate of a run takes, in the run's order.

    Figures are means over answers with 95 % intervals by case (or by the suite's `cluster`): which cases were asked is
    what they are unsure of.

    Args:
        run: the run.
        prices: unit prices to take instead of those in force in the run, by model.
        servers: what models run on instead of what the run says, by model.

    Raises:
        ConfigError: a row is damaged; names file and line.
    """
    models = {model.name: model for model in run.manifest.models}
    return tuple(
        _use(candidate, models[candidate[0]], run, (prices or {}).get(candidate[0]), (servers or {}).get(candidate[0]))
        for candidate in run.groups
    )


def _use(candidate: Candidate, model: ManifestModel, run: RunData, price: Price | None, server: Server | None) -> Use:
    count = _Taken(run.manifest.cluster, price, model)
    speed = _Speed(model, run)
    for row in run.groups[candidate]:
        if row.record:
            speed.add(row.record)
        if row.answer:
            count.add(row, row.answer)
    if server is None and model.gpu is not None and price is None:
        server = rented(model.gpu.count, model.gpu.usd_per_hour)
    if server is not None and server.throughput is None:
        server = replace(server, throughput=speed.throughput())
    return Use(
        *candidate,
        per_request=count.shape("requests"),
        per_token=count.shape("tokens"),
        price=price or model.price,
        thinks=thinks(model.params),
        server=server,
    )


class _Taken:
    """Adds up what answers took, cluster by cluster of cases that may resemble each other."""

    def __init__(self, cluster: str | None, price: Price | None, model: ManifestModel) -> None:
        self._cluster = cluster
        self._price = price
        self._thinks = thinks(model.params)
        self._places: dict[str, int] = {}
        self._sums = {name: array("d") for name in _COLUMNS}
        self._unknown: set[str] = set()

    def add(self, row: CallRow, answer: Record) -> None:
        """Add an answer."""
        name = row.case.id if self._cluster is None else cluster_of(row.case, self._cluster)
        place = self._places.setdefault(name, len(self._places))
        if place == len(self._sums["requests"]):
            for column in self._sums.values():
                column.append(0.0)
        usage = answer.usage
        both = None if usage.input is None or usage.output is None else usage.input + usage.output
        for name, value in zip(_COLUMNS, (1, usage.input, usage.output, both, self._usd(answer)), strict=True):
            if value is None:
                self._unknown.add(name)
            else:
                self._sums[name][place] += value

    def _usd(self, answer: Record) -> float | None:
        if self._price is None:
            return answer.cost_usd
        usages = [reply.usage for reply in answer.turns] or [answer.usage]
        costs = [cost_usd(usage, self._price, thinking=self._thinks) for usage in usages]
        known = [cost for cost in costs if cost is not None]
        return math.fsum(known) if len(known) == len(costs) else None

    def shape(self, unit: str) -> Shape | None:
        """What one unit, of requests or tokens, is made of; None where there is no answer, or its tokens are unknown.

        A figure is unknown as soon as one answer does not tell it.
        """
        if not self._places or unit in self._unknown:
            return None
        figures = (
            None if name in self._unknown else ratio(self._sums[name], self._sums[unit])
            for name in ("requests", "input", "output", "usd")
        )
        return Shape(*figures)


def ratio(above: Sequence[float], below: Sequence[float], confidence: float = 0.95) -> Figure | None:
    """A ratio of two sums over clusters, with its interval.

    The standard error is that of the ratio estimator, sqrt(m / (m - 1) * sum (a_c - r b_c)^2) / sum b_c over m clusters
    (W. G. Cochran (1977), Sampling techniques, 3rd ed., section 2.11); the interval is Student's with m - 1 degrees of
    freedom, cut at 0.

    Args:
        above: the sum of each cluster, not negative.
        below: the same of what it is counted by.
        confidence: two-sided, between 0 and 1.

    Returns:
        None where there is nothing to count by; without ends where one cluster cannot tell them.
    """
    total, clusters = math.fsum(below), len(below)
    if not total:
        return None
    value = math.fsum(above) / total
    if clusters == 1:
        return Figure(value, None, None)
    squares = math.fsum((a - value * b) ** 2 for a, b in zip(above, below, strict=True))
    error = math.sqrt(squares * clusters / (clusters - 1)) / total
    half = student(confidence, clusters - 1) * error
    return Figure(value, max(0.0, value - half), value + half)


def student(confidence: float, freedom: int) -> float:
    """Two-sided quantile of Student's t, by that of the beta distribution."""
    x = beta_quantile(1 - confidence, freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - x) / x)


class _Speed:
    """How many tokens a second a server generated while the run asked it: it can do this much, and perhaps more.

    With one call in flight at a time that is the speed of an answer, not of a server; then nothing is said.
    """

    def __init__(self, model: ManifestModel, run: RunData) -> None:
        self._in_flight = model.concurrency
        load = run.manifest.load
        self._rate_per_s = load.rate_per_s if load else 0.0
        self._load = LoadCount(load, paused=bool(run.manifest.resumed_at)) if load else None
        self._tokens = 0
        self._intervals: list[tuple[float, float]] = []

    def add(self, record: Record) -> None:
        """Add a finished call."""
        if self._load:
            self._load.add(record)
        elif record.error is None and record.usage.output is not None and record.latency_ms is not None:
            self._tokens += record.usage.output
            self._intervals.extend(_under_way(record))

    def throughput(self) -> Throughput | None:
        """Tokens per second; None where that cannot be told."""
        if self._load:
            under_load = self._load.summary().output_tokens_per_s
            words = f"measured at {self._rate_per_s:g} calls a second"
            return Throughput(under_load, words, at_least=True) if under_load else None
        seconds = busy_s(self._intervals)
        if self._in_flight <= 1 or seconds <= 0 or not self._tokens:
            return None
        words = f"measured with up to {self._in_flight} calls in flight"
        return Throughput(self._tokens / seconds, words, at_least=True)


def _under_way(record: Record) -> Iterator[tuple[float, float]]:
    """From when to when a server was at work on an answer, seconds."""
    if record.started_at and record.latency_ms is not None:
        taken_s = dt.datetime.fromisoformat(record.started_at).timestamp()
        sent_s = taken_s + ((record.queue_ms or 0.0) + (record.retry_ms or 0.0)) / 1000
        yield sent_s, sent_s + record.latency_ms / 1000
