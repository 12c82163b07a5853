"""Pictures of a run: pass rates with their intervals, and quality against cost or time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Final
from xml.etree import ElementTree as ET

from evalkit.analysis import ModelSummary, RunSummary
from evalkit.report import format as fmt
from evalkit.report.html.scale import Scale, amounts, linear
from evalkit.report.html.svg import colour, picture, shape, titled
from evalkit.report.labels import Labels

WIDTH: Final = 480.0
"""Of a chart, pixels."""
_ROW: Final = 26.0
_CHAR: Final = 7.0
"""Pixels that a character of a label takes, about."""
_NAME: Final = 24
"""Characters shown of a candidate's name beside an axis."""
_LINE: Final = 14.0
_HEIGHT: Final = 290.0
_RIGHT: Final = 28.0
"""Room for half of the last tick's words."""
_BESIDE: Final = (-16, 4, -6, -27, 15)
"""How far below a point a name's box may begin, the best place first."""
_CROWD: Final = 8
"""Points, from more of which intervals and long names would hide each other."""
_CROWDED_NAME: Final = 16


@dataclass(frozen=True, slots=True)
class Amount:
    """What a candidate's quality is held against: its value with its 95 % interval, as far as known."""

    title: str
    of: Callable[[ModelSummary], float | None]
    ends: Callable[[ModelSummary], tuple[float | None, float | None]]
    shown: Callable[[float | None], str]


COST: Final = Amount("USD per 1,000 cases", lambda one: one.cost_per_1k_cases_usd, lambda _: (None, None), fmt.usd)
P95: Final = Amount(
    "95th percentile of latency", lambda one: one.latency.p95, lambda one: one.latency.interval("p95"), fmt.duration
)


@dataclass(frozen=True, slots=True)
class _Point:
    name: str
    number: int
    x: float
    y: float
    ends: tuple[float | None, float | None]
    y_ends: tuple[float, float]
    stopped: bool
    told: str


def pass_rate_chart(run: RunSummary) -> str | None:
    """Every measured candidate's pass rate as a dot on its interval, the highest first; None where none was."""
    ranked, labels = run.ranked(), Labels(run.models)
    if not ranked:
        return None
    numbers = {(one.model, one.prompt): at for at, one in enumerate(run.models)}
    left = 16 + _CHAR * min(_NAME, max(len(labels.of(one)) for one in ranked))
    bottom = 8 + _ROW * len(ranked)
    lowest = min(_rate_ends(one)[0] for one in ranked)
    scale = linear(100 * lowest, 100.0, left, WIDTH - 70)
    shapes = list(_vertical_axis(scale, 8, bottom, lambda rate: f"{rate:g} %"))
    for row, one in enumerate(ranked):
        number = numbers[one.model, one.prompt]
        shapes += _rate_row(one, labels.of(one), number, scale, left, 8 + _ROW * (row + 0.5))
    return picture(WIDTH, bottom + 24, "Pass rates with their 95 % intervals", shapes)


def _rate_row(one: ModelSummary, name: str, number: int, scale: Scale, left: float, y: float) -> Iterator[ET.Element]:
    low, high = _rate_ends(one)
    x = scale.at(100 * (one.calls.rate or 0.0))
    told = f"{name}: {fmt.passed(one.calls)}, 95 % interval {fmt.interval(one.calls.interval)}"
    yield titled(shape("text", "name", _short(name), x=left - 8, y=y + 4, text_anchor="end"), told)
    line = shape("line", f"range {colour(number)}", x1=scale.at(100 * low), x2=scale.at(100 * high), y1=y, y2=y)
    yield titled(line, told)
    yield titled(shape("circle", f"dot {colour(number)}", cx=x, cy=y, r=5), told)
    yield shape("text", "value", fmt.percent(one.calls.rate), x=WIDTH - 4, y=y + 4, text_anchor="end")


def trade_off_chart(run: RunSummary, amount: Amount) -> str | None:
    """Pass rate against an amount, with the front of those that no other beats in both; None with fewer than two."""
    points = list(_points(run, amount))
    if len(points) < 2:
        return None
    left, right, top, bottom = 52.0, WIDTH - _RIGHT, 12.0, _HEIGHT - 44
    ends = [end for point in points for end in (point.x, *point.ends) if end is not None]
    across = amounts(ends, left, right)
    up = linear(100 * min(point.y_ends[0] for point in points), 100.0, bottom, top)
    shapes = [
        *_vertical_axis(across, top, bottom, lambda tick: amount.shown(tick) if tick else "0"),
        *_horizontal_axis(up, left, right),
        shape("text", "axis", amount.title, x=(left + right) / 2, y=_HEIGHT - 6, text_anchor="middle"),
        *_steps(points, across, up),
        *(line for point in points for line in _cross(point, across, up, faint=len(points) > _CROWD)),
        *(titled(_dot(point, across, up), point.told) for point in points),
        *_names(points, across, up),
    ]
    return picture(WIDTH, _HEIGHT, f"Pass rate against {amount.title}", shapes)


def unplaced(run: RunSummary, amount: Amount) -> list[str]:
    """The measured candidates that such a chart leaves out, as the amount is not known."""
    labels = Labels(run.models)
    return [labels.of(one) for one in run.ranked() if amount.of(one) is None]


def _points(run: RunSummary, amount: Amount) -> Iterator[_Point]:
    labels = Labels(run.models)
    for number, one in enumerate(run.models):
        x, rate = amount.of(one), one.calls.rate
        if x is not None and rate is not None and one.judged:
            low, high = _rate_ends(one)
            told = f"{labels.of(one)}: {fmt.passed(one.calls)}, {amount.title} {amount.shown(x)}"
            yield _Point(
                labels.of(one), number, x, 100 * rate, amount.ends(one), (low, high), one.candidate in run.stops, told
            )


def _rate_ends(one: ModelSummary) -> tuple[float, float]:
    return one.calls.interval or (0.0, 1.0)


def _front(points: Sequence[_Point]) -> list[_Point]:
    """The points that no other beats, from the left. A race's stopped are left out: they were asked fewer cases."""
    asked = [point for point in points if not point.stopped]
    best = [point for point in asked if not any(_beats(other, point) for other in asked)]
    return sorted(best, key=lambda point: (point.x, point.y))


def _steps(points: Sequence[_Point], across: Scale, up: Scale) -> list[ET.Element]:
    """Steps along the front: what lies below them is to be had with one of these."""
    ordered = _front(points)
    corners = [(later.x, sooner.y) for sooner, later in pairwise(ordered)]
    steps = [
        place
        for point, corner in zip_longest(((one.x, one.y) for one in ordered), corners)
        for place in (point, corner)
    ]
    places = [f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in filter(None, steps)]
    return [shape("polyline", "front", points=" ".join(places))] if len(places) > 1 else []


def _beats(one: _Point, other: _Point) -> bool:
    return one.x <= other.x and one.y >= other.y and (one.x, one.y) != (other.x, other.y)


def _dot(point: _Point, across: Scale, up: Scale) -> ET.Element:
    return shape("circle", f"dot {colour(point.number)}", cx=across.at(point.x), cy=up.at(point.y), r=5.5)


def _cross(point: _Point, across: Scale, up: Scale, *, faint: bool) -> Iterator[ET.Element]:
    """The intervals. An end that is not known is open: the line goes as far as the axis."""
    x, y = across.at(point.x), up.at(point.y)
    low, high = (100 * end for end in point.y_ends)
    class_ = f"thin {colour(point.number)}{' faint' if faint else ''}"
    yield shape("line", class_, x1=x, x2=x, y1=up.at(low), y2=up.at(high))
    if point.ends != (None, None):
        left, right = point.ends
        x1 = across.start if left is None else across.at(left)
        x2 = across.end if right is None else across.at(right)
        yield shape("line", class_, x1=x1, x2=x2, y1=y, y2=y)


def _names(points: Sequence[_Point], across: Scale, up: Scale) -> Iterator[ET.Element]:
    """Each point's name beside it, those of the front first; none where it would be on another's or on a point.

    Whoever goes without is told by colour, in the chart of pass rates, and by the title of the point.
    """
    taken = [(across.at(point.x) - 6, up.at(point.y) - 6, 12.0, 12.0) for point in points]
    best = _front(points)
    for point in (*best, *(one for one in points if one not in best)):
        name = _short(point.name, _CROWDED_NAME if len(points) > _CROWD else _NAME)
        x, y, wide = across.at(point.x), up.at(point.y), _CHAR * len(name)
        boxes = [(left, y + down, wide, _LINE) for down in _BESIDE for left in (x + 9, x - 9 - wide)]
        inside = [box for box in boxes if box[0] >= across.start and box[0] + wide <= WIDTH]
        box = next((box for box in inside if not any(_meet(box, other) for other in taken)), None)
        if box:
            taken.append(box)
            anchor, at = ("start", x + 9) if box[0] > x else ("end", x - 9)
            yield shape("text", "name", name, x=at, y=box[1] + 11, text_anchor=anchor)


_Box = tuple[float, float, float, float]


def _meet(one: _Box, other: _Box) -> bool:
    return all(one[at] < other[at] + other[at + 2] and other[at] < one[at] + one[at + 2] for at in (0, 1))


def _vertical_axis(scale: Scale, top: float, bottom: float, shown: Callable[[float], str]) -> Iterator[ET.Element]:
    """Lines down from each tick, named below."""
    for tick in scale.ticks:
        x = scale.at(tick)
        yield shape("line", "grid", x1=x, x2=x, y1=top, y2=bottom)
        yield shape("text", "tick", shown(tick), x=x, y=bottom + 16, text_anchor="middle")


def _horizontal_axis(scale: Scale, left: float, right: float) -> Iterator[ET.Element]:
    for tick in scale.ticks:
        y = scale.at(tick)
        yield shape("line", "grid", x1=left, x2=right, y1=y, y2=y)
        yield shape("text", "tick", f"{tick:g} %", x=left - 6, y=y + 4, text_anchor="end")


def _short(name: str, most: int = _NAME) -> str:
    """A name without its middle, if it is long: names of one run tend to differ at their ends."""
    if len(name) <= most:
        return name
    start = most // 2 - 2
    return f"{name[:start]}\N{HORIZONTAL ELLIPSIS}{name[start + 1 - most :]}"
