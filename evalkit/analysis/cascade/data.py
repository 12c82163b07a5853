"""The answers of a run side by side, as a cascade would meet them. Needs numpy: import it lazily."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.answers import AnswerCount
from evalkit.analysis.cascade.signals import DISAGREES, gist, majority, signals
from evalkit.analysis.results import cluster_of
from evalkit.analysis.rows import CallRow, Outcome
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.scorers.options import unknown_name

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answers:
    """One candidate's calls, in the plan's order: trial after trial of all cases.

    Attributes:
        model, prompt: its names.
        passed: 1, or 0 for failures and errors; NaN for a call that never finished.
        error: whether it got no answer: whoever asks sees that at once, unlike an error of a scorer.
        usd: of the call, 0 for an error; NaN where unknown.
        latency_ms: NaN where unknown.
        signals: what speaks against each answer, the larger the more; NaN where unknown, or an error.
        gists: what each answer says; None without an answer.
    """

    model: str
    prompt: str
    passed: Floats
    error: NDArray[np.bool_]
    usd: Floats
    latency_ms: Floats
    signals: Mapping[str, Floats]
    gists: Sequence[str | None]

    @property
    def rate(self) -> float:
        """How often it passed."""
        known = self.passed[~np.isnan(self.passed)]
        return float(known.mean()) if known.size else math.nan

    @property
    def usd_per_call(self) -> float:
        """What a call costs on average; NaN where that is unknown."""
        known = self.usd[~np.isnan(self.passed)]
        return float(known.mean()) if known.size else math.nan


class Portfolio(NamedTuple):
    """All candidates of a run.

    Attributes:
        answers: per candidate.
        cases: how many each was asked.
        groups: per case, the number of the group of cases that may go wrong together.
        tags: per case.
    """

    answers: tuple[Answers, ...]
    cases: int
    groups: Ints
    tags: tuple[tuple[str, ...], ...]


def portfolio(run: RunData, checks: Collection[str] = ()) -> Portfolio:
    """Read the answers of a run.

    Args:
        run: the run.
        checks: names of scorers, besides those that never need an expected value, whose verdicts are to be signals.

    Raises:
        ConfigError: a row is damaged; names file and line. Or a check is no scorer that judged anything.
    """
    judged: set[str] = set()
    numbers: dict[str, int] = {}
    groups: list[int] = []
    tags: list[tuple[str, ...]] = []
    answers: list[Answers] = []
    cluster = run.manifest.cluster
    for candidate, rows in run.groups.items():
        columns = _Columns(candidate, run)
        for row in rows:
            if len(groups) < rows.cases:
                name = row.case.id if cluster is None else cluster_of(row.case, cluster)
                groups.append(numbers.setdefault(name, len(numbers)))
                tags.append(tuple(sorted(row.case.tags)))
            columns.add(row, checks)
            judged.update(verdict.scorer for verdict in (row.verdict.verdicts if row.verdict else ()))
        answers.append(columns.answers())
    for check in checks:
        if check not in judged:
            raise unknown_name("scorer", check, sorted(judged))
    return Portfolio(tuple(answers), run.rows.cases, np.array(groups, dtype=np.int64), tuple(tags))


class _Columns:
    """Fills in the columns of one candidate, call by call."""

    def __init__(self, candidate: Candidate, run: RunData) -> None:
        self._candidate = candidate
        self._gpu = next(model.gpu for model in run.manifest.models if model.name == candidate[0])
        self._busy = AnswerCount(self._gpu)
        self._passed: list[float] = []
        self._error: list[bool] = []
        self._usd: list[float] = []
        self._latency_ms: list[float] = []
        self._signals: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._gists: list[str | None] = []

    def add(self, row: CallRow, checks: Collection[str]) -> None:
        """Add the next call."""
        place, outcome, answer = len(self._passed), row.outcome, row.answer
        self._passed.append(math.nan if outcome is Outcome.MISSING else float(outcome is Outcome.PASSED))
        self._error.append(outcome is Outcome.ERROR and answer is None)
        known = answer.cost_usd if answer else 0.0
        self._usd.append(math.nan if known is None else known)
        ms = answer.latency_ms if answer else None
        self._latency_ms.append(math.nan if ms is None else ms)
        self._gists.append(gist(row, answer) if answer else None)
        if answer:
            self._busy.add(answer)
            for name, value in signals(row, answer, checks):
                self._signals[name][place] = value

    def answers(self) -> Answers:
        """All of them."""
        n = len(self._passed)
        return Answers(
            *self._candidate,
            passed=np.array(self._passed),
            error=np.array(self._error, dtype=np.bool_),
            usd=self._costs(),
            latency_ms=np.array(self._latency_ms),
            signals={name: _column(values, n) for name, values in self._signals.items()},
            gists=tuple(self._gists),
        )

    def _costs(self) -> Floats:
        """Of one's own server each answer costs the same part of the time that it was at work."""
        usd = np.array(self._usd)
        if self._gpu is None:
            return usd
        whole = self._busy.consumption().cost_usd
        each = math.nan if whole is None or not self._busy.n else whole / self._busy.n
        return np.where([gist is not None for gist in self._gists], each, 0.0)


def _column(values: Mapping[int, float], n: int) -> Floats:
    column = np.full(n, math.nan)
    column[list(values)] = list(values.values())
    return column


@dataclass(frozen=True, slots=True)
class Pair:
    """A cheap candidate and a strong one on the same units: calls, or cases where the cheap one is asked several times.

    Attributes:
        cheap, strong: the two.
        passed: of each, shape (2, units).
        usd: likewise; NaN anywhere: costs are not known.
        latency_ms: likewise; NaN where unknown.
        failed: whether the cheap one met an error.
        signals: as in `Answers`, of the cheap one.
        places: which case each unit is of.
        groups: the group of each unit.
        tags: of each unit.
    """

    cheap: Answers
    strong: Answers
    passed: Floats
    usd: Floats
    latency_ms: Floats
    failed: NDArray[np.bool_]
    signals: Mapping[str, Floats]
    places: Ints
    groups: Ints
    tags: Sequence[tuple[str, ...]]

    @property
    def priced(self) -> bool:
        """Whether all costs are known."""
        return not bool(np.isnan(self.usd).any())

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return len(np.unique(self.places))

    @property
    def sources(self) -> int:
        """How many groups of cases there are, of which one tells nothing about another."""
        return len(np.unique(self.groups))


def pair_calls(of: Portfolio, cheap: Answers, strong: Answers) -> Pair:
    """Set two candidates side by side, call by call; calls that either never finished are left out."""
    both = np.flatnonzero(~np.isnan(cheap.passed) & ~np.isnan(strong.passed))
    sides = (cheap, strong)
    return Pair(
        cheap,
        strong,
        passed=np.stack([one.passed[both] for one in sides]),
        usd=np.stack([one.usd[both] for one in sides]),
        latency_ms=np.stack([one.latency_ms[both] for one in sides]),
        failed=cheap.error[both],
        signals={name: column[both] for name, column in cheap.signals.items()},
        places=both % of.cases,
        groups=of.groups[both % of.cases],
        tags=[of.tags[index] for index in both % of.cases],
    )


def pair_agreement(of: Portfolio, cheap: Answers, strong: Answers) -> Pair | None:
    """Set two candidates side by side, case by case, the cheap one asked as often as there are trials.

    Its answer is the first that says what most of them say; it costs all of them, and takes as long as the slowest. The
    strong one is asked once, and stands for that by the mean of its trials.

    Returns:
        None where there is one trial only, or no case has all of them.
    """
    trials = len(cheap.passed) // of.cases if of.cases else 0
    if trials < 2:
        return None
    by_case = [one.reshape(trials, of.cases) for one in (cheap.passed, strong.passed)]
    whole = np.flatnonzero(~np.isnan(by_case[0]).any(axis=0) & ~np.isnan(by_case[1]).any(axis=0))
    picked = [_agreement(of, cheap, int(case), trials) for case in whole]
    if not picked:
        return None
    places = np.array([place for place, _ in picked]), whole
    usd = [one.usd.reshape(trials, of.cases)[:, whole] for one in (cheap, strong)]
    latency = [one.latency_ms.reshape(trials, of.cases)[:, whole] for one in (cheap, strong)]
    return Pair(
        cheap,
        strong,
        passed=np.stack([by_case[0][places], by_case[1][:, whole].mean(axis=0)]),
        usd=np.stack([usd[0].sum(axis=0), usd[1].mean(axis=0)]),
        latency_ms=np.stack([np.fmax.reduce(latency[0]), latency[1][0]]),
        failed=cheap.error.reshape(trials, of.cases)[places],
        signals={DISAGREES: np.array([share for _, share in picked])},
        places=whole,
        groups=of.groups[whole],
        tags=[of.tags[case] for case in whole],
    )


def _agreement(of: Portfolio, cheap: Answers, case: int, trials: int) -> tuple[int, float]:
    """Which trial's answer stands for a case, and which share of the trials says something else; errors say nothing."""
    said = [(trial, gist) for trial in range(trials) if (gist := cheap.gists[trial * of.cases + case]) is not None]
    if not said:
        return 0, 1.0
    place, times = majority([gist for _, gist in said])
    return said[place][0], 1 - times / trials
