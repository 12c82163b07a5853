"""The Python of assertions: one expression, read with Python's own parser and never run."""

from __future__ import annotations

import ast
import warnings
from typing import Final

from evalkit.imports.promptfoo.scripts.lexer import MAX_CHARS
from evalkit.imports.promptfoo.scripts.tree import (
    Binary,
    Call,
    Choice,
    Expression,
    Items,
    Literal,
    Member,
    Name,
    NotMechanicalError,
    Unary,
    member,
)

_COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "===",
    ast.NotEq: "!==",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_ARITHMETIC: Final[dict[type[ast.operator], str]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_METHODS: Final = {"startswith": "startsWith", "endswith": "endsWith", "lower": "toLowerCase", "strip": "trim"}
_FUNCTIONS: Final[dict[str, Expression]] = {
    "max": member(Name("Math"), "max"),
    "min": member(Name("Math"), "min"),
    "json.loads": member(Name("JSON"), "parse"),
    "str": Name("String"),
    "bool": Name("Boolean"),
}


def parse_python(text: str) -> Expression:
    """Read a Python expression as the JavaScript one that means the same.

    Raises:
        NotMechanicalError: it is more than an expression of the plain kind.
    """
    if len(text) > MAX_CHARS:
        raise NotMechanicalError(f"it is longer than {MAX_CHARS} characters")
    try:
        with warnings.catch_warnings(action="ignore"):
            return _read(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, NotMechanicalError):
            raise
        raise NotMechanicalError("more than one expression") from None


def _read(node: ast.expr) -> Expression:
    match node:
        case ast.Constant(value) if isinstance(value, (str, int, float, bool)) or value is None:
            return Literal(value)
        case ast.Name(name):
            return Name(name)
        case ast.Attribute(owner, name):
            return Member(_read(owner), Literal(_METHODS.get(name, name)))
        case ast.Subscript(owner, key):
            return Member(_read(owner), _read(key))
        case ast.List(items) | ast.Tuple(items):
            return Items(tuple(map(_read, items)))
        case ast.IfExp(condition, then, otherwise):
            return Choice(_read(condition), _read(then), _read(otherwise))
        case ast.Call(function, arguments, []):
            return _call(function, tuple(map(_read, arguments)))
        case _:
            return _operation(node)


def _operation(node: ast.expr) -> Expression:
    match node:
        case ast.UnaryOp(ast.Not(), operand):
            return Unary("!", _read(operand))
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
            return Literal(-number)
        case ast.BoolOp(operator, values):
            sign = "&&" if isinstance(operator, ast.And) else "||"
            first, *rest = map(_read, values)
            for value in rest:
                first = Binary(sign, first, value)
            return first
        case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC:
            return Binary(_ARITHMETIC[type(operator)], _read(left), _read(right))
        case ast.Compare(left, [operator], [right]):
            return _comparison(operator, _read(left), _read(right))
        case ast.Compare(left, [first, second], [middle, right]):
            one = _comparison(first, _read(left), _read(middle))
            return Binary("&&", one, _comparison(second, _read(middle), _read(right)))
        case _:
            raise NotMechanicalError(f"{ast.unparse(node)[:40]!r} is not understood")


def _comparison(operator: ast.cmpop, left: Expression, right: Expression) -> Expression:
    if isinstance(operator, (ast.In, ast.NotIn)):
        found = Call(member(right, "includes"), (left,))
        return found if isinstance(operator, ast.In) else Unary("!", found)
    if type(operator) not in _COMPARISONS:
        raise NotMechanicalError("a comparison that is not understood")
    return Binary(_COMPARISONS[type(operator)], left, right)


def _call(function: ast.expr, arguments: tuple[Expression, ...]) -> Expression:
    name = ast.unparse(function)
    if name == "len" and len(arguments) == 1:
        return member(arguments[0], "length")
    return Call(_FUNCTIONS.get(name) or _read(function), arguments)
