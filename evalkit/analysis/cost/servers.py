"""Servers of the user's own: how many of them traffic needs, how busy they are, and what that costs.

What one server can do is counted in generated (output) tokens per second, as serving benchmarks count it; reading the
input takes a part of the same GPUs, so the figure holds for inputs like those it was measured with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

SECONDS_PER_DAY: Final = 86_400
DAYS_PER_MONTH: Final = 365 / 12
"""A month is the twelfth part of 365 days."""
HOURS_PER_MONTH: Final = 24 * DAYS_PER_MONTH

_ROUNDING: Final = 1e-9
"""A need this little above a whole number of servers is that number, written in binary."""


class Throughput(NamedTuple):
    """What one server generates, tokens per second.

    Attributes:
        tokens_per_s: of output.
        source: who says so, in words.
        at_least: whether it may well do more, as it was not pushed to its limit when this was measured.
    """

    tokens_per_s: float
    source: str
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """One server, rented around the clock; more of the same take the load that it cannot.

    Attributes:
        usd_per_month: for all its GPUs.
        gpus: how many these are.
        rent: what is paid, in words.
        throughput: what it can do; None where nobody knows.
    """

    usd_per_month: float
    gpus: int
    rent: str
    throughput: Throughput | None = None


def rented(gpus: int, usd_per_gpu_hour: float, throughput: Throughput | None = None) -> Server:
    """A server whose GPUs are paid by the hour, each."""
    rent = f"{gpus} GPU{'s' * (gpus != 1)} at ${usd_per_gpu_hour:g} an hour{' each' * (gpus != 1)}"
    return Server(gpus * usd_per_gpu_hour * HOURS_PER_MONTH, gpus, rent, throughput)


def leased(gpus: int, usd_per_month: float, throughput: Throughput | None = None) -> Server:
    """A server with a fixed monthly price."""
    return Server(usd_per_month, gpus, f"a lease of ${usd_per_month:,.10g} a month", throughput)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The servers that traffic needs.

    Attributes:
        servers: how many, at least one.
        gpus: of all of them.
        utilisation: the share of what they can do that is used on average, 0..1.
        usd_per_month: for all of them, around the clock.
    """

    servers: int
    gpus: int
    utilisation: float
    usd_per_month: float


def fleet(server: Server, throughput: Throughput, mean_per_s: float, peak_per_s: float, target: float) -> Fleet:
    """Size a fleet for the peak.

    Args:
        server: one of them.
        throughput: of one.
        mean_per_s: output tokens per second on average.
        peak_per_s: the same at the peak.
        target: the share of what servers can do that may be used at the peak, above 0 and up to 1.
    """
    servers = max(1, math.ceil(peak_per_s / (throughput.tokens_per_s * target) - _ROUNDING))
    used = mean_per_s / (servers * throughput.tokens_per_s)
    return Fleet(servers, servers * server.gpus, used, servers * server.usd_per_month)
