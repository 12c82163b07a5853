"""What requests set beside their messages: parameters that a suite can set as well, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from evalkit.imports.values import items, mapping
from evalkit.types import Json

_NAMES: Final[Mapping[str, str]] = {
    **{name: name for name in ("temperature", "top_p", "top_k", "max_tokens", "seed", "stop", "response_format")},
    **{name: name for name in ("frequency_penalty", "presence_penalty", "reasoning_effort")},
    **dict.fromkeys(("max_completion_tokens", "max_output_tokens", "maxOutputTokens"), "max_tokens"),
    "topP": "top_p",
    "topK": "top_k",
    "stop_sequences": "stop",
    "stopSequences": "stop",
}
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_WHOLE: Final[Mapping[str, tuple[int, int]]] = {
    "top_k": (1, 1_000_000),
    "max_tokens": (1, 10_000_000),
    "seed": (-(2**63), 2**63),
}
_EFFORTS: Final = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_OTHERS: Final = ("tools", "functions", "thinking", "logit_bias", "modalities", "prediction")


def params_of(*bodies: Mapping[str, Json]) -> dict[str, Json]:
    """The parameters of a request under the suite's names; those that no suite could hold are left out.

    Args:
        bodies: where they stand; the first one that has a parameter counts.
    """
    found: dict[str, Json] = {}
    for body in bodies:
        for name, ours in _NAMES.items():
            value = _sound(ours, body.get(name))
            if value is not None:
                found.setdefault(ours, value)
    return found


def left_out(body: Mapping[str, Json]) -> tuple[str, ...]:
    """The names of what a request sets, and the suite does not."""
    found = [name for name in _OTHERS if body.get(name)]
    if mapping(mapping(body.get("text")).get("format")).get("type", "text") != "text":
        found.append("text.format")
    return tuple(found)


def _sound(name: str, value: Json) -> Json:
    """A value that the suite takes; else None."""
    if name == "response_format":
        kind = mapping(value).get("type")
        return value if kind == "json_schema" else "json_object" if kind == "json_object" else None
    if name == "reasoning_effort":
        return value if isinstance(value, str) and value in _EFFORTS else None
    if name == "stop":
        texts = [one for one in items([value] if isinstance(value, str) else value) if isinstance(one, str) and one]
        return texts or None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    low, high = _WHOLE.get(name) or _LIMITS[name]
    if name in _WHOLE and not isinstance(value, int):
        return None
    return value if low <= value <= high else None
