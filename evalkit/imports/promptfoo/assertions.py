"""Assertions as scorers: by their types, the scorer that means the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Final

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo import judged, plain, scripted
from evalkit.imports.promptfoo.context import Assertion, CannotError, CaseContext
from evalkit.imports.promptfoo.files import is_code, is_reference
from evalkit.imports.promptfoo.nodes import Node
from evalkit.imports.promptfoo.scripts.subjects import Scope
from evalkit.imports.promptfoo.scripts.tree import NotMechanicalError
from evalkit.imports.promptfoo.specs import Spec, grouped, negated, short, with_options, without
from evalkit.imports.promptfoo.templates import TemplateError, fill
from evalkit.imports.promptfoo.transforms import WHOLE, Lens, chained, lens
from evalkit.scorers import ScorerContext, compile_scorer
from evalkit.types import Case, Json, ScorerEntry

Carrier = Callable[[Assertion, CaseContext], Spec]

_CARRIERS: Final[Mapping[str, Carrier]] = {**plain.CARRIERS, **judged.CARRIERS, **scripted.CARRIERS}
_PAST_THE_TEXT: Final = frozenset(
    {"latency", "cost", "perplexity", "perplexity-score", "finish-reason", "is-valid-openai-tools-call"}
    | {"is-valid-function-call", "is-valid-openai-function-call"}
)
_ANYWHERE: Final = ScorerContext(FilePath(), judge="judge")
_KNOWN: Final = frozenset({"type", "value", "threshold", "weight", "metric", "provider", "transform", "rubricPrompt"})
_IGNORED: Final = frozenset({"description", "contextTransform", "id"})

_REMEDIES: Final = {
    "python": "write it as a function for the scorer `python`, called as name(output, expected, vars)",
    "javascript": "say it with our scorers, or write it as a Python function for the scorer `python`",
    "ruby": "write it as a Python function for the scorer `python`",
    "webhook": "write it as a Python function for the scorer `python`",
    "classifier": "write it as a Python function for the scorer `python`, or have a `judge` decide",
    "moderation": "have a `judge` decide",
    "guardrails": "have a `judge` decide, or look at `finish_reason: content_filter`",
    "select-best": "compare prompts or models with `evalkit compare`, or use `judge_pairwise`",
    "max-score": "compare prompts or models with `evalkit compare`",
    "human": "label the answers with `evalkit label`",
    "is-sql": "use the scorer `sql`, which runs the query",
    "contains-sql": "use the scorer `sql`, which runs the query",
    "context-recall": "have a `judge` decide, with the context in its rubric",
    "context-relevance": "have a `judge` decide, with the context in its rubric",
    "llm-rubric": "say what it asks in the rubric itself",
    "tool-call-f1": "name the calls under the scorer `tool_call`",
    "levenshtein": "use `similarity: {threshold: ...}`, whose distance is relative to the length",
}


@dataclass(slots=True)
class Carried:
    """What became of a test's assertions: scorers, and what is to be done; `found` counts the assertions."""

    scorers: list[Spec] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    found: int = 0
    carried: int = 0


def carry_all(nodes: list[Node], context: CaseContext, threshold: float | None) -> Carried:
    """Carry over a test's assertions.

    Args:
        nodes: the assertions.
        context: the test; its expected value is set on the way.
        threshold: the mean score from which on the test passes; None: when all assertions do.
    """
    context.expecting = sum(1 for node in nodes for one in leaves(node) if base_of(one) in judged.EXPECTING) > 0
    result = Carried()
    specs: list[Spec] = []
    for node in nodes:
        one = _one(node, context, result)
        if one is not None:
            specs.append(one)
    if threshold is not None and specs:
        decides = [one for one in specs if _weight(one)]
        idle = [one for one in specs if not _weight(one)]
        specs = [{"all_of": {"scorers": list(decides), "threshold": _share(threshold)}}, *idle] if decides else idle
    result.scorers = specs
    return result


def _weight(one: Spec) -> Json:
    """What a scorer counts; 0: it decides nothing."""
    return next(iter(one.values())).get("weight", 1)


def _share(threshold: float) -> float:
    return min(max(threshold, 0.0), 1.0)


def leaves(node: Node) -> list[Node]:
    """The assertions of a set; of any other, itself."""
    inner = node.get("assert") if node.text("type") == "assert-set" else None
    return list(inner.items()) if inner is not None else [node]


def base_of(node: Node) -> str:
    """An assertion's type without `not-`."""
    return (node.text("type") or "").removeprefix("not-")


def _one(node: Node, context: CaseContext, result: Carried) -> Spec | None:
    if node.text("type") == "assert-set":
        return _set(node, context, result)
    result.found += 1
    try:
        made = _carried(node, context)
    except RecursionError:
        _lost(node, CannotError("it is nested too deeply"), context, result)
        return None
    except (CannotError, NotMechanicalError, TemplateError, ConfigError) as error:
        _lost(node, error, context, result)
        return None
    context.notes.count("assertions", carried=True)
    result.carried += 1
    return made


def _lost(node: Node, error: Exception, context: CaseContext, result: Carried) -> None:
    """Note an assertion that does not come along."""
    kind = node.text("type") or "?"
    why = error.message if isinstance(error, ConfigError) else str(error)
    message = f"`{kind[:60]}` has no equal here" + (f": {why}" if why else "")
    remedy = _REMEDIES.get(kind.removeprefix("not-"), "")
    result.todo.append(context.notes.lost(node.where, "assertion", message, remedy))
    context.notes.count("assertions", carried=False)


def _set(node: Node, context: CaseContext, result: Carried) -> Spec | None:
    """An `assert-set`: passes when all of it do, or from a mean score on."""
    inner = node.get("assert")
    specs = [one for part in (inner.items() if inner else ()) if (one := _one(part, context, result))]
    decides = [one for one in specs if _weight(one)]
    if not decides:
        return None
    threshold = node.number("threshold")
    group: Spec = {"all_of": {"scorers": list(decides)}}
    if threshold is not None:
        group = with_options(group, {"threshold": _share(threshold)})
    return with_options(group, _common(node, context))


def _carried(node: Node, context: CaseContext) -> Spec:
    kind = node.text("type")
    if kind is None:
        raise CannotError("it has no `type`")
    base = kind.removeprefix("not-")
    carrier = _CARRIERS.get(base)
    if carrier is None:
        raise CannotError("")
    _remark_unknown(node, context)
    scope = Scope(context.vars, context.tools)
    seen = _lens(node, context, scope) if base not in _PAST_THE_TEXT else WHOLE
    assertion = Assertion(node, base, seen, scope, _value(node, context, base))
    made = carrier(assertion, context)
    if base == kind or kind in plain.NEGATED_THEMSELVES:
        pass
    elif node.number("threshold") == 0 and base in judged.GRADED:
        raise CannotError("what is never below 0 is negated")
    else:
        made = _turned(made)
    made = with_options(made, _common(node, context))
    _check(made, context)
    for words in scope.remarks:
        context.notes.remark(node.where, "assertion", words)
    return made


def _check(made: Spec, context: CaseContext) -> None:
    """See that the scorer can be used, and can judge the case.

    Raises:
        ConfigError, CannotError: it cannot.
    """
    entry = _compiled(json.dumps(short(_without_code(made))))
    case = Case(id="", vars=context.vars, expected=context.expected)
    if reason := entry.scorer.check(case):
        raise CannotError(reason)


def _without_code(made: Spec) -> Spec:
    """A scorer that can be looked at without its function being loaded: with the same options, any other."""
    options = made.get("python")
    return made if options is None else without({"refusal": options}, "function")


@lru_cache(maxsize=1024)
def _compiled(spelling: str) -> ScorerEntry:
    return compile_scorer(json.loads(spelling), context=_ANYWHERE)


def _turned(made: Spec) -> Spec:
    """`not-`; a script that fails on the way fails there too."""
    options = next(iter(made.values()))
    scorers = options.get("scorers")
    if "all_of" in made and isinstance(scorers, list) and len(scorers) == 2 and scorers[0] == plain.WHOLE_JSON:
        return grouped("all_of", [plain.WHOLE_JSON, negated(scorers[1])])
    return negated(made)


def _common(node: Node, context: CaseContext) -> dict[str, Json]:
    """The options that every scorer has."""
    options: dict[str, Json] = {}
    name = _label(node, context)
    options |= {"name": name} if name else {}
    weight = node.number("weight")
    if weight is not None and weight != 1 and weight >= 0:
        options["weight"] = weight
    return options


def _label(node: Node, context: CaseContext) -> str:
    """A scorer is called what its metric is."""
    metric = node.text("metric")
    try:
        return " ".join(fill(metric or "", context.vars).split())[:100]
    except TemplateError as error:
        context.notes.remark(node.where, "assertion", f"`metric`: {error}")
        return ""


def _remark_unknown(node: Node, context: CaseContext) -> None:
    taken = base_of(node) == "python"
    for key, inner in node.entries():
        if key not in _KNOWN and key not in _IGNORED and not (key == "config" and (taken or not inner.value)):
            context.notes.remark(inner.where, "assertion", f"`{key}` is not carried over")


def _lens(node: Node, context: CaseContext, scope: Scope) -> Lens:
    texts = [*context.transforms]
    if (own := node.get("transform")) is not None:
        texts.append(own)
    for one in texts:
        if not isinstance(one.value, str) or is_code(one.value) or is_reference(one.value):
            raise CannotError("its transform is a program, and nothing is run here")
    if not texts:
        return WHOLE
    try:
        return lens(chained([str(one.value) for one in texts]), scope, live=context.live)
    except NotMechanicalError as error:
        raise CannotError(f"its transform is not understood: {error}") from None


def _value(node: Node, context: CaseContext, base: str) -> Json:
    """The assertion's value with the test's vars filled in, and files read."""
    value = node.value.get("value") if isinstance(node.value, Mapping) else None
    if isinstance(value, str):
        return _filled(value, node, context, base)
    if isinstance(value, list):
        return [_filled(one, node, context, base) if isinstance(one, str) else one for one in value]
    return value


def _filled(text: str, node: Node, context: CaseContext, base: str) -> Json:
    if is_reference(text):
        if is_code(text):
            if base == "python" and scripted.is_python(text):
                return text
            raise CannotError(f"{text} is a program, and nothing is run here")
        found: Json = context.files.resolved(node.with_value(text)).value
        return found.strip() if isinstance(found, str) and base not in scripted.CARRIERS else found
    return fill(text, context.vars)
