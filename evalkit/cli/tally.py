"""What has happened to one model's calls so far. For the eye only: reports count the rows."""

from __future__ import annotations

import datetime as dt
import math
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
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
        """The latency that a share `q` stays below, milliseconds, as the report will have it; None without any."""
        if not self.count:
            return None
        steps = sorted(self._steps)
        up_to = list(accumulate(self._steps[step] for step in steps))
        position = q * (self.count - 1)
        below = math.floor(position)
        low, high = (
            2 ** (steps[bisect_right(up_to, rank)] / _STEPS) for rank in (below, min(below + 1, self.count - 1))
        )
        return float(low + (high - low) * (position - below))


_RECENT: Final = 100
"""The calls by which is told how fast it goes: the last ones, as limits and servers change."""


@dataclass(slots=True)
class Pace:
    """How fast a model's calls get done, seconds of a clock that only goes forward."""

    start: float
    done: int = 0
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def add(self, now: float) -> None:
        """Count a call that was made just now."""
        self.done += 1
        self._recent.append(now)

    def per_s(self, now: float) -> float | None:
        """Calls a second of late; None before the first."""
        if not self._recent:
            return None
        since, calls = (self._recent[0], _RECENT - 1) if self.done > _RECENT else (self.start, self.done)
        return calls / max(now - since, 1e-3)


@dataclass(slots=True)
class Tally:
    """One model's calls: how many there are to be, and what came of those that are finished.

    `limit` tells how many may be in flight now, None where nobody knows. `pace` is without the calls of an earlier
    session, which a run that is gone on with goes through at once.
    """

    total: int
    pace: Pace = field(default_factory=lambda: Pace(time.monotonic()))
    began: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    done: int = 0
    passed: int = 0
    errors: int = 0
    retries: int = 0
    cost_usd: float | None = None
    latencies: Latencies = field(default_factory=Latencies)
    limit: Callable[[], int] | None = None
    _ended: float | None = None

    def add(self, record: Record, score: CallScore) -> None:
        """Count a finished call."""
        self.done += 1
        self.passed += score.passed
        self.errors += record.error is not None
        self.retries += record.retries
        if record.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + record.cost_usd
        if record.error is None and record.latency_ms is not None:
            self.latencies.add(record.latency_ms)
        now = time.monotonic()
        asked = dt.datetime.fromisoformat(record.started_at) if record.started_at else self.began
        if asked >= self.began:
            if not self.pace.done:  # from here on it was at work: workers may have had to be found first
                self.pace.start = min(now, self.pace.start + (asked - self.began).total_seconds())
            self.pace.add(now)
        if self.done == self.total:
            self._ended = now

    @property
    def elapsed_s(self) -> float:
        """How long it has been at work, or was."""
        return (self._ended or time.monotonic()) - self.pace.start

    @property
    def per_s(self) -> float | None:
        """Calls a second: of late, or once it is through, of the whole; None before the first."""
        if self._ended is None:
            return self.pace.per_s(time.monotonic())
        return self.pace.done / max(self.elapsed_s, 1e-3) if self.pace.done else None

    @property
    def left_s(self) -> float | None:
        """How long it will still take at this pace; None where nobody knows."""
        return (self.total - self.done) / self.per_s if self.per_s else None

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
