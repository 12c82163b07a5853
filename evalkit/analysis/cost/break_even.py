"""At which volume servers of one's own cost as much as an API."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from evalkit.analysis.cost.monthly import Figure, Shape, Traffic, Unit, Use, shape
from evalkit.analysis.cost.servers import DAYS_PER_MONTH, SECONDS_PER_DAY

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Crossover:
    """Where servers of one's own become the cheaper ones, in units of traffic a day.

    They are added one by one as traffic grows, each at its full price, so there may be several ranges in which they are
    cheaper before they are so for good.

    Attributes:
        first: from here on they are cheaper at first; an infinite end of its interval: perhaps never.
        until: up to here, where another server is needed that is not worth its price yet; None: for good.
        for_good: from here on they are cheaper at every volume.
        servers: how many serve it by then.
    """

    first: Figure
    until: float | None
    for_good: float
    servers: int


@dataclass(frozen=True, slots=True)
class BreakEven:
    """An API against servers of one's own.

    Attributes:
        api, server: the two.
        unit: what volumes are counted in.
        per_unit: what a unit takes of the API.
        crossover: None: the servers are dearer at every volume, or nothing is known (`known`).
        peak_output_per_s: what the servers must generate at their peak when they first break even, tokens per second.
        known: whether price, tokens, and what the servers cost are known.
        capacity_known: whether it is known how much a server can do; if not, the crossover holds if one serves it all.
        floor_usd: what the servers cost per unit when they are all as full as planned; None where unknown.
    """

    api: Use
    server: Use
    unit: Unit
    per_unit: Shape | None = None
    crossover: Crossover | None = None
    peak_output_per_s: float | None = None
    known: bool = False
    capacity_known: bool = False
    floor_usd: float | None = None

    @property
    def tokens_per_unit(self) -> float | None:
        """Input and output tokens of the API; None where unknown."""
        of = self.per_unit
        if of is None or of.input_tokens is None or of.output_tokens is None:
            return None
        return of.input_tokens.value + of.output_tokens.value

    def requests(self, units: float) -> float | None:
        """How many requests so many units are; None where unknown."""
        return units * self.per_unit.requests.value if self.per_unit and self.per_unit.requests else None


def break_even(api: Use, server: Use, traffic: Traffic) -> BreakEven:
    """Find the volumes at which an API and servers of one's own cost the same.

    The API's cost grows with the volume, that of servers by steps: with u what a full server costs over what the API
    asks for the same work, k servers are cheaper between k R / a and the volume that fills them (a: the API's price of
    a unit, R: a server's of a day), and for good from the k on for which (k + 1) u <= k.

    Args:
        api: has a price.
        server: has a server; one of which nothing was measured is taken to need the API's tokens.
        traffic: its mix or trace, peaks and target count; its volume does not.
    """
    unit = Unit.TOKENS if traffic.input_share is not None else Unit.REQUESTS
    asked = shape(api, traffic, unit)
    served = shape(server, traffic, unit) or asked
    known = server.server is not None and asked is not None and asked.usd is not None and served is not None
    if not (known and server.server and asked and asked.usd and served):
        return BreakEven(api, server, unit, asked)
    rent_per_day = server.server.usd_per_month / DAYS_PER_MONTH
    output = served.output_tokens.value if served.output_tokens else None
    peak_per_unit = None if output is None else output * traffic.peak / SECONDS_PER_DAY
    full = _units_of_one(server, peak_per_unit, traffic.target_utilisation)
    crossover = _crossover(rent_per_day, asked.usd, full)
    return BreakEven(
        api,
        server,
        unit,
        asked,
        crossover,
        crossover.first.value * peak_per_unit if crossover and peak_per_unit is not None else None,
        known=True,
        capacity_known=full is not None,
        floor_usd=rent_per_day / full if full else None,
    )


def _units_of_one(server: Use, peak_per_unit: float | None, target: float) -> float | None:
    """How many units a day one server can take; None where unknown."""
    throughput = server.server.throughput if server.server else None
    if throughput is None or peak_per_unit is None:
        return None
    return throughput.tokens_per_s * target / peak_per_unit if peak_per_unit else math.inf


def _crossover(rent: float, usd: Figure, full: float | None) -> Crossover | None:
    if usd.value <= 0:
        return None
    first = rent / usd.value
    figure = Figure(first, _first(rent, usd.high, full), _first(rent, usd.low, full))
    if full is None or math.isinf(full):
        return Crossover(figure, None, first, 1)
    filled = first / full  # what a full server costs, over what the API asks for the same
    if filled >= 1 - _ROUNDING:
        return None
    servers = max(1, math.ceil(filled / (1 - filled) - _ROUNDING))
    return Crossover(figure, None if servers == 1 else full, servers * first, servers)


def _first(rent: float, usd: float | None, full: float | None) -> float | None:
    """Where the servers break even at this price of a unit; infinite: nowhere."""
    if usd is None:
        return None
    volume = rent / usd if usd > 0 else math.inf
    return math.inf if full is not None and volume >= full else volume
