"""Assertions that a model decides, or that grade how near the answer is to a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from evalkit.imports.promptfoo.context import Assertion, CannotError, CaseContext
from evalkit.imports.promptfoo.plain import seen_through
from evalkit.imports.promptfoo.scripts.subjects import Text
from evalkit.imports.promptfoo.specs import Spec
from evalkit.types import Json

EXPECTING: Final = frozenset({"similar", "similar:cosine", "factuality", "model-graded-factuality", "rouge-n", "bleu"})
"""The types whose scorers compare with the case's `expected`."""

GRADED: Final = frozenset({"g-eval", "answer-relevance", "context-faithfulness"})


def _text(value: Json) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise CannotError("its value is no text")


def _plain(assertion: Assertion) -> None:
    if isinstance(assertion.lens, Text) and assertion.lens.case:
        raise CannotError("a transform changes the text that is judged")


def _judge(assertion: Assertion, context: CaseContext, **options: Json) -> Spec:
    """A judge with a model of its own, where the assertion or the test names one."""
    _plain(assertion)
    own = assertion.node.get("rubricPrompt") or context.rubric_prompt
    if own is not None:
        raise CannotError("the words for the judge are the config's own (`rubricPrompt`); here the judge has its own")
    model = context.grader(assertion.node.get("provider"), "text", assertion.node)
    return seen_through(assertion, lambda _: {"judge": {**options, "model": model}})


def _rubric(assertion: Assertion, context: CaseContext) -> Spec:
    value = assertion.value
    if isinstance(value, (dict, list)):
        raise CannotError("its rubric is no text")
    return _judge(assertion, context, rubric=_text(value))


def _g_eval(assertion: Assertion, context: CaseContext) -> Spec:
    values = assertion.value if isinstance(assertion.value, list) else [assertion.value]
    threshold = assertion.threshold if assertion.threshold is not None else 0.7
    judges = [_judge(assertion, context, rubric=_text(value), scale=[0, 10]) for value in values]
    _in_our_words(assertion, context)
    if len(judges) == 1:
        return {name: {**options, "threshold": threshold} for name, options in judges[0].items()}
    if not judges:
        raise CannotError("it has no criteria")
    return {"all_of": {"scorers": list(judges), "threshold": threshold}}


def _in_our_words(assertion: Assertion, context: CaseContext) -> None:
    context.notes.remark(assertion.node.where, "assertion", f"`{assertion.base}` becomes a judge, asked in other words")


def _faithful(assertion: Assertion, context: CaseContext) -> Spec:
    material = context.vars.get("context")
    if not isinstance(material, str) or assertion.node.get("contextTransform") is not None:
        raise CannotError("the context is not among the test's vars")
    _in_our_words(assertion, context)
    rubric = f"Every claim of the answer is supported by this context:\n\n{material.strip()}"
    return _judge(assertion, context, rubric=rubric)


def _relevant(assertion: Assertion, context: CaseContext) -> Spec:
    _in_our_words(assertion, context)
    return _judge(assertion, context, rubric="The answer is about what was asked, and answers it.")


def _factual(assertion: Assertion, context: CaseContext) -> Spec:
    _plain(assertion)
    if assertion.node.get("rubricPrompt") or context.rubric_prompt:
        raise CannotError("the words for the judge are the config's own (`rubricPrompt`)")
    context.expect(_text(assertion.value))
    model = context.grader(assertion.node.get("provider"), "text", assertion.node)
    return seen_through(assertion, lambda _: {"judge_reference": {"model": model}})


def _similar(assertion: Assertion, context: CaseContext) -> Spec:
    _plain(assertion)
    value = assertion.value
    wanted: Json = [_text(one) for one in value] if isinstance(value, list) and value else _text(value)
    threshold = 0.75 if assertion.threshold is None else assertion.threshold
    if not 0 <= threshold <= 1:
        raise CannotError("its `threshold` is not between 0 and 1")

    def make(_: Text) -> Spec:
        model = context.grader(assertion.node.get("provider"), "embedding", assertion.node)
        return {"embedding": {"model": model, "threshold": threshold}}

    seen_through(assertion, lambda _: {"embedding": {}})
    context.expect(wanted)
    return seen_through(assertion, make)


def _overlap(assertion: Assertion, context: CaseContext) -> Spec:
    _plain(assertion)
    value = assertion.value
    wanted: Json = [_text(one) for one in value] if isinstance(value, list) and value else _text(value)
    threshold = assertion.threshold
    if assertion.base == "rouge-n":
        made: Spec = {"rouge": {"variant": "rouge1", "threshold": 0.75 if threshold is None else threshold}}
    else:
        made = {"bleu": {"threshold": 0.5 if threshold is None else threshold}}
    made = seen_through(assertion, lambda _: made)
    context.expect(wanted)
    context.notes.remark(
        assertion.node.where, "assertion", "words are told apart by other rules here, so that values differ a little"
    )
    return made


CARRIERS: Final[Mapping[str, Callable[[Assertion, CaseContext], Spec]]] = {
    "llm-rubric": _rubric,
    "model-graded-closedqa": _rubric,
    "factuality": _factual,
    "model-graded-factuality": _factual,
    "g-eval": _g_eval,
    "context-faithfulness": _faithful,
    "answer-relevance": _relevant,
    "similar": _similar,
    "similar:cosine": _similar,
    "rouge-n": _overlap,
    "bleu": _overlap,
}
