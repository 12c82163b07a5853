"""Assertions that a program decides: on text, JSON, tool calls, times and costs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo.context import Assertion, CannotError, CaseContext
from evalkit.imports.promptfoo.scripts import jsonpaths
from evalkit.imports.promptfoo.scripts.patterns import python_pattern
from evalkit.imports.promptfoo.scripts.subjects import Text, ToolArgument, ToolName, Value
from evalkit.imports.promptfoo.scripts.toolcalls import argument_is, name_is, valid_call
from evalkit.imports.promptfoo.specs import Spec, grouped, spec, with_options
from evalkit.imports.promptfoo.transforms import Part
from evalkit.types import Json
from evalkit.yaml12 import load

WHOLE_JSON: Final[Spec] = {"json": {"strict": True}}
NEGATED_THEMSELVES: Final = frozenset({"not-javascript", "not-python"})

_ENDS: Final = re.compile(r"\^|\\Z|\$|\\b|\(\?<?[!=]")
_FIELD: Final = re.compile(r'\s*("(?:[^"]|"")*"|[^,]*)\s*(?:,|$)')


def seen_through(assertion: Assertion, make: Callable[[Text], Spec]) -> Spec:
    """Judge the part of the answer that a transform leaves."""
    lens = assertion.lens
    match lens:
        case Text():
            return make(lens)
        case Part(steps, strip):
            return with_options(make(Text(strip=strip)), {"extract": list(steps) if len(steps) > 1 else steps[0]})
        case Value(path) if path:
            inner = with_options(make(Text()), {"extract": {"json_path": jsonpaths.singular(path)}})
            return grouped("all_of", [WHOLE_JSON, inner])
        case Value():
            return grouped("all_of", [WHOLE_JSON, make(Text())])
        case ToolArgument(path):
            taken: list[Json] = [{"tool_call": {"argument": str(path[0])}} if path else "tool_call"]
            taken += [{"json_path": jsonpaths.singular(path[1:])}] if path[1:] else []
            return with_options(make(Text()), {"extract": taken if len(taken) > 1 else taken[0]})
        case _:
            raise CannotError("a transform takes the name of a tool")


def _fold(text: Text, wanted: str, *, ignore: bool) -> bool:
    """Whether the case is to be ignored."""
    if not text.case or ignore:
        return ignore
    if (wanted.lower() if text.case == "lower" else wanted.upper()) != wanted:
        raise CannotError(f"{wanted!r} cannot occur in a text of {text.case} case: no answer passes")
    return True


def _word(value: Json) -> str:
    """A text to look for."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        raise CannotError("its value is no text to look for")
    return _spelled(value)


def _spelled(value: Json) -> str:
    """Spell a value as JavaScript's String() does."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _words(value: Json) -> list[str]:
    """Texts to look for; a text is a list with commas, as promptfoo reads it."""
    if isinstance(value, str):
        value = [one for one in _fields(value) if one]
    if not isinstance(value, list) or not value:
        raise CannotError("its value is no list of texts")
    return [_word(one) for one in value]


def _fields(text: str) -> list[str]:
    found = [match[1].strip() for match in _FIELD.finditer(text)]
    return [one[1:-1].replace('""', '"') if len(one) > 1 and one[0] == one[-1] == '"' else one for one in found]


def _contains(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    wanted = _word(assertion.value)
    ignore = assertion.base.startswith("i")
    return seen_through(
        assertion, lambda text: spec("contains", value=wanted, ignore_case=_fold(text, wanted, ignore=ignore))
    )


def _contains_several(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    wanted = _words(assertion.value)
    ignore = assertion.base.startswith("i")
    name = "contains_any" if assertion.base.endswith("any") else "contains_all"

    def make(text: Text) -> Spec:
        folds = {_fold(text, one, ignore=ignore) for one in wanted}
        return spec(name, values=wanted, ignore_case=folds == {True})

    return seen_through(assertion, make)


def _equals(assertion: Assertion, context: CaseContext) -> Spec:
    value = assertion.value
    if isinstance(assertion.lens, ToolName) and isinstance(value, str):
        return name_is(value, assertion.scope)
    if isinstance(assertion.lens, ToolArgument) and assertion.lens.path:
        return argument_is(assertion.lens.path, value, assertion.scope)
    if isinstance(value, (dict, list)):
        return _equals_json(assertion)
    text = _spelled(value)
    if not text:
        raise CannotError("its value is empty: no answer passes")
    if _is_free(assertion, context, text):
        context.expect(text)
        return {"exact": {"strip": False}}

    def make(seen: Text) -> Spec:
        options: dict[str, Json] = {"values": [text]} | ({} if seen.strip else {"strip": False})
        return {"one_of": options | ({"ignore_case": True} if _fold(seen, text, ignore=False) else {})}

    return seen_through(assertion, make)


def _is_free(assertion: Assertion, context: CaseContext, text: str) -> bool:
    """Whether the whole answer is compared, and nothing else of the test needs `expected`."""
    taken = not isinstance(context.expected, str) or context.expected == text
    return assertion.lens == Text() and not context.expecting and taken and assertion.node.text("type") == "equals"


def _equals_json(assertion: Assertion) -> Spec:
    lens = assertion.lens
    if not isinstance(lens, (Text, Value)) or (isinstance(lens, Text) and lens.case):
        raise CannotError("a part of the answer is compared with an object")
    path = lens.path if isinstance(lens, Value) else ()
    return {"json_path": {"path": jsonpaths.singular(path), "equals": assertion.value, "strict": True}}


def _starts_with(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    wanted = _word(assertion.value)

    def make(text: Text) -> Spec:
        options: dict[str, Json] = {"value": wanted} | ({} if text.strip else {"strip": False})
        return {"starts_with": options | ({"ignore_case": True} if _fold(text, wanted, ignore=False) else {})}

    return seen_through(assertion, make)


def _regex(assertion: Assertion, context: CaseContext) -> Spec:
    if not isinstance(assertion.value, str) or not assertion.value:
        raise CannotError("its value is no pattern")
    source = assertion.value
    if source.startswith("(?i)"):
        context.notes.remark(
            assertion.node.where, "assertion", "`(?i)` is no JavaScript: promptfoo fails every answer here"
        )
    pattern, _ = python_pattern(source)

    def make(text: Text) -> Spec:
        if text.case or (text.strip and _ENDS.search(pattern)):
            raise CannotError("a pattern is looked for in a changed text")
        return spec("regex", pattern=pattern)

    return seen_through(assertion, make)


def _json(assertion: Assertion, context: CaseContext) -> Spec:
    """`is-json` and `contains-json`, with a schema or without."""
    schema = _schema(assertion)
    strict = assertion.base == "is-json"
    if schema is not None:
        return seen_through(assertion, lambda _: spec("json_schema", schema=schema, strict=strict))
    if not strict:
        words = "promptfoo looks for objects only, and takes what is nearly JSON"
        context.notes.remark(assertion.node.where, "assertion", words)
    made = seen_through(
        assertion, lambda _: spec("json", strict=True) if strict else {"json": {"type": ["object", "array"]}}
    )
    if strict and context.tools and assertion.lens == Text():
        # A tool call is the output there, and is JSON.
        return grouped("any_of", [made, {"not": {"scorer": {"tool_call": {"calls": "none"}}}}])
    return made


def _schema(assertion: Assertion) -> dict[str, Json] | None:
    value = assertion.value
    if isinstance(value, str) and value.strip():
        try:
            value = load(value, path=assertion.node.where.path).data
        except ConfigError:
            value = None
        if not isinstance(value, dict):
            raise CannotError("its value is no JSON Schema")
    if not value:
        return None
    if not isinstance(value, dict):
        raise CannotError("its value is no JSON Schema")
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(value, default=Draft202012Validator).check_schema(value)
    except SchemaError as error:
        raise CannotError(f"its value is no JSON Schema: {error.message[:120]}") from None
    return value


def _xml(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    value = assertion.value
    listed = value.get("requiredElements") if isinstance(value, dict) else value
    required = _fields(listed) if isinstance(listed, str) else listed or []
    if not isinstance(required, list):
        raise CannotError("its value is no list of elements")
    elements = [str(one).replace(".", "/") for one in required]
    strict = assertion.base == "is-xml"
    return seen_through(assertion, lambda _: spec("xml", elements=elements or None, strict=strict))


def _valid_call(assertion: Assertion, context: CaseContext) -> Spec:
    made = valid_call(assertion.scope)
    context.notes.remark(
        assertion.node.where,
        "assertion",
        "that a tool is there and its required arguments are given is looked at, the types of arguments are not",
    )
    return made


def _latency(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    return {"latency_under": {"ms": _above_zero(assertion)}}


def _cost(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    return {"cost_under": {"usd": _above_zero(assertion)}}


def _above_zero(assertion: Assertion) -> float:
    threshold = assertion.threshold
    if threshold is None or threshold <= 0:
        raise CannotError("it has no `threshold` above 0")
    return threshold


def _perplexity(assertion: Assertion, context: CaseContext) -> Spec:
    """The mean probability of the tokens is 1 / perplexity; promptfoo's score is 1 / (1 + perplexity)."""
    threshold = assertion.threshold
    if threshold is None and assertion.base == "perplexity":
        raise CannotError("it has no `threshold`, and passes every answer")
    given = 0.5 if threshold is None else threshold
    least = (
        (1 / given if given > 0 else 0) if assertion.base == "perplexity" else given / (1 - given) if given < 1 else 2
    )
    if not 0 < least <= 1:
        raise CannotError("no answer passes, or every one")
    words = "log probabilities are asked for by `params: {logprobs: true}`"
    context.notes.remark(assertion.node.where, "assertion", words)
    return {"confidence": {"of": "mean", "threshold": round(least, 6)}}


def _word_count(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    value = assertion.value
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"min": value, "max": value}
    if not isinstance(value, Mapping) or not {"min", "max"} & value.keys():
        raise CannotError("its value is neither a number nor `min` and `max`")
    limits = {f"{key}_words": value[key] for key in ("min", "max") if isinstance(value.get(key), int)}
    if isinstance(assertion.lens, Text):
        return {"length": limits}
    return seen_through(assertion, lambda _: {"length": limits})


def _refusal(assertion: Assertion, context: CaseContext) -> Spec:
    context.notes.remark(assertion.node.where, "assertion", "refusals are told by another list of phrases here")
    return seen_through(assertion, lambda _: {"refusal": {}})


def _finish_reason(assertion: Assertion, context: CaseContext) -> Spec:
    del context
    known = ("stop", "length", "content_filter", "tool_calls")
    if assertion.value not in known:
        raise CannotError(f"its value is none of {', '.join(known)}")
    return {"finish_reason": {"reasons": assertion.value}}


CARRIERS: Final[Mapping[str, Callable[[Assertion, CaseContext], Spec]]] = {
    "contains": _contains,
    "icontains": _contains,
    "contains-any": _contains_several,
    "contains-all": _contains_several,
    "icontains-any": _contains_several,
    "icontains-all": _contains_several,
    "equals": _equals,
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _json,
    "contains-json": _json,
    "is-xml": _xml,
    "contains-xml": _xml,
    "is-valid-openai-tools-call": _valid_call,
    "is-valid-openai-function-call": _valid_call,
    "is-valid-function-call": _valid_call,
    "latency": _latency,
    "cost": _cost,
    "perplexity": _perplexity,
    "perplexity-score": _perplexity,
    "word-count": _word_count,
    "is-refusal": _refusal,
    "finish-reason": _finish_reason,
}
