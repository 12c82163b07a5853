"""Transforms of the answer: the part that is then judged, said in our steps of `extract`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from evalkit.imports.promptfoo.scripts.javascript import parse_javascript
from evalkit.imports.promptfoo.scripts.patterns import python_pattern
from evalkit.imports.promptfoo.scripts.subjects import (
    Scope,
    Text,
    ToolArgument,
    ToolName,
    Value,
    subject,
)
from evalkit.imports.promptfoo.scripts.tree import (
    Arrow,
    Call,
    Expression,
    Literal,
    Member,
    Name,
    NotMechanicalError,
    Pattern,
    member,
    with_names,
)
from evalkit.types import Json


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the text, taken out by steps; `strip` where its ends are cut then."""

    steps: tuple[Json, ...]
    strip: bool = False


Lens: TypeAlias = Text | Value | ToolName | ToolArgument | Part
"""What of the answer is judged."""

WHOLE = Text()
_LAST: Final = ((Literal("pop"), ()), (Literal("at"), (Literal(-1),)))


def chained(texts: list[str]) -> Expression:
    """Read transforms that are done one after the other as one expression.

    Raises:
        NotMechanicalError: one is more than an expression.
    """
    tree: Expression = Name("output")
    for text in texts:
        step = parse_javascript(text)
        if isinstance(step, Arrow):
            step = with_names(step.body, {step.parameter: Name("output")})
        tree = with_names(step, {"output": tree})
    return tree


def lens(tree: Expression, scope: Scope, *, live: bool) -> Lens:
    """Tell which part of the answer a transform takes.

    Args:
        tree: the transform.
        scope: what it can refer to.
        live: whether the provider gives objects whose `text` is the answer.

    Raises:
        NotMechanicalError: there is no such step.
    """
    if live:
        tree = _answer(tree)
    part = _part(tree)
    if part is not None:
        return part
    found = subject(tree, scope)
    if isinstance(found, (Text, ToolName, ToolArgument)):
        return found
    if isinstance(found, Value) and not found.number and not found.case and not live:
        return found
    raise NotMechanicalError("a transform to something else than a part of the answer")


def _answer(tree: Expression) -> Expression:
    """`output.text` is the answer."""
    if tree == member(Name("output"), "text"):
        return Name("output")
    match tree:
        case Member(owner, key, optional):
            return Member(_answer(owner), key, optional)
        case Call(function, arguments):
            return Call(_answer(function), tuple(map(_answer, arguments)))
        case _:
            return tree


def _part(tree: Expression) -> Part | None:
    match tree:
        case Call(Member(owner, Literal("trim")), ()):
            part = _part(owner)
            return replace(part, strip=True) if part is not None else None
        case Call(Member(owner, key), arguments) if (key, arguments) in _LAST and (mark := _split_at(owner)):
            return Part((_regex(rf"(?s)\A(?:.*{re.escape(mark)})?(.*)\Z", 1),))  # all of it where there is no mark
        case Member(
            Call(Member(Name("output"), Literal("split")), (Literal(str() as mark),)), Literal(0 | 1 as at)
        ) if mark:
            before: Json = {"stop": mark}
            after: Json = {"after": {"marker": mark, "ignore_case": False, "which": "first"}}
            return Part((before,) if at == 0 else (after, before))
        case Member(Call(Member(Name("output"), Literal("match")), (Pattern(source, flags),)), Literal(int() as group)):
            if "g" in flags:
                raise NotMechanicalError("one of all matches of a pattern is taken")
            pattern, kept = python_pattern(source, flags)
            inline = f"(?{kept})" if kept else ""
            return Part((_regex(inline + pattern, group),))
        case _:
            return None


def _split_at(tree: Expression) -> str | None:
    match tree:
        case Call(Member(Name("output"), Literal("split")), (Literal(str() as mark),)):
            return mark
        case _:
            return None


def _regex(pattern: str, group: int) -> Json:
    return {"regex": {"pattern": pattern, "group": group, "which": "first"}}
