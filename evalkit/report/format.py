"""The one place where figures become text for people. Machines read unrounded ones in report.json."""

from __future__ import annotations

import json
import math

from evalkit.analysis.summary import PassRate
from evalkit.stats import Interval
from evalkit.types import Json

UNKNOWN = "n/a"
_MS_PER_S = 1000


def count(n: int) -> str:
    """A whole number with thousands set apart: 12,345."""
    return f"{n:,}"


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 case, 12 cases."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def percent(rate: float | None) -> str:
    """A share of 0..1 in per cent. Only none and all are ever shown as 0 and 100."""
    if rate is None:
        return UNKNOWN
    if rate in {0, 1}:
        return f"{100 * rate:.0f} %"
    rounded = f"{100 * rate:.1f} %"
    return {"0.0 %": "<0.1 %", "100.0 %": ">99.9 %"}.get(rounded, rounded)


def interval(ends: Interval | None) -> str:
    """An interval of shares in per cent, without the sign: 87.4-95.9."""
    return UNKNOWN if ends is None else f"{100 * ends.low:.1f}-{100 * ends.high:.1f}"


def share(part: int, whole: int) -> str:
    """A part of a whole, and what share of it that is: 139/150 (92.7 %)."""
    return f"{count(part)}/{count(whole)} ({percent(part / whole)})" if whole else UNKNOWN


def passed(calls: PassRate) -> str:
    """Passed of finished calls, as a share."""
    return share(calls.passed, calls.finished)


def score(value: float | None) -> str:
    """A figure of 0..1 that is no share of a count: 0.912. Only the ends themselves are ever shown as 0 and 1."""
    if value is None:
        return UNKNOWN
    if value in {0, 1}:
        return f"{value:.0f}"
    rounded = f"{value:.3f}"
    return {"0.000": "<0.001", "1.000": ">0.999"}.get(rounded, rounded)


def score_interval(ends: Interval) -> str:
    """An interval of such a figure: 0.874-0.959."""
    return f"{ends.low:.3f}-{ends.high:.3f}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, without the word: -1.3, +12.0, 0.0."""
    rounded = f"{100 * difference:+.1f}"
    return "0.0" if rounded in {"+0.0", "-0.0"} else rounded


def points_interval(ends: Interval) -> str:
    """An interval of such a difference: -6.1 to +3.3."""
    return f"{points(ends.low)} to {points(ends.high)}"


def p_value(p: float) -> str:
    """A p-value to two digits as far as they say anything: 0.58, 0.013, <0.001."""
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def duration(ms: float | None) -> str:
    """Milliseconds at a precision that a reader can use: 0.05 ms, 4.20 ms, 312 ms, 1.42 s, 12.3 s, 121 s."""
    if ms is None:
        return UNKNOWN
    in_seconds = round(ms) >= _MS_PER_S
    value = ms / _MS_PER_S if in_seconds else ms
    decimals = min(2, max(0, 2 - _magnitude(value)))
    return f"{value:.{decimals}f} {'s' if in_seconds else 'ms'}"


def percentile(ms: float | None, ends: tuple[float | None, float | None]) -> str:
    """Milliseconds with their interval, whose ends go without the unit where it is the same: 1.42 s [1.20-1.90].

    An end that there were too few answers to give is n/a.
    """
    if ms is None:
        return UNKNOWN
    shown = duration(ms)
    low, high = map(duration, ends)
    unit = f" {shown.rpartition(' ')[2]}"
    if all(end.endswith(unit) or end == UNKNOWN for end in (low, high)):
        low, high = low.removesuffix(unit), high.removesuffix(unit)
    return f"{shown} [{low}-{high}]"


def ratio(times: float | None, ends: tuple[float | None, float | None]) -> str:
    """How many times as large something is, with its interval: 1.93 [1.60-2.31]."""
    if times is None:
        return UNKNOWN
    low, high = (UNKNOWN if end is None else rate(end) for end in ends)
    return f"{rate(times)} [{low}-{high}]"


def rate(per_second: float | None) -> str:
    """So many per second, to three digits as far as they say anything: 0.05, 4.20, 19.8, 1,250."""
    if per_second is None:
        return UNKNOWN
    return f"{per_second:,.{min(2, max(0, 2 - _magnitude(per_second)))}f}"


def usd(amount: float | None) -> str:
    """US dollars without the sign, to the cent or, below a dollar, to two digits: 1,234.50, 4.10, 0.0044."""
    if amount is None:
        return UNKNOWN
    return f"{amount:,.{max(2, 1 - _magnitude(amount))}f}" if amount else "0"


def _magnitude(value: float) -> int:
    """The power of ten of the first digit."""
    return math.floor(math.log10(value)) if value > 0 else 0


def compact(value: Json) -> str:
    """A value as text: a string as it is, anything else as JSON on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
