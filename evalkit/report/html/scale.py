"""From figures to places on an axis, and the ticks of that axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_STEPS: Final = (1, 2, 2.5, 5, 10)
_LOG_STEPS: Final = (1, 2, 5)
_WIDE: Final = 20
"""Times that the largest figure is the smallest, from where a logarithmic axis says more."""
_ROUNDING: Final = 1e-9
_LEAST: Final = 1e-12
"""A difference, and a share of a figure, that no axis can show."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high` that is drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a figure is drawn; one beyond an end is drawn at it."""
        low, high, inside = self.low, self.high, min(self.high, max(self.low, value))
        if self.log:
            low, high, inside = math.log(low), math.log(high), math.log(inside)
        return self.start + (self.end - self.start) * (inside - low) / (high - low)


def linear(low: float, high: float, start: float, end: float, ticks: int = 5) -> Scale:
    """An even axis that holds both figures and begins and ends at a tick, about `ticks` of them."""
    if high - low <= max(_LEAST, _LEAST * abs(high)):
        high = low + (abs(low) or 1.0)
    rough = (high - low) / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _STEPS if factor * power >= rough * (1 - _ROUNDING))
    first, last = math.floor(low / step + _ROUNDING), math.ceil(high / step - _ROUNDING)
    places = [count * step for count in range(first, last + 1)]
    return Scale(places[0], places[-1], start, end, places)


def amounts(values: Iterable[float], start: float, end: float) -> Scale:
    """An axis for amounts of 0 or more: from 0 on, or logarithmic where they are far from each other."""
    known = list(values)
    low, high = min(known), max(known)
    if low <= 0 or high < _WIDE * low:
        return linear(0.0, high, start, end)
    low, high = low / 1.3, high * 1.3
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**decade for decade in decades for factor in _LOG_STEPS]
    inside = [tick for tick in ticks if low <= tick <= high]
    most = 7
    return Scale(low, high, start, end, inside if len(inside) <= most else _whole_decades(inside), log=True)


def _whole_decades(ticks: Sequence[float]) -> list[float]:
    return [tick for tick in ticks if math.log10(tick) % 1 < _ROUNDING or math.log10(tick) % 1 > 1 - _ROUNDING]
