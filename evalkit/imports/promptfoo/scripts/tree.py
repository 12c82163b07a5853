"""What a one-line script says, as a tree: enough of JavaScript and Python for assertions, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from evalkit.types import Json


class NotMechanicalError(ValueError):
    """A script that says more than is understood here; the message names what."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is written out."""

    value: Json


@dataclass(frozen=True, slots=True)
class Undefined:
    """JavaScript's `undefined`."""


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`owner.key`, or `owner[key]`; `optional` for `?.`, which passes over what is not there."""

    owner: Expression
    key: Expression
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`; a method is a call of a member."""

    function: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`!x`, `-x`, `+x` or `typeof x`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands, as in `a === b`, `a + b`, `a && b`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? then : otherwise`."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression with its flags."""

    source: str
    flags: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """`(parameter) => body`."""

    parameter: str
    body: Expression


@dataclass(frozen=True, slots=True)
class Items:
    """`[a, b]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """`{a: x, b: y}`, and the objects that are spread into it."""

    fields: tuple[tuple[str, Expression], ...]
    spread: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """A template literal: the texts and the expressions between them."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = (
    Literal | Undefined | Name | Member | Call | Unary | Binary | Choice | Pattern | Arrow | Items | Fields | Joined
)

LEAVES: Final = (Literal, Undefined, Name, Pattern)


def member(owner: Expression, key: str) -> Member:
    """`owner.key`."""
    return Member(owner, Literal(key))


def with_names(tree: Expression, meant: Mapping[str, Expression]) -> Expression:
    """Put what names stand for in their place."""
    if isinstance(tree, LEAVES):
        return meant.get(tree.name, tree) if isinstance(tree, Name) else tree
    return _inside(tree, meant)


def _inside(tree: Expression, meant: Mapping[str, Expression]) -> Expression:
    match tree:
        case Member(owner, key, optional):
            return Member(with_names(owner, meant), with_names(key, meant), optional)
        case Call(function, arguments):
            return Call(with_names(function, meant), _each(arguments, meant))
        case Unary(operator, operand):
            return Unary(operator, with_names(operand, meant))
        case Binary(operator, left, right):
            return Binary(operator, with_names(left, meant), with_names(right, meant))
        case Choice(condition, then, otherwise):
            return Choice(with_names(condition, meant), with_names(then, meant), with_names(otherwise, meant))
        case Arrow(parameter, body):
            inner = {name: value for name, value in meant.items() if name != parameter}
            return Arrow(parameter, with_names(body, inner))
        case Items(items):
            return Items(_each(items, meant))
        case Joined(parts):
            return Joined(_each(parts, meant))
        case Fields(fields, spread):
            named = tuple((name, with_names(value, meant)) for name, value in fields)
            return Fields(named, _each(spread, meant))
        case _:
            return tree


def _each(trees: tuple[Expression, ...], meant: Mapping[str, Expression]) -> tuple[Expression, ...]:
    return tuple(with_names(tree, meant) for tree in trees)
