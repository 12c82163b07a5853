"""The Python of assertions: one expression, read with Python's own parser and never run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Final

from evalkit.imports.promptfoo.scripts.lexer import MAX_CHARS
from evalkit.imports.promptfoo.scripts.tree import (
    Arrow,
    Binary,
    Call,
    Choice,
    Expression,
    Items,
    Literal,
    Member,
    Name,
    NotMechanicalError,
    Pattern,
    Unary,
    Undefined,
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
_QUANTIFIERS: Final = {"any": "some", "all": "every"}
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
        case ast.Call():
            return _call(node)
        case _:
            return _operation(node)


def _operation(node: ast.expr) -> Expression:
    match node:
        case ast.UnaryOp(ast.Not(), operand):
            return _with_keys(operand, Unary("!", _read(operand)))
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
            return _compared(operator, left, right)
        case ast.Compare(left, [first, second], [middle, right]):
            return Binary("&&", _compared(first, left, middle), _compared(second, middle, right))
        case _:
            raise NotMechanicalError(f"{ast.unparse(node)[:40]!r} is not understood")


def _compared(operator: ast.cmpop, left: ast.expr, right: ast.expr) -> Expression:
    if isinstance(operator, (ast.Is, ast.IsNot)) or (_is_none(right) and type(operator) in _COMPARISONS):
        found: Expression = _none(operator, left, right)
    elif isinstance(operator, (ast.In, ast.NotIn)):
        found = Binary("within", _read(left), _read(right))
    elif type(operator) in _COMPARISONS:
        found = Binary(_COMPARISONS[type(operator)], _read(left), _read(right))
    else:
        raise NotMechanicalError("a comparison that is not understood")
    if isinstance(operator, ast.NotIn):
        found = Unary("!", found)
    return _with_keys(left, found) if isinstance(operator, (ast.IsNot, ast.NotEq)) else found


def _none(operator: ast.cmpop, left: ast.expr, right: ast.expr) -> Expression:
    """`is None`. What is not there has no key in `[...]`, and is None for `.get()`: as null and undefined are alike."""
    if not _is_none(right):
        raise NotMechanicalError("`is` between other things than None")
    sign = "==" if isinstance(operator, (ast.Is, ast.Eq)) else "!="
    return Binary(sign + "=" * isinstance(left, ast.Subscript), _read(left), Literal(None))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _with_keys(node: ast.expr, tree: Expression) -> Expression:
    """A key that is not there fails a script of Python, also under `not`; in JavaScript it is undefined."""
    for taken in _taken(node):
        if not ast.unparse(taken).startswith("context"):
            tree = Binary("&&", Binary("!==", _read(taken), Undefined()), tree)
    return tree


def _taken(node: ast.AST) -> Iterator[ast.Subscript]:
    if isinstance(node, ast.Subscript):
        yield node
        return
    for inner in ast.iter_child_nodes(node):
        yield from _taken(inner)


def _quantified(method: str, body: ast.expr, loop: ast.comprehension) -> Expression:
    """`any(... for x in list)`."""
    if not isinstance(loop.target, ast.Name) or loop.ifs or loop.is_async:
        raise NotMechanicalError("a loop that is not understood")
    return Call(member(_read(loop.iter), method), (Arrow(loop.target.id, _read(body)),))


def _call(node: ast.Call) -> Expression:
    match node:
        case ast.Call(ast.Name("any" | "all" as name), [ast.GeneratorExp(body, [loop])], []):
            return _quantified(_QUANTIFIERS[name], body, loop)
        case ast.Call(ast.Attribute(owner, "get"), [ast.Constant(str() as key)], []):
            return member(_read(owner), key)
        case ast.Call(ast.Attribute(owner, "split"), [], []):
            return Call(member(Call(member(_read(owner), "trim"), ()), "split"), (Pattern(r"\s+", ""),))
        case ast.Call(ast.Name("len"), [value], []):
            return member(_read(value), "length")
        case ast.Call(ast.Name("isinstance"), [value, ast.Name("list")], []):
            return Call(member(Name("Array"), "isArray"), (_read(value),))
        case ast.Call(ast.Name("isinstance"), [value, ast.Name("str")], []):
            return Binary("===", Unary("typeof", _read(value)), Literal("string"))
        case ast.Call(function, arguments, []):
            return Call(_FUNCTIONS.get(ast.unparse(function)) or _read(function), tuple(map(_read, arguments)))
        case _:
            raise NotMechanicalError("a call with named arguments")
