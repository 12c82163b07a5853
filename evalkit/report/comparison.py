"""Candidates against each other: a section of report.md, lines for a terminal, and parts of report.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.analysis import RunSummary
from evalkit.analysis.differences import Comparison, Comparisons, Gap, Reach, Standing
from evalkit.analysis.run_data import Candidate
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.markup import folded_if_long, plain, table
from evalkit.report.race import stop_words
from evalkit.types import Json

_ALL_PAIRS_UP_TO = 6
"""Candidates of which every pair has a row."""
_ON_TERMINAL = 5
"""Lines that a terminal gets."""
_ABOUT = (
    "Two candidates are compared on the cases that both have results for: the pass rate of the first minus that of the "
    "second, in points, with the 95 % interval of this difference alone. {p} below 0.05 they are told apart."
)
_P_OF_SEVERAL = "p is adjusted for all {n} pairs, as one of many may differ by chance (Holm);"
_P_OF_ONE = "p is the probability of a difference at least as clear if there were none;"
_ABOUT_ERRORS = " A case on which either met an error counts as not passed there."
_ABOUT_SCORES = "Mean scores, from 0 to 1, compared likewise; an error scores 0."


def comparison_section(run: RunSummary, labels: Labels) -> list[str]:
    """How candidates differ, who cannot be told apart, and what so many cases can show. Nothing for a single one."""
    found = run.comparisons
    if found is None:
        return []
    shown = _shown(found)
    left_out = len(found.pairs) - len(shown)
    several = len(found.pairs) > 1
    about = _ABOUT.replace("{p}", _P_OF_SEVERAL.replace("{n}", fmt.count(len(found.pairs))) if several else _P_OF_ONE)
    return [
        "## Differences",
        "",
        f"{about}{_ABOUT_ERRORS if any(pair.errors for pair in found.pairs) else ''}",
        "",
        *folded_if_long("pair", _passes_table(shown, labels)),
        *([f"The other {fmt.counted(left_out, 'pair')} are in report.json.", ""] if left_out else []),
        *(f"{line}\n" for line in (*_groups(found, labels), *_left_out(run, labels), _reach(found, labels))),
        *_scores(shown, labels),
    ]


def terminal_comparison(run: RunSummary) -> Iterator[str]:
    """A line for every other candidate against the one with the highest pass rate, the closest first."""
    if run.comparisons is None:
        return
    labels = Labels(run.models)
    pairs, race = run.comparisons.against_best(), run.manifest.race
    for pair in pairs[:_ON_TERMINAL]:
        first, second = labels.named(pair.first), labels.named(pair.second)
        ends = fmt.points_interval(pair.passes.interval)
        size = f"{fmt.points(pair.passes.difference)} points ({ends})"
        stop = run.stops.get(pair.first)
        if race and stop:
            yield f"{first} {stop_words(stop, race, run.cases, labels)}; against {second}: {size}, {cases(pair)}"
            continue
        chance = among(len(run.comparisons.pairs)) if pair.passes.chance_among_many else ""
        yield f"{first} {standing(pair.passes, second)}{chance}: {size}, {cases(pair)}"
    if len(pairs) > _ON_TERMINAL:
        yield f"{fmt.counted(len(pairs) - _ON_TERMINAL, 'more candidate')} against it in the report"


def standing(gap: Gap, other: str) -> str:
    """Say how a candidate stands to another one, as the end of a sentence."""
    return f"cannot be told apart from {other}" if gap.standing is Standing.EVEN else f"is {gap.standing} than {other}"


def among(tests: int) -> str:
    """Why an interval that leaves out 0 shows nothing yet: the end of a sentence."""
    return f", allowing for chance among {fmt.counted(tests, 'pair')}"


def cases(pair: Comparison) -> str:
    """On how many cases two candidates differ."""
    better, worse = fmt.count(pair.passes.better), fmt.count(pair.passes.worse)
    return f"better on {better}, worse on {worse} of {fmt.counted(pair.cases, 'case')}"


def verdict(gap: Gap) -> str:
    """The verdict on a difference."""
    return "too few cases" if gap.p_holm is None else gap.standing.value


def p_holm(gap: Gap) -> str:
    """The adjusted p-value."""
    return fmt.UNKNOWN if gap.p_holm is None else fmt.p_value(gap.p_holm)


def _shown(found: Comparisons) -> Sequence[Comparison]:
    """All pairs of a few candidates; of more, those with the best one and those next to each other in rank."""
    if len(found.ranked) <= _ALL_PAIRS_UP_TO:
        return found.pairs
    rank = {candidate: place for place, candidate in enumerate(found.ranked)}
    return [pair for pair in found.pairs if pair.second == found.best or rank[pair.first] - rank[pair.second] == 1]


def _passes_table(pairs: Sequence[Comparison], labels: Labels) -> list[str]:
    errors = [fmt.count(pair.errors) for pair in pairs]
    columns = {
        "candidate": [plain(labels.named(pair.first)) for pair in pairs],
        "against": [plain(labels.named(pair.second)) for pair in pairs],
        "verdict": [verdict(pair.passes) for pair in pairs],
        "points": [fmt.points(pair.passes.difference) for pair in pairs],
        "95 % interval": [fmt.points_interval(pair.passes.interval) for pair in pairs],
        "better on": [fmt.count(pair.passes.better) for pair in pairs],
        "worse on": [fmt.count(pair.passes.worse) for pair in pairs],
        "cases": [fmt.count(pair.cases) for pair in pairs],
        **({"with errors": errors} if any(pair.errors for pair in pairs) else {}),
        "p": [p_holm(pair.passes) for pair in pairs],
    }
    return table(list(columns), list(zip(*columns.values(), strict=True)), left=3)


def _scores(pairs: Sequence[Comparison], labels: Labels) -> list[str]:
    known = [(pair, pair.score) for pair in pairs if pair.score]
    if not known:
        return []
    columns = {
        "candidate": [plain(labels.named(pair.first)) for pair, _ in known],
        "against": [plain(labels.named(pair.second)) for pair, _ in known],
        "verdict": [verdict(score) for _, score in known],
        "difference": [f"{score.difference:+.3f}" for _, score in known],
        "95 % interval": [f"{score.interval.low:+.3f} to {score.interval.high:+.3f}" for _, score in known],
        "better on": [fmt.count(score.better) for _, score in known],
        "worse on": [fmt.count(score.worse) for _, score in known],
        "p": [p_holm(score) for _, score in known],
    }
    rows = list(zip(*columns.values(), strict=True))
    return [_ABOUT_SCORES, "", *folded_if_long("pair", table(list(columns), rows, left=3))]


def _groups(found: Comparisons, labels: Labels) -> Iterator[str]:
    """Who cannot be told apart, in words."""
    if found.groups == (found.ranked,):
        yield "No two of these candidates can be told apart."
        return
    together = [_listed(group, labels) for group in found.groups if len(group) > 1]
    alone = [one for group in found.groups if len(group) == 1 for one in group]
    if not together:
        yield "All candidates are told apart from each other."
        return
    yield f"Cannot be told apart: {'; '.join(together)}."
    if alone:
        yield f"Told apart from all others: {_listed(alone, labels)}."


def _left_out(run: RunSummary, labels: Labels) -> Iterator[str]:
    """Who is not in the table, or not asked as much as the others."""
    if unjudged := [one.candidate for one in run.models if not one.judged]:
        yield f"Not compared, as no answer was judged: {_listed(unjudged, labels)}."
    if run.stops:
        yield (
            f"The race stopped {_listed(list(run.stops), labels)} early. On the fewer cases of these pairs nothing may "
            "be shown here even where the race's own test (see Race) has shown a candidate worse than the best."
        )


def _listed(candidates: Sequence[Candidate], labels: Labels) -> str:
    *names, last = (plain(labels.named(one)) for one in candidates)
    return f"{', '.join(names)} and {last}" if names else last


def _reach(found: Comparisons, labels: Labels) -> str:
    """What the size of the suite can show, in words."""
    reach = found.reach
    if reach is None:
        return (
            "What differences a suite of this size can show is not told: there are too few cases, or the candidates "
            "disagree on too few of them."
        )
    first, second = (plain(labels.named(one)) for one in (reach.first, reach.second))
    at_best = " at best (were all their disagreement chance)" if reach.at_best else ""
    return (
        f"What this size can show: as {first} and {second} do not do equally well on {fmt.count(reach.disagree)} of "
        f"{fmt.counted(reach.cases, 'case')}, a true difference of {_size(reach.detectable)} points between such two "
        f"would be found four times in five. {fmt.counted(reach.trials, 'trial')} of each case would find "
        f"{_size(reach.with_trials)}{at_best}; {fmt.count(reach.more_cases)} cases would find "
        f"{_size(reach.with_more_cases)}.{_settling(reach, found)}"
    )


def _settling(reach: Reach, found: Comparisons) -> str:
    if reach.cases_to_settle is None:
        return ""
    (seen,) = (pair.passes for pair in found.pairs if (pair.first, pair.second) == (reach.first, reach.second))
    needed = float(f"{reach.cases_to_settle:.2g}")
    return (
        f" The {_size(abs(seen.difference))} points seen between them would take about {fmt.count(int(needed))} cases."
    )


def _size(difference: float) -> str:
    return fmt.points(difference).lstrip("+")


def comparison_json(run: RunSummary) -> dict[str, Json]:
    """Every pair, the groups, the slices by tag and the reach, unrounded; empty for a single candidate."""
    found = run.comparisons
    if found is None:
        return {"comparisons": [], "groups": [], "tag_comparisons": [], "power": None}
    return {
        "comparisons": [
            {
                **_names(pair.first, pair.second),
                "cases": pair.cases,
                "errors": pair.errors,
                "method": pair.method,
                **_gap(pair.passes),
                "p_exact": pair.p_exact,
                "score": _gap(pair.score) if pair.score else None,
            }
            for pair in found.pairs
        ],
        "groups": [[{"model": model, "prompt": prompt} for model, prompt in group] for group in found.groups],
        "tag_comparisons": [
            {"tag": one.tag, **_names(one.first, one.second), "cases": one.cases, **_gap(one.passes)}
            for one in found.tags
        ],
        "power": _reach_json(found.reach) if found.reach else None,
    }


def _names(first: Candidate, second: Candidate) -> dict[str, Json]:
    return {"model": first[0], "prompt": first[1], "against_model": second[0], "against_prompt": second[1]}


def _gap(gap: Gap) -> dict[str, Json]:
    return {
        "difference": gap.difference,
        "difference_low": gap.interval.low,
        "difference_high": gap.interval.high,
        "better": gap.better,
        "worse": gap.worse,
        "p": gap.p,
        "p_holm": gap.p_holm,
        "verdict": verdict(gap),
    }


def _reach_json(reach: Reach) -> dict[str, Json]:
    return {
        **_names(reach.first, reach.second),
        "cases": reach.cases,
        "disagree": reach.disagree,
        "detectable_difference": reach.detectable,
        "trials": reach.trials,
        "detectable_with_trials": reach.with_trials,
        "at_best": reach.at_best,
        "more_cases": reach.more_cases,
        "detectable_with_more_cases": reach.with_more_cases,
        "cases_to_settle": reach.cases_to_settle,
    }
