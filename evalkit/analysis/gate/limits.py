"""The limits of a gate: each is kept, broken, or unknown as what it is about was not measured."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from evalkit.analysis.gate.measured import Measured, pass_rate
from evalkit.analysis.results import CaseResults, RunResults
from evalkit.errors import ConfigError, one_or_many
from evalkit.stats.intervals import Interval, clustered_mean_interval, wilson
from evalkit.stats.quantiles import quantile_interval
from evalkit.suite.gate_rules import EVERY_CASE, GateRules

Ends: TypeAlias = tuple[float | None, float | None]
"""A 95 % interval; an end that so few values cannot give is None."""

_UNKNOWN: Final[Ends] = (None, None)


class State(StrEnum):
    """What came of a limit."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit and what was measured.

    Attributes:
        rule: its name as in the suite.
        limit: the number it asks for; for `must_pass` and `min_passes`, how many trials (None: all).
        pattern: whom it is about, where that is not every case.
        value: what was measured; for those two, how many cases break it; None where unknown.
        ends: the 95 % interval of the value, as far as it can be told.
        state: whether it is kept.
        cases: which cases break it, or are unknown.
    """

    rule: str
    limit: float | None
    value: float | None
    state: State
    ends: Ends = _UNKNOWN
    pattern: str = ""
    cases: tuple[str, ...] = ()

    @property
    def straddles(self) -> bool:
        """Whether the limit lies within the interval, so that the next run may come out otherwise."""
        low, high = self.ends
        return self.limit is not None and low is not None and low < self.limit and (high is None or self.limit < high)


class Seen(NamedTuple):
    """All there is to know of a candidate."""

    run: RunResults
    results: CaseResults
    measured: Measured
    trials: int


def limits(rules: GateRules, seen: Seen) -> tuple[Limit, ...]:
    """Check every limit of a gate."""
    return tuple(
        [limit for check in (_pass_rate, _error_rate, _p95, _cost) if (limit := check(rules, seen)) is not None]
        + [*_by_case(rules, seen)]
    )


def check_rules(rules: GateRules, case_ids: Sequence[str], tags: Sequence[tuple[str, ...]], trials: int) -> None:
    """Find rules about cases that a run does not have, or about more trials than it has.

    Raises:
        ConfigError: there are such rules; all of them at once.
    """
    known = sorted({tag for some in tags for tag in some})
    problems = [
        ConfigError(f"the gate is about {pattern!r}, which is no case and no tag of this run", remedy=_remedy(known))
        for pattern in rules.patterns
        if not matching(case_ids, tags, pattern)
    ]
    problems += [
        ConfigError(
            f"the gate wants {rule.passes} passes of each case, and each is asked {trials} time{'s' * (trials != 1)}",
            remedy=f"ask each case more often: --trials {rule.passes}",
        )
        for rule in rules.min_passes
        if rule.passes > trials
    ]
    if problems:
        raise one_or_many(problems)


def _remedy(tags: Sequence[str]) -> str:
    return f"its tags are: {', '.join(tags)}" if tags else "its cases have no tags; name cases by their ids"


def matching(case_ids: Sequence[str], tags: Sequence[tuple[str, ...]], pattern: str) -> list[int]:
    """Find the places of the cases whose id, or a tag of which, matches a glob."""
    return [
        place
        for place, (case, some) in enumerate(zip(case_ids, tags, strict=True))
        if any(fnmatch.fnmatchcase(name, pattern) for name in (case, *some))
    ]


def _pass_rate(rules: GateRules, seen: Seen) -> Limit | None:
    if rules.min_pass_rate is None:
        return None
    value, ends = pass_rate(seen.results), _share_interval(seen.results, seen.results.passed)
    return _limit("min_pass_rate", rules.min_pass_rate, value, ends, float.__ge__)


def _error_rate(rules: GateRules, seen: Seen) -> Limit | None:
    if rules.max_error_rate is None:
        return None
    finished = sum(seen.results.finished)
    value = sum(seen.results.errors) / finished if finished else None
    return _limit("max_error_rate", rules.max_error_rate, value, _share_interval(seen.results, seen.results.errors))


def _p95(rules: GateRules, seen: Seen) -> Limit | None:
    if rules.max_p95_ms is None:
        return None
    value = seen.measured.p95
    return _limit("max_p95", rules.max_p95_ms, value, quantile_interval(seen.measured.latencies_ms, 0.95))


def _cost(rules: GateRules, seen: Seen) -> Limit | None:
    if rules.max_cost_per_case_usd is None:
        return None
    ends = seen.measured.cost_interval or _UNKNOWN
    return _limit("max_cost_per_case", rules.max_cost_per_case_usd, seen.measured.cost_per_case_usd, ends)


def _limit(
    rule: str, limit: float, value: float | None, ends: Ends, keeps: Callable[[float, float], bool] = float.__le__
) -> Limit:
    """Hold what was measured against a limit: the measured value decides, not its interval."""
    if value is None:
        return Limit(rule, limit, None, State.UNKNOWN)
    return Limit(rule, limit, value, State.KEPT if keeps(float(value), float(limit)) else State.BROKEN, ends)


def _share_interval(results: CaseResults, counted: Sequence[int]) -> Ends:
    """The interval of the share of calls that were counted, clustered by case where some were asked several times."""
    asked = [(n, times) for n, times in zip(counted, results.finished, strict=True) if times]
    if not asked:
        return _UNKNOWN
    if all(times == 1 for _, times in asked):
        return wilson(sum(n for n, _ in asked), len(asked))
    interval: Interval = clustered_mean_interval([(1.0,) * n + (0.0,) * (times - n) for n, times in asked])
    return interval


def _by_case(rules: GateRules, seen: Seen) -> Iterator[Limit]:
    for pattern in rules.must_pass:
        yield _passes(seen, "must_pass", pattern, None)
    for rule in rules.min_passes:
        yield _passes(seen, "min_passes", rule.pattern, rule.passes)


def _passes(seen: Seen, rule: str, pattern: str, wanted: int | None) -> Limit:
    """Check that each of some cases passes often enough, all its trials where nothing is `wanted`."""
    states = {place: _case_state(seen, place, wanted) for place in matching(seen.run.case_ids, seen.run.tags, pattern)}
    by_state = {state: [place for place, one in states.items() if one is state] for state in State}
    state = next((one for one in (State.BROKEN, State.UNKNOWN) if by_state[one]), State.KEPT)
    return Limit(
        rule,
        None if wanted is None else float(wanted),
        None if state is State.UNKNOWN else float(len(by_state[State.BROKEN])),
        state,
        pattern="" if pattern == EVERY_CASE else pattern,
        cases=tuple(seen.run.case_ids[place] for place in by_state[state]) if state is not State.KEPT else (),
    )


def _case_state(seen: Seen, place: int, wanted: int | None) -> State:
    passed, finished = seen.results.passed[place], seen.results.finished[place]
    enough = passed >= wanted if wanted is not None else passed == finished == seen.trials
    if enough:
        return State.KEPT
    # Trials that were never finished could still make up for what lacks, but not for a failure where all must pass.
    open_ = finished < seen.trials and (wanted is not None or passed == finished)
    return State.UNKNOWN if open_ else State.BROKEN
