"""Tests as cases: their vars, what their assertions become, their tags, and what is still to be done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.imports.draft import DraftCase
from evalkit.imports.promptfoo.assertions import carry_all
from evalkit.imports.promptfoo.cases import said_to_expect, tags_of
from evalkit.imports.promptfoo.context import CaseContext
from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo.functions import Functions
from evalkit.imports.promptfoo.graders import Graders
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.providers import ReadModel
from evalkit.imports.promptfoo.specs import Spec
from evalkit.imports.promptfoo.tests import ReadTest
from evalkit.imports.promptfoo.values import case_vars
from evalkit.types import Json

_ANSWERED: Final[Spec] = {"length": {"min_chars": 1}}
_UNASSERTED: Final = "no assertion in promptfoo, where any answer passes; say what is right"
_NOT_CARRIED: Final = "none of the assertions came along: any answer passes; say what is right"


@dataclass(slots=True)
class Made:
    """A case in the making."""

    case: DraftCase
    scorers: list[Spec]
    todo: list[str]


def make_case(
    test: ReadTest,
    *,
    threshold: float | None,
    models: Sequence[ReadModel],
    tools: Sequence[Mapping[str, Json]],
    files: Files,
    notes: Notes,
    graders: Graders,
    functions: Functions,
) -> Made:
    """Carry a test over. With a `threshold`, the mean score of its assertions decides."""
    lost_before = notes.losses
    variables, unread = case_vars(test, files, notes)

    def grader(own: Node | None, kind: str, assertion: Node) -> str:
        return graders.name([own, test.options.get("provider")], kind, assertion)

    transforms = [one for one in (_provider_transform(models, notes), _transform(test)) if one is not None]
    context = CaseContext(
        vars=variables,
        tools={str(tool["name"]): _schema(tool) for tool in tools},
        transforms=transforms,
        live=any(model.live for model in models),
        grader=grader,
        files=files,
        notes=notes,
        rubric_prompt=test.options.get("rubricPrompt"),
        functions=functions,
    )
    carried = carry_all(list(test.asserts), context, threshold)
    todo = [*test.todo, *unread, *carried.todo]
    scorers = carried.scorers
    if not any(next(iter(one.values())).get("weight", 1) for one in scorers):
        scorers = [*scorers, _answered(tools)]
        todo.append(_NOT_CARRIED if carried.found else _UNASSERTED)
    whole = test.whole and carried.found == carried.carried and notes.losses == lost_before
    if not test.made_up:
        notes.count("tests", carried=whole)
    expected, metadata = said_to_expect(context.expected, test.metadata)
    case = DraftCase(vars=variables, expected=expected, tags=tags_of(metadata))
    return Made(case, scorers, todo)


def _schema(tool: Mapping[str, Json]) -> Mapping[str, Json]:
    schema = tool.get("parameters")
    return schema if isinstance(schema, Mapping) else {}


def _transform(test: ReadTest) -> Node | None:
    return test.options.get("transform") or test.options.get("postprocess")


def _provider_transform(models: Sequence[ReadModel], notes: Notes) -> Node | None:
    """The transform of the providers, where they have the same."""
    found = [model.transform for model in models if not model.embeds]
    first = next((one for one in found if one is not None), None)
    if first is not None and not all(one is not None and one.value == first.value for one in found):
        words = "a `transform` of its own; here the answers of all models are judged alike"
        notes.lost(first.where, "provider", words, "make a suite of its own for it")
        return None
    return first


def _answered(tools: Sequence[object]) -> Spec:
    """There is an answer: a text, or the call of a tool where there are tools."""
    if not tools:
        return _ANSWERED
    return {"any_of": {"scorers": [_ANSWERED, {"not": {"scorer": {"tool_call": {"calls": "none"}}}}]}}
