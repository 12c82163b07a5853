"""Hold a run against a baseline and limits: what is shown, what is not, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from evalkit.analysis.compare.side import align
from evalkit.analysis.gate.baseline import Baseline, Flips, Frozen, as_kept, changed
from evalkit.analysis.gate.limits import Limit, Seen, State, check_rules, limits
from evalkit.analysis.gate.match import CaseChanges, check_comparable, check_entries
from evalkit.analysis.gate.measured import Measured, MeasuredRun
from evalkit.analysis.gate.result import CandidateGate, Comparison, GateResult, Look, Shift
from evalkit.analysis.gate.settle import settling
from evalkit.analysis.paired import Difference, Metric, paired_difference
from evalkit.analysis.results import CaseResults
from evalkit.analysis.run_data import Candidate
from evalkit.stats.margin import Verdict
from evalkit.suite.gate_rules import GateRules, Undecided


def gate(
    measured: MeasuredRun,
    rules: GateRules,
    baseline: Baseline | None = None,
    path: Path | None = None,
    look: Look | None = None,
) -> GateResult:
    """Hold a run against a baseline, if there is one, and against the limits of its rules.

    Args:
        measured: the run.
        rules: what it is held to.
        baseline: what to compare with.
        path: the baseline's file.
        look: which of several looks this is.

    Raises:
        ConfigError: the baseline is of another suite, of other cases, or of other candidates; or a rule is about cases
            or trials that there are not.
    """
    run = [one.candidate for one in measured.results.candidates]
    check_rules(rules, measured.results.case_ids, measured.results.tags, measured.run.manifest.trials)
    held = _Held(measured, rules, look or Look())
    cases: CaseChanges | None = None
    against: dict[Candidate, Frozen | None] = dict.fromkeys(run)
    ungated: tuple[Candidate, ...] = ()
    if baseline is not None and path is not None:
        cases = check_comparable(baseline, path, measured.run.manifest.suite.name, measured.questions)
        frozen = {one.candidate: one for one in baseline.candidates}
        against = {one: frozen[entry] if entry else None for one, entry in check_entries(run, baseline, path).items()}
        ungated = tuple(one for one in run if against[one] is None)
        held = replace(held, then=tuple(baseline.questions), changed=frozenset(cases.changed))
    return GateResult(
        measured,
        rules,
        baseline,
        path,
        cases,
        tuple(held.candidate(one, against[one]) for one in run if one not in ungated or rules.has_limits),
        ungated,
        held.look.planned,
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """A run and what all its candidates are held to; `then` are the baseline's cases, `changed` not to be compared."""

    measured: MeasuredRun
    rules: GateRules
    look: Look
    then: tuple[str, ...] = ()
    changed: frozenset[str] = frozenset()

    def candidate(self, candidate: Candidate, frozen: Frozen | None) -> CandidateGate:
        """Judge one candidate; without an entry of the baseline, by the limits alone."""
        results = self.measured.results.of(candidate)
        took = next(one for one in self.measured.candidates if (one.model, one.prompt) == candidate)
        checked = limits(self.rules, Seen(self.measured.results, results, took, self.measured.run.manifest.trials))
        comparison = self._compared(results, took, frozen) if frozen else None
        verdict = _overall(comparison, checked)
        return CandidateGate(
            *candidate,
            took,
            comparison,
            checked,
            verdict,
            _good_enough(verdict, comparison, checked, self.rules.undecided),
            flaky=tuple(self._cases(0 < p < n for p, n in zip(results.passed, results.finished, strict=True))),
            missing=tuple(dict.fromkeys(took.missing)),
        )

    def _cases(self, chosen: Iterable[bool]) -> Iterator[str]:
        return (case for case, wanted in zip(self.measured.results.case_ids, chosen, strict=True) if wanted)

    def _compared(self, results: CaseResults, took: Measured, frozen: Frozen) -> Comparison:
        run, metric = self.measured.results, Metric(self.rules.metric)
        both = align(run.case_ids, as_kept(results), self.then, frozen.results, without=self.changed)
        clusters = None if run.clusters is None else [run.clusters[place] for place in both.places]
        difference = paired_difference(
            both.first, both.second, clusters=clusters, metric=metric, confidence=self.look.confidence
        )
        margin = self._margin(results.candidate, difference)
        verdict, settled_by = Verdict.INCONCLUSIVE, None
        if difference is not None and margin is not None:
            verdict = difference.verdict(margin)
            if verdict is Verdict.INCONCLUSIVE:
                settled_by = settling(difference, margin, both.first, self.look.confidence)
        served = frozen.served_models, took.served_models
        return Comparison(
            against=frozen.candidate,
            frozen=frozen,
            difference=difference,
            margin=margin,
            auto=self.rules.margin is None,
            metric=metric,
            confidence=self.look.confidence,
            verdict=verdict,
            **_shifts(both.case_ids, both.first, both.second)._asdict(),
            settling=settled_by,
            renamed=frozen.candidate != results.candidate,
            drifted=served if all(served) and served[0] != served[1] else None,
        )

    def _margin(self, candidate: Candidate, difference: Difference | None) -> float | None:
        """The margin: as the rules have it, or what these cases can show at this look, never more than at the first."""
        if self.rules.margin is not None:
            return self.rules.margin
        if difference is None:
            return None
        first = (self.look.margins or {}).get(candidate)
        return difference.auto_margin if first is None else min(first, difference.auto_margin)


class _Shifts(NamedTuple):
    worse: tuple[Shift, ...]
    better: tuple[Shift, ...]


def _shifts(case_ids: Sequence[str], now: CaseResults, before: CaseResults) -> _Shifts:
    flips: Flips = changed(case_ids, now, before)
    places = {case: place for place, case in enumerate(case_ids)}

    def shift(case: str) -> Shift:
        at = places[case]
        return Shift(case, (before.passed[at], before.finished[at]), (now.passed[at], now.finished[at]))

    return _Shifts(tuple(map(shift, flips.worse)), tuple(map(shift, flips.better)))


def _overall(comparison: Comparison | None, checked: Sequence[Limit]) -> Verdict | None:
    """The verdict of comparison and limits together: a broken limit is a regression, an unknown one decides nothing."""
    if any(limit.state is State.BROKEN for limit in checked):
        return Verdict.REGRESSED
    verdict = comparison.verdict if comparison else None
    if verdict is not Verdict.REGRESSED and any(limit.state is State.UNKNOWN for limit in checked):
        return Verdict.INCONCLUSIVE
    return verdict


def _good_enough(
    verdict: Verdict | None, comparison: Comparison | None, checked: Sequence[Limit], undecided: Undecided
) -> bool:
    if verdict is not Verdict.INCONCLUSIVE:
        return verdict is not Verdict.REGRESSED
    if any(limit.state is State.UNKNOWN for limit in checked) or comparison is None or comparison.difference is None:
        return False
    if comparison.verdict is not Verdict.INCONCLUSIVE or undecided is Undecided.PASS:
        return True
    within = comparison.margin is not None and comparison.difference.difference >= -comparison.margin
    return within and undecided is not Undecided.FAIL
