"""From tokens and unit prices to dollars. Unknown stays unknown: a missing price or count is never zero."""

from __future__ import annotations

from evalkit.types import Price, Usage


def cost_usd(usage: Usage, price: Price | None) -> float | None:
    """Price one call.

    Cached and cache-write tokens are parts of the input and cost their own price where the table has one, else the
    input's. Reasoning tokens are part of the output.

    Returns:
        US dollars, or None when the price or the token counts are not known, or the counts contradict each other.
    """
    if price is None or usage.input is None or usage.output is None:
        return None
    cached = usage.cached_input or 0
    written = usage.cache_write or 0
    cached_price = price.input if price.cached_input is None else price.cached_input
    write_price = price.input if price.cache_write is None else price.cache_write
    fresh = usage.input - cached - written
    if fresh < 0:
        return None
    total = fresh * price.input + cached * cached_price + written * write_price + usage.output * price.output
    return total / 1_000_000
