"""What the pages say: rows of text that a template escapes, and pictures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from evalkit.report import format as fmt
from evalkit.report.html.history import History, PastRun, history
from evalkit.report.labels import Labels
from evalkit.report.told import Figures
from evalkit.stats import Interval
from evalkit.view.progress import Progress, Standing
from evalkit.view.store import State, StoredRun, candidates_of

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


def suite_history(runs: Sequence[StoredRun]) -> History:
    """Pass rate, p95 and cost of every candidate of these runs over time."""
    return history([PastRun(run.created_at, address(run), run.figures) for run in runs])


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
