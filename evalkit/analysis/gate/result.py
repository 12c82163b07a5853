"""What comes of a gate, in values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from evalkit.analysis.gate.baseline import Baseline, Frozen
from evalkit.analysis.gate.limits import Limit, State
from evalkit.analysis.gate.match import CaseChanges
from evalkit.analysis.gate.measured import Measured, MeasuredRun
from evalkit.analysis.gate.settle import Settling
from evalkit.analysis.paired import Difference, Metric
from evalkit.analysis.run_data import Candidate
from evalkit.errors import ExitCode
from evalkit.stats.margin import Verdict
from evalkit.suite.gate_rules import GateRules


class Outcome(StrEnum):
    """How a gate ends."""

    PASSED = "passed"
    FAILED = "failed"
    INCOMPLETE = "incomplete"

    @property
    def exit_code(self) -> ExitCode:
        """What the shell is told."""
        return _CODES[self]


_CODES = {
    Outcome.PASSED: ExitCode.OK,
    Outcome.FAILED: ExitCode.GATE_FAILED,
    Outcome.INCOMPLETE: ExitCode.INCOMPLETE,
}


class Shift(NamedTuple):
    """One case before and now: how many of its trials passed."""

    case: str
    before: tuple[int, int]
    now: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate against its entry in the baseline.

    Attributes:
        against: the entry's names.
        frozen: the entry.
        difference: candidate - baseline; None where no case has results of both.
        margin: how much worse counts as as good; None as above.
        auto: whether the margin is what these cases can show, and no rule's.
        metric: what was compared.
        confidence: of the interval; above 0.95 where the gate is looked at several times.
        verdict: by the interval alone.
        worse: cases that pass less often, those that fell furthest first.
        better: cases that pass more often.
        settling: what would settle an INCONCLUSIVE verdict.
        renamed: whether the two sides have other names.
        drifted: what the provider said it served, before and now, where that differs.
    """

    against: Candidate
    frozen: Frozen
    difference: Difference | None
    margin: float | None
    auto: bool
    metric: Metric
    confidence: float
    verdict: Verdict
    worse: tuple[Shift, ...]
    better: tuple[Shift, ...]
    settling: Settling | None
    renamed: bool
    drifted: tuple[tuple[str, ...], tuple[str, ...]] | None


@dataclass(frozen=True, slots=True)
class CandidateGate:
    """What came of one candidate.

    Attributes:
        model, prompt: its names.
        measured: what it took and cost.
        comparison: None without a baseline.
        limits: all there are.
        verdict: of comparison and limits together; None where only limits were checked, and kept.
        passed: whether that is good enough.
        flaky: cases that passed some of their trials.
        missing: cases of which a trial was never finished.
    """

    model: str
    prompt: str
    measured: Measured
    comparison: Comparison | None
    limits: tuple[Limit, ...]
    verdict: Verdict | None
    passed: bool
    flaky: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def broken(self) -> tuple[Limit, ...]:
        """Limits that are not kept."""
        return tuple(limit for limit in self.limits if limit.state is State.BROKEN)

    @property
    def unknown(self) -> tuple[Limit, ...]:
        """Limits on what was not measured."""
        return tuple(limit for limit in self.limits if limit.state is State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Look:
    """How many looks at a gate are planned, and the margins of the first of them once that is over.

    Each look is allowed an equal share of the 5 % (Bonferroni). That holds although all of them meet the same trials of
    the baseline: by chance these may be good or bad once and for all, so later trials bring no independent evidence,
    which a test that multiplies it up from trial to trial (an e-process) would take them for.
    """

    planned: int = 1
    margins: Mapping[Candidate, float] | None = None

    @property
    def confidence(self) -> float:
        """Of each look's interval."""
        return 1 - 0.05 / self.planned


@dataclass(frozen=True, slots=True)
class GateResult:
    """What came of a gate.

    Attributes:
        measured: the run.
        rules: what it was held to.
        baseline: what it was compared with; None where only limits were checked.
        baseline_path: its file.
        cases: how the cases differ; None without a baseline.
        candidates: of the run, in its order; those in `ungated` only where there are limits to hold them to.
        ungated: candidates that the baseline has no entry for.
        looks: how many looks were planned.
        cut_short: why more trials, which the rules ask for, could not be had; None where they could, or none were due.
    """

    measured: MeasuredRun
    rules: GateRules
    baseline: Baseline | None
    baseline_path: Path | None
    cases: CaseChanges | None
    candidates: tuple[CandidateGate, ...]
    ungated: tuple[Candidate, ...]
    looks: int = 1
    cut_short: str | None = None

    @property
    def incomplete(self) -> bool:
        """Whether some call of the run has no verdict, or trials that the rules ask for could not be had."""
        calls = self.measured.errors + self.measured.missing > 0 or not len(self.measured.run.rows)
        return calls or self.cut_short is not None

    @property
    def outcome(self) -> Outcome:
        """How the gate ends: nothing is green that was not measured."""
        if not all(one.passed for one in self.candidates):
            return Outcome.FAILED
        return Outcome.INCOMPLETE if self.incomplete else Outcome.PASSED

    @property
    def undecided(self) -> bool:
        """Whether more trials could turn an INCONCLUSIVE verdict, and nothing else has failed."""
        return (
            not self.incomplete
            and not any(one.broken or one.unknown for one in self.candidates)
            and any(one.verdict is Verdict.INCONCLUSIVE for one in self.candidates)
            and all(one.verdict is not Verdict.REGRESSED for one in self.candidates)
        )

    @property
    def asked_part(self) -> bool:
        """Whether only a part of the suite's cases was asked: a filter's, or a sample."""
        return self.measured.run.rows.cases < self.measured.run.manifest.selection.cases_in_suite

    @property
    def unguarded(self) -> tuple[Candidate, ...]:
        """Entries of the baseline that no candidate was held against."""
        held = {one.comparison.against for one in self.candidates if one.comparison}
        frozen = self.baseline.candidates if self.baseline else ()
        return tuple(one.candidate for one in frozen if one.candidate not in held)

    @property
    def margins(self) -> dict[Candidate, float]:
        """The margin of every candidate that has one."""
        return {
            (one.model, one.prompt): one.comparison.margin
            for one in self.candidates
            if one.comparison and one.comparison.margin is not None
        }
