"""The figures of a run: per candidate (model x prompt), and per candidate and tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.analysis.by_scorer import ScorerSummary
from evalkit.analysis.decide.decision import Decision
from evalkit.analysis.differences import Comparisons
from evalkit.analysis.figures import Ends, Mean
from evalkit.analysis.labels import LabelSummary
from evalkit.analysis.load import LoadSummary
from evalkit.analysis.rows import CallRow
from evalkit.analysis.run_data import Candidate
from evalkit.runner.manifest import Manifest, RaceStop
from evalkit.stats import Interval

_CLIENT_SHARES = (0.03, 0.10)
"""Shares of latency, at p50 and p95, above which the client's own part is worth a warning."""
_CLIENT_MS = 1.0
"""Below this the client's part is no matter, however short the latency: a function of a few microseconds."""


@dataclass(frozen=True, slots=True)
class PassRate:
    """How often a set of calls passed.

    An error is not passed but finished: it stands in the denominator. `missing` calls never finished and do not;
    nor do those that a race did without, which are `not_asked`.
    """

    passed: int
    failed: int
    errors: int
    missing: int
    interval: Interval | None
    """95 % interval of the rate; None when nothing finished."""
    not_asked: int = 0

    @property
    def finished(self) -> int:
        """The denominator."""
        return self.passed + self.failed + self.errors

    @property
    def rate(self) -> float | None:
        """Passed / finished, 0..1; None when nothing finished."""
        return self.passed / self.finished if self.finished else None


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers took, milliseconds. `n` answers were timed; None where none was.

    `client_p50` and `client_p95` are percentiles of what this machine may have added at most. `server` holds the median
    of each part that the server itself reported, in the order of types.SERVER_PARTS. `intervals` has the 95 % interval
    of p50, p90, p95 and p99, by these names.
    """

    n: int
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    ttft_p50: float | None
    ttft_p95: float | None
    client_p50: float | None = None
    client_p95: float | None = None
    server: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Ends] = field(default_factory=dict)
    tail_interval: Ends = (None, None)

    @property
    def tail(self) -> float | None:
        """p95 / p50; None where unknown."""
        return self.p95 / self.p50 if self.p50 and self.p95 is not None else None

    def interval(self, percentile: str) -> Ends:
        """The 95 % interval of `p50`, `p90`, `p95` or `p99`, milliseconds."""
        return self.intervals.get(percentile, (None, None))

    @property
    def client_shares(self) -> tuple[float, float] | None:
        """The client's part of p50 and of p95, at most, as shares; None where unknown."""
        parts = (self.client_p50, self.p50), (self.client_p95, self.p95)
        shares = [min(1.0, part / whole) for part, whole in parts if part is not None and whole]
        return (shares[0], shares[1]) if len(shares) == len(parts) else None

    @property
    def client_matters(self) -> bool:
        """Whether the client may have lengthened latencies so far that they should not be taken as the model's."""
        parts = (self.client_p50, self.client_p95)
        return any(
            share > limit and (ms or 0.0) > _CLIENT_MS
            for share, limit, ms in zip(self.client_shares or (), _CLIENT_SHARES, parts, strict=False)
        )


@dataclass(frozen=True, slots=True)
class Consumption:
    """What the answers used up: tokens, and USD. None where unknown."""

    input_tokens: int | None
    output_tokens: int | None
    cached_input_share: float | None
    """Part of the input tokens that the provider served from its prompt cache, 0..1."""
    output_tokens_per_s: float | None
    cost_usd: float | None
    """None as soon as the cost of any answer is unknown: a part is not the whole."""


@dataclass(frozen=True, slots=True)
class PassTrials:
    """How often k trials of a case hold a pass, and hold nothing else: pass@k and pass^k with their 95 % intervals."""

    k: int
    pass_at_k: float
    pass_at_k_interval: Interval
    pass_hat_k: float
    pass_hat_k_interval: Interval


@dataclass(frozen=True, slots=True)
class Spread:
    """The slowest answer to a case over the fastest: the median of `cases` cases, with its 95 % interval."""

    cases: int
    median: float
    interval: Ends


@dataclass(frozen=True, slots=True)
class Consistency:
    """How the trials of each case agree, over the cases all of whose trials finished. An error is not a pass.

    `by_k` has the estimates for each k up to the number of trials. `flaky` cases passed and did not pass. `agreement`
    is the share of pairs of answers to a case that are the same text; None where no case has two answers. `spread` is
    None where no case has two that were timed.
    """

    cases: int
    flaky: int
    by_k: tuple[PassTrials, ...]
    agreement: Mean | None
    spread: Spread | None

    @property
    def k(self) -> int:
        """The number of trials."""
        return self.by_k[-1].k

    @property
    def pass_at_k(self) -> float:
        """The share of cases that passed at least once."""
        return self.by_k[-1].pass_at_k

    @property
    def pass_at_k_interval(self) -> Interval:
        """Its 95 % interval."""
        return self.by_k[-1].pass_at_k_interval

    @property
    def pass_hat_k(self) -> float:
        """The share of cases that passed every time."""
        return self.by_k[-1].pass_hat_k

    @property
    def pass_hat_k_interval(self) -> Interval:
        """Its 95 % interval."""
        return self.by_k[-1].pass_hat_k_interval


@dataclass(frozen=True, slots=True)
class PositionBias:
    """What came of comparisons in which a judge saw two texts in both orders.

    `inconsistent` ones did not come to the same end both times. In some of these the same place won both times,
    whichever text stood there: the first or the second.
    """

    compared: int
    inconsistent: int
    favours_first: int
    favours_second: int


@dataclass(frozen=True, slots=True)
class JudgeSummary:
    """A model that scorers asked. The same question is asked once, however many answers it is about.

    `errors` are questions without an answer. `used` and `latency` are of the answers. `positions` is None where it
    compared nothing in both orders.
    """

    model: str
    questions: int
    errors: int
    latency: Latency
    used: Consumption
    served_models: tuple[str, ...]
    dropped_params: tuple[str, ...]
    positions: PositionBias | None


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """A candidate's calls without a verdict that ended in one kind of error, with the first as an example."""

    kind: str
    count: int
    case_id: str
    message: str


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A candidate's figures.

    `answers` is how many calls the model answered, judged or not; `error_groups` come most frequent first;
    `first_failed` holds as many failed calls as a report shows. `score` is the mean of the scores, an error's being 0;
    None where nothing finished. `graded` tells whether some score says more than pass or fail.
    """

    model: str
    prompt: str
    cases: int
    trials: int
    calls: PassRate
    answers: int
    latency: Latency
    used: Consumption
    cost_per_1k_cases_usd: float | None
    cost_per_passed_usd: float | None
    price_source: str | None
    error_groups: tuple[ErrorGroup, ...]
    first_failed: tuple[CallRow, ...]
    served_models: tuple[str, ...]
    dropped_params: tuple[str, ...]
    load: LoadSummary | None = None
    consistency: Consistency | None = None
    score: Mean | None = None
    graded: bool = False

    @property
    def candidate(self) -> Candidate:
        """Its names."""
        return self.model, self.prompt

    @property
    def errors_by_kind(self) -> Mapping[str, int]:
        """How many calls ended in each kind of error, by name."""
        return dict(sorted((group.kind, group.count) for group in self.error_groups))

    @property
    def judged(self) -> bool:
        """Whether there is a verdict on any of its answers: one that never answered was not measured."""
        return bool(self.calls.passed or self.calls.failed)


@dataclass(frozen=True, slots=True)
class TagSummary:
    """A candidate's pass rate over the cases with one tag."""

    model: str
    prompt: str
    tag: str
    cases: int
    calls: PassRate


@dataclass(frozen=True, slots=True)
class RunSummary:
    """All that a run comes to.

    Tags are in the order of candidates, frequent ones first; scorers and labels in the order of candidates and scorers.
    `uncounted_verdicts` are those of scorers too many to be counted. What judges cost is in no candidate's figures.
    `comparisons` is None where no two candidates have judged answers to the same case, `decision` where nothing is to
    be decided.
    """

    folder: Path
    manifest: Manifest
    cases: int
    models: tuple[ModelSummary, ...]
    tags: tuple[TagSummary, ...]
    scorers: tuple[ScorerSummary, ...] = ()
    uncounted_verdicts: int = 0
    labels: tuple[LabelSummary, ...] = ()
    judges: tuple[JudgeSummary, ...] = ()
    comparisons: Comparisons | None = None
    decision: Decision | None = None

    @property
    def graded(self) -> bool:
        """Whether some score says more than pass or fail."""
        return any(one.graded for one in self.models)

    @property
    def answers(self) -> int:
        """How many calls were answered."""
        return sum(one.answers for one in self.models)

    def ranked(self) -> list[ModelSummary]:
        """The candidates with a verdict, that with the highest pass rate first; equal ones in the run's order.

        Those that a race stopped come behind all others: they were asked fewer cases.
        """
        judged = [one for one in self.models if one.judged]
        return sorted(judged, key=lambda one: (one.candidate in self.stops, -(one.calls.rate or 0.0)))

    @property
    def stops(self) -> Mapping[Candidate, RaceStop]:
        """The candidates that a race stopped."""
        race = self.manifest.race
        return {(stop.model, stop.prompt): stop for stop in race.stops} if race else {}

    @property
    def planned(self) -> int:
        """How many calls the run needed."""
        return sum(one.calls.finished + one.calls.missing for one in self.models)

    @property
    def errors(self) -> int:
        """How many calls ended in an error, be it their model's or a scorer's."""
        return sum(one.calls.errors for one in self.models)

    @property
    def missing(self) -> int:
        """How many calls were never finished."""
        return sum(one.calls.missing for one in self.models)

    @property
    def not_asked(self) -> int:
        """How many calls a race did without."""
        return sum(one.calls.not_asked for one in self.models)

    @property
    def incomplete(self) -> bool:
        """Whether some call has no verdict: it failed, its scorer failed, or it was never finished."""
        return not self.planned or self.errors + self.missing > 0
