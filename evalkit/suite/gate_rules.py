"""The rules of a gate: the suite's `gate:` block, with what a command line says instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.structure import structure_problems
from evalkit.types import Json
from evalkit.yaml12 import Document

AUTO: Final = "auto"
MAX_TRIALS: Final = 4
"""How often a case is asked at most to come to a decision, unless `max_trials` says otherwise."""

EVERY_CASE: Final = "*"
"""The pattern of `min_passes: 2`, which is about all cases."""

_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s)")
_MS: Final = {"ms": 1.0, "s": 1000.0}

Place: TypeAlias = Callable[[str], Location]
"""Where the rule of this name stands."""


class Undecided(StrEnum):
    """What becomes of a gate whose verdict is INCONCLUSIVE."""

    ESTIMATE = "estimate"
    """It fails where the measured difference itself is beyond the margin."""
    FAIL = "fail"
    PASS = "pass"  # noqa: S105 - no password
    MORE_TRIALS = "more-trials"
    """All cases are asked again until it is decided, then as by `estimate`."""


@dataclass(frozen=True, slots=True)
class MinPasses:
    """Cases that match `pattern`, a glob over ids and tags, pass at least `passes` of their trials."""

    pattern: str
    passes: int


@dataclass(frozen=True, slots=True)
class GateRules:
    """What a run is held to. None and empty: no such rule.

    Attributes:
        baseline: the file to compare with, as it is written.
        margin: how much worse than the baseline still counts as as good, 0..1; None: what the cases can show.
        metric: what is compared, "pass_rate" or "score".
        undecided: what becomes of an INCONCLUSIVE verdict.
        max_trials: how often a case is asked at most, with `more-trials`.
        max_cost_usd: what the whole run may cost then.
        min_pass_rate: the lowest pass rate, 0..1.
        max_p95_ms: the highest 95th percentile of the latency.
        max_cost_per_case_usd: the highest mean cost of a call.
        max_error_rate: the highest share of calls that end in an error, 0..1.
        must_pass: globs over ids and tags: every trial of these cases passes.
        min_passes: how many trials of a case must pass.
    """

    baseline: str | None = None
    margin: float | None = None
    metric: Literal["pass_rate", "score"] = "pass_rate"
    undecided: Undecided = Undecided.ESTIMATE
    max_trials: int = MAX_TRIALS
    max_cost_usd: float | None = None
    min_pass_rate: float | None = None
    max_p95_ms: float | None = None
    max_cost_per_case_usd: float | None = None
    max_error_rate: float | None = None
    must_pass: tuple[str, ...] = ()
    min_passes: tuple[MinPasses, ...] = ()

    @property
    def has_limits(self) -> bool:
        """Whether there is something to check without a baseline."""
        limits = (self.min_pass_rate, self.max_p95_ms, self.max_cost_per_case_usd, self.max_error_rate)
        return any(limit is not None for limit in limits) or bool(self.must_pass or self.min_passes)

    @property
    def patterns(self) -> tuple[str, ...]:
        """All globs over ids and tags."""
        return (*self.must_pass, *(rule.pattern for rule in self.min_passes if rule.pattern != EVERY_CASE))


def gate_rules(block: Mapping[str, Json], path: str = "") -> GateRules:
    """Read the rules of a gate that a run was made with, or a command line names.

    Args:
        block: what stands under `gate:`, or would.
        path: the file it comes from.

    Raises:
        ConfigError: what is wrong with it, all of it at once.
    """
    from evalkit.suite.schema import suite_schema

    place = Location(path or "gate")
    document = Document({"gate": block}, path)
    problems = structure_problems(block, suite_schema()["$defs"]["gate"], document, ("gate",))
    errors = [ConfigError(one.error.message, where=place, remedy=one.error.remedy) for one in problems]
    errors = errors or gate_problems(block, lambda _: place)
    if errors:
        raise one_or_many(errors)
    return _rules(block)


def gate_problems(block: Mapping[str, Json], place: Place) -> list[ConfigError]:
    """Find the rules of a structurally sound block that contradict each other."""
    problems = []
    if "max_drop" in block and "margin" in block:
        problems.append(
            ConfigError(
                "`gate.max_drop` is another name of `gate.margin`", where=place("max_drop"), remedy="keep one of them"
            )
        )
    if block.get("undecided") != Undecided.MORE_TRIALS:
        problems += [
            ConfigError(
                f"`gate.{key}` is for `undecided: more-trials`", where=place(key), remedy="add that, or remove the rule"
            )
            for key in ("max_trials", "max_cost")
            if key in block
        ]
    return problems


def milliseconds(text: str) -> float:
    """Read `1.5s` or `800ms`.

    Raises:
        ValueError: it is neither.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time; write 1.5s or 800ms")
    return float(match[1]) * _MS[match[2]]


def _rules(block: Mapping[str, Any]) -> GateRules:
    margin = block.get("margin", block.get("max_drop", AUTO))
    p95 = block.get("max_p95")
    return GateRules(
        baseline=block.get("baseline"),
        margin=None if margin == AUTO else float(margin),
        metric=block.get("metric", "pass_rate"),
        undecided=Undecided(block.get("undecided", Undecided.ESTIMATE)),
        max_trials=int(block.get("max_trials", MAX_TRIALS)),
        max_cost_usd=block.get("max_cost"),
        min_pass_rate=block.get("min_pass_rate"),
        max_p95_ms=None if p95 is None else milliseconds(p95),
        max_cost_per_case_usd=block.get("max_cost_per_case"),
        max_error_rate=block.get("max_error_rate"),
        must_pass=tuple(block.get("must_pass", ())),
        min_passes=_min_passes(block.get("min_passes", {})),
    )


def _min_passes(given: int | Mapping[str, int]) -> tuple[MinPasses, ...]:
    """`2` is about every case, `{TAG: 2}` about those with a tag, or of this id."""
    patterns = given.items() if isinstance(given, Mapping) else [(EVERY_CASE, given)]
    return tuple(MinPasses(pattern, int(passes)) for pattern, passes in patterns)


def looks(trials: int, max_trials: int) -> tuple[int, ...]:
    """Plan after how many trials a gate is looked at: twice as many each time, up to the most.

    Few looks, as each takes its share of the allowed error. So 1 and 4 give 1, 2, 4.
    """
    plan: Sequence[int] = (trials,)
    while plan[-1] < max_trials:
        plan = (*plan, min(2 * plan[-1], max_trials))
    return tuple(plan)
