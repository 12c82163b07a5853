"""Scorers that compare plain text: exact and contains."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from evalkit.scorers.base import PlainScorer
from evalkit.scorers.options import Opt
from evalkit.scorers.values import as_text, clip, comparable, kind_of, show
from evalkit.types import MISSING, Case, Record, Score

NO_EXPECTED = "`expected` is missing"


@dataclass(frozen=True, slots=True)
class Exact(PlainScorer):
    """The answer equals `expected`."""

    strip: Annotated[bool, Opt("Ignore white space around the text.")] = True
    ignore_case: Annotated[bool, Opt("Compare without regard to case.")] = False
    ignore_whitespace: Annotated[bool, Opt("Treat any run of white space as one space.")] = False
    ignore_punctuation: Annotated[bool, Opt("Leave out all punctuation.")] = False
    unicode: Annotated[
        Literal["NFC", "NFKC", "none"],
        Opt("Unicode form to compare in: NFC, NFKC (also equates full-width and ligature forms), or none."),
    ] = "NFC"

    def score(self, answer: Record, case: Case) -> Score:
        """Pass when both texts are the same after normalisation."""
        output, expected = answer.output or "", as_text(case.expected)
        if self._normalise(output) == self._normalise(expected):
            return Score(1.0, passed=True)
        return Score(0.0, passed=False, reason=f"expected {show(expected)}, got {show(output)}")

    def check(self, case: Case) -> str | None:
        """Refuse a missing `expected`, and lists and mappings."""
        if case.expected is MISSING:
            return NO_EXPECTED
        if isinstance(case.expected, (list, tuple, Mapping)):
            return f"exact compares text, but `expected` is {kind_of(case.expected)}; json_fields compares structure"
        return None

    def _normalise(self, text: str) -> str:
        text = self._canonical(text)
        if self.ignore_case:
            # Folding may leave a sequence that the Unicode form would compose, hence the second pass.
            text = self._canonical(text.casefold())
        if self.ignore_punctuation:
            text = "".join(char for char in text if not unicodedata.category(char).startswith("P"))
        if self.ignore_whitespace:
            text = " ".join(text.split())
        return text.strip() if self.strip else text

    def _canonical(self, text: str) -> str:
        return text if self.unicode == "none" else unicodedata.normalize(self.unicode, text)


@dataclass(frozen=True, slots=True)
class Contains(PlainScorer):
    """The answer contains a text, or all of several."""

    value: Annotated[
        str | tuple[str, ...] | None,
        Opt("Text that must occur; of a list, all must. Default: the case's `expected`.", main=True, filled=True),
    ] = None
    ignore_case: Annotated[bool, Opt("Compare without regard to case.")] = False

    def score(self, answer: Record, case: Case) -> Score:
        """Pass when every wanted text occurs; the value is the share that does."""
        wanted = self._wanted(case)
        output = comparable(answer.output or "", ignore_case=self.ignore_case)
        absent = [text for text in wanted if comparable(text, ignore_case=self.ignore_case) not in output]
        if not absent:
            return Score(1.0, passed=True)
        reason = f"does not contain {clip(', '.join(map(show, absent)), 160)}, got {show(answer.output)}"
        return Score(1 - len(absent) / len(wanted), passed=False, reason=reason)

    def check(self, case: Case) -> str | None:
        """Refuse cases that do not say what must occur."""
        if self.value is None and case.expected is MISSING:
            return f"{NO_EXPECTED}, and contains has no `value`"
        if self.value is None and isinstance(case.expected, Mapping):
            return "contains looks for text, but `expected` is a mapping; json_fields compares structure"
        wanted = self._wanted(case)
        if not wanted or not all(wanted):
            return "contains was given an empty text to look for, which every answer contains"
        return None

    def _wanted(self, case: Case) -> tuple[str, ...]:
        wanted = case.expected if self.value is None else self.value
        return tuple(map(as_text, wanted)) if isinstance(wanted, (list, tuple)) else (as_text(wanted),)
