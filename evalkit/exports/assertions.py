"""Our scorers as promptfoo's assertions, where they mean the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from evalkit.exports.specs import Spec, taken_apart
from evalkit.scorers.values import as_text, is_scalar
from evalkit.types import MISSING, Json

Assertion: TypeAlias = dict[str, Json]
"""An assertion as a promptfoo config spells it."""


class NoEqualError(ValueError):
    """A scorer that has no equal; the message says why, or is empty."""


@dataclass(slots=True)
class Meaning:
    """What a scorer is translated by.

    Attributes:
        expected: what the case expects, or MISSING.
        schema: the suite's JSON Schema for answers.
        grader: finds promptfoo's id for a model by our name; None where it has none.
        remarks: how an assertion differs, if it does a little.
    """

    expected: Json
    schema: Json | None
    grader: Callable[[str | None], str | None]
    remarks: list[str] = field(default_factory=list)


_COMMON: Final = frozenset({"name", "weight", "tags", "timeout", "threshold", "extract"})
_GRADED: Final = frozenset({"judge", "embedding", "rouge", "bleu"})
_NEGATABLE: Final = frozenset(
    {"equals", "contains", "icontains", "contains-any", "contains-all", "icontains-any", "icontains-all", "regex"}
    | {"starts-with", "is-json", "contains-json", "is-xml", "contains-xml", "javascript", "is-refusal", "llm-rubric"}
)
_TEMPLATES: Final = ("{{", "{%", "{#")
_UNLIKE_IN_JAVASCRIPT: Final = re.compile(r"\(\?(?![:=!]|<[=!])|\(\?<[A-Za-z]|\\[AZGpPNx]|[*+?}]\+|\\[0-9]{2}")


def translated(spec: Spec, meaning: Meaning) -> Assertion:
    """Translate a scorer.

    Raises:
        NoEqualError: it has no equal.
    """
    make = _MAKERS.get(spec.name)
    if make is None:
        raise NoEqualError
    if "extract" in spec.options:
        raise NoEqualError("a part of the answer is judged (`extract`)")
    if "threshold" in spec.options and spec.name not in _GRADED:
        raise NoEqualError("it has a `threshold` of its own")
    own = {key: value for key, value in spec.options.items() if key not in _COMMON}
    made = make(Spec(spec.name, own), meaning)
    if "threshold" in spec.options:
        made["threshold"] = spec.options["threshold"]
    if "name" in spec.options:
        made["metric"] = spec.options["name"]
    if "weight" in spec.options:
        made["weight"] = spec.options["weight"]
    return made


def _only(spec: Spec, *known: str) -> None:
    """See that no other options change what the scorer means."""
    for name, value in spec.options.items():
        if name not in known and value not in (False, None):
            raise NoEqualError(f"`{name}` has no equal")


def plain(text: str) -> str:
    """A text that promptfoo takes as it is.

    Raises:
        NoEqualError: it would be filled in as a template, or taken for the name of a file.
    """
    if any(mark in text for mark in _TEMPLATES):
        raise NoEqualError("its text looks like a template, which promptfoo would fill in")
    if text.startswith(("file://", "package:")):
        raise NoEqualError("its text looks like the name of a file, which promptfoo would read")
    return text


def _wanted(spec: Spec, option: str, meaning: Meaning) -> list[str]:
    """The texts that a scorer looks for: its own, or those that the case expects."""
    value = spec.options.get(option)
    value = meaning.expected if value is None else value
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if value is MISSING or not values or not all(map(is_scalar, values)):
        raise NoEqualError("what it looks for is no text")
    return [plain(as_text(one)) for one in values]


def _trimmed(made: Assertion, spec: Spec, *, lower: bool = False) -> Assertion:
    """Have the answer's ends and its case looked at as our scorer does."""
    steps = ("" if spec.options.get("strip") is False else ".trim()") + (".toLowerCase()" if lower else "")
    return {**made, "transform": f"output{steps}"} if steps else made


def _exact(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "strip", "ignore_case", "unicode", "values")
    texts = _wanted(spec, "values", meaning)
    lower = bool(spec.options.get("ignore_case"))
    texts = [text if spec.options.get("strip") is False else text.strip() for text in texts]
    texts = [text.lower() for text in texts] if lower else texts
    if len(texts) == 1 and texts[0]:
        return _trimmed({"type": "equals", "value": texts[0]}, spec, lower=lower)
    subject = _trimmed({}, spec, lower=lower).get("transform", "output")
    return {"type": "javascript", "value": plain(f"{json.dumps(texts, ensure_ascii=False)}.includes({subject})")}


def _contains(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "ignore_case", "unicode", "value", "values")
    texts = _wanted(spec, "value" if spec.name == "contains" else "values", meaning)
    prefix = "icontains" if spec.options.get("ignore_case") else "contains"
    if spec.name == "contains_any" and len(texts) > 1:
        return {"type": f"{prefix}-any", "value": texts}
    return {"type": prefix, "value": texts[0]} if len(texts) == 1 else {"type": f"{prefix}-all", "value": texts}


def _starts_with(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "strip", "unicode", "value")
    return _trimmed({"type": "starts-with", "value": _wanted(spec, "value", meaning)[0].strip()}, spec)


def _ends_with(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "unicode", "value")
    text = json.dumps(_wanted(spec, "value", meaning)[0].strip(), ensure_ascii=False)
    return {"type": "javascript", "value": f"output.trim().endsWith({text})"}


def _regex(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "pattern")
    pattern = spec.options.get("pattern") or meaning.expected
    if not isinstance(pattern, str):
        raise NoEqualError("its pattern is no text")
    if _UNLIKE_IN_JAVASCRIPT.search(pattern) or "$" in pattern:
        raise NoEqualError("its pattern means something else in JavaScript")
    if re.search(r"\\[wWdDsSbB]", pattern):
        meaning.remarks.append("`\\w`, `\\d`, `\\s` and `\\b` know fewer characters in JavaScript")
    return {"type": "regex", "value": plain(pattern)}


def _length(spec: Spec, meaning: Meaning) -> Assertion:
    limits = {key: value for key, value in spec.options.items() if value is not None}
    if limits.keys() <= {"min_words", "max_words"}:
        return {"type": "word-count", "value": {key.removesuffix("_words"): value for key, value in limits.items()}}
    if limits.keys() <= {"min_chars", "max_chars"}:
        signs = {"min_chars": ">=", "max_chars": "<="}
        terms = [f"output.trim().length {signs[key]} {value}" for key, value in limits.items()]
        meaning.remarks.append("a character beyond U+FFFF, such as an emoji, counts as two there")
        return {"type": "javascript", "value": " && ".join(terms)}
    raise NoEqualError("characters or sentences are counted")


def _json(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "strict", "type")
    kinds = spec.options.get("type")
    if spec.options.get("strict"):
        if kinds is not None:
            raise NoEqualError("`type` has no equal")
        return {"type": "is-json"}
    if kinds is not None and set(kinds if isinstance(kinds, list) else [kinds]) != {"object", "array"}:
        raise NoEqualError("`type` has no equal")
    if kinds is None:
        meaning.remarks.append("an answer that is a bare number or text does not pass `contains-json`")
    return {"type": "contains-json"}


def _json_schema(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "strict", "schema")
    schema = spec.options.get("schema", meaning.schema)
    if not isinstance(schema, dict):
        raise NoEqualError("its schema stands in a file")
    plain(json.dumps(schema, ensure_ascii=False).replace("}}", "} }").replace("{{", "{ {"))
    return {"type": "is-json" if spec.options.get("strict") else "contains-json", "value": schema}


def _xml(spec: Spec, meaning: Meaning) -> Assertion:
    del meaning
    _only(spec, "strict")
    return {"type": "is-xml" if spec.options.get("strict") else "contains-xml"}


def _limit(kind: str, option: str) -> Callable[[Spec, Meaning], Assertion]:
    return lambda spec, _: {"type": kind, "threshold": spec.options[option]}


def _judge(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "rubric", "model")
    meaning.remarks.append("`judge` becomes `llm-rubric`, which asks in other words")
    return _graded({"type": "llm-rubric", "value": plain(spec.options["rubric"])}, spec, meaning)


def _reference(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "model")
    meaning.remarks.append("`judge_reference` becomes `factuality`, which asks in other words")
    return _graded({"type": "factuality", "value": _wanted(spec, "value", meaning)[0]}, spec, meaning)


def _embedding(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "model")
    return _graded({"type": "similar", "value": _wanted(spec, "value", meaning)[0]}, spec, meaning)


def _graded(made: Assertion, spec: Spec, meaning: Meaning) -> Assertion:
    grader = meaning.grader(spec.options.get("model"))
    if grader is None:
        raise NoEqualError("the model that it asks has no equal")
    return {**made, "provider": grader}


def _overlap(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "variant")
    if spec.name == "rouge" and spec.options.get("variant") != "rouge1":
        raise NoEqualError("only rouge1 has an equal")
    meaning.remarks.append("words are told apart by other rules there, so that values differ a little")
    return {"type": "rouge-n" if spec.name == "rouge" else "bleu", "value": _wanted(spec, "value", meaning)[0]}


def _refusal(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec)
    meaning.remarks.append("refusals are told by another list of phrases there")
    return {"type": "is-refusal"}


def _finish_reason(spec: Spec, meaning: Meaning) -> Assertion:
    del meaning
    reasons = spec.options["reasons"]
    reasons = reasons if isinstance(reasons, list) else [reasons]
    if len(reasons) != 1 or reasons[0] not in ("stop", "length", "content_filter", "tool_calls"):
        raise NoEqualError("it names several reasons, or one that promptfoo does not know")
    return {"type": "finish-reason", "value": reasons[0]}


def _not(spec: Spec, meaning: Meaning) -> Assertion:
    inner = translated(taken_apart(spec.options["scorer"]), meaning)
    if inner["type"] not in _NEGATABLE:
        raise NoEqualError(f"`not-{inner['type']}` means something else")
    return {**inner, "type": f"not-{inner['type']}"}


def _all_of(spec: Spec, meaning: Meaning) -> Assertion:
    _only(spec, "scorers")
    inner: Mapping[str, Json] = {"type": "assert-set"}
    return {**inner, "assert": [translated(taken_apart(one), meaning) for one in spec.options["scorers"]]}


_MAKERS: Final[Mapping[str, Callable[[Spec, Meaning], Assertion]]] = {
    "exact": _exact,
    "one_of": _exact,
    "contains": _contains,
    "contains_all": _contains,
    "contains_any": _contains,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "regex": _regex,
    "length": _length,
    "json": _json,
    "json_schema": _json_schema,
    "xml": _xml,
    "latency_under": _limit("latency", "ms"),
    "cost_under": _limit("cost", "usd"),
    "judge": _judge,
    "judge_reference": _reference,
    "embedding": _embedding,
    "rouge": _overlap,
    "bleu": _overlap,
    "refusal": _refusal,
    "finish_reason": _finish_reason,
    "not": _not,
    "all_of": _all_of,
}
