"""Conditions on values of the answer's JSON, as filters of JSON paths (RFC 9535).

A filter such as `$[?$.score > 0.5]` finds something where its condition holds, which lets a path compare numbers,
lengths and texts. Each function gives a scorer and its guard: what must hold for the script not to fail on the way.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Final

from evalkit.imports.promptfoo.scripts.patterns import plain_pattern, whole_number_from
from evalkit.imports.promptfoo.scripts.subjects import Step, Value
from evalkit.imports.promptfoo.scripts.tree import (
    Binary,
    Call,
    Expression,
    Literal,
    Member,
    Name,
    NotMechanicalError,
    Unary,
    Undefined,
)
from evalkit.imports.promptfoo.specs import Spec, grouped, negated
from evalkit.types import Json

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGNS: Final = {"===": "==", "!==": "!=", "==": "==", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_ANYTHING: Final = r"(.|\n|\r)*"
_KEYED: Final[Spec] = {"json": {"type": ["object", "array", "string", "number", "boolean"], "strict": True}}
"""JSON that can be asked for a key, which is all but null."""


def singular(path: Sequence[Step], root: str = "$") -> str:
    """Write the place of one value."""
    return root + "".join(_step(step) for step in path)


def _step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f"[{_quoted(step)}]"


def _quoted(text: str) -> str:
    """Write a text in the single quotes of a JSON path."""
    inner = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{inner}'"


def literal(value: Json) -> str:
    """Write a value in a filter.

    Raises:
        NotMechanicalError: a list or an object, with which a filter cannot compare.
    """
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (dict, list)):
        raise NotMechanicalError("a comparison with a list or an object")
    return json.dumps(value)


def _at(path: str, **condition: Json) -> Spec:
    return {"json_path": {"path": path, **condition, "strict": True}}


def holds(condition: str) -> Spec:
    """The condition of a filter holds, for a JSON object or list that is not empty."""
    return _at(f"$[?{condition}]", exists=True)


def guard(value: Value) -> Spec:
    """The answer is JSON, and what the value lies in is there."""
    if len(value.path) < 2 or value.safe:
        return _KEYED
    owner = singular(value.path[:-1])
    return holds(f"{owner} && {owner} != null")


def is_text(value: Value) -> Spec:
    """The value is a text, which alone can be changed to lower case or begin with something."""
    return holds(f"match({singular(value.path)}, {_quoted(_ANYTHING)})")


def there(value: Value) -> tuple[Spec, Spec]:
    """The value is there."""
    return _at(singular(value.path), exists=True), guard(value)


def known(value: Value) -> tuple[Spec, Spec]:
    """The value is there, and not null."""
    place = singular(value.path)
    return holds(f"{place} && {place} != null"), guard(value)


def matched(value: Value, pattern: str) -> tuple[Spec, Spec]:
    """A pattern matches somewhere in a value."""
    return _at(singular(value.path), matches=pattern), guard(value)


def compared(value: Value, operator: str, other: Json) -> tuple[Spec, Spec]:
    """A value stands in a relation to a constant.

    Raises:
        NotMechanicalError: the relation cannot be said.
    """
    if value.number == "integer":
        return _as_integer(value, operator, other), guard(value)
    place = singular(value.path)
    if value.case:
        if operator not in ("===", "==") or not isinstance(other, str):
            raise NotMechanicalError("a comparison of changed text")
        return _at(place, matches=f"^{plain_pattern(_right_case(value, other), ignore_case=True)}$"), is_text(value)
    if operator in ("===", "=="):
        return _equal(place, operator, other), guard(value)
    if not isinstance(other, (int, float)) or isinstance(other, bool) or not value.path:
        raise NotMechanicalError("an order of what are no numbers")
    return holds(f"{place} {_SIGNS[operator]} {literal(other)}"), guard(value)


def _equal(place: str, operator: str, other: Json) -> Spec:
    if isinstance(other, (dict, list)):
        raise NotMechanicalError("a list or an object is never the same as another one: no answer passes")
    if other is None or other == "":
        return _at(place, one_of=[other])
    loose = [other, _respelled(other)] if operator == "==" else [other]
    alike = [one for one in loose if one is not None]
    return _at(place, one_of=alike) if len(alike) > 1 else _at(place, equals=other)


def _respelled(value: Json) -> Json:
    """What JavaScript's `==` holds equal as well: the number that a text spells, the spelling of a number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str) and re.fullmatch(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", value):
        number: Json = json.loads(value)
        return number
    return None


def _as_integer(value: Value, operator: str, other: Json) -> Spec:
    """`parseInt(value) >= 3`, be the value a number or a text that begins with one."""
    if not isinstance(other, int) or isinstance(other, bool):
        raise NotMechanicalError("a whole number is compared with something else")
    least = {">=": other, ">": other + 1, "<": other, "<=": other + 1}.get(operator)
    place = singular(value.path)
    if operator in ("===", "=="):
        if other < 0:
            raise NotMechanicalError("a comparison with a number below 0")
        return _at(place, matches=rf"^\s*\+?0*{other}(?!\d)")
    if least is None or least < 0:
        raise NotMechanicalError("a comparison with a number below 0")
    from_it = rf"^\s*\+?{whole_number_from(least)}(?!\d)"
    if operator in (">=", ">"):
        return _at(place, matches=from_it)
    return grouped("all_of", [_at(place, matches=r"^\s*[-+]?\d"), negated(_at(place, matches=from_it))])


def one_of(value: Value, accepted: Sequence[Json]) -> tuple[Spec, Spec]:
    """A value is one of a list."""
    if not accepted or value.number:
        raise NotMechanicalError("an empty list")
    if value.case:
        texts = [plain_pattern(_right_case(value, str(one)), ignore_case=True) for one in accepted]
        return _at(singular(value.path), matches=f"^(?:{'|'.join(texts)})$"), is_text(value)
    return _at(singular(value.path), one_of=list(accepted)), guard(value)


def asked(value: Value, method: str, wanted: Json) -> tuple[Spec, Spec]:
    """`value.includes(wanted)`, `startsWith`, `endsWith`; a list includes an item, a text a part of it."""
    if value.number:
        raise NotMechanicalError("a part of a number")
    place = singular(value.path)
    specs = []
    if method == "includes" and not value.case:
        specs.append(_at(f"{place}[?@ == {literal(wanted)}]", exists=True))
    if isinstance(wanted, str) and value.path:
        specs.append(holds(_found(place, method, wanted, value)))
    if not specs:
        raise NotMechanicalError("a part of what is not understood")
    if len(specs) == 1 and value.path:
        return specs[0], is_text(value)
    return grouped("any_of", specs), _typed(value, ["array", "string"])


def within(value: Value, wanted: Json) -> tuple[Spec, Spec]:
    """Python's `wanted in value`: a key of an object, an item of a list, a part of a text."""
    if value.number or value.case or not isinstance(wanted, (str, int, float)):
        raise NotMechanicalError("a part of what is not understood")
    schema: dict[str, Json] = {"type": ["array"], "contains": {"const": wanted}}
    if isinstance(wanted, str):
        kinds: Json = ["object", "array", "string"]
        schema |= {"type": kinds, "required": [wanted], "pattern": plain_pattern(wanted, ignore_case=False)}
    return _shaped(value, schema), _typed(value, schema["type"])


def _found(place: str, method: str, wanted: str, value: Value) -> str:
    pattern = plain_pattern(_right_case(value, wanted), ignore_case=bool(value.case))
    if method == "includes":
        return f"search({place}, {_quoted(pattern)})"
    whole = pattern + _ANYTHING if method == "startsWith" else _ANYTHING + pattern
    return f"match({place}, {_quoted(whole)})"


def _right_case(value: Value, wanted: str) -> str:
    if value.case and (wanted.lower() if value.case == "lower" else wanted.upper()) != wanted:
        raise NotMechanicalError(f"{wanted!r} cannot occur in a text of {value.case} case: no answer passes")
    return wanted


def sized(value: Value, operator: str, number: float) -> tuple[Spec, Spec]:
    """The length of a list or a text stands in a relation to a number."""
    if value.case or value.number:
        raise NotMechanicalError("the length of what is no text or list")
    if not math.isfinite(number):
        raise NotMechanicalError("a length without end")
    place = singular(value.path)
    if not value.path:
        if operator not in ("===", "==") or number != int(number) or number < 0:
            raise NotMechanicalError("the length of the whole JSON")
        return grouped("all_of", [{"json": {"type": "array", "strict": True}}, _at("$[*]", count=int(number))]), _KEYED
    return holds(f"length({place}) {_SIGNS[operator]} {literal(number)}"), _at(place, exists=True)


def truthy(value: Value) -> tuple[Spec, Spec]:
    """A value is there, and neither false, 0, empty nor null."""
    if value.case:
        raise NotMechanicalError("a changed text is no verdict")
    place = singular(value.path)
    odd = " && ".join(f"{place} != {literal(one)}" for one in (False, 0, "", None))
    return holds(f"{place} && {odd}"), guard(value)


def typed(value: Value, kind: Json) -> tuple[Spec, Spec]:
    """A value is of a JSON type, or of one of several."""
    return _typed(value, kind), guard(value) if value.path else {"json": {"strict": True}}


def _typed(value: Value, kind: Json) -> Spec:
    return _shaped(value, {"type": kind}) if value.path else {"json": {"type": kind, "strict": True}}


def _shaped(value: Value, schema: dict[str, Json]) -> Spec:
    for step in reversed(value.path):
        if isinstance(step, int):
            raise NotMechanicalError("the type of an item of a list")
        schema = {"type": "object", "properties": {step: schema}, "required": [step]}
    return {"json_schema": {"schema": schema, "strict": True}}


def of_items(value: Value, method: str, parameter: str, body: Expression) -> tuple[Spec, Spec]:
    """`list.some(item => ...)` and `list.every(item => ...)`."""
    place = singular(value.path)
    condition = _filter(body, parameter)
    is_there, _ = typed(value, "array") if all(isinstance(step, str) for step in value.path) else there(value)
    if method == "some":
        return _at(f"{place}[?{condition}]", exists=True), is_there
    none_else = _at(f"{place}[?!({condition})]", exists=False)
    return grouped("all_of", [is_there, none_else]), is_there


def _filter(tree: Expression, item: str) -> str:
    """Write a condition on an item of a list.

    Raises:
        NotMechanicalError: it cannot be said in a filter.
    """
    match tree:
        case Binary("&&" | "||" as operator, left, right):
            return f"({_filter(left, item)} {operator} {_filter(right, item)})"
        case Unary("!", operand):
            return f"!({_filter(operand, item)})"
        case Binary(operator, left, Literal(value)) if operator in _SIGNS:
            return f"{_operand(left, item)} {_SIGNS[operator]} {literal(value)}"
        case Binary("!==" | "!=", left, Undefined()):
            return _operand(left, item)
        case Call(Member(owner, Literal("includes" | "startsWith" | "endsWith" as method)), (Literal(str() as text),)):
            case, of = _case_of(owner)
            return _found(_operand(of, item), str(method), text, Value(case=case))
        case _:
            raise NotMechanicalError("a condition on the items of a list that is not understood")


def _case_of(tree: Expression) -> tuple[str, Expression]:
    match tree:
        case Call(Member(owner, Literal("toLowerCase")), ()):
            return "lower", owner
        case Call(Member(owner, Literal("toUpperCase")), ()):
            return "upper", owner
        case _:
            return "", tree


def _operand(tree: Expression, item: str) -> str:
    if isinstance(tree, Member) and tree.key == Literal("length"):
        return f"length({_operand(tree.owner, item)})"
    path: list[Step] = []
    while isinstance(tree, Member) and isinstance(tree.key, Literal) and isinstance(tree.key.value, (str, int)):
        path.append(tree.key.value)
        tree = tree.owner
    if tree != Name(item):
        raise NotMechanicalError("a condition on something else than the items of a list")
    return singular(path[::-1], "@")
