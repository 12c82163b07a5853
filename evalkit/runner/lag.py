"""How long the event loop was held up: time that the harness, not a model, may have added to a latency."""

from __future__ import annotations

import asyncio
import time

_EVERY_S = 0.05


class LagMeter:
    """Sleeps again and again, and notes how much later than asked it woke."""

    def __init__(self) -> None:
        self.longest_ms = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            start = time.perf_counter()
            await asyncio.sleep(_EVERY_S)
            late_ms = (time.perf_counter() - start - _EVERY_S) * 1000
            self.longest_ms = max(self.longest_ms, late_ms)
