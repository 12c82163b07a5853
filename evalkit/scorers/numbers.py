"""The numeric scorer."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Final, Literal

from evalkit.scorers.base import PlainScorer
from evalkit.scorers.numerals import Numeral, numerals
from evalkit.scorers.options import Opt
from evalkit.scorers.values import clip, is_number, kind_of, show
from evalkit.types import MISSING, Case, Json, Record, Score

_LARGEST: Final = 10**400


@dataclass(frozen=True, slots=True)
class Numeric(PlainScorer):
    """The number in the answer equals `expected`, within a tolerance."""

    tolerance: Annotated[float, Opt("Largest accepted difference.", main=True, at_least=0)] = 0
    relative: Annotated[
        float, Opt("Largest accepted difference as a share of `expected`; the wider of both applies.", at_least=0)
    ] = 0
    which: Annotated[
        Literal["last", "first", "only"],
        Opt("Which number counts when the answer holds several; only: the answer may hold no second one."),
    ] = "last"

    def score(self, answer: Record, case: Case) -> Score:
        """Pass when the number read from the answer is near enough."""
        expected = exact_number(case.expected)
        found = self._pick(answer.output or "")
        if isinstance(found, str):
            return Score(0.0, passed=False, reason=f"{found} in {show(answer.output)}")
        if expected is not None and found.value is not None and self._near(found.value, expected):
            return Score(1.0, passed=True)
        return Score(0.0, passed=False, reason=f"expected {self._wanted(case.expected)}, got {clip(found.text, 40)}")

    def check(self, case: Case) -> str | None:
        """Refuse cases whose `expected` is not one number."""
        if case.expected is MISSING:
            return "`expected` is missing; numeric needs a number"
        if exact_number(case.expected) is None:
            got = show(case.expected) if isinstance(case.expected, (str, float)) else kind_of(case.expected)
            return f"numeric needs one finite number as `expected`, got {got}"
        return None

    def _pick(self, output: str) -> Numeral | str:
        """The number that counts, or why there is none."""
        found = numerals(output)
        if self.which == "only":
            return _only(found)
        number = next(found, None) if self.which == "first" else next(iter(deque(found, maxlen=1)), None)
        return number or "no number"

    def _near(self, value: Fraction, expected: Fraction) -> bool:
        allowed = max(Fraction(repr(self.tolerance)), Fraction(repr(self.relative)) * abs(expected))
        return abs(value - expected) <= allowed

    def _wanted(self, expected: Json) -> str:
        spans = [f"{self.tolerance:g}"] * bool(self.tolerance) + [f"{self.relative:.6g} of it"] * bool(self.relative)
        return " within ".join([clip(str(expected), 40), *([" or ".join(spans)] if spans else [])])


def exact_number(value: Json) -> Fraction | None:
    """The exact value of a number, or of a text that holds exactly one; None for anything else, infinities included."""
    if isinstance(value, str):
        found = list(numerals(value))
        return found[0].value if len(found) == 1 else None
    if not is_number(value) or abs(value) >= _LARGEST or math.isnan(value):
        return None
    # repr is what was typed: 0.1 means a tenth, not the nearest binary fraction.
    return Fraction(repr(value))


def _only(found: Iterator[Numeral]) -> Numeral | str:
    first = next(found, None)
    if first is None:
        return "no number"
    other = next((number for number in found if number.value != first.value), None)
    return first if other is None else f"several numbers ({clip(first.text, 40)}, {clip(other.text, 40)})"
