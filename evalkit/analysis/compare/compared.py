"""Two sides, a new one against an old one: how their candidates differ on the cases that both were asked alike.

Needs numpy: import this module lazily.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from evalkit.analysis.compare.answered import Answered, Change, Slowdown, answered, change, slowdown
from evalkit.analysis.compare.differing import Changed, PromptDiff, changed_model, changed_prompt, changed_run
from evalkit.analysis.compare.flips import Flip, flipped, read_flips
from evalkit.analysis.compare.pairing import Cases, common_cases
from evalkit.analysis.compare.side import Aligned, SideResults, align, take
from evalkit.analysis.differences import Gap
from evalkit.analysis.paired import Difference, Metric, paired_difference
from evalkit.analysis.results import CaseResults
from evalkit.analysis.run_data import Candidate
from evalkit.errors import ConfigError
from evalkit.runner.manifest import Manifest, ManifestModel, ManifestPrompt
from evalkit.stats.intervals import Interval, clustered_mean_interval
from evalkit.stats.margin import Verdict
from evalkit.stats.multiple import holm
from evalkit.stats.power import detectable_difference, detectable_mean_difference

AUTO: Final = "auto"
"""The margin at which an unchanged candidate is NOT WORSE in nine of ten comparisons."""

FEWEST_OF_A_TAG: Final = 10
"""Cases that a tag needs: with fewer, hardly any difference could be shown."""


class Completeness(NamedTuple):
    """What is wanting in a candidate's calls: those that ended in an error, and those that never finished."""

    planned: int
    errors: int
    missing: int


@dataclass(frozen=True, slots=True)
class TagGap:
    """The gap of pass rates on the cases with a tag; its p-value is adjusted over the tags of this comparison."""

    tag: str
    cases: int
    passes: Gap


@dataclass(frozen=True, slots=True)
class CandidateComparison:
    """A new candidate against an old one. Differences are new - old.

    Attributes:
        old, new: their names.
        difference: of the pass rates, on all common cases that both finished.
        old_interval, new_interval: 95 % intervals of the pass rates.
        passes: the difference as a gap; its p-value is adjusted over the pairs that are compared beside it.
        score: the difference of the mean scores; None where scores say no more than pass or fail.
        margin: how much worse still counts as as good; None where nothing was asked for.
        detectable: the smallest difference that so many cases show in 4 of 5 such comparisons, below 1; None where
            none is, or where all cases agree, which tells nothing of that.
        old_complete, new_complete: how complete their runs are.
        tags: gaps by tag, frequent ones first; `few_tags` have too few cases.
        flips: cases that did not pass equally often, newly failing ones first.
        model: settings of the models' rows that differ; `prompt` how the prompts do.
        old_answers, new_answers: what the answers were like.
        latency, cost, output_tokens: how that changed; None where a side does not know.
        judged_apart: cases with the same answer and another verdict.
    """

    old: Candidate
    new: Candidate
    difference: Difference
    old_interval: Interval
    new_interval: Interval
    passes: Gap
    score: Difference | None
    margin: float | None
    detectable: float | None
    old_complete: Completeness
    new_complete: Completeness
    tags: tuple[TagGap, ...]
    few_tags: tuple[str, ...]
    flips: tuple[Flip, ...]
    model: tuple[Changed, ...]
    prompt: PromptDiff
    old_answers: Answered
    new_answers: Answered
    latency: Slowdown | None
    cost: Change | None
    output_tokens: Change | None
    judged_apart: tuple[str, ...]

    @property
    def verdict(self) -> Verdict | None:
        """Whether the new one is worse by more than the margin."""
        return None if self.margin is None else self.difference.verdict(self.margin)


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two sides against each other, in pairs of candidates; at least one.

    Attributes:
        old_run, new_run: their manifests.
        same_run: whether these are one.
        cases: what they share.
        run: what differs between the runs besides candidates and cases.
        pairs: the candidates compared.
        unmeasured: pairs that finished no case in common.
        only_old, only_new: candidates without a partner.
    """

    old_run: Manifest
    new_run: Manifest
    same_run: bool
    cases: Cases
    run: tuple[Changed, ...]
    pairs: tuple[CandidateComparison, ...]
    unmeasured: tuple[tuple[Candidate, Candidate], ...]
    only_old: tuple[Candidate, ...]
    only_new: tuple[Candidate, ...]


def compare_sides(
    old: SideResults, new: SideResults, pairs: Sequence[tuple[Candidate, Candidate]], margin: float | str | None = None
) -> RunComparison:
    """Compare pairs of candidates, each an old and a new one, on the cases that both sides were asked alike.

    Args:
        old: the results of the old side.
        new: those of the new one.
        pairs: from `pair_up`.
        margin: how much worse still counts as as good, 0..1; AUTO; or None where that is not asked.

    Raises:
        ConfigError: no two of them finished a case in common.
    """
    cases = common_cases(old, new)
    every = {pair: _Pair(old, new, pair, cases) for pair in pairs}
    found = {pair: one.difference() for pair, one in every.items()}
    differences = {pair: difference for pair, difference in found.items() if difference}
    if not differences:
        raise _nothing_common(old, new, cases)
    adjusted = holm([difference.p for difference in differences.values()])
    paired = {which: {pair[at] for pair in pairs} for at, which in enumerate(("old", "new"))}
    return RunComparison(
        old_run=old.run.manifest,
        new_run=new.run.manifest,
        same_run=old.run.folder.resolve() == new.run.folder.resolve(),
        cases=cases,
        run=changed_run(old.run.manifest, new.run.manifest),
        pairs=tuple(
            every[pair].comparison(difference, p, margin)
            for (pair, difference), p in zip(differences.items(), adjusted, strict=True)
        ),
        unmeasured=tuple(pair for pair in pairs if pair not in differences),
        only_old=tuple(one.candidate for one in old.results.candidates if one.candidate not in paired["old"]),
        only_new=tuple(one.candidate for one in new.results.candidates if one.candidate not in paired["new"]),
    )


def _nothing_common(old: SideResults, new: SideResults, cases: Cases) -> ConfigError:
    changed = len(cases.asked_otherwise) + len(cases.expected_otherwise)
    return ConfigError(
        f"{old.run.folder} and {new.run.folder} have no case in common that both finished: "
        f"{len(cases.common):,} were asked alike, {changed:,} have changed",
        remedy="compare finished runs of the same suite",
    )


class _Pair:
    """One comparison in the making: its p-value waits for those of the others."""

    def __init__(self, old: SideResults, new: SideResults, pair: tuple[Candidate, Candidate], cases: Cases) -> None:
        self._sides = old, new
        self._names = pair
        changed = {*cases.asked_otherwise, *cases.expected_otherwise}
        before, now = old.results.of(pair[0]), new.results.of(pair[1])
        self._complete = _completeness(before, old), _completeness(now, new)
        self._aligned = align(new.results.case_ids, now, old.results.case_ids, before, changed)
        self._clusters = _of_places(new.results.clusters, self._aligned.places)

    def difference(self, metric: Metric = Metric.PASS_RATE) -> Difference | None:
        return paired_difference(self._aligned.first, self._aligned.second, clusters=self._clusters, metric=metric)

    def comparison(self, passes: Difference, p_adjusted: float, margin: float | str | None) -> CandidateComparison:
        (old, new), aligned = self._sides, self._aligned
        before, now = self._names
        ids = aligned.case_ids
        answers = answered(old.run.rows.of(before), ids), answered(new.run.rows.of(now), ids)
        order = flipped(aligned)
        tags, few = self._by_tag()
        return CandidateComparison(
            old=before,
            new=now,
            difference=passes,
            old_interval=self._interval(aligned.second),
            new_interval=self._interval(aligned.first),
            passes=_gap(passes, p_adjusted),
            score=self.difference(Metric.SCORE) if _graded(aligned) else None,
            margin=passes.auto_margin if margin == AUTO else None if margin is None else float(margin),
            detectable=_detectable(passes),
            old_complete=self._complete[0],
            new_complete=self._complete[1],
            tags=tags,
            few_tags=few,
            flips=read_flips(aligned, order, old.run.rows.of(before), new.run.rows.of(now)),
            model=changed_model(_model(old, before), _model(new, now)),
            prompt=changed_prompt(_prompt(old, before), _prompt(new, now)),
            old_answers=answers[0],
            new_answers=answers[1],
            latency=slowdown(*answers, self._clusters),
            cost=change(answers[0].cost, answers[1].cost, self._clusters),
            output_tokens=change(answers[0].output_tokens, answers[1].output_tokens, self._clusters),
            judged_apart=_judged_apart(ids, *answers),
        )

    def _interval(self, results: CaseResults) -> Interval:
        """The interval of a side's own pass rate, on the cases that both sides finished; every case counts alike."""
        both = [bool(a and b) for a, b in zip(self._aligned.first.finished, self._aligned.second.finished, strict=True)]
        names = self._clusters or self._aligned.case_ids
        clusters: dict[str, list[float]] = defaultdict(list)
        for name, kept, passed, finished in zip(names, both, results.passed, results.finished, strict=True):
            if kept:
                clusters[name].append(passed / finished)
        return clustered_mean_interval(list(clusters.values()))

    def _by_tag(self) -> tuple[tuple[TagGap, ...], tuple[str, ...]]:
        """Gaps by tag, frequent ones first, and the tags with too few cases. One that all cases have says nothing."""
        places = self._places_by_tag()
        found: dict[str, Difference] = {}
        for tag, at in places.items():
            first, second = take(self._aligned.first, at), take(self._aligned.second, at)
            difference = paired_difference(first, second, clusters=_of_places(self._clusters, at))
            if difference and difference.cases >= FEWEST_OF_A_TAG:
                found[tag] = difference
        adjusted = holm([difference.p for difference in found.values()])
        gaps = tuple(
            TagGap(tag, difference.cases, _gap(difference, p))
            for (tag, difference), p in zip(found.items(), adjusted, strict=True)
        )
        return gaps, tuple(tag for tag in places if tag not in found)

    def _places_by_tag(self) -> Mapping[str, Sequence[int]]:
        tags = self._sides[1].results.tags
        places: dict[str, list[int]] = defaultdict(list)
        for at, place in enumerate(self._aligned.places):
            for tag in dict.fromkeys(tags[place]):
                places[tag].append(at)
        frequent = sorted(places, key=lambda tag: (-len(places[tag]), tag))
        return {tag: places[tag] for tag in frequent if len(places[tag]) < len(self._aligned.case_ids)}


def _gap(difference: Difference, p_adjusted: float) -> Gap:
    return Gap(
        difference.difference, difference.interval, difference.p, p_adjusted, difference.better, difference.worse
    )


def _completeness(results: CaseResults, side: SideResults) -> Completeness:
    planned = len(results.finished) * side.run.manifest.trials
    return Completeness(planned, sum(results.errors), planned - sum(results.finished))


def _of_places(clusters: Sequence[str] | None, places: Sequence[int]) -> list[str] | None:
    return None if clusters is None else [clusters[place] for place in places]


def _graded(aligned: Aligned) -> bool:
    """Whether some score is neither 0 for a failure nor 1 for a pass."""
    sides = (aligned.first, aligned.second)
    return any(abs(score - passed) > 1e-9 for one in sides for score, passed in zip(one.score, one.passed, strict=True))


def _detectable(difference: Difference) -> float | None:
    pairs, found = difference.pairs, 1.0
    if pairs:
        found = detectable_difference(difference.cases, pairs.discordant / pairs.n) if pairs.discordant else 1.0
    elif difference.error:
        found = detectable_mean_difference(difference.cases, difference.error**2 * difference.cases)
    # So few cases do not even show a difference on all of them.
    return found if found < 1 else None


def _judged_apart(case_ids: Sequence[str], old: Answered, new: Answered) -> tuple[str, ...]:
    return tuple(
        case_id
        for case_id, before, now in zip(case_ids, old.judged, new.judged, strict=True)
        if before and now and before.digest == now.digest and before.passed != now.passed
    )


def _model(side: SideResults, candidate: Candidate) -> ManifestModel:
    return next(model for model in side.run.manifest.models if model.name == candidate[0])


def _prompt(side: SideResults, candidate: Candidate) -> ManifestPrompt:
    return next(prompt for prompt in side.run.manifest.prompts if prompt.name == candidate[1])
