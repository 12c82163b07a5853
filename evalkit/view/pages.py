"""What the pages say: rows of text that a template escapes, and pictures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import quote

from evalkit.report import format as fmt
from evalkit.report.html.figures import moment
from evalkit.report.html.svg import colour
from evalkit.report.labels import Labels
from evalkit.stats import Interval
from evalkit.view.charts import Line, Point, amounts_chart, rates_chart
from evalkit.view.progress import Progress, Standing
from evalkit.view.store import Figures, State, StoredRun, candidates_of

MOST_RUNS: Final = 1000
"""Runs that a list holds; older ones are left out, and that is said."""
MOST_DRAWN: Final = 200
"""Runs that a chart holds, which would else be too dense to read."""
_MOST_CANDIDATES: Final = 6


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A candidate's figures as text."""

    name: str
    passed: str
    interval: str
    p95: str
    cost: str
    served: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as text. `more` candidates are left out.

    Attributes:
        words: what a search looks through, in lower case; of the candidates that are left out too.
        rate, p95, cost: what the list is sorted by: those of the candidate with the best one; nothing where unknown.
    """

    run: StoredRun
    began: str
    candidates: Sequence[CandidateRow]
    more: int
    words: str
    rate: str
    p95: str
    cost: str


def address(run: StoredRun) -> str:
    """Where a run's page is."""
    return f"/runs/{quote(run.suite, safe='')}/{quote(run.run_id, safe='')}"


def suite_address(suite: str) -> str:
    """Where a suite's history is."""
    return f"/suites/{quote(suite, safe='')}"


def run_row(run: StoredRun, most: int = _MOST_CANDIDATES) -> RunRow:
    """A run with its candidates, those with the highest pass rates first."""
    labels = Labels(run.figures)
    ranked = sorted(run.figures, key=lambda one: -1.0 if one.rate is None else one.rate, reverse=True)
    rows = [_candidate(one, labels) for one in ranked[:most]]
    began = _began(run)
    names = (name for one in run.figures for name in (labels.of(one), *one.served))
    return RunRow(
        run,
        began,
        rows,
        len(ranked) - len(rows),
        words=" ".join((run.suite, run.run_id, began, run.state, *names)).lower(),
        rate=_best(max, (one.rate for one in run.figures)),
        p95=_best(min, (one.p95_ms for one in run.figures)),
        cost=_best(min, (one.cost_per_1k_usd for one in run.figures)),
    )


def _best(best: Callable[[list[float]], float], values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return repr(best(known)) if known else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A run to choose for a comparison: its name, what it is called in a list, and its candidates."""

    name: str
    title: str
    candidates: Sequence[str]


def run_choices(runs: Sequence[StoredRun]) -> Mapping[str, Sequence[Choice]]:
    """What a comparison can be made of, by suite, in the order of the runs; without damaged manifests."""
    by_suite: dict[str, list[Choice]] = {}
    for run in runs:
        if run.manifest is None:
            continue
        labels = Labels(run.figures)
        told = "" if run.state is State.COMPLETE else f", {run.state}"
        names = [labels.named(one) for one in candidates_of(run)]
        by_suite.setdefault(run.suite, []).append(
            Choice(run.name, f"{run.suite}, {_began(run)} UTC, {run.run_id}{told}", names)
        )
    return by_suite


def _began(run: StoredRun) -> str:
    """To the minute, which tells runs apart that a person started."""
    try:
        return f"{dt.datetime.fromisoformat(run.created_at).astimezone(dt.UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return run.created_at or fmt.UNKNOWN


def _candidate(one: Figures, labels: Labels) -> CandidateRow:
    known = one.passed is not None and one.finished
    return CandidateRow(
        labels.of(one),
        fmt.share(one.passed or 0, one.finished or 0) if known else fmt.UNKNOWN,
        fmt.interval(Interval(one.low, one.high)) if one.low is not None and one.high is not None else fmt.UNKNOWN,
        fmt.percentile(one.p95_ms, (one.p95_low_ms, one.p95_high_ms)),
        fmt.usd(one.cost_per_1k_usd),
        ", ".join(one.served) or fmt.UNKNOWN,
    )


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


_Dated = tuple[float, StoredRun, Figures]


def history(runs: Sequence[StoredRun]) -> History:
    """Pass rate, p95 and cost of every candidate of these runs over time."""
    dated = sorted(_dated(runs), key=lambda one: one[0])
    labels = Labels([figures for _, _, figures in dated])
    lines: dict[str, list[_Dated]] = {}
    for one in dated:
        lines.setdefault(labels.of(one[2]), []).append(one)
    names = list(lines)
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


def _dated(runs: Sequence[StoredRun]) -> Iterator[_Dated]:
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
    return Point(at, value, ends, f"{name}, {moment(run.created_at)}: {words}", address(run), changed)


def _changed(line: Sequence[_Dated]) -> Iterator[tuple[_Dated, _Dated]]:
    """Neighbours in time whose answers came from different models, as far as the servers said."""
    told = [one for one in line if one[2].served]
    return ((sooner, later) for sooner, later in pairwise(told) if set(sooner[2].served) != set(later[2].served))


def _changes(name: str, line: Sequence[_Dated]) -> Iterator[str]:
    for sooner, later in _changed(line):
        before, now = (", ".join(one[2].served) for one in (sooner, later))
        yield f"{moment(later[1].created_at)}, {name}: answered by {now}; before, by {before}."


PROGRESS_HEADER: Final = ("candidate", "calls", "errors", "passed so far", "95 % interval")


def progress_text(state: State, progress: Progress) -> Mapping[str, object]:
    """What the page of a run under way shows, as JSON."""
    standings = progress.standings
    labels = Labels(standings)
    return {
        "state": str(state),
        "done": progress.done,
        "planned": progress.planned,
        "words": _progress_words(state, progress),
        "rows": [[labels.of(one), *_standing(one, _of(progress))] for one in standings],
    }


def _standing(one: Standing, of: str) -> Iterator[str]:
    yield f"{fmt.count(one.answered + one.errors)} {of} {fmt.count(one.planned)}"
    yield fmt.count(one.errors)
    finished = one.judged + one.errors
    yield fmt.share(one.passed, finished) if one.rate else fmt.UNKNOWN
    yield fmt.interval(one.rate.interval) if one.rate else fmt.UNKNOWN


def _of(progress: Progress) -> str:
    return "of up to" if progress.open_end else "of"


def _progress_words(state: State, progress: Progress) -> str:
    done = f"{fmt.count(progress.done)} {_of(progress)} {fmt.counted(progress.planned, 'call')} done"
    quiet = fmt.counted(round(progress.quiet_s), "second")
    if state is State.CUT_SHORT:
        return f"{done}. Nobody is at work on this run; evalkit run SUITE --resume goes on with it."
    if state is State.UNDER_WAY:
        return f"{done}; the last row came {quiet} ago."
    return f"{done}. The run has ended."
