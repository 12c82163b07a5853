"""What a candidate's answers took and used up, added up answer by answer."""

from __future__ import annotations

import datetime as dt
from array import array
from dataclasses import replace

from evalkit.analysis.figures import Share, Total, percentiles
from evalkit.analysis.latencies import percentile_intervals, tail_interval
from evalkit.analysis.summary import Consumption, Latency
from evalkit.models.gpu import gpu_cost_usd
from evalkit.stats import quantile
from evalkit.types import SERVER_PARTS, Gpu, Record


class Times:
    """The times of answers, eight bytes each."""

    def __init__(self) -> None:
        self._latency = array("d")
        self._ttft = array("d")
        self._client = array("d")
        self._server: dict[str, array[float]] = {}

    def add(self, answer: Record) -> None:
        """Note an answer's times, as far as they are known."""
        if answer.latency_ms is not None:
            self._latency.append(answer.latency_ms)
        if answer.ttft_ms is not None:
            self._ttft.append(answer.ttft_ms)
        if answer.client_ms is not None:
            self._client.append(answer.client_ms)
        for part, ms in answer.server_ms.items():
            if part not in self._server:
                self._server[part] = array("d")
            self._server[part].append(ms)

    def latency(self) -> Latency:
        """Their percentiles."""
        p50, p90, p95, p99 = percentiles(self._latency, 0.5, 0.9, 0.95, 0.99)
        ttft_p50, ttft_p95 = percentiles(self._ttft, 0.5, 0.95)
        client_p50, client_p95 = percentiles(self._client, 0.5, 0.95)
        server = [(part, quantile(self._server[part], 0.5)) for part in SERVER_PARTS if part in self._server]
        return Latency(
            n=len(self._latency),
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            ttft_p50=ttft_p50,
            ttft_p95=ttft_p95,
            client_p50=client_p50,
            client_p95=client_p95,
            server=dict(server),
            intervals=percentile_intervals(self._latency),
            tail_interval=tail_interval(self._latency),
        )


class Busy:
    """When a server of the user's own was at work on a candidate's answers, sixteen bytes each."""

    def __init__(self) -> None:
        self._sent_s = array("d")
        self._over_s = array("d")

    def add(self, answer: Record) -> None:
        """Note from when to when the answer was made."""
        if answer.started_at and answer.latency_ms is not None:
            taken_s = dt.datetime.fromisoformat(answer.started_at).timestamp()
            sent_s = taken_s + ((answer.queue_ms or 0.0) + (answer.retry_ms or 0.0)) / 1000
            self._sent_s.append(sent_s)
            self._over_s.append(sent_s + answer.latency_ms / 1000)

    def cost_usd(self, gpu: Gpu) -> float | None:
        """What that time costs; None when no answer was timed."""
        return gpu_cost_usd(zip(self._sent_s, self._over_s, strict=True), gpu) if self._sent_s else None


class Used:
    """What answers used up."""

    def __init__(self) -> None:
        self._input = Total()
        self._output = Total()
        self._cost = Total()
        self._cached = Share()
        self._speed = Share()

    def add(self, answer: Record) -> None:
        """Add an answer's tokens and cost."""
        usage = answer.usage
        self._input.add(usage.input)
        self._output.add(usage.output)
        self._cost.add(answer.cost_usd)
        self._cached.add(usage.cached_input, usage.input)
        self._speed.add(None if usage.output is None else usage.output * 1000, answer.latency_ms)

    def consumption(self) -> Consumption:
        """The sums and ratios."""
        return Consumption(
            input_tokens=_whole(self._input.value()),
            output_tokens=_whole(self._output.value()),
            cached_input_share=self._cached.value(),
            output_tokens_per_s=self._speed.value(),
            cost_usd=self._cost.value(),
        )


class AnswerCount:
    """All that is added up of a model's answers.

    Args:
        gpu: what the server of the user's own runs on that made them; None for others.
    """

    def __init__(self, gpu: Gpu | None = None) -> None:
        self.n = 0
        self.billed = 0
        self.served: set[str] = set()
        self.dropped: set[str] = set()
        self._gpu = gpu
        self._times = Times()
        self._used = Used()
        self._busy = Busy()

    def add(self, answer: Record) -> None:
        """Add an answer."""
        self.n += 1
        self.billed += answer.billed
        self.dropped.update(answer.dropped_params)
        if answer.served_model:
            self.served.add(answer.served_model)
        self._times.add(answer)
        self._used.add(answer)
        if self._gpu:
            self._busy.add(answer)

    def latency(self) -> Latency:
        """How long they took."""
        return self._times.latency()

    def consumption(self) -> Consumption:
        """What they used up."""
        used = self._used.consumption()
        return replace(used, cost_usd=self._busy.cost_usd(self._gpu)) if self._gpu else used


def _whole(total: float | None) -> int | None:
    """A count as the integer it is: floats hold whole numbers exactly up to 2^53."""
    return None if total is None else int(total)
