"""Which candidates may answer first, and to which of the others they hand on. Needs numpy: import it lazily."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.analysis.cascade.cascades import Cascade
from evalkit.analysis.cascade.data import Answers, Portfolio
from evalkit.errors import ConfigError


def ordered_pairs(of: Portfolio) -> list[tuple[Answers, Answers]]:
    """Every pair in which the first is the cheaper; where costs are unknown, the one that passes less often."""
    known = not any(np.isnan(one.usd_per_call) for one in of.answers)
    key = [one.usd_per_call if known else one.rate for one in of.answers]
    order = sorted(range(len(key)), key=lambda place: key[place])
    return [(of.answers[i], of.answers[j]) for at, i in enumerate(order) for j in order[at + 1 :] if key[i] < key[j]]


def pairs_named(of: Portfolio, cheap: str | None, strong: str | None) -> list[tuple[Answers, Answers]]:
    """The pairs that a user names by one side or both; by both, whatever they cost.

    Raises:
        ConfigError: there is no such candidate, or they are one and the same.
    """
    first, second = _named(of, cheap), _named(of, strong)
    if cheap is not None and strong is not None:
        pairs = [(one, other) for one in first for other in second if one is not other]
        if not pairs:
            raise ConfigError(f"{cheap!r} cannot hand on to itself", remedy="name two candidates")
        return pairs
    return [
        (one, other)
        for one, other in ordered_pairs(of)
        if any(one is named for named in first) and any(other is named for named in second)
    ]


def _named(of: Portfolio, name: str | None) -> list[Answers]:
    """The candidates of a name: a model's (with each of its prompts), or `model / prompt`; all without a name."""
    found = [one for one in of.answers if name in {None, one.model, f"{one.model} / {one.prompt}"}]
    if not found:
        names = dict.fromkeys(one.model for one in of.answers)
        raise ConfigError(f"the run has no candidate {name!r}", remedy=f"it has: {', '.join(names)}")
    return found


def foremost(found: Sequence[Cascade]) -> list[Cascade]:
    """The cascades that hand on to the candidate that passes most often."""
    if not found:
        return []
    best = max(found, key=lambda one: one.pair.strong.rate).pair.strong
    return [one for one in found if one.pair.strong is best]
