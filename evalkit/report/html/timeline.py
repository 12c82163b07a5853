"""Pictures of a suite over time: a line per candidate, a dot per run with its interval."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from evalkit.report.html.scale import Scale, amounts, linear
from evalkit.report.html.svg import colour, picture, shape, titled

_WIDTH: Final = 640.0
_HEIGHT: Final = 240.0
_LEFT: Final = 66.0
_TOP: Final = 12.0
_TICKS: Final = 4
_DAY_S: Final = 86400.0
_APART: Final = 8.0
"""Pixels, at most, between the dots of neighbouring candidates in one run, so that none hides another's interval."""
_SPREAD: Final = 0.3
"""The share of the picture that goes to keeping such dots apart."""
_OPEN: Final = 14.0
"""Pixels that an interval is drawn on to an end that is unknown."""


@dataclass(frozen=True, slots=True)
class Point:
    """A run of a candidate: when (seconds since 1970), what, and its interval as far as known.

    Attributes:
        told: what shows when a pointer rests on it.
        href: where a click leads.
        changed: whether another model answered than the time before.
    """

    at: float
    value: float
    ends: tuple[float | None, float | None]
    told: str
    href: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate over time, the oldest point first."""

    number: int
    points: Sequence[Point]


def rates_chart(title: str, lines: Sequence[Line]) -> str | None:
    """Shares of 0..1 over time, in per cent; None without any."""
    lowest = min((min(end for end in (one.value, one.ends[0]) if end is not None) for one in _all(lines)), default=None)
    if lowest is None:
        return None
    up = linear(100 * min(lowest, 0.99), 100.0, _HEIGHT - 30, _TOP)
    return _chart(title, lines, up, lambda value: f"{value:g} %", 100.0)


def amounts_chart(title: str, lines: Sequence[Line], shown: Callable[[float | None], str]) -> str | None:
    """Amounts of 0 or more over time; None without any."""
    ends = [end for one in _all(lines) for end in (one.value, *one.ends) if end is not None]
    if not ends:
        return None
    return _chart(title, lines, amounts(ends, _HEIGHT - 30, _TOP), lambda tick: shown(tick) if tick else "0", 1.0)


def _all(lines: Sequence[Line]) -> Iterator[Point]:
    return (point for line in lines for point in line.points)


def _chart(title: str, lines: Sequence[Line], up: Scale, shown: Callable[[float], str], times: float) -> str:
    across = _time_scale([point.at for point in _all(lines)])
    shapes = [*_axes(across, up, shown)]
    moments = len({point.at for point in _all(lines)})
    apart = min(_APART, _SPREAD * (_WIDTH - _LEFT) / (moments * len(lines)))
    for place, line in enumerate(lines):
        group = shape("g", "line", data_line=line.number)
        group.extend(_line(line, across, up, times, apart * (place - (len(lines) - 1) / 2)))
        shapes.append(group)
    return picture(_WIDTH, _HEIGHT, title, shapes)


def _time_scale(moments: Sequence[float]) -> Scale:
    low, high = min(moments), max(moments)
    pad = 0.04 * (high - low) or _DAY_S / 2
    step = (high - low) / (_TICKS - 1)
    ticks = [low + step * count for count in range(_TICKS)] if step else [low]
    return Scale(low - pad, high + pad, _LEFT, _WIDTH - 16, ticks)


def _axes(across: Scale, up: Scale, shown: Callable[[float], str]) -> Iterator[ET.Element]:
    for tick in up.ticks:
        y = up.at(tick)
        yield shape("line", "grid", x1=_LEFT, x2=_WIDTH - 16, y1=y, y2=y)
        yield shape("text", "tick", shown(tick), x=_LEFT - 6, y=y + 4, text_anchor="end")
    within_days = across.high - across.low < 3 * _DAY_S
    for tick in across.ticks:
        told = f"{dt.datetime.fromtimestamp(tick, dt.UTC):{'%m-%d %H:%M' if within_days else '%Y-%m-%d'}}"
        yield shape("text", "tick", told, x=across.at(tick), y=_HEIGHT - 10, text_anchor="middle")


def _line(line: Line, across: Scale, up: Scale, times: float, aside: float) -> Iterator[ET.Element]:
    name = colour(line.number)
    places = [(across.at(point.at) + aside, up.at(times * point.value)) for point in line.points]
    if len(places) > 1:
        yield shape("polyline", f"trend {name}", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places))
    for point, (x, y) in zip(line.points, places, strict=True):
        if point.ends != (None, None):
            for end, away in zip(point.ends, (_OPEN, -_OPEN), strict=True):
                y2 = y + away if end is None else up.at(times * end)
                yield shape("line", f"thin {'open ' if end is None else ''}{name}", x1=x, x2=x, y1=y, y2=y2)
        if point.changed:
            yield shape("circle", f"changed {name}", cx=x, cy=y, r=9)
        link = shape("a", href=point.href)
        link.append(titled(shape("circle", f"dot {name}", cx=x, cy=y, r=5), point.told))
        yield link
