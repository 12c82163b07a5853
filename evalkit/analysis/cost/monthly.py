"""What a candidate costs at scale: from what one request takes, and the traffic, to dollars a month.

    uses = run_uses(run)                                            # evalkit.analysis.cost.usage
    monthly_cost(uses[0], Traffic(requests_per_day=50_000))         # Figure(value, low, high), or None where unknown

Unknown stays unknown: without tokens, a price, or the speed of a server of one's own there is no cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from evalkit.analysis.cost.servers import DAYS_PER_MONTH, SECONDS_PER_DAY, Fleet, Server, fleet
from evalkit.analysis.cost.trace import Trace
from evalkit.models.prices import cost_usd
from evalkit.types import Price, Usage

PEAK_FACTOR: Final = 3.0
"""How far traffic without a trace is taken to rise above its mean at the peak: most of it comes by day."""
TARGET_UTILISATION: Final = 0.7
"""How much of what servers can do is planned for at the peak: queues grow without bound as it nears 1."""


_MILLION: Final = 1_000_000


class Figure(NamedTuple):
    """A figure with the ends of its 95 % interval; both equal to it where it is given, None where nobody can tell."""

    value: float
    low: float | None
    high: float | None

    def times(self, factor: float) -> Figure:
        """The same figure of so many units; `factor` is not negative."""
        ends = [None if end is None else end * factor for end in (self.low, self.high)]
        return Figure(self.value * factor, ends[0], ends[1])


def exactly(value: float) -> Figure:
    """A figure that was given, not measured."""
    return Figure(value, value, value)


class Unit(StrEnum):
    """What traffic is counted in."""

    REQUESTS = "requests"
    TOKENS = "tokens"


class Shape(NamedTuple):
    """What one unit of traffic is made of; None where unknown. `usd` is by unit prices: None for one's own servers."""

    requests: Figure | None
    input_tokens: Figure | None
    output_tokens: Figure | None
    usd: Figure | None

    def times(self, factor: float) -> Shape:
        """So many units."""
        return Shape(*(part and part.times(factor) for part in self))


@dataclass(frozen=True, slots=True)
class Use:
    """What a candidate takes, as far as it is known.

    Attributes:
        model, prompt: its names; no prompt for one that was not asked.
        per_request, per_token: measured: what a request, or a token of it, is made of. None: nothing was measured.
        price: unit prices.
        thinks: whether it is asked to think, for prices that depend on that.
        server: what it runs on, where that is the user's own.
    """

    model: str
    prompt: str = ""
    per_request: Shape | None = None
    per_token: Shape | None = None
    price: Price | None = None
    thinks: bool = False
    server: Server | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What will be asked in production: so many requests, or tokens (input and output together), a day.

    Attributes:
        requests_per_day, tokens_per_day: exactly one of them.
        input_share: the part of the tokens that is input, 0..1; None: as each candidate was measured, or the trace.
        trace: whose tokens and peaks hold instead of those measured; its rate is not taken from here.
        peak_factor: the peak over the mean; None: as in the trace, or PEAK_FACTOR.
        target_utilisation: how much of what servers can do may be used at the peak, above 0 and up to 1.

    Raises:
        ValueError: both amounts are given, or none; or `input_share` beside requests.
    """

    requests_per_day: float | None = None
    tokens_per_day: float | None = None
    input_share: float | None = None
    trace: Trace | None = None
    peak_factor: float | None = None
    target_utilisation: float = TARGET_UTILISATION

    def __post_init__(self) -> None:
        if (self.requests_per_day is None) == (self.tokens_per_day is None):
            raise ValueError("traffic is counted either in requests or in tokens")
        if self.input_share is not None and self.requests_per_day is not None:
            raise ValueError("a mix of tokens says nothing about requests")

    @property
    def unit(self) -> Unit:
        """What it is counted in."""
        return Unit.TOKENS if self.requests_per_day is None else Unit.REQUESTS

    @property
    def per_day(self) -> float:
        """How many of these a day."""
        return self.tokens_per_day or self.requests_per_day or 0.0

    @property
    def peak(self) -> float:
        """The output tokens of a second at the peak, over those of the mean second."""
        if self.peak_factor is not None:
            return self.peak_factor
        return self.trace.peak_factor if self.trace else PEAK_FACTOR

    def of_tokens(self, per_day: float) -> Traffic:
        """The same kind of traffic, so many tokens a day of it."""
        return replace(self, requests_per_day=None, tokens_per_day=per_day)


class Doubt(StrEnum):
    """Why a cost is unknown."""

    TOKENS = "tokens"
    PRICE = "price"
    THROUGHPUT = "throughput"


@dataclass(frozen=True, slots=True)
class Projection:
    """What a candidate's traffic comes to.

    Attributes:
        use: the candidate.
        per_day: requests and tokens a day; None where unknown.
        usd_per_month: of 365 / 12 days; None where unknown.
        fleet: its servers, where they are the user's own and their speed is known.
        doubt: why the cost is unknown.
    """

    use: Use
    per_day: Shape | None
    usd_per_month: Figure | None
    fleet: Fleet | None = None
    doubt: Doubt | None = None

    @property
    def usd_per_year(self) -> Figure | None:
        """Of 365 days."""
        return self.usd_per_month and self.usd_per_month.times(12)


def monthly_cost(use: Use, traffic: Traffic) -> Figure | None:
    """US dollars a month (365 / 12 days), with 95 % interval; None where unknown."""
    return project(use, traffic).usd_per_month


def project(use: Use, traffic: Traffic) -> Projection:
    """Work out what traffic takes of a candidate, and costs."""
    unit = shape(use, traffic, traffic.unit)
    if unit is None or unit.output_tokens is None:
        if unit is not None and unit.usd and not use.server:  # billed by the provider, without a word on tokens
            return _priced(use, unit.times(traffic.per_day))
        return Projection(use, unit and unit.times(traffic.per_day), None, doubt=Doubt.TOKENS)
    day = unit.times(traffic.per_day)
    return _hosted(use, use.server, day, traffic) if use.server else _priced(use, day)


def _priced(use: Use, day: Shape) -> Projection:
    if day.usd is None:
        return Projection(use, day, None, doubt=Doubt.PRICE)
    return Projection(use, day, day.usd.times(DAYS_PER_MONTH))


def _hosted(use: Use, server: Server, day: Shape, traffic: Traffic) -> Projection:
    throughput, output = server.throughput, day.output_tokens
    if throughput is None or output is None:
        return Projection(use, day, None, doubt=Doubt.THROUGHPUT)

    def needed(tokens_per_day: float) -> Fleet:
        per_s = tokens_per_day / SECONDS_PER_DAY
        return fleet(server, throughput, per_s, per_s * traffic.peak, traffic.target_utilisation)

    ends = [None if end is None else needed(end).usd_per_month for end in (output.low, output.high)]
    expected = needed(output.value)
    return Projection(use, day, Figure(expected.usd_per_month, ends[0], ends[1]), expected)


def shape(use: Use, traffic: Traffic, unit: Unit) -> Shape | None:
    """What one unit of the traffic is made of for a candidate; None where nothing tells."""
    if traffic.input_share is not None:
        return _mixed(use, traffic.input_share) if unit is Unit.TOKENS else None
    if traffic.trace:
        return _traced(use, traffic.trace, unit)
    return use.per_token if unit is Unit.TOKENS else use.per_request


def _mixed(use: Use, share: float) -> Shape:
    """A token by a given mix of input and output, at the prices of a short input that is not cached."""
    read, written = (
        cost_usd(usage, _flat(use.price), thinking=use.thinks)
        for usage in (Usage(input=_MILLION, output=0), Usage(input=0, output=_MILLION))
    )
    usd = None if read is None or written is None else exactly((share * read + (1 - share) * written) / _MILLION)
    return Shape(None, exactly(share), exactly(1 - share), usd)


def _flat(price: Price | None) -> Price | None:
    """The prices of short inputs: how long the inputs are, a mix of tokens does not say."""
    return price and replace(price, tiers=())


def _traced(use: Use, trace: Trace, unit: Unit) -> Shape:
    total = trace.requests if unit is Unit.REQUESTS else trace.total_input + trace.total_output
    parts = (trace.requests, trace.total_input, trace.total_output, _trace_usd(use, trace))
    return Shape(*(None if part is None else exactly(part / total) for part in parts))


def _trace_usd(use: Use, trace: Trace) -> float | None:
    """What the requests of a trace cost; with tiers of prices, each by its own length."""
    if use.price is None:
        return None
    if not use.price.tiers:
        return cost_usd(Usage(input=trace.total_input, output=trace.total_output), use.price, thinking=use.thinks)
    usages = zip(trace.input_tokens, trace.output_tokens, strict=True)
    costs = (cost_usd(Usage(input=read, output=written), use.price, thinking=use.thinks) for read, written in usages)
    return math.fsum(cost for cost in costs if cost is not None)
