"""Formulas over the answer's length: from which length on, or up to which, they give a number that passes."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Final, NamedTuple

from evalkit.imports.promptfoo.scripts.subjects import Scope, Size, Text, subject
from evalkit.imports.promptfoo.scripts.tree import Binary, Call, Expression, Literal, Member, Name, NotMechanicalError

LONGEST: Final = 1 << 30
"""Longer answers are not thought of."""


class Bounds(NamedTuple):
    """The lengths that pass, both ends included; None: no bound."""

    least: int | None
    most: int | None


def bounds(tree: Expression, scope: Scope, threshold: float | None) -> Bounds:
    """Find the lengths for which a formula gives more than 0, or a threshold or more.

    Raises:
        NotMechanicalError: it is no formula over the length, or rises and falls, or never passes.
    """
    trend = _trend(tree, scope)
    if not trend:
        raise NotMechanicalError("a number that does not hang on the answer")

    def passes(length: int) -> bool:
        value = _value(tree, length)
        return value > 0 if threshold is None else value >= threshold

    first, last = passes(0), passes(LONGEST)
    if first == last:
        raise NotMechanicalError("a formula that passes every answer" if first else "a formula that no answer passes")
    low, high = 0, LONGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) == first else (low, middle)
    return Bounds(None, low) if first else Bounds(high, None)


def _trend(tree: Expression, scope: Scope) -> int:
    match tree:
        case Literal(bool()):
            raise NotMechanicalError("a formula with truth values")
        case Literal(int() | float()):
            return 0
        case Binary("+", left, right):
            return _both(_trend(left, scope), _trend(right, scope))
        case Binary("-", left, right):
            return _both(_trend(left, scope), -_trend(right, scope))
        case Binary("*" | "/", left, Literal(int() | float() as factor)) if factor:
            return _trend(left, scope) * (1 if factor > 0 else -1)
        case Binary("*", Literal(int() | float() as factor), right) if factor:
            return _trend(right, scope) * (1 if factor > 0 else -1)
        case Call(Member(Name("Math"), Literal("max" | "min")), (left, right)):
            return _both(_trend(left, scope), _trend(right, scope))
        case Call(Member(Name("Math"), Literal("round" | "floor" | "ceil")), (operand,)):
            return _trend(operand, scope)
        case Member(_, Literal("length")) if isinstance(size := subject(tree, scope), Size) and size == Size(Text()):
            return 1
        case _:
            raise NotMechanicalError("a formula that is not over the answer's length alone")


def _both(left: int, right: int) -> int:
    if left * right < 0:
        raise NotMechanicalError("a formula that rises and falls")
    return left or right


def _value(tree: Expression, length: int) -> float:
    match tree:
        case Literal(int() | float() as value):
            return value
        case Binary(sign, left, right):
            return _OPERATORS[sign](_value(left, length), _value(right, length))
        case Call(Member(_, Literal(name)), arguments):
            return _FUNCTIONS[str(name)]([_value(argument, length) for argument in arguments])
        case _:
            return length


_OPERATORS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_FUNCTIONS: Final[dict[str, Callable[[list[float]], float]]] = {
    "max": max,
    "min": min,
    "round": lambda values: math.floor(values[0] + 0.5),
    "floor": lambda values: math.floor(values[0]),
    "ceil": lambda values: math.ceil(values[0]),
}
