"""Scorers as suites spell them, put together and shortened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from evalkit.types import Json

Spec: TypeAlias = dict[str, dict[str, Json]]
"""A scorer's name and its options, in full."""

_MAIN: Final = {
    "all_of": "scorers",
    "any_of": "scorers",
    "not": "scorer",
    "contains": "value",
    "contains_all": "values",
    "contains_any": "values",
    "starts_with": "value",
    "ends_with": "value",
    "one_of": "values",
    "regex": "pattern",
    "latency_under": "ms",
    "cost_under": "usd",
    "judge": "rubric",
    "finish_reason": "reasons",
    "tool_call": "calls",
    "python": "function",
}
"""The option that may stand right behind a scorer's name."""

_MERGED: Final = {"any_of": ("contains_any", "values"), "all_of": ("contains_all", "values")}


def spec(name: str, **options: Json) -> Spec:
    """Make a scorer; options that are None, False or "" are left out."""
    return {name: {key: value for key, value in options.items() if value not in (None, False, "")}}


def negated(inner: Spec) -> Spec:
    """The scorer that passes what another fails; one that is negated already loses its `not`."""
    options = inner.get("not")
    if options is not None and options.keys() == {"scorer"}:
        inner_spec: Spec = options["scorer"]
        return inner_spec
    return {"not": {"scorer": inner}}


def grouped(kind: str, specs: Sequence[Spec]) -> Spec:
    """Put scorers together by `all_of` or `any_of`; groups of the same kind become one."""
    flat: list[Spec] = []
    for one in specs:
        inner = one.get(kind)
        parts: Sequence[Spec] = inner["scorers"] if inner is not None and inner.keys() == {"scorers"} else [one]
        flat += [part for part in parts if part not in flat]
    return flat[0] if len(flat) == 1 else _merged(kind, flat) or {kind: {"scorers": list(flat)}}


def _merged(kind: str, specs: Sequence[Spec]) -> Spec | None:
    """Several texts looked for in the same way are a list."""
    options = [one.get("contains", {}) for one in specs]
    manners = [{key: value for key, value in each.items() if key != "value"} for each in options]
    if not all(isinstance(each.get("value"), str) for each in options) or any(each != manners[0] for each in manners):
        return None
    name, key = _MERGED[kind]
    return {name: {key: [each["value"] for each in options], **manners[0]}}


def with_options(one: Spec, options: Mapping[str, Json]) -> Spec:
    """Give a scorer options that every scorer has: name, weight, threshold."""
    name, own = next(iter(one.items()))
    return {name: {**own, **options}}


def without(one: Spec, *options: str) -> Spec:
    """Take options away from a scorer."""
    name, own = next(iter(one.items()))
    return {name: {key: value for key, value in own.items() if key not in options}}


def short(one: Spec) -> Json:
    """Spell a scorer as a person would: without options, or with the main one right behind its name."""
    name, options = next(iter(one.items()))
    options = {key: _short_parts(key, value) for key, value in options.items()}
    main = _MAIN.get(name)
    if not options:
        return name
    return {name: options[main] if main and options.keys() == {main} else options}


def _short_parts(key: str, value: Json) -> Json:
    if key == "scorer" and isinstance(value, dict):
        return short(value)
    if key == "extract" and isinstance(value, dict):
        step, options = next(iter(value.items()))
        return {step: options["argument"]} if step == "tool_call" and options.keys() == {"argument"} else value
    if key == "scorers" and isinstance(value, list):
        return [short(part) for part in value]
    return value
