"""The shares that a sample is to keep: of tags, languages, lengths and times."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

OTHER: Final = "other"
_RARE: Final = 0.005
"""A value of fewer texts than this share, or of one only, counts as "other": it may be the detection's slip."""
_MOST: Final = 12
_LENGTHS: Final = ("short", "medium", "long")
_TIMES: Final = 4


def lengths(texts: Sequence[str]) -> list[str]:
    """Call each text short, medium or long: a third of them each, by characters."""
    sizes = np.array([len(text) for text in texts])
    low, high = np.quantile(sizes, (1 / 3, 2 / 3))
    return [_LENGTHS[int(size > low) + int(size > high)] for size in sizes]


def times(stamps: Sequence[dt.datetime | None]) -> list[str]:
    """Put each stamp into one of four spans of equal length, named by their first day; none is "unknown"."""
    known = [stamp.timestamp() for stamp in stamps if stamp is not None]
    if not known:
        return ["unknown"] * len(stamps)
    first, last = min(known), max(known)
    width = (last - first) / _TIMES or 1.0
    names = [f"from {dt.datetime.fromtimestamp(first + width * span, dt.UTC):%Y-%m-%d}" for span in range(_TIMES)]
    return [
        "unknown" if stamp is None else names[min(_TIMES - 1, int((stamp.timestamp() - first) / width))]
        for stamp in stamps
    ]


def common(values: Sequence[str]) -> list[str]:
    """Leave the common values and call all others "other"."""
    counts = Counter(values)
    least = max(2, _RARE * len(values))
    kept = {value for value, count in counts.most_common(_MOST) if count >= least}
    return [value if value in kept else OTHER for value in values]


def languages(texts: Sequence[str], detect: Callable[[str], str]) -> list[str]:
    """Name each text's language, rare ones "other".

    Args:
        texts: the texts.
        detect: returns a language's code.
    """
    return common([detect(text) for text in texts])


def shares(values: Sequence[str], weights: Sequence[int]) -> Mapping[str, float]:
    """Return the weighted share of each value, the largest first."""
    counts: Counter[str] = Counter()
    for value, weight in zip(values, weights, strict=True):
        counts[value] += weight
    total = counts.total()
    return {value: count / total for value, count in counts.most_common()}
