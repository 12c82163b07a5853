"""What a run measured of each candidate, as far as gates and baselines care, gained in one pass over its rows."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.analysis.answers import AnswerCount
from evalkit.analysis.compare.side import question
from evalkit.analysis.results import CaseResults, ResultsCount, RunResults
from evalkit.analysis.rows import Outcome
from evalkit.analysis.run_data import Candidate, Rows, RunData
from evalkit.runner.manifest import ManifestModel, read_cases
from evalkit.runner.plan import fingerprint
from evalkit.stats.distributions import two_sided_z
from evalkit.stats.intervals import Interval, clustered_standard_error
from evalkit.types import Case, Record

_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """What a candidate took and cost.

    Attributes:
        model, prompt: its names.
        latencies_ms: of its answers, in no order.
        p50, p90, p95, p99: their percentiles; None where nothing was timed.
        answers: how many there are.
        cost_per_case_usd: mean cost of an answer; None where unknown.
        cost_interval: its 95 % interval; None where unknown.
        served_models: what the provider said it was, sorted.
        missing: the case of every call that was never finished; one that a race did without is not missing.
    """

    model: str
    prompt: str
    latencies_ms: Sequence[float]
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    answers: int
    cost_per_case_usd: float | None
    cost_interval: Interval | None
    served_models: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run with its results and what its candidates took.

    Attributes:
        run: what was measured.
        results: per candidate and case.
        questions: short fingerprints of what each case asks and expects, by id, in the run's order.
        candidates: in the run's order.
    """

    run: RunData
    results: RunResults
    questions: Mapping[str, str]
    candidates: tuple[Measured, ...]

    @property
    def errors(self) -> int:
        """How many calls ended in an error."""
        return sum(sum(one.errors) for one in self.results.candidates)

    @property
    def missing(self) -> int:
        """How many calls were never finished."""
        return sum(len(one.missing) for one in self.candidates)

    @property
    def not_asked(self) -> int:
        """How many calls a race did without."""
        return len(self.run.rows) - self.missing - sum(sum(one.finished) for one in self.results.candidates)


def measure(run: RunData) -> MeasuredRun:
    """Read a run once.

    Raises:
        ConfigError: a row is damaged; names file and line.
    """
    models = {model.name: model for model in run.manifest.models}
    groups = run.groups
    count = ResultsCount(list(groups), run.rows.cases, run.manifest.cluster)
    candidates = tuple(_measured(candidate, rows, models[candidate[0]], count) for candidate, rows in groups.items())
    return MeasuredRun(run, count.results(), questions(read_cases(run.folder)), candidates)


def questions(cases: Iterable[Case]) -> dict[str, str]:
    """Fingerprint what each case asks and expects, in eight hex digits, which are compared case by case only."""
    return {case.id: fingerprint(list(question(case)))[:_DIGITS] for case in cases}


def candidate_name(candidate: Candidate) -> str:
    """Write a candidate as people do: MODEL@PROMPT."""
    return "@".join(candidate)


def pass_rate(results: CaseResults) -> float | None:
    """The share of finished calls that passed; None where nothing finished."""
    finished = sum(results.finished)
    return sum(results.passed) / finished if finished else None


def _measured(candidate: Candidate, rows: Rows, model: ManifestModel, count: ResultsCount) -> Measured:
    answers, times, costs = AnswerCount(model.gpu), array("d"), _Costs()
    missing: list[str] = []
    for row in rows:
        count.add(row)
        if row.outcome is Outcome.MISSING:
            missing.append(row.case.id)
        if answer := row.answer:
            answers.add(answer)
            costs.add(row.case.id, answer)
            if answer.latency_ms is not None:
                times.append(answer.latency_ms)
    latency, cost = answers.latency(), answers.consumption().cost_usd
    each = None if cost is None else cost / answers.n
    return Measured(
        *candidate,
        times,
        latency.p50,
        latency.p90,
        latency.p95,
        latency.p99,
        answers.n,
        each,
        None if each is None or model.gpu else costs.interval(each),
        tuple(sorted(answers.served)),
        tuple(missing),
    )


class _Costs:
    """What the answers to each case cost."""

    def __init__(self) -> None:
        self._by_case: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, case_id: str, answer: Record) -> None:
        """Add an answer's cost, if it is known."""
        if answer.cost_usd is not None:
            self._by_case[case_id].append(answer.cost_usd)

    def interval(self, mean: float) -> Interval | None:
        """The interval of their mean; None for a single case, of which nothing is known of the others."""
        if len(self._by_case) < 2:
            return None
        away = two_sided_z(0.95) * clustered_standard_error(list(self._by_case.values()))
        return Interval(max(0.0, mean - away), mean + away)
