"""The figures of cost and break-even, unrounded, for machines. Unknown is null."""

from __future__ import annotations

import math

from evalkit.analysis.cost.break_even import BreakEven
from evalkit.analysis.cost.monthly import Figure, Projection, Traffic
from evalkit.analysis.cost.outlook import VOLUMES, Outlook
from evalkit.analysis.cost.servers import DAYS_PER_MONTH, Server
from evalkit.analysis.cost.trace import Trace
from evalkit.types import Json


def cost_json(outlook: Outlook) -> dict[str, Json]:
    """All figures."""
    return {
        "days_per_month": DAYS_PER_MONTH,
        "traffic": _traffic(outlook.traffic or outlook.kind, named=outlook.traffic is not None),
        "candidates": [_projection(one) for one in outlook.projections],
        "volumes": [
            {
                **_name(row[0]),
                "usd_per_month": {
                    f"{volume:.0f}": _figure(one.usd_per_month) for volume, one in zip(VOLUMES, row, strict=True)
                },
            }
            for row in outlook.at_volumes
        ],
        "break_even": [_even(one) for one in outlook.break_evens],
    }


def _traffic(traffic: Traffic, *, named: bool) -> dict[str, Json]:
    return {
        "requests_per_day": traffic.requests_per_day if named else None,
        "tokens_per_day": traffic.tokens_per_day if named else None,
        "input_share": traffic.input_share,
        "peak_factor": traffic.peak,
        "target_utilisation": traffic.target_utilisation,
        "trace": _trace(traffic.trace) if traffic.trace else None,
    }


def _trace(trace: Trace) -> dict[str, Json]:
    return {
        "path": trace.path,
        "requests": trace.requests,
        "span_s": trace.span_s,
        "input_tokens": trace.total_input,
        "output_tokens": trace.total_output,
        "requests_per_day": trace.requests_per_day,
        "peak_window_s": trace.window_s,
        "peak_requests_per_s": trace.peak.requests_per_s,
        "peak_input_tokens_per_s": trace.peak.input_tokens_per_s,
        "peak_output_tokens_per_s": trace.peak.output_tokens_per_s,
    }


def _name(one: Projection) -> dict[str, Json]:
    return {"model": one.use.model, "prompt": one.use.prompt or None}


def _projection(one: Projection) -> dict[str, Json]:
    day, fleet, server = one.per_day, one.fleet, one.use.server
    return {
        **_name(one),
        "requests_per_day": _figure(day and day.requests),
        "input_tokens_per_day": _figure(day and day.input_tokens),
        "output_tokens_per_day": _figure(day and day.output_tokens),
        "usd_per_month": _figure(one.usd_per_month),
        "usd_per_year": _figure(one.usd_per_year),
        "unknown": one.doubt and str(one.doubt),
        "server": _server(server) if server else None,
        "servers": fleet and fleet.servers,
        "gpus": fleet and fleet.gpus,
        "utilisation": fleet and fleet.utilisation,
    }


def _server(server: Server) -> dict[str, Json]:
    speed = server.throughput
    return {
        "usd_per_month": server.usd_per_month,
        "gpus": server.gpus,
        "output_tokens_per_s": speed and speed.tokens_per_s,
        "output_tokens_per_s_source": speed and speed.source,
        "output_tokens_per_s_at_least": speed and speed.at_least,
    }


def _even(one: BreakEven) -> dict[str, Json]:
    crossover = one.crossover
    return {
        "api": one.api.model,
        "server": one.server.model,
        "known": one.known,
        "capacity_known": one.capacity_known,
        "unit": str(one.unit),
        "tokens_per_unit": one.tokens_per_unit,
        "cheaper_from_per_day": _figure(crossover.first if crossover else None),
        "cheaper_until_per_day": crossover and crossover.until,
        "cheaper_for_good_from_per_day": crossover and crossover.for_good,
        "servers_for_good": crossover and crossover.servers,
        "peak_output_tokens_per_s": one.peak_output_per_s,
    }


def _figure(figure: Figure | None) -> dict[str, Json] | None:
    if figure is None:
        return None
    return {name: _finite(value) for name, value in zip(("value", "low", "high"), figure, strict=True)}


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: a volume that is never reached is null."""
    return None if value is None or math.isinf(value) else value
