"""The json_fields scorer: credit for each field of a JSON answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from evalkit.scorers.base import PlainScorer
from evalkit.scorers.jsontext import NoJsonError, find_json, parse_json
from evalkit.scorers.numbers import exact_number
from evalkit.scorers.options import Opt
from evalkit.scorers.values import clip, comparable, is_number, kind_of, show
from evalkit.types import MISSING, Case, Json, Record, Score

_SHOWN_FAULTS: Final = 5


@dataclass(frozen=True, slots=True)
class JsonFields(PlainScorer):
    """The fields of a JSON answer equal those of `expected`; each right field earns its share."""

    fields: Annotated[
        tuple[str, ...] | None,
        Opt("Names or dotted paths (`address.city`) to compare. Default: all of `expected`.", main=True, filled=True),
    ] = None
    ignore_case: Annotated[bool, Opt("Compare strings without regard to case.")] = True
    tolerance: Annotated[float, Opt("Largest accepted difference of numbers.", at_least=0)] = 0
    extra: Annotated[
        Literal["allow", "forbid"], Opt("Whether the answer may hold keys that `expected` does not have.")
    ] = "allow"

    def score(self, answer: Record, case: Case) -> Score:
        """Pass when every field is right; the value is the share that is. Details: `fields`, name -> right or not.

        A forbidden extra key counts as one more field, a wrong one.
        """
        expected = _expected_mapping(case) or {}
        names = self.fields or tuple(expected)
        try:
            got = find_json(answer.output or "", dict)
        except NoJsonError as error:
            return _nothing_right(names, f"{error}: {show(answer.output)}")
        if not isinstance(got, dict):
            return _nothing_right(names, f"expected a JSON object, got {kind_of(got)}")
        faults = {name: self._fault(lookup(expected, name), lookup(got, name)) for name in names}
        extra = [f"{show(key, 40)} is not expected" for key in self._extra_keys(expected, got)]
        wrong = [f"{name}: {fault}" for name, fault in faults.items() if fault] + extra
        total = len(names) + len(extra)
        return Score(
            value=(total - len(wrong)) / total,
            passed=not wrong,
            reason=_listed(wrong),
            details={"fields": {name: fault is None for name, fault in faults.items()}},
        )

    def check(self, case: Case) -> str | None:
        """Refuse cases whose `expected` is no mapping with the fields to compare."""
        if case.expected is MISSING:
            return "`expected` is missing; json_fields needs a mapping of fields"
        expected = _expected_mapping(case)
        if expected is None:
            return f"json_fields needs a mapping as `expected`, got {kind_of(case.expected)}"
        if not expected:
            return "json_fields needs at least one field in `expected`"
        absent = [name for name in self.fields or () if lookup(expected, name) is MISSING]
        if absent:
            return f"`expected` has no field {clip(', '.join(absent))}; write null where a field must be null"
        return None

    def _fault(self, expected: Json, got: Json) -> str | None:
        if got is MISSING:
            return f"expected {show(expected, 40)}, missing"
        return None if self._same(expected, got) else f"expected {show(expected, 40)}, got {show(got, 40)}"

    def _same(self, expected: Json, got: Json) -> bool:
        if isinstance(expected, str) and isinstance(got, str):
            return self._text(expected) == self._text(got)
        if is_number(expected) and is_number(got):
            return self._near(expected, got)
        if isinstance(expected, Mapping) and isinstance(got, Mapping):
            return self._same_mapping(expected, got)
        if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
            return len(expected) == len(got) and all(map(self._same, expected, got))
        # Booleans and null are left; types that differ never compare equal, so true is not 1.
        return type(expected) is type(got) and bool(expected == got)

    def _same_mapping(self, expected: Mapping[str, Json], got: Mapping[str, Json]) -> bool:
        complete = all(key in got and self._same(value, got[key]) for key, value in expected.items())
        return complete and not self._extra_keys(expected, got)

    def _extra_keys(self, expected: Mapping[str, Json], got: Mapping[str, Json]) -> list[str]:
        return [] if self.extra == "allow" else [key for key in got if key not in expected]

    def _text(self, text: str) -> str:
        return comparable(text, ignore_case=self.ignore_case).strip()

    def _near(self, expected: float, got: float) -> bool:
        left, right = exact_number(expected), exact_number(got)
        # Infinities and numbers beyond exact comparison equal nothing.
        return left is not None and right is not None and abs(left - right) <= Fraction(repr(self.tolerance))


def lookup(value: Json, path: str) -> Json:
    """Return the field at a dotted path, or MISSING; numbers index lists. A key spelled like the whole path wins."""
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for key in path.split("."):
        value = _step(value, key)
    return value


def _step(value: Json, key: str) -> Json:
    if isinstance(value, Mapping):
        return value.get(key, MISSING)
    if isinstance(value, Sequence) and not isinstance(value, str) and key.isdecimal() and len(key) < len("1000000"):
        return value[int(key)] if int(key) < len(value) else MISSING
    return MISSING


def _expected_mapping(case: Case) -> Mapping[str, Any] | None:
    """`expected` as a mapping; in a CSV file it is JSON in a cell."""
    expected = case.expected
    if isinstance(expected, str):
        try:
            expected = parse_json(expected)
        except NoJsonError:
            return None
    return expected if isinstance(expected, Mapping) else None


def _nothing_right(names: Sequence[str], reason: str) -> Score:
    return Score(0.0, passed=False, reason=reason, details={"fields": dict.fromkeys(names, False)})


def _listed(faults: Sequence[str]) -> str:
    more = [f"and {len(faults) - _SHOWN_FAULTS} more"] if len(faults) > _SHOWN_FAULTS else []
    return "; ".join([*faults[:_SHOWN_FAULTS], *more])
