"""Check the structure of a value against a JSON Schema; every violation becomes a plain sentence with its place.

Imports jsonschema inside the function that validates, about 0.1 s.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from evalkit.errors import ConfigError, ConfigErrors
from evalkit.scorers.options import unknown_name
from evalkit.scorers.values import kind_of, show
from evalkit.types import Json
from evalkit.yaml12 import Document

Path: TypeAlias = tuple[str | int, ...]

MAX_SHOWN: Final = 20
_UNSHOWN: Final = frozenset({"api_key_env", "headers", "query"})
"""Where keys are written by mistake: a value below one of these is not quoted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A violation: the path of the value in the document's data, and the error that describes it."""

    path: Path
    error: ConfigError


def structure_problems(value: Json, schema: Mapping[str, Any], document: Document, at: Path = ()) -> list[Problem]:
    """Find every violation of `schema` in `value`, which stands at the path `at` of `document`."""
    from jsonschema import Draft202012Validator

    violations = [
        _Violation(
            kind=str(error.validator),
            wanted=error.validator_value,
            got=error.instance,
            path=(*at, *error.absolute_path),
            schema=error.schema if isinstance(error.schema, Mapping) else {},
            words=error.message,
        )
        for error in Draft202012Validator(schema).iter_errors(value)
    ]
    return [
        *(problem for violation in violations for problem in _problems(violation, document)),
        *(_not_finite(path, document) for path in _not_finite_paths(value, at)),
    ]


def error_parts(error: ConfigError) -> list[ConfigError]:
    """Take an error that may hold several apart."""
    return list(error.errors) if isinstance(error, ConfigErrors) else [error]


def capped(errors: Sequence[ConfigError], uncollected: int = 0) -> list[ConfigError]:
    """Keep the first errors of a kind, and say how many more there are, those that nobody collected included."""
    more = len(errors) - MAX_SHOWN + uncollected
    return [*errors[:MAX_SHOWN], ConfigError(f"... and {more:,} more problems of this kind")] if more > 0 else [*errors]


@dataclass(frozen=True, slots=True)
class _Violation:
    """What jsonschema found: the keyword (`kind`) with its value (`wanted`), and the value that breaks it."""

    kind: str
    wanted: Any
    got: Json
    path: Path
    schema: Mapping[str, Any]
    words: str


def _problems(violation: _Violation, document: Document) -> Iterator[Problem]:
    if violation.kind == "additionalProperties":
        known = violation.schema.get("properties", {})
        for key in (key for key in violation.got if key not in known):
            path = (*violation.path, key)
            error = unknown_name("key", key, known)
            yield Problem(path, ConfigError(error.message, where=document.where(path, key=True), remedy=error.remedy))
        return
    message, remedy = _empty_file(violation) or _sentence(violation)
    yield Problem(violation.path, ConfigError(message, where=document.where(violation.path), remedy=remedy))


def _empty_file(violation: _Violation) -> tuple[str, str | None] | None:
    if violation.kind != "type" or violation.got is not None or violation.path:
        return None
    remedy = "evalkit init writes a suite, its prompt and a models file to begin with"
    return "the file is empty", remedy if violation.wanted == "object" else None


def _sentence(violation: _Violation) -> tuple[str, str | None]:
    name, wanted = _named(violation.path), violation.wanted
    hidden = not _UNSHOWN.isdisjoint(violation.path)
    got = "" if hidden else f", got {_shown(violation.got)}"
    match violation.kind:
        case "required":
            return f"{name} lacks the key `{violation.words.split(chr(39))[1]}`", None
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            words = " or ".join(_KINDS[kind] for kind in kinds if kind != "null")
            return f"{name} must be {words}{got}", _quoting_remedy(violation.got, kinds)
        case "enum":
            return f"{name} must be one of {', '.join(map(str, wanted))}{got}", _nearest(violation.got, wanted)
        case "minimum":
            return f"{name} must be at least {wanted}{got}", None
        case "maximum":
            return f"{name} must be at most {wanted}{got}", None
        case "minItems" | "minLength" | "minProperties":
            return f"{name} is empty", "give at least one entry" if violation.kind != "minLength" else None
        case "maxLength":
            return f"{name} is longer than {wanted} characters", None
        case "maxProperties":
            return f"{name} has {len(violation.got)} keys ({', '.join(violation.got)}) where one is allowed", None
        case "uniqueItems":
            counts = Counter(map(show, violation.got))
            twice = ", ".join(item for item, count in counts.items() if count > 1)
            return f"{name} lists {twice} more than once", None
        case _:
            words = "cannot be used" if hidden else violation.words
            return f"{name} {violation.schema.get('errorMessage', words)}{got}", None


_KINDS: Final = {
    "object": "a mapping (`key: value`)",
    "array": "a list",
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def _named(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return f"`{text}`" if text else "the file"


def _shown(value: Json) -> str:
    return kind_of(value) if isinstance(value, (Mapping, list)) else show(value, 40)


def _nearest(value: Json, allowed: Sequence[Json]) -> str | None:
    close = difflib.get_close_matches(value, [str(one) for one in allowed], n=1) if isinstance(value, str) else []
    return f"did you mean `{close[0]}`?" if close else None


def _quoting_remedy(value: Json, kinds: Sequence[str]) -> str | None:
    loose = value is not None and not isinstance(value, (str, Mapping, list))
    return "put it in quotes" if loose and "string" in kinds else None


def _not_finite(path: Path, document: Document) -> Problem:
    return Problem(path, ConfigError(f"{_named(path)} is not a finite number", where=document.where(path)))


def _not_finite_paths(value: Json, at: Path) -> Iterator[Path]:
    if isinstance(value, float) and not math.isfinite(value):
        yield at
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite_paths(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_finite_paths(item, (*at, index))
