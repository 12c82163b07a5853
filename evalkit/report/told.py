"""What a stored report.json tells of its candidates, taken as it comes: a damaged one is told of, never raised."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

REPORT: Final = "report.json"


@dataclass(frozen=True, slots=True)
class Figures:
    """A candidate's figures. Shares 0..1, milliseconds, USD; None where unknown."""

    model: str
    prompt: str
    passed: int | None = None
    finished: int | None = None
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    p95_ms: float | None = None
    p95_low_ms: float | None = None
    p95_high_ms: float | None = None
    cost_per_1k_usd: float | None = None
    served: tuple[str, ...] = ()


class Told(NamedTuple):
    """What report.json says. `finished_at` is that of the run's last part that it knows."""

    suite: object
    created_at: object
    finished_at: object
    incomplete: bool
    figures: tuple[Figures, ...]


def read_told(report: Path) -> Told | str:
    """What a report says, or what is wrong with it."""
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        run = told["run"]
        figures = tuple(map(_figures, told["models"]))
        return Told(told["suite"]["name"], run["created_at"], run["finished_at"], bool(told["incomplete"]), figures)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"{REPORT} cannot be read: {error}"


def _figures(row: Mapping[str, Any]) -> Figures:
    counts = [_number(row.get(name)) for name in ("passed", "failed", "errors")]
    known = [int(count) for count in counts if count is not None]
    whole = len(known) == len(counts)
    served = row.get("served_models")
    return Figures(
        str(row["model"]),
        str(row["prompt"]),
        known[0] if whole else None,
        sum(known) if whole else None,
        _number(row.get("pass_rate")),
        _number(row.get("pass_rate_low")),
        _number(row.get("pass_rate_high")),
        _number(row.get("latency_p95_ms")),
        _number(row.get("latency_p95_low_ms")),
        _number(row.get("latency_p95_high_ms")),
        _number(row.get("cost_per_1k_cases_usd")),
        tuple(map(str, served)) if isinstance(served, list) else (),
    )


def _number(value: object) -> float | None:
    """A figure of 0 or more; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and value >= 0 else None
