"""The figures of a run: per candidate (model x prompt), and per candidate and tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.analysis.rows import CallRow, Outcome
from evalkit.analysis.run_data import RunData
from evalkit.stats import Interval, clustered_mean_interval, quantile, wilson
from evalkit.types import Price, Record


@dataclass(frozen=True, slots=True)
class PassRate:
    """How often a set of calls passed.

    An error is not passed but finished: it stands in the denominator. `missing` calls never finished and do not.
    """

    passed: int
    failed: int
    errors: int
    missing: int
    interval: Interval | None
    """95 % interval of the rate; None when nothing finished."""

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
    """How long answers took, milliseconds. `n` answers were timed; None where none was."""

    n: int
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    ttft_p50: float | None
    ttft_p95: float | None


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
class ModelSummary:
    """A candidate's figures."""

    model: str
    prompt: str
    cases: int
    trials: int
    calls: PassRate
    latency: Latency
    used: Consumption
    cost_per_1k_cases_usd: float | None
    cost_per_passed_usd: float | None
    price_source: str | None
    errors_by_kind: Mapping[str, int]
    served_models: tuple[str, ...]
    dropped_params: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagSummary:
    """A candidate's pass rate over the cases with one tag."""

    model: str
    prompt: str
    tag: str
    cases: int
    calls: PassRate


def summarise(run: RunData) -> tuple[ModelSummary, ...]:
    """The figures of every candidate, in the manifest's order."""
    prices = {model.name: model.price for model in run.manifest.models}
    return tuple(
        _summary(model, prompt, rows, run.manifest.trials, prices[model])
        for (model, prompt), rows in run.groups.items()
    )


def by_tag(run: RunData) -> tuple[TagSummary, ...]:
    """The pass rate of every candidate at every tag: candidates in the manifest's order, frequent tags first."""
    sizes = Counter(tag for case in run.cases.values() for tag in set(case.tags))
    tags = sorted(sizes, key=lambda tag: (-sizes[tag], tag))
    return tuple(
        TagSummary(model, prompt, tag, sizes[tag], pass_rate(tagged.get(tag, ())))
        for (model, prompt), rows in run.groups.items()
        for tagged in [_by_tag(rows)]
        for tag in tags
    )


def pass_rate(rows: Sequence[CallRow]) -> PassRate:
    """Count outcomes and bound the rate: Wilson, or clustered by case where a case was asked several times."""
    outcomes = [row.outcome for row in rows]
    counts = Counter(outcomes)
    values: dict[str, list[float]] = {}
    for row, outcome in zip(rows, outcomes, strict=True):
        if outcome is not Outcome.MISSING:
            values.setdefault(row.case.id, []).append(float(outcome is Outcome.PASSED))
    return PassRate(
        passed=counts[Outcome.PASSED],
        failed=counts[Outcome.FAILED],
        errors=counts[Outcome.ERROR],
        missing=counts[Outcome.MISSING],
        interval=_interval(counts[Outcome.PASSED], list(values.values())),
    )


def _interval(passed: int, values_by_case: Sequence[Sequence[float]]) -> Interval | None:
    if not values_by_case:
        return None
    if any(len(values) > 1 for values in values_by_case):
        return clustered_mean_interval(values_by_case)
    return wilson(passed, len(values_by_case))


def _by_tag(rows: Iterable[CallRow]) -> dict[str, list[CallRow]]:
    tagged: dict[str, list[CallRow]] = {}
    for row in rows:
        for tag in set(row.case.tags):
            tagged.setdefault(tag, []).append(row)
    return tagged


def _summary(model: str, prompt: str, rows: Sequence[CallRow], trials: int, price: Price | None) -> ModelSummary:
    answers = [row.answer for row in rows if row.answer]
    calls, used = pass_rate(rows), _consumption(answers)
    cost = used.cost_usd
    return ModelSummary(
        model=model,
        prompt=prompt,
        cases=len({row.case.id for row in rows}),
        trials=trials,
        calls=calls,
        latency=_latency(answers),
        used=used,
        cost_per_1k_cases_usd=None if cost is None else cost / len(answers) * 1000,
        cost_per_passed_usd=cost / calls.passed if cost is not None and calls.passed else None,
        price_source=_price_source(price, cost),
        errors_by_kind=dict(sorted(Counter(row.error.kind for row in rows if row.error).items())),
        served_models=tuple(sorted({answer.served_model for answer in answers if answer.served_model})),
        dropped_params=tuple(sorted({name for answer in answers for name in answer.dropped_params})),
    )


def _latency(answers: Sequence[Record]) -> Latency:
    whole = sorted(answer.latency_ms for answer in answers if answer.latency_ms is not None)
    first = sorted(answer.ttft_ms for answer in answers if answer.ttft_ms is not None)
    p50, p90, p95, p99 = (quantile(whole, q) if whole else None for q in (0.5, 0.9, 0.95, 0.99))
    ttft_p50, ttft_p95 = (quantile(first, q) if first else None for q in (0.5, 0.95))
    return Latency(len(whole), p50, p90, p95, p99, ttft_p50, ttft_p95)


def _consumption(answers: Sequence[Record]) -> Consumption:
    cached = [
        (answer.usage.cached_input, answer.usage.input)
        for answer in answers
        if answer.usage.cached_input is not None and answer.usage.input is not None
    ]
    timed = [
        (answer.usage.output, answer.latency_ms)
        for answer in answers
        if answer.usage.output is not None and answer.latency_ms is not None
    ]
    return Consumption(
        input_tokens=_total(answer.usage.input for answer in answers),
        output_tokens=_total(answer.usage.output for answer in answers),
        cached_input_share=_ratio(cached),
        output_tokens_per_s=_ratio([(tokens * 1000, ms) for tokens, ms in timed]),
        cost_usd=_cost(answers),
    )


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum over the answers; None as soon as one does not report its count: a part is not the whole."""
    total = 0
    asked = False
    for count in counts:
        if count is None:
            return None
        total, asked = total + count, True
    return total if asked else None


def _ratio(parts: Sequence[tuple[float, float]]) -> float | None:
    """The sum of the first numbers over the sum of the second; None when the latter is 0."""
    whole = sum(below for _, below in parts)
    return sum(above for above, _ in parts) / whole if whole else None


def _cost(answers: Sequence[Record]) -> float | None:
    costs = [answer.cost_usd for answer in answers if answer.cost_usd is not None]
    return sum(costs) if costs and len(costs) == len(answers) else None


def _price_source(price: Price | None, cost: float | None) -> str | None:
    """Where the unit prices come from; without any, a known cost can only be the provider's own statement."""
    if price:
        return f"{price.source}, {price.as_of}" if price.as_of else price.source
    return None if cost is None else "provider"
