"""What has happened to one model's calls so far. For the eye only: reports count the rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from evalkit.report import format as fmt
from evalkit.stats.intervals import wilson
from evalkit.types import CallScore, Record

_STEPS: Final = 32
"""Steps in which a latency is counted, to its doubling: a percentile is told to 2 %."""


@dataclass(slots=True)
class Latencies:
    """Latencies counted by size, so that a percentile costs the same after a hundred calls as after a million."""

    count: int = 0
    _steps: Counter[int] = field(default_factory=Counter)

    def add(self, ms: float) -> None:
        """Count one, milliseconds."""
        self.count += 1
        self._steps[round(_STEPS * math.log2(max(ms, 1e-3)))] += 1

    def quantile(self, q: float) -> float | None:
        """The latency that a share `q` does not exceed, milliseconds; None without any."""
        left = math.ceil(q * self.count)
        for step in sorted(self._steps):
            left -= self._steps[step]
            if left <= 0:
                return float(2 ** (step / _STEPS))
        return None


@dataclass(slots=True)
class Tally:
    """One model's calls: how many there are to be, and what came of those that are finished.

    `limit` tells how many may be in flight now, None where nobody knows.
    """

    total: int
    done: int = 0
    passed: int = 0
    errors: int = 0
    retries: int = 0
    cost_usd: float | None = None
    latencies: Latencies = field(default_factory=Latencies)
    limit: Callable[[], int] | None = None

    def add(self, record: Record, score: CallScore) -> None:
        """Count a finished call."""
        self.done += 1
        self.passed += score.passed
        self.errors += record.error is not None
        self.retries += max(0, record.attempts - 1)
        if record.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + record.cost_usd
        if record.error is None and record.latency_ms is not None:
            self.latencies.add(record.latency_ms)

    @property
    def rate(self) -> str:
        """The share that passed, with its interval: 77.5 % [62.5-87.7]."""
        if not self.done:
            return fmt.UNKNOWN
        return f"{fmt.percent(self.passed / self.done)} [{fmt.interval(wilson(self.passed, self.done))}]"

    @property
    def speed(self) -> str:
        """The median and the 95th percentile of the latency: p50 412 ms, p95 1.20 s."""
        return f"p50 {fmt.duration(self.latencies.quantile(0.5))}, p95 {fmt.duration(self.latencies.quantile(0.95))}"

    @property
    def in_flight(self) -> str:
        """How many calls may be in flight now: limit 32; empty where nobody knows."""
        return "" if self.limit is None else f"limit {self.limit()}"

    @property
    def cost(self) -> str:
        """What it has cost so far: $0.012, or n/a."""
        return fmt.UNKNOWN if self.cost_usd is None else f"${fmt.usd(self.cost_usd)}"
