"""Scripts as scorers: what passes an answer, said in our words, where that means the same.

A script that fails on the way (JSON that is none, a key of what is not there) fails the answer, also under `!`. So
every condition on the answer's JSON comes with a `guard`: the scorer that fails wherever the script would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from evalkit.imports.promptfoo.scripts import jsonpaths, texts
from evalkit.imports.promptfoo.scripts.lengths import bounds
from evalkit.imports.promptfoo.scripts.patterns import python_pattern
from evalkit.imports.promptfoo.scripts.subjects import (
    Constant,
    Nothing,
    Place,
    Scope,
    Size,
    Subject,
    Text,
    ToolArgument,
    ToolName,
    Value,
    Words,
    subject,
)
from evalkit.imports.promptfoo.scripts.texts import EXACT
from evalkit.imports.promptfoo.scripts.toolcalls import argument_is, name_is
from evalkit.imports.promptfoo.scripts.tree import (
    Arrow,
    Binary,
    Call,
    Choice,
    Expression,
    Fields,
    Items,
    Literal,
    Member,
    Name,
    NotMechanicalError,
    Pattern,
    Unary,
    with_names,
)
from evalkit.imports.promptfoo.specs import Spec, grouped, negated, spec

_FLIPPED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OPPOSITE: Final = {"!==": "===", "!=": "=="}
_ARITHMETIC: Final = ("+", "-", "*", "/")


class Condition(NamedTuple):
    """A scorer and its guard; `mixed` where its parts can fail in different ways, so that it cannot be turned round."""

    spec: Spec
    guard: Spec | None = None
    mixed: bool = False


def scorer_of(tree: Expression, scope: Scope, threshold: float | None = None, *, negate: bool = False) -> Spec:
    """Say a script as a scorer.

    Args:
        tree: the script.
        scope: what it can refer to; remarks are added there.
        threshold: the number from which on a script passes that gives a number; None: above 0.
        negate: whether the scorer passes what the script does not.

    Raises:
        NotMechanicalError: it cannot be said so that it means the same.
    """
    condition = _verdict(tree, scope, threshold)
    return (_inverse(condition) if negate else condition).spec


def _verdict(tree: Expression, scope: Scope, threshold: float | None) -> Condition:
    match tree:
        case Fields(fields, ()) if "pass" in dict(fields):
            return _verdict(dict(fields)["pass"], scope, None)
        case Binary("&&", left, right):
            translator = _Translator(scope)
            return translator.both("&&", translator.condition(left), _verdict(right, scope, threshold))
        case Binary("||", left, right) if _is_bare(left) or _is_bare(right):
            raise NotMechanicalError("of two values, one may be a text, which is no verdict")
        case Choice(_, Literal(), Literal()):
            return _choice(tree, scope, threshold)
        case Member(_, Literal("length")) | Binary("+" | "-" | "*" | "/") | Call(Member(Name("Math"), _), _):
            return Condition(_number(tree, scope, threshold))
        case Member() | Name() | Call(Member(_, Literal("match")), _):
            return _returned(tree, scope)
        case _:
            return _Translator(scope).condition(tree)


def _is_bare(tree: Expression) -> bool:
    """Whether an expression gives a value rather than true or false."""
    match tree:
        case Binary("||" | "&&", left, right):
            return _is_bare(left) or _is_bare(right)
        case Name() | Member():
            return True
        case _:
            return False


def _number(tree: Expression, scope: Scope, threshold: float | None) -> Spec:
    found = bounds(tree, scope, threshold)
    if isinstance(tree, (Binary, Call)):
        scope.remark("of a graded value only the verdict comes along: whether it passes")
    texts.about_lengths(scope)
    return spec("length", min_chars=found.least, max_chars=found.most)


def _choice(tree: Choice, scope: Scope, threshold: float | None) -> Condition:
    """`condition ? 1 : 0`."""
    condition = _Translator(scope).condition(tree.condition)
    then, otherwise = (_constant_passes(part, threshold) for part in (tree.then, tree.otherwise))
    if then == otherwise:
        raise NotMechanicalError("a choice of which both sides pass, or none")
    return condition if then else _inverse(condition)


def _constant_passes(tree: Expression, threshold: float | None) -> bool:
    value = tree.value if isinstance(tree, Literal) else None
    if isinstance(value, bool):
        return value
    if not isinstance(value, (int, float)):
        raise NotMechanicalError("a choice between other things than numbers")
    return value > 0 if threshold is None else value >= threshold


def _returned(tree: Expression, scope: Scope) -> Condition:
    """A value of the JSON as the verdict: true, or a number above 0."""
    found = subject(tree, scope)
    if not isinstance(found, Value) or not found.path:
        raise NotMechanicalError("a text is no verdict")
    place = jsonpaths.singular(found.path)
    return Condition(jsonpaths.holds(f"{place} == true || {place} > 0"), jsonpaths.guard(found))


def _inverse(condition: Condition) -> Condition:
    if condition.mixed:
        raise NotMechanicalError("a negation of conditions that can fail in different ways")
    turned = negated(condition.spec)
    if condition.guard is None:
        return Condition(turned)
    return Condition(grouped("all_of", [condition.guard, turned]), condition.guard)


@dataclass(frozen=True, slots=True)
class _Translator:
    scope: Scope

    def condition(self, tree: Expression) -> Condition:
        """Say an expression, taken as true or false, as a scorer."""
        match tree:
            case Binary("&&" | "||" as operator, left, right):
                return self.both(operator, self.condition(left), self.condition(right))
            case Unary("!", Unary("!", operand)):
                return self.condition(operand)
            case Unary("!", operand):
                return _inverse(self.condition(operand))
            case Binary("in", Literal(str() as key), owner):
                return self._has(owner, key)
            case Binary("within", left, right):
                return self._within(left, right)
            case Binary(operator, left, right) if operator not in _ARITHMETIC:
                return self._compared(operator, left, right)
            case Choice(condition, then, Literal(False)):
                return self.both("&&", self.condition(condition), self.condition(then))
            case Call(Name("Boolean"), (operand,)):
                return self.condition(operand)
            case Call():
                return self._called(tree)
            case _:
                return self._truth(subject(tree, self.scope))

    def both(self, operator: str, left: Condition, right: Condition) -> Condition:
        """Combine two conditions by `&&` or `||`."""
        mixed = left.mixed or right.mixed or left.guard != right.guard
        if operator == "&&":
            return Condition(grouped("all_of", [left.spec, right.spec]), left.guard or right.guard, mixed)
        either = grouped("any_of", [left.spec, right.spec])
        if left.mixed:
            raise NotMechanicalError("an alternative to conditions that can fail in different ways")
        if left.guard is not None and left.guard != right.guard:
            either = grouped("all_of", [left.guard, either])
        return Condition(either, left.guard or right.guard, mixed)

    def _called(self, tree: Call) -> Condition:
        match tree:
            case Call(Member(Pattern() as pattern, Literal("test")), (argument,)):
                return self._matched(pattern, argument)
            case Call(Member(owner, Literal("match" | "search")), (Pattern() as pattern,)):
                return self._matched(pattern, owner)
            case Call(Member(Name("Array"), Literal("isArray")), (argument,)):
                return _kind(subject(argument, self.scope), "array")
            case Call(Member(owner, Literal("hasOwnProperty")), (Literal(str() as key),)):
                return self._has(owner, key)
            case Call(Member(owner, Literal("some" | "every" as method)), (Arrow(parameter, body),)):
                return self._of_items(owner, method, parameter, body)
            case Call(Member(owner, Literal(str() as method)), (argument,)):
                return self._asked(owner, method, argument)
            case _:
                return self._truth(subject(tree, self.scope))

    def _matched(self, pattern: Pattern, on: Expression) -> Condition:
        found = subject(on, self.scope)
        source, flags = python_pattern(pattern.source, pattern.flags)
        if isinstance(found, Text) and not found.case:
            if found.strip and any(mark in source for mark in ("^", r"\Z", "$")):
                raise NotMechanicalError("a pattern that looks at the ends of a trimmed text")
            return Condition(spec("regex", pattern=source, flags=flags))
        if isinstance(found, Value) and found.path and not found.case and not found.number:
            return Condition(*jsonpaths.matched(found, f"(?{flags}){source}" if flags else source))
        raise NotMechanicalError("a pattern is looked for in something else than the answer")

    def _within(self, left: Expression, right: Expression) -> Condition:
        """Python's `in`: a key of an object, an item of a list, a part of a text."""
        wanted = subject(left, self.scope)
        found = Constant(None) if isinstance(right, Items) else subject(right, self.scope)
        if isinstance(found, Value) and isinstance(wanted, Constant):
            return Condition(*jsonpaths.within(found, wanted.value))
        return self._asked(right, "includes", left)

    def _has(self, owner: Expression, key: str) -> Condition:
        """`'key' in object`, `object.hasOwnProperty('key')`."""
        found = subject(owner, self.scope)
        if not isinstance(found, Value) or found.case or found.number:
            raise NotMechanicalError("a key of what is no object")
        is_there, _ = jsonpaths.there(Value((*found.path, key)))
        return Condition(is_there, jsonpaths.typed(found, ["object", "array"])[0])

    def _found(self, method: str, operator: str, right: Expression, matched: Condition) -> Condition:
        """`match(...) !== null`, `search(...) >= 0`: the pattern matches."""
        nothing = Literal(None) if method == "match" else Literal(-1)
        if operator in EXACT and right == nothing:
            return matched if operator in _OPPOSITE else _inverse(matched)
        if method == "search" and (operator, right) in ((">=", Literal(0)), (">", Literal(-1))):
            return matched
        raise NotMechanicalError("what a pattern finds is compared")

    def _of_items(self, owner: Expression, method: str, parameter: str, body: Expression) -> Condition:
        if isinstance(owner, Items) or isinstance(subject(owner, self.scope), Constant):
            return self._of_constants(owner, method, parameter, body)
        found = subject(owner, self.scope)
        if not isinstance(found, Value) or found.case or found.number:
            raise NotMechanicalError(f"`.{method}()` of something else than a list")
        return Condition(*jsonpaths.of_items(found, method, parameter, body))

    def _of_constants(self, owner: Expression, method: str, parameter: str, body: Expression) -> Condition:
        """A list that is written out: the condition for each of its items."""
        found = subject(owner, self.scope)
        values = found.value if isinstance(found, Constant) else None
        if not isinstance(values, list) or not values:
            raise NotMechanicalError("a list that is not known")
        conditions = [self.condition(with_names(body, {parameter: Literal(value)})) for value in values]
        operator = "||" if method == "some" else "&&"
        first, *rest = conditions
        for one in rest:
            first = self.both(operator, first, one)
        return first

    def _asked(self, owner: Expression, method: str, argument: Expression) -> Condition:
        """`owner.includes(argument)` and its like."""
        on, wanted = subject(owner, self.scope), subject(argument, self.scope)
        match on, method, wanted:
            case Text(), "includes" | "startsWith" | "endsWith", Constant(str() as text) if text:
                return Condition(texts.asked(on, method, text))
            case Constant(list() as listed), "includes", Text() if (
                all(isinstance(one, str) for one in listed) and listed
            ):
                return Condition(texts.equal(wanted, listed))
            case Constant(str() as text), "includes", Text():
                raise NotMechanicalError("the answer is looked for in a text")
            case Value(), "includes" | "startsWith" | "endsWith", Constant():
                return Condition(*jsonpaths.asked(on, method, wanted.value))
            case Constant(list() as values), "includes", Value():
                return Condition(*jsonpaths.one_of(wanted, values))
            case Constant(list() as names), "includes", ToolName() if all(isinstance(name, str) for name in names):
                return Condition(grouped("any_of", [name_is(str(name), self.scope) for name in names]))
            case _:
                raise NotMechanicalError(f"`.{method}()` is not understood here")

    def _compared(self, operator: str, left: Expression, right: Expression) -> Condition:
        if isinstance(left, Unary) and left.operator == "typeof":
            return self._typed(operator, left.operand, right)
        match left:
            case Call(Member(owner, Literal("match" | "search" as method)), (Pattern() as pattern,)):
                return self._found(method, operator, right, self._matched(pattern, owner))
        one, other = subject(left, self.scope), subject(right, self.scope)
        if isinstance(one, (Constant, Nothing)):
            one, other, operator = other, one, _FLIPPED.get(operator, operator)
        there = _there(one, operator, other)
        if there is not None:
            return there if operator in _OPPOSITE else _inverse(there)
        if operator in _OPPOSITE:
            return _inverse(self._holds(one, _OPPOSITE[operator], other))
        return self._holds(one, operator, other)

    def _holds(self, one: Subject, operator: str, other: Subject) -> Condition:
        match one, other:
            case Value(), Constant(value):
                if operator not in EXACT and not one.number:
                    self.scope.remark("numbers are compared with numbers; JavaScript also takes texts that spell one")
                return Condition(*jsonpaths.compared(one, operator, value))
            case Text(), Constant(str() as text) if operator in EXACT:
                return Condition(texts.equal(one, [text]))
            case ToolName(), Constant(str() as name) if operator in EXACT:
                return Condition(name_is(name, self.scope))
            case ToolArgument(path), Constant(value) if operator in EXACT and path:
                return Condition(argument_is(path, value, self.scope))
            case Size(Value() as value), Constant(int() | float() as number):
                return Condition(*jsonpaths.sized(value, operator, number))
            case Size(Text() as text, unit), Constant(int() | float() as number) if not text.case:
                return Condition(texts.sized(text, unit, operator, number, self.scope))
            case Place(text, wanted), Constant(int() as number):
                found, turned = texts.placed(text, wanted, operator, number)
                return _inverse(Condition(found)) if turned else Condition(found)
            case _:
                raise NotMechanicalError("a comparison of what is not understood")

    def _typed(self, operator: str, operand: Expression, right: Expression) -> Condition:
        kind = right.value if isinstance(right, Literal) else None
        kinds = {"string": "string", "number": "number", "boolean": "boolean"}
        found = subject(operand, self.scope)
        if isinstance(found, Text) and kind == "string":
            raise NotMechanicalError("the type of the whole answer is asked for")
        if operator not in EXACT or kind not in kinds:
            raise NotMechanicalError("a type that is not understood")
        condition = _kind(found, kinds[str(kind)])
        return _inverse(condition) if operator in _OPPOSITE else condition

    def _truth(self, found: Subject) -> Condition:
        match found:
            case Text():
                return Condition(texts.not_empty(found))
            case Value() if found.path and not found.number:
                return Condition(*jsonpaths.truthy(found))
            case Size(Text() as text):
                return self._truth(text)
            case Size(Value() as value):
                return Condition(*jsonpaths.sized(value, ">", 0))
            case Words():
                raise NotMechanicalError("a list of words is no verdict")
            case _:
                raise NotMechanicalError("a verdict that does not hang on the answer")


def _there(one: Subject, operator: str, other: Subject) -> Condition | None:
    """The value of a comparison with `undefined`, or with null where `==` holds both alike, is there."""
    if not isinstance(one, Value) or one.number or operator not in EXACT:
        return None
    if operator in ("==", "!=") and one.path and other in (Nothing(), Constant(None)):
        return Condition(*jsonpaths.known(one))
    return Condition(*jsonpaths.there(one)) if other == Nothing() else None


def _kind(found: Subject, kind: str) -> Condition:
    if not isinstance(found, Value) or found.case or found.number:
        raise NotMechanicalError("the type of something else than a value of the JSON")
    return Condition(*jsonpaths.typed(found, kind))
