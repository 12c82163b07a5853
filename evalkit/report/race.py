"""What a race came to: who was stopped, why, and what that saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from evalkit.analysis import ModelSummary, RunSummary
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.markup import code, plain, table
from evalkit.runner.manifest import Race, RaceStop
from evalkit.types import Json

_ERROR_RATE = "5 %"
"""Of the races, at most: see stats.race."""
_BIAS = (
    "The pass rate of a stopped candidate is over the calls it was asked. On average it is a little too low, as bad "
    "luck helps to stop a candidate, and that of one that is left a little too high. The intervals, and the p-values "
    "of comparisons on common cases, do not allow for that; the p-values in this table do."
)


def stop_words(stop: RaceStop, race: Race, cases: int, labels: Labels | None = None) -> str:
    """Say when and why a candidate left a race.

    Args:
        stop: the candidate's.
        race: with its rule.
        cases: how many the run has.
        labels: name the candidate that was ahead; by default, its model does.
    """
    asked = f"after {fmt.count(stop.cases)} of {fmt.counted(cases, 'case')}"
    if stop.ahead is None or stop.p is None:
        return f"left {asked}: its model could not be asked"
    best = "the best" if race.keep == 1 else f"the best {race.keep}"
    shown = f"worse than {best}"
    if stop.why != "worse":
        shown = f"not better than {best} by more than {_points(race.margin)}"
    ahead = labels.named(stop.ahead) if labels else stop.ahead[0]
    return f"stopped {asked}: shown {shown}, with {ahead} ahead ({_p(stop.p)})"


def _points(share: float) -> str:
    return "1 point" if share == 0.01 else f"{100 * share:g} points"


def _p(p: float) -> str:
    shown = fmt.p_value(p)
    return f"p below {shown[1:]}" if shown.startswith("<") else f"p at most {shown}"


def race_line(run: RunSummary) -> str:
    """Who is left, and what was saved, in a sentence or two; nothing where the run was no race."""
    race = run.manifest.race
    if race is None:
        return ""
    labels = Labels(run.models)
    left = [labels.of(one) for one in _left(run, race)]
    of = f"{fmt.count(len(left))} of {fmt.counted(len(run.models), 'candidate')}"
    if not race.over:
        return f"The race is not over: {of} still in it after {fmt.counted(race.cases, 'decided case')}."
    asked = "all" if race.cases == run.cases else f"{fmt.count(race.cases)} of"
    names = f": {', '.join(left)}" if left else ""
    verb = "is" if len(left) == 1 else "are"
    return f"Race: {of} {verb} left after {asked} {fmt.counted(run.cases, 'case')}{names}. {_saved(run)}"


def _left(run: RunSummary, race: Race) -> Sequence[ModelSummary]:
    out = {(stop.model, stop.prompt) for stop in race.stops}
    return [one for one in run.models if (one.model, one.prompt) not in out]


def _saved(run: RunSummary) -> str:
    if not run.not_asked:
        return "No call was saved."
    everything = run.planned + run.not_asked
    calls = f"{fmt.count(run.not_asked)} of {fmt.counted(everything, 'call')} were not needed"
    usd = saved_usd(run)
    cost = "" if usd is None else f", about ${fmt.usd(usd)} at what the others cost"
    return f"{calls} ({fmt.percent(run.not_asked / everything)}{cost})."


def saved_usd(run: RunSummary) -> float | None:
    """What the calls that were not asked would have cost, each as much as its candidate's others; None: unknown."""
    total = 0.0
    for one in run.models:
        if one.calls.not_asked:
            if one.cost_per_1k_cases_usd is None:
                return None
            total += one.calls.not_asked * one.cost_per_1k_cases_usd / 1000
    return total


def race_section(run: RunSummary, labels: Labels) -> list[str]:
    """How the race went, for report.md; nothing where the run was none."""
    race = run.manifest.race
    if race is None:
        return []
    stops = {(stop.model, stop.prompt): stop for stop in race.stops}
    rows = []
    for one in run.models:
        stop = stops.get((one.model, one.prompt))
        how = stop_words(stop, race, run.cases, labels) if stop else "left in the race"
        calls = one.calls
        rows.append([plain(labels.of(one)), plain(how), fmt.count(calls.finished), fmt.count(calls.not_asked)])
    return [
        "## Race",
        "",
        plain(race_line(run)),
        "",
        *table(["candidate", "outcome", "asked", "not asked"], rows, left=2),
        "",
        " ".join(_how(run, race)),
        "",
        _BIAS,
        "",
    ]


def _how(run: RunSummary, race: Race) -> Iterator[str]:
    by = "mean score" if race.metric == "score" else "pass rate"
    best = "the best" if race.keep == 1 else f"the best {race.keep}"
    yield (
        f"The cases came in random order (seed {run.manifest.selection.seed}), in blocks. After each block whoever was "
        f"shown not to be better than {best} by more than {_points(race.margin)} was stopped, by {by}; an error "
        f"counts as not passed."
    )
    yield (
        f"These tests may be repeated after every block and allow for the number of candidates: at most {_ERROR_RATE} "
        f"of such races lose a candidate that belongs to {best} by more than that."
    )
    if run.manifest.cluster:
        yield f"They take each case to stand for itself, although some share {code(run.manifest.cluster)}."


def race_json(run: RunSummary) -> dict[str, Json] | None:
    """The same for report.json; None where the run was no race."""
    race = run.manifest.race
    if race is None:
        return None
    return {**asdict(race), "not_asked": run.not_asked, "saved_usd": saved_usd(run)}
