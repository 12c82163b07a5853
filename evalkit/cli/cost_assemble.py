"""From the options of `evalkit cost` to traffic and candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import typer

from evalkit.analysis import load_run
from evalkit.analysis.cost.monthly import Traffic, Use
from evalkit.analysis.cost.servers import DAYS_PER_MONTH, Server, Throughput, leased, rented
from evalkit.analysis.cost.trace import PEAK_WINDOW_S, read_trace
from evalkit.analysis.cost.usage import run_uses
from evalkit.cli.cost_options import Named, Tokens
from evalkit.errors import ConfigError
from evalkit.types import Price

_API: Final = "API"
_OWN: Final = "own server"


@dataclass(frozen=True, slots=True)
class Volume:
    """The traffic as it was typed; None where it was not."""

    requests_per_day: float | None
    tokens_per_day: Tokens | None
    tokens_per_month: Tokens | None
    mix: float | None
    trace: Path | None
    peak_window_s: float | None
    peak_factor: float | None
    utilisation: float


@dataclass(frozen=True, slots=True)
class Hosting:
    """Prices and servers as they were typed."""

    prices: Sequence[Named]
    lease: float | None
    gpu_usd_per_hour: float | None
    gpus: int | None
    serve: str | None
    throughputs: Sequence[Named]


def traffic_of(volume: Volume) -> tuple[Traffic | None, Traffic]:
    """The traffic, None where no volume was named, and its kind whatever the volume.

    Raises:
        BadParameter: options that contradict each other.
        ConfigError: the trace cannot be used.
    """
    amounts = [volume.requests_per_day, volume.tokens_per_day, volume.tokens_per_month]
    if sum(one is not None for one in amounts) > 1:
        raise typer.BadParameter("name the traffic once: --requests-per-day, --tokens-per-day or --tokens-per-month")
    share = _share(volume)
    if share is not None and volume.requests_per_day is not None:
        raise typer.BadParameter("--mix is about tokens: name the traffic by --tokens-per-day, or leave out --mix")
    trace = None
    if volume.trace:
        trace = read_trace(volume.trace, volume.peak_window_s or PEAK_WINDOW_S)
    tokens = _tokens_per_day(volume)
    kind = Traffic(
        tokens_per_day=tokens or 1.0,
        input_share=share,
        trace=trace,
        peak_factor=volume.peak_factor,
        target_utilisation=volume.utilisation,
    )
    if tokens is not None:
        return kind, kind
    requests = volume.requests_per_day or (trace.requests_per_day if trace else None)
    return (replace(kind, tokens_per_day=None, requests_per_day=requests) if requests else None), kind


def _share(volume: Volume) -> float | None:
    """The share of input that was typed, in either way."""
    apart = next(
        (one.input_share for one in (volume.tokens_per_day, volume.tokens_per_month) if one and one.input_share), None
    )
    if apart is not None and volume.mix is not None:
        raise typer.BadParameter("--mix says again what input and output apart say already")
    share = volume.mix if apart is None else apart
    if share is not None and volume.trace:
        raise typer.BadParameter("a --trace has its own mix of input and output tokens")
    return share


def _tokens_per_day(volume: Volume) -> float | None:
    if volume.tokens_per_month:
        return volume.tokens_per_month.total / DAYS_PER_MONTH
    return volume.tokens_per_day.total if volume.tokens_per_day else None


def uses_of(run: Path | None, hosting: Hosting, kind: Traffic) -> tuple[Use, ...]:
    """The run's candidates, and the APIs and the server that were named beside them.

    Raises:
        BadParameter: options that contradict each other, or nothing to price.
        ConfigError: the folder is no run or damaged, or a name is not one of its models.
    """
    server = _server(hosting)
    prices = {one.name or _API: Price(one.values[0], one.values[1], source="--price") for one in hosting.prices}
    speeds = {one.name: Throughput(one.values[0], "given") for one in hosting.throughputs}
    if server and None in speeds:
        server = replace(server, throughput=speeds.pop(None))
    if run is None:
        return _unasked(prices, server, hosting.serve, speeds, kind)
    data = load_run(run)
    names = [model.name for model in data.manifest.models]
    for name in (*speeds, hosting.serve):
        if name is not None and name not in names:
            raise ConfigError(f"the run has no model {name!r}", remedy=f"it has: {', '.join(names)}")
    hosted = {hosting.serve: server} if server and hosting.serve else {}
    asked = [_with_speed(use, speeds) for use in run_uses(data, prices, hosted)]
    others = {name: price for name, price in prices.items() if name not in names}
    return (*asked, *_added(others, None if hosting.serve else server))


def _server(hosting: Hosting) -> Server | None:
    if hosting.lease is not None and hosting.gpu_usd_per_hour is not None:
        raise typer.BadParameter("a server is paid either by --lease or by --gpu-usd-per-hour")
    if hosting.lease is not None:
        return leased(hosting.gpus or 1, hosting.lease)
    if hosting.gpu_usd_per_hour is not None:
        return rented(hosting.gpus or 1, hosting.gpu_usd_per_hour)
    if hosting.gpus is not None or hosting.serve is not None:
        raise typer.BadParameter("--gpus and --serve are about a server: say what it costs by --lease USD")
    return None


def _unasked(
    prices: Mapping[str, Price],
    server: Server | None,
    serve: str | None,
    speeds: Mapping[str | None, Throughput],
    kind: Traffic,
) -> tuple[Use, ...]:
    """Candidates of no run."""
    if serve or speeds:
        raise typer.BadParameter("--serve and --throughput name a model of a RUN, or say of --lease what it can do")
    if not prices and server is None:
        raise typer.BadParameter("name a RUN, or say what an API or a server costs: --price 2.50/10, --lease 5000")
    if kind.input_share is None and kind.trace is None:
        raise typer.BadParameter("without a RUN, say which tokens are input: --mix 1:2, or a --trace FILE")
    return _added(prices, server)


def _added(prices: Mapping[str, Price], server: Server | None) -> tuple[Use, ...]:
    """What was not asked: APIs by their price, and a server."""
    apis = tuple(Use(name, price=price) for name, price in prices.items())
    return (*apis, Use(_OWN, server=server)) if server else apis


def _with_speed(use: Use, speeds: Mapping[str | None, Throughput]) -> Use:
    """Given speeds are taken before measured ones."""
    given = speeds.get(use.model, speeds.get(None))
    return replace(use, server=replace(use.server, throughput=given)) if use.server and given else use
