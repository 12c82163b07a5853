"""Differences as people read them: points, signs, spans, p-values; and sentences chosen by what is the case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from evalkit.report import format as fmt
from evalkit.stats.intervals import Interval
from evalkit.stats.margin import Verdict

_NAMED: Final = 5

ABOUT: Final[Mapping[Verdict, str]] = {
    Verdict.NOT_WORSE: "if B is worse at all, it is by less.",
    Verdict.REGRESSED: "B is worse, and it may be by more.",
    Verdict.INCONCLUSIVE: "B may be worse by more, or not worse at all; these cases do not settle it.",
}
"""What a verdict by margin means."""

DIRECTION: Final[Mapping[tuple[bool, bool, bool], str]] = {
    (True, True, True): "The prompts ask the same, written another way (see the diff).",
    (True, False, True): "The prompts are the same.",
    (True, False, False): "The prompts are the same.",
    (False, True, True): "The prompts differ (see the diff).",
    (False, False, True): "The prompts' texts are the same; what they are given may differ: vars, pictures or tools.",
    (False, False, False): "The prompts differ; these runs did not keep their texts.",
}
"""What can be said of two prompts: whether they are alike, whether their texts differ, whether both were kept."""


def points(difference: float) -> str:
    """A difference of shares in points, with its sign: +3.3 points."""
    return f"{fmt.points(difference)} points"


def points_span(ends: Interval) -> str:
    """An interval of differences of shares, in points: -6.1 to +3.3."""
    return fmt.points_interval(ends)


def span(ends: Interval, decimals: int) -> str:
    """An interval of differences: -6.1 to +3.3."""
    return f"{signed(ends.low, decimals)} to {signed(ends.high, decimals)}"


def signed(value: float, decimals: int) -> str:
    """A number with its sign, 0 without one."""
    text = f"{value:+,.{decimals}f}"
    return text[1:] if not float(text.replace(",", "")) else text


def p_value(p: float | None) -> str:
    """A p-value, which may be unknown: 0.58, 0.012, <0.001."""
    return fmt.UNKNOWN if p is None else fmt.p_value(p)


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {fmt.count(len(names) - _NAMED)} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
