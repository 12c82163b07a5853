"""Conditions on the answer's text: parts of it, what it equals, how long it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from evalkit.imports.promptfoo.scripts.subjects import Scope, Text
from evalkit.imports.promptfoo.scripts.tree import NotMechanicalError
from evalkit.imports.promptfoo.specs import Spec, spec
from evalkit.types import Json

EXACT: Final = ("===", "==", "!==", "!=")
"""The operators that ask for sameness."""


def sized(text: Text, unit: str, operator: str, number: float, scope: Scope) -> Spec:
    """The length of the text stands in a relation to a number."""
    least, most = _whole_bounds(operator, number)
    if least is not None and least <= 0 and most is None:
        raise NotMechanicalError("a length that every answer has")
    if most is not None and most < 0:
        raise NotMechanicalError("a length that no answer has")
    if unit == "words":
        return spec("length", min_words=least, max_words=most)
    if least == 1 and most is None:
        return not_empty(text)
    about_lengths(scope)
    return {"length": {key: value for key, value in (("min_chars", least), ("max_chars", most)) if value is not None}}


def _whole_bounds(operator: str, number: float) -> tuple[int | None, int | None]:
    if not math.isfinite(number):
        raise NotMechanicalError("a length without end")
    least: dict[str, Callable[[], tuple[int | None, int | None]]] = {
        ">": lambda: (int(number // 1) + 1, None),
        ">=": lambda: (-int(-number // 1), None),
        "<": lambda: (None, -int(-number // 1) - 1),
        "<=": lambda: (None, int(number // 1)),
    }
    if operator in least:
        return least[operator]()
    if operator not in EXACT or number != int(number):
        raise NotMechanicalError("a length that no answer has")
    return int(number), int(number)


def not_empty(text: Text) -> Spec:
    """Something is said."""
    return spec("regex", pattern=r"\S" if text.strip else r"[\s\S]")


def asked(text: Text, method: str, wanted: str) -> Spec:
    """`text.includes(wanted)`, `startsWith`, `endsWith`."""
    fold = _folded(text, wanted)
    if method == "includes":
        if text.strip and wanted != wanted.strip():
            raise NotMechanicalError("white space is looked for at the ends of a trimmed text")
        return spec("contains", value=wanted, ignore_case=fold)
    name = "starts_with" if method == "startsWith" else "ends_with"
    return {
        name: {"value": wanted, **({} if text.strip else {"strip": False}), **({"ignore_case": True} if fold else {})}
    }


def placed(text: Text, wanted: str, operator: str, number: int) -> tuple[Spec, bool]:
    """`indexOf(wanted) >= 0` and its like: a text is found, anywhere or at the start; and whether it must not be."""
    if (operator, number) in ((">", -1), (">=", 0)):
        return asked(text, "includes", wanted), False
    if (operator, number) in (("===", -1), ("==", -1), ("<", 0)):
        return asked(text, "includes", wanted), True
    if (operator, number) in (("===", 0), ("==", 0)):
        return asked(text, "startsWith", wanted), False
    raise NotMechanicalError("a place in the answer")


def equal(text: Text, accepted: list[Json]) -> Spec:
    """The text is one of a list."""
    fold = {_folded(text, str(one)) for one in accepted} == {True}
    options: dict[str, Json] = {"values": accepted}
    return {"one_of": options | ({} if text.strip else {"strip": False}) | ({"ignore_case": True} if fold else {})}


def _folded(text: Text, wanted: str) -> bool:
    """Whether the case of the text was changed, so that it does not count."""
    if not text.case:
        return False
    if (wanted.lower() if text.case == "lower" else wanted.upper()) != wanted:
        raise NotMechanicalError(f"{wanted!r} cannot occur in a text of {text.case} case: no answer passes")
    return True


def about_lengths(scope: Scope) -> None:
    """Say how lengths are counted here."""
    scope.remark("lengths are counted without the white space around the answer, and an emoji as one character")
