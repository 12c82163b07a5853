"""The rules by which a candidate is chosen: the `decide:` block of a suite, and the same as options of a command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from evalkit.types import Json

DEFAULT_MARGIN: Final = 0.02
DEFAULT_PREFERENCE: Final = ("cost",)
BLOCK: Final = "decide"


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that can be required: how it is compared, what it is, and the largest bound that makes sense."""

    operator: Literal[">=", "<="]
    help: str
    typical: float
    most: float = math.inf

    @property
    def more_is_better(self) -> bool:
        """Whether a requirement is a lower bound."""
        return self.operator == ">="

    @property
    def example(self) -> str:
        """A requirement of it, as a suite spells it."""
        return f"{self.operator} {self.typical:g}"


MEASURES: Final[Mapping[str, Measure]] = {
    "pass_rate": Measure(">=", "Share of calls that passed, 0 to 1.", 0.9, 1),
    "pass_hat_k": Measure(">=", "Share of cases that passed in every one of the suite's trials, 0 to 1.", 0.8, 1),
    "error_rate": Measure("<=", "Share of calls without an answer or a verdict, 0 to 1.", 0.01, 1),
    "latency_p50_ms": Measure("<=", "Median latency, milliseconds.", 800),
    "latency_p95_ms": Measure("<=", "95th percentile of the latency, milliseconds.", 1500),
    "latency_p99_ms": Measure("<=", "99th percentile of the latency, milliseconds.", 3000),
    "ttft_p50_ms": Measure("<=", "Median time to the first token, milliseconds.", 300),
    "ttft_p95_ms": Measure("<=", "95th percentile of the time to the first token, milliseconds.", 600),
    "cost_per_1k_usd": Measure("<=", "Cost of a thousand cases, USD.", 0.5),
    "context_window": Measure(">=", "Tokens that the model can take, by its row in models.yaml.", 32000),
}
PROPERTIES: Final[Mapping[str, str]] = {
    "data_policy": "Where the data may go, by the model's row; weights and servers on this machine are `local`.",
    "license": "The licences that will do, by the model's row.",
    "region": "The regions that will do, by the model's row, or how they begin: `eu` takes eu-west-1.",
}
TAGS: Final = "tags"
PREFERENCES: Final[Mapping[str, str]] = {
    "cost": "cost_per_1k_usd",
    **{name: name for name in ("pass_rate", "latency_p50_ms", "latency_p95_ms", "ttft_p95_ms")},
}
"""What candidates that are as good as the best may be chosen by, with the measure it stands for."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure that must be at least, or at most, so much; of the cases with `tag` only where that is set."""

    measure: str
    bound: float
    tag: str | None = None

    @property
    def key(self) -> str:
        """What it is called: `pass_rate`, `tags.refunds`."""
        return self.measure if self.tag is None else f"{TAGS}.{self.tag}"

    @property
    def more_is_better(self) -> bool:
        """Whether it is a lower bound."""
        return MEASURES[self.measure].more_is_better

    def met_by(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.bound if self.more_is_better else value <= self.bound

    def __str__(self) -> str:
        return f"{self.key} at {'least' if self.more_is_better else 'most'} {self.bound:.10g}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """What the model's row must say: one of these words."""

    key: str
    values: tuple[str, ...]

    def met_by(self, value: str) -> bool:
        """Whether a row's word is one of them, in whatever case; a region may go on after a hyphen."""
        given = value.casefold()
        wanted = [one.casefold() for one in self.values]
        return given in wanted or (self.key == "region" and any(given.startswith(f"{one}-") for one in wanted))

    def __str__(self) -> str:
        return f"{self.key}: {' or '.join(self.values)}"


Requirement: TypeAlias = Bound | OneOf


@dataclass(frozen=True, slots=True)
class DecideRules:
    """How to choose: what a candidate must meet, and which of those as good as the best to take.

    Attributes:
        require: what a candidate must meet, all of it.
        prefer: keys of PREFERENCES, the most important first.
        margin: how far below the best pass rate still counts as as good, 0..1.
        requests_per_day: the traffic to reckon with; None where nobody said.
    """

    require: tuple[Requirement, ...] = ()
    prefer: tuple[str, ...] = DEFAULT_PREFERENCE
    margin: float = DEFAULT_MARGIN
    requests_per_day: float | None = None

    @property
    def cost_matters(self) -> bool:
        """Whether some candidate may be ruled out by its cost."""
        return any(one.key == "cost_per_1k_usd" for one in self.require)


def decide_schema() -> dict[str, Json]:
    """Describe the block as JSON Schema, for editors."""
    words = {"type": ["string", "array"], "minLength": 1, "minItems": 1, "items": {"type": "string", "minLength": 1}}
    rate = _bound_schema(MEASURES["pass_rate"])
    require = {
        **{name: _bound_schema(measure) for name, measure in MEASURES.items()},
        **{name: {**words, "description": text} for name, text in PROPERTIES.items()},
        TAGS: {
            "type": "object",
            "additionalProperties": {**rate, "description": "The pass rate of the cases with this tag."},
            "description": "Pass rates of the cases with a tag, by tag.",
        },
    }
    prefer = {"enum": list(PREFERENCES)}
    about_prefer = (
        "What to choose by among the candidates that are not worse than the best by more than the margin; of several, "
        "the first decides, and the next where it does not. By default cost."
    )
    properties = {
        "require": {**_closed(require), "description": "What a candidate must meet to be chosen, all of it."},
        "prefer": {"anyOf": [prefer, {"type": "array", "minItems": 1, "items": prefer}], "description": about_prefer},
        "margin": {
            "type": "number",
            "minimum": 0,
            "exclusiveMaximum": 1,
            "default": DEFAULT_MARGIN,
            "description": "How far below the best pass rate still counts as as good: 0.02 is two points.",
        },
        "traffic": {
            **_closed(
                {"requests_per_day": {"type": "number", "exclusiveMinimum": 0, "description": "Requests a day."}}
            ),
            "required": ["requests_per_day"],
            "description": "The traffic to reckon monthly costs with.",
        },
    }
    return {**_closed(properties), "description": "How to choose among candidates: see `evalkit decide`."}


def _bound_schema(measure: Measure) -> dict[str, Json]:
    return {
        "type": "string",
        "pattern": rf"^\s*{measure.operator}\s*[0-9.]",
        "description": f'{measure.help} Written as in "{measure.example}".',
    }


def _closed(properties: Mapping[str, Json]) -> dict[str, Json]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}
