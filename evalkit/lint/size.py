"""Whether there are cases enough for what is asked of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.subject import Subject
from evalkit.stats.intervals import wilson
from evalkit.stats.power import cases_needed_for_mean, detectable_mean_difference

_DISCORDANCE: Final = 0.1
"""The share of cases on which two good candidates differ, if nothing else is known."""
_SMALL: Final = 30
_WIDE: Final = 0.5
"""Tags whose interval would be wider than this share are told of."""
_SHOWN: Final = 8
_RULES: Final = (("gate", "margin"), ("gate", "max_drop"), ("decide", "margin"))


def few_cases(subject: Subject) -> Iterator[Finding]:
    """See what so many cases can tell of one candidate."""
    n = len(subject.cases)
    if n < _SMALL:
        low, high = wilson(round(0.8 * n), n)
        yield Finding(
            Severity.WARNING,
            f"there are {n} cases only",
            f"a measured pass rate of 80 % would mean anything from {100 * low:.0f} to {100 * high:.0f} %",
            "add cases: `evalkit sample` chooses some from logs, 100 to 200 tell most candidates apart",
            subject.file,
        )


def small_margin(subject: Subject) -> Iterator[Finding]:
    """Hold the margins of the suite's rules against what so many cases can show."""
    n = len(subject.cases)
    if not n:
        return
    for block, key in _RULES:
        margin = getattr(subject.suite, block).get(key)
        if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not margin:
            continue
        needed = cases_needed_for_mean(margin, _DISCORDANCE)
        if needed > n:
            shows = detectable_mean_difference(n, _DISCORDANCE)
            yield Finding(
                Severity.WARNING,
                f"`{block}.{key}` asks for {100 * margin:g} points; {n:,} cases show differences of {100 * shows:.0f} "
                "points, if two candidates differ on one case in ten",
                "most verdicts will be INCONCLUSIVE, or nobody is shown to be as good as the best",
                f"it takes about {needed:,} cases, or a wider margin"
                + ("; a gate's `margin: auto` takes what the cases can show" if block == "gate" else ""),
                subject.places.get(f"{block}.{key}", subject.file),
            )


def thin_tags(subject: Subject) -> Iterator[Finding]:
    """Find tags with too few cases for a pass rate of their own."""
    counts = Counter(tag for case in subject.cases for tag in case.tags)
    # In order of size; a tag that each case has a different one of is a note, not a group.
    thin = sorted(
        ((tag, n) for tag, n in counts.items() if n > 1 and _width(n) > _WIDE), key=lambda one: (one[1], one[0])
    )
    if thin:
        listed = ", ".join(f"{tag} ({n})" for tag, n in thin[:_SHOWN])
        more = f" and {len(thin) - _SHOWN} more" if len(thin) > _SHOWN else ""
        yield Finding(
            Severity.HINT,
            f"too few cases for a pass rate of their own: {listed}{more}",
            f"the interval of such a tag's pass rate is wider than {100 * _WIDE:.0f} points",
            "add cases to the tags that matter, 30 or more each, or read these rows of a report as examples only",
            subject.file,
        )


def _width(n: int) -> float:
    low, high = wilson(n // 2, n)
    return high - low
