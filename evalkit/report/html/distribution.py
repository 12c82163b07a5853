"""How long answers took, as shares of them that took at most so long: the lines of a chart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from evalkit.types import Json

_POINTS: Final = 800
"""Places at which a line may rise, all candidates together."""
_WIDE: Final = 30
"""Times that the longest is the shortest, from where a logarithmic axis says more."""


def distributions(latencies_ms: Sequence[Sequence[float]]) -> dict[str, Json] | None:
    """Empirical distribution functions at common places; None where nothing was timed.

    Args:
        latencies_ms: of each candidate's answers, in any order.

    Returns:
        `ms`: the places, ascending; `shares`: for each candidate the share of its answers that took at most as long,
        0..1 (None where it has none); `log`: whether the places ask for a logarithmic axis.
    """
    ordered = [sorted(values) for values in latencies_ms]
    timed = sum(map(bool, ordered))
    if not timed:
        return None
    places = sorted({place for values in ordered for place in _places(values, _POINTS // timed)})
    if len(places) == 1:
        places = [0.0, *places]
    return {
        "ms": [round(place, 3) for place in places],
        "shares": [_shares(values, places) if values else None for values in ordered],
        "log": places[0] > 0 and places[-1] > _WIDE * places[0],
    }


def _places(values: Sequence[float], most: int) -> Sequence[float]:
    """Evenly spaced order statistics, the smallest and the largest among them."""
    if len(values) <= most:
        return values
    most = max(2, most)
    return [values[round(at * (len(values) - 1) / (most - 1))] for at in range(most)]


def _shares(values: Sequence[float], places: Sequence[float]) -> list[float]:
    return [round(bisect_right(values, place) / len(values), 4) for place in places]
