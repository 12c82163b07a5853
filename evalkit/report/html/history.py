"""A suite over time: pass rate, p95 and cost of every candidate, and who began to answer in its place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evalkit.report import format as fmt
from evalkit.report.html.figures import moment
from evalkit.report.html.svg import colour
from evalkit.report.html.timeline import Line, Point, amounts_chart, rates_chart
from evalkit.report.labels import Labels
from evalkit.report.told import Figures
from evalkit.stats import Interval


@dataclass(frozen=True, slots=True)
class History:
    """A suite over time.

    Attributes:
        legend: each candidate's class and name.
        charts: titles and pictures.
        changes: sentences on models that another one began to answer for.
    """

    legend: Sequence[tuple[str, str]]
    charts: Sequence[tuple[str, str]]
    changes: Sequence[str]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of the suite: when it began (ISO 8601), where a click on it leads, and its candidates' figures."""

    created_at: str
    href: str
    figures: Sequence[Figures]


_Dated = tuple[float, PastRun, Figures]


def history(runs: Sequence[PastRun]) -> History:
    """Pass rate, p95 and cost of every candidate of these runs over time."""
    dated = sorted(_dated(runs), key=lambda one: one[0])
    labels = Labels([figures for _, _, figures in dated])
    lines: dict[str, list[_Dated]] = {}
    for one in dated:
        lines.setdefault(labels.of(one[2]), []).append(one)
    names = [name for name in _names(runs, labels) if name in lines]
    rates = [_rates(at, name, lines[name]) for at, name in enumerate(names)]
    times = [_times(at, name, lines[name]) for at, name in enumerate(names)]
    costs = [_costs(at, name, lines[name]) for at, name in enumerate(names)]
    drawn = (
        ("Pass rate with 95 % interval", rates_chart("Pass rate over time", rates)),
        (
            "95th percentile of latency with 95 % interval",
            amounts_chart("95th percentile of latency over time", times, fmt.duration),
        ),
        ("USD per 1,000 cases", amounts_chart("USD per 1,000 cases over time", costs, fmt.usd)),
    )
    return History(
        [(colour(at), name) for at, name in enumerate(names)],
        [(title, chart) for title, chart in drawn if chart],
        [told for name in names for told in _changes(name, lines[name])],
    )


def _names(runs: Sequence[PastRun], labels: Labels) -> list[str]:
    """The candidates in the order of the newest run, which their colours go by elsewhere, then of those before it."""
    newest_first = sorted(runs, key=lambda run: run.created_at, reverse=True)
    return list(dict.fromkeys(labels.of(one) for run in newest_first for one in run.figures))


def _dated(runs: Sequence[PastRun]) -> Iterator[_Dated]:
    for run in runs:
        try:
            began = dt.datetime.fromisoformat(run.created_at)
        except ValueError:
            continue
        at = began.replace(tzinfo=began.tzinfo or dt.UTC).timestamp()
        yield from ((at, run, figures) for figures in run.figures if figures.rate is not None)


def _rates(number: int, name: str, line: Sequence[_Dated]) -> Line:
    changed = {id(later) for _, later in _changed(line)}
    return Line(
        number,
        [
            _point(name, one, one[2].rate, (one[2].low, one[2].high), _rate_words(one[2]), id(one) in changed)
            for one in line
            if one[2].rate is not None
        ],
    )


def _rate_words(one: Figures) -> str:
    known = one.low is not None and one.high is not None
    ends = fmt.interval(Interval(one.low or 0.0, one.high or 0.0)) if known else fmt.UNKNOWN
    return f"{fmt.percent(one.rate)}, 95 % interval {ends}"


def _times(number: int, name: str, line: Sequence[_Dated]) -> Line:
    points = []
    for one in line:
        value, ends = one[2].p95_ms, (one[2].p95_low_ms, one[2].p95_high_ms)
        if value is not None:
            points.append(_point(name, one, value, ends, f"p95 {fmt.percentile(value, ends)}"))
    return Line(number, points)


def _costs(number: int, name: str, line: Sequence[_Dated]) -> Line:
    points = []
    for one in line:
        value = one[2].cost_per_1k_usd
        if value is not None:
            points.append(_point(name, one, value, (None, None), f"USD {fmt.usd(value)} per 1,000 cases"))
    return Line(number, points)


def _point(
    name: str, one: _Dated, value: float, ends: tuple[float | None, float | None], words: str, changed: bool = False
) -> Point:
    at, run, _ = one
    return Point(at, value, ends, f"{name}, {moment(run.created_at)}: {words}", run.href, changed)


def _changed(line: Sequence[_Dated]) -> Iterator[tuple[_Dated, _Dated]]:
    """Neighbours in time whose answers came from different models, as far as the servers said."""
    told = [one for one in line if one[2].served]
    return ((sooner, later) for sooner, later in pairwise(told) if set(sooner[2].served) != set(later[2].served))


def _changes(name: str, line: Sequence[_Dated]) -> Iterator[str]:
    for sooner, later in _changed(line):
        before, now = (", ".join(one[2].served) for one in (sooner, later))
        yield f"{moment(later[1].created_at)}, {name}: answered by {now}; before, by {before}."
