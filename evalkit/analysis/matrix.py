"""Every candidate of a run against every other one, on the same cases.

Needs numpy: import this module lazily, and only for a run of several candidates.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeAlias

import numpy as np

from evalkit.analysis.differences import LEVEL, Comparison, Comparisons, Gap, Standing, TagComparison
from evalkit.analysis.paired import Difference, Metric, paired_difference
from evalkit.analysis.reach import reach_of
from evalkit.analysis.results import CaseResults, RunResults
from evalkit.analysis.run_data import Candidate
from evalkit.stats.multiple import holm

MOST_TAGS = 40
"""Tags, the most frequent ones, on whose cases candidates are compared."""

_Pair: TypeAlias = tuple[Candidate, Candidate]


def compare_candidates(results: RunResults, ranked: Sequence[Candidate], *, graded: bool) -> Comparisons | None:
    """Compare candidates in pairs.

    Args:
        results: of the run.
        ranked: the candidates to compare, that with the highest pass rate first.
        graded: whether scores say more than pass or fail, so that their means are compared too.

    Returns:
        None where no two candidates have results of the same case.
    """
    candidates = [results.of(candidate) for candidate in ranked]
    found = _differences(candidates, results.clusters, Metric.PASS_RATE)
    if not found:
        return None
    pairs = _comparisons(found, _differences(candidates, results.clusters, Metric.SCORE) if graded else {})
    return Comparisons(
        ranked=tuple(ranked),
        pairs=pairs,
        groups=_groups(ranked, pairs),
        tags=_tag_comparisons(results.tags, candidates, results.clusters),
        reach=reach_of(pairs[0], next(iter(found.values())), results),
    )


def _differences(
    candidates: Sequence[CaseResults], clusters: Sequence[str] | None, metric: Metric
) -> dict[_Pair, Difference]:
    """Every candidate minus each that comes before it, as far as they have cases in common."""
    found: dict[_Pair, Difference] = {}
    for second, first in combinations(candidates, 2):
        difference = paired_difference(first, second, clusters=clusters, metric=metric)
        if difference:
            # A number per case and pair is more than a large run should hold.
            found[first.candidate, second.candidate] = replace(difference, differences=np.empty(0))
    return found


def _comparisons(passes: Mapping[_Pair, Difference], scores: Mapping[_Pair, Difference]) -> tuple[Comparison, ...]:
    passed, scored = _gaps(list(passes.values())), _gaps(list(scores.values()))
    score_of = dict(zip(scores, scored, strict=True))
    return tuple(
        Comparison(
            first=first,
            second=second,
            cases=difference.cases,
            errors=difference.errors,
            method=difference.method,
            passes=gap,
            p_exact=difference.p_exact,
            score=score_of.get((first, second)),
        )
        for ((first, second), difference), gap in zip(passes.items(), passed, strict=True)
    )


def _gaps(differences: Sequence[Difference]) -> list[Gap]:
    """Differences with their p-values adjusted over all of them."""
    adjusted = holm([difference.p for difference in differences])
    return [_gap(difference, p) for difference, p in zip(differences, adjusted, strict=True)]


def _gap(difference: Difference, p_holm: float | None) -> Gap:
    return Gap(
        difference=difference.difference,
        interval=difference.interval,
        p=difference.p,
        p_holm=p_holm,
        better=difference.better,
        worse=difference.worse,
    )


def _groups(ranked: Sequence[Candidate], pairs: Sequence[Comparison]) -> tuple[tuple[Candidate, ...], ...]:
    """Cover all pairs that cannot be told apart by groups in which no two can be.

    Each group grows, in order of rank, from a pair that no earlier one holds. All largest groups there are might be too
    many; these are at most as many as pairs, and as a rule a handful.
    """
    apart = {frozenset((pair.first, pair.second)) for pair in pairs if pair.passes.standing is not Standing.EVEN}
    groups: list[tuple[Candidate, ...]] = []
    covered: set[frozenset[Candidate]] = set()
    for upper, lower in combinations(ranked, 2):
        if frozenset((upper, lower)) in apart | covered:
            continue
        group = {upper, lower}
        for other in ranked:
            if not any(frozenset((other, member)) in apart for member in group):
                group.add(other)
        groups.append(tuple(candidate for candidate in ranked if candidate in group))
        covered |= {frozenset(pair) for pair in combinations(group, 2)}
    alone = [(one,) for one in ranked if not any(one in group for group in groups)]
    return tuple(sorted([*groups, *alone], key=lambda group: [ranked.index(one) for one in group]))


def _tag_comparisons(
    tags: Sequence[tuple[str, ...]], candidates: Sequence[CaseResults], clusters: Sequence[str] | None
) -> tuple[TagComparison, ...]:
    """Every other candidate against the first, tag by tag; p-values are adjusted over all that could show anything."""
    best, *others = candidates
    found: list[tuple[str, CaseResults, Difference]] = []
    places = _places(tags)
    for tag, at in places.items():
        shared = None if clusters is None else [clusters[place] for place in at]
        reference = _only(best, at)
        for other in others:
            difference = paired_difference(_only(other, at), reference, clusters=shared)
            if difference:
                found.append((tag, other, difference))
    telling = _telling({tag: _independent(at, clusters) for tag, at in places.items()}, len(others))
    adjusted = iter(holm([difference.p for tag, _, difference in found if tag in telling]))
    return tuple(
        TagComparison(
            tag=tag,
            first=other.candidate,
            second=best.candidate,
            cases=difference.cases,
            passes=_gap(difference, next(adjusted) if tag in telling else None),
        )
        for tag, other, difference in found
    )


def _places(tags: Sequence[tuple[str, ...]]) -> dict[str, array[int]]:
    """Where the cases of the most frequent tags are, frequent tags first."""
    places: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
    for place, names in enumerate(tags):
        for name in set(names):
            places[name].append(place)
    frequent = sorted(places, key=lambda name: (-len(places[name]), name))[:MOST_TAGS]
    return {name: places[name] for name in frequent}


def _independent(places: Sequence[int], clusters: Sequence[str] | None) -> int:
    """How many of these cases stand for themselves."""
    return len(places) if clusters is None else len({clusters[place] for place in places})


def _telling(sizes: Mapping[str, int], others: int) -> set[str]:
    """The tags that could tell candidates apart, if these differed on all of their cases.

    With n cases that all differ in one direction, McNemar's mid-p is 2^-n. What cannot get below the level, not even
    then, need not be paid for by the others (R. E. Tarone (1990), A modified Bonferroni method for discrete data,
    Biometrics 46:515-522).
    """
    telling: set[str] = set()
    for tag in sorted(sizes, key=lambda tag: -sizes[tag]):
        if 0.5 ** sizes[tag] * others * (len(telling) + 1) >= LEVEL:
            break
        telling.add(tag)
    return telling


def _only(results: CaseResults, at: array[int]) -> CaseResults:
    """The results of some cases."""
    places = np.frombuffer(at, dtype=np.uint32)

    def counts(column: array[int]) -> array[int]:
        return array("I", np.frombuffer(column, dtype=np.uint32)[places].tobytes())

    return CaseResults(
        model=results.model,
        prompt=results.prompt,
        passed=counts(results.passed),
        finished=counts(results.finished),
        errors=counts(results.errors),
        score=array("d", np.frombuffer(results.score, dtype=np.float64)[places].tobytes()),
    )
