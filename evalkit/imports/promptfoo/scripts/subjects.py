"""What the operands of a script are about: the answer's text, a value in its JSON, a tool call, a constant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from evalkit.imports.promptfoo.scripts.tree import (
    Call,
    Expression,
    Items,
    Joined,
    Literal,
    Member,
    Name,
    NotMechanicalError,
    Pattern,
    Unary,
    Undefined,
)
from evalkit.types import Json

Step: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Text:
    """The answer's text; `case` is "lower" or "upper" where it is changed, `strip` whether its ends are cut."""

    case: str = ""
    strip: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value in the answer's JSON. `safe` where `?.` leads to it; `number` where it is read from text as one."""

    path: tuple[Step, ...] = ()
    safe: bool = False
    case: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """A length: in characters or words of the text, or of a value of the JSON."""

    of: Text | Value
    unit: str = "chars"


@dataclass(frozen=True, slots=True)
class Words:
    """The text, taken apart at white space; `loose` where only at single blanks."""

    loose: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text is first found, -1 if nowhere."""

    of: Text
    wanted: str


@dataclass(frozen=True, slots=True)
class ToolName:
    """The name of the function of a tool call."""


@dataclass(frozen=True, slots=True)
class ToolArgument:
    """An argument of a tool call; all of them where the path is empty."""

    path: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known at import."""

    value: Json


@dataclass(frozen=True, slots=True)
class Nothing:
    """`undefined`."""


Subject: TypeAlias = Text | Value | Size | Words | Place | ToolName | ToolArgument | Constant | Nothing


@dataclass(frozen=True, slots=True)
class Scope:
    """What a script can refer to besides the answer.

    `tools` maps the names of the functions that models may call to the schemas of their arguments.
    """

    vars: Mapping[str, Json]
    tools: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def remark(self, words: str) -> None:
        """Say what is not quite the same here, once."""
        if words not in self.remarks:
            self.remarks.append(words)


_TOOL_NAMES: Final = frozenset(
    {
        ("function", "name"),
        ("name",),
        ("tool_calls", "function", "name"),
        ("toolCall", "functionCalls", "name"),
        ("functionCall", "name"),
    }
)
_TOOL_ARGUMENTS: Final = frozenset(
    {
        ("function", "arguments"),
        ("arguments",),
        ("tool_calls", "function", "arguments"),
        ("toolCall", "functionCalls", "args"),
        ("functionCall", "args"),
        ("input",),
    }
)
_NUMBERS: Final = {"parseInt": "integer", "parseFloat": "number", "Number": "number", "int": "integer"}
_AT_BLANKS: Final = Constant(" ")


def subject(tree: Expression, scope: Scope) -> Subject:
    """Tell what an operand is about.

    Raises:
        NotMechanicalError: it is none of the things that are understood.
    """
    match tree:
        case Literal(value):
            return Constant(value)
        case Undefined():
            return Nothing()
        case Name("output" | "response"):
            return Text()
        case Items(items):
            return Constant([_constant(item, scope) for item in items])
        case Joined(parts):
            return Constant("".join(_spelled(_constant(part, scope)) for part in parts))
        case Unary("+", operand):
            return _as_number(subject(operand, scope), "number")
        case Member(Member(Name("context"), Literal("vars")), Literal(str() as name)) if name in scope.vars:
            return Constant(scope.vars[name])
        case Member():
            return _member(tree, scope)
        case Call():
            return _call(tree, scope)
        case _:
            raise NotMechanicalError(_unknown(tree))


def _unknown(tree: Expression) -> str:
    match tree:
        case Name(name):
            return f"`{name}` is not known at import"
        case Pattern():
            return "a pattern stands where a value is expected"
        case _:
            return f"a {type(tree).__name__.lower()} stands where a value is expected"


def _constant(tree: Expression, scope: Scope) -> Json:
    found = subject(tree, scope)
    if not isinstance(found, Constant):
        raise NotMechanicalError("a text or list is made of parts of the answer")
    return found.value


def _spelled(value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    raise NotMechanicalError("a list or an object is put into a text")


def _member(tree: Member, scope: Scope) -> Subject:
    if isinstance(tree.owner, Name) and tree.owner.name not in ("output", "response"):
        raise NotMechanicalError(_unknown(tree.owner))
    owner = subject(tree.owner, scope)
    key = _constant(tree.key, scope)
    if key == "length" and isinstance(owner, (Text, Value)):
        return Size(owner)
    if key == "length" and isinstance(owner, Words):
        if owner.loose:
            scope.remark("words are counted; two blanks in a row do not make one more")
        return Size(Text(), "words")
    if key == "length" and isinstance(owner, Constant) and isinstance(owner.value, (str, list)):
        return Constant(len(owner.value))
    if not isinstance(key, (str, int)) or isinstance(key, bool):
        raise NotMechanicalError("an index that is neither a name nor a number")
    return _inside(owner, key, scope, optional=tree.optional)


def _inside(owner: Subject, key: Step, scope: Scope, *, optional: bool) -> Subject:
    match owner:
        case Text("", False):
            if not scope.tools:
                if isinstance(key, int):
                    raise NotMechanicalError("a character of the answer, or an item of what the provider made of it")
                scope.remark(
                    "`output` is read as an object, which it is in promptfoo where the provider parses JSON; here the "
                    "answer's JSON is looked at"
                )
            return _tool(Value((key,), optional), scope)
        case Value(path, safe, "", ""):
            if isinstance(key, int) and key < 0:
                raise NotMechanicalError("an index below 0")
            return _tool(Value((*path, key), safe or optional), scope)
        case ToolArgument(path):
            return ToolArgument((*path, key))
        case Constant(dict() as value) if key in value:
            return Constant(value[key])
        case Constant(list() as value) if isinstance(key, int) and 0 <= key < len(value):
            return Constant(value[key])
        case _:
            raise NotMechanicalError(f"`.{key}` of what is no object")


def _tool(value: Value, scope: Scope) -> Subject:
    """Where models may call tools, promptfoo's output is the list of the calls."""
    names = tuple(step for step in value.path if isinstance(step, str))
    if not scope.tools:
        return value
    if names in _TOOL_NAMES:
        return ToolName()
    return ToolArgument() if names in _TOOL_ARGUMENTS else value


def _call(tree: Call, scope: Scope) -> Subject:
    match tree:
        case Call(Member(Name("JSON"), Literal("parse")), (argument,)):
            return _parsed(subject(argument, scope))
        case Call(Member(Name("JSON"), Literal("stringify")), (argument, *_)):
            found = subject(argument, scope)
            if isinstance(found, Text):
                return found
            raise NotMechanicalError("JSON is spelled anew")
        case Call(Name("String" | "Boolean"), (argument,)):
            return subject(argument, scope)
        case Call(Name(name), (argument, *_)) if name in _NUMBERS:
            return _as_number(subject(argument, scope), _NUMBERS[name])
        case Call(Member(owner, Literal(str() as method)), arguments):
            return _method(subject(owner, scope), method, arguments, scope)
        case _:
            raise NotMechanicalError("a function is called that is not understood")


def _parsed(found: Subject) -> Subject:
    if isinstance(found, Text) and not found.case:
        return Value()
    if isinstance(found, ToolArgument) and not found.path:
        return found
    raise NotMechanicalError("JSON is read from something else than the answer")


def _as_number(found: Subject, kind: str) -> Subject:
    if isinstance(found, Value):
        return replace(found, number=kind)
    if isinstance(found, Constant) and isinstance(found.value, (int, float)):
        return found
    raise NotMechanicalError("a number is read from the answer's text")


def _method(owner: Subject, method: str, arguments: Sequence[Expression], scope: Scope) -> Subject:
    match owner, method:
        case Text() | Value() | Constant(str()), "toLowerCase" | "toUpperCase" | "trim" | "toString":
            return _changed(owner, method)
        case Text(_, strip), "split" if len(arguments) == 1:
            return _split(arguments[0], scope, strip=strip)
        case Text(), "indexOf" if len(arguments) == 1:
            wanted = _constant(arguments[0], scope)
            if isinstance(wanted, str):
                return Place(owner, wanted)
    raise NotMechanicalError(f"`.{method}()` is not understood here")


def _changed(owner: Text | Value | Constant, method: str) -> Subject:
    if method == "toString":
        return owner
    if isinstance(owner, Constant):
        text = str(owner.value)
        return Constant({"toLowerCase": text.lower, "toUpperCase": text.upper, "trim": text.strip}[method]())
    if method == "trim":
        if isinstance(owner, Text):
            return replace(owner, strip=True)
        raise NotMechanicalError("a value of the JSON is trimmed")
    return replace(owner, case="lower" if method == "toLowerCase" else "upper")


def _split(at: Expression, scope: Scope, *, strip: bool) -> Subject:
    if isinstance(at, Pattern) and at.source in (r"\s+", " +") and not at.flags.strip("g"):
        return Words(loose=not strip)
    if not isinstance(at, Pattern) and subject(at, scope) == _AT_BLANKS:
        return Words(loose=True)
    raise NotMechanicalError("the answer is split at something else than white space")
