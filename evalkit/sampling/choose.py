"""Choose the inputs that stand for all: some of every kind, in proportion, with the shares of the strata kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evalkit.sampling.kinds import Kinds, Vectors

_PER_KIND: Final = 2
"""Choices per kind, on average: one for its middle, one for its breadth."""
_RARE: Final = 10
"""One in so many choices goes to what is least like all others chosen: a kind too rare to be found as one."""
_BALANCE: Final = 0.5
"""What a stratum that is short of choices weighs against being the best choice of a kind."""


def number_of_kinds(wanted: int) -> int:
    """How many kinds to look for, so that each gets a choice and common ones get several."""
    return max(1, wanted // _PER_KIND)


def quotas(weights: NDArray[np.int64], sizes: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Share choices out among kinds: one to each, the rest in proportion to their weight, none beyond their size.

    Args:
        weights: how often each kind was seen.
        sizes: how many different texts it has.
        wanted: how many choices there are; at most the sum of the sizes, at least the number of kinds.
    """
    given = np.minimum(sizes, 1)
    ideal = weights / weights.sum() * wanted
    while given.sum() < wanted:
        given[np.argmax(np.where(given < sizes, ideal - given, -np.inf))] += 1
    return given


def choose(
    kinds: Kinds, vectors: Vectors, weights: Sequence[int], strata: Mapping[str, Sequence[str]], wanted: int
) -> list[int]:
    """Choose texts.

    Of each kind the first choice is near its middle, each further one far from those before; where two would do, the
    one is taken whose length, language, tag and time are short of choices so far. The last tenth is what is least like
    all that is chosen.

    Args:
        kinds: the kinds of the texts.
        vectors: where the texts are.
        weights: how often each text was seen, repeats counted.
        strata: per stratum, each text's value.
        wanted: how many to choose; all are returned where there are no more.

    Returns:
        The indices of the chosen texts, in order.
    """
    seen = np.asarray(weights, dtype=np.int64)
    count = len(kinds.names)
    if wanted >= len(seen):
        return list(range(len(seen)))
    rare = wanted // _RARE
    given = quotas(
        np.bincount(kinds.of, weights=seen, minlength=count), np.bincount(kinds.of, minlength=count), wanted - rare
    )
    balance = Balance(strata, seen)
    chosen: list[int] = []
    for kind in np.argsort(-given, kind="stable").tolist():
        chosen += _of_kind(kinds.members(kind), vectors, balance, int(given[kind]))
    return sorted(chosen + _farthest(vectors, chosen, rare))


def _farthest(vectors: Vectors, chosen: Sequence[int], wanted: int) -> list[int]:
    """Choose what is least like all chosen before it, one after the other (Gonzalez, 1985)."""
    nearest = (vectors @ vectors[list(chosen)].T).max(axis=1)
    found: list[int] = []
    for _ in range(wanted):
        found.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, vectors @ vectors[found[-1]])
    return found


def _of_kind(members: NDArray[np.int64], vectors: Vectors, balance: Balance, quota: int) -> list[int]:
    """Choose from one kind; its members stand by nearness to its middle."""
    fit = 1 - np.arange(len(members)) / max(1, len(members))
    nearest = np.full(len(members), -1.0)
    open_ = np.ones(len(members), dtype=bool)
    chosen: list[int] = []
    for _ in range(quota):
        merit = np.where(open_, fit + _BALANCE * balance.short_of(members), -np.inf)
        place = int(np.argmax(merit))
        open_[place] = False
        chosen.append(int(members[place]))
        balance.add(chosen[-1])
        nearest = np.maximum(nearest, vectors[members] @ vectors[members[place]])
        fit = 1 - nearest
    return chosen


class Balance:
    """How many choices each value of each stratum lacks by now, to keep its share.

    Args:
        strata: per stratum, each text's value.
        weights: how often each text was seen.
    """

    def __init__(self, strata: Mapping[str, Sequence[str]], weights: NDArray[np.int64]) -> None:
        self._codes: list[NDArray[np.int64]] = []
        self._share: list[NDArray[np.float64]] = []
        self._chosen = 0
        self._got: list[NDArray[np.float64]] = []
        for values in strata.values():
            codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)[1]
            seen = np.bincount(codes, weights=weights)
            self._codes.append(codes)
            self._share.append(seen / seen.sum())
            self._got.append(np.zeros(len(seen)))

    def short_of(self, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """From -1 to 1 per text: how far its values are below what is due to them by now, on average over the strata.

        A lack of the square root of what is due, as chance alone would leave it, counts in full.
        """
        if not self._codes:
            return np.zeros(len(members))
        lacks = []
        for codes, share, got in zip(self._codes, self._share, self._got, strict=True):
            due = share * (self._chosen + 1)
            lacks.append(np.clip((due - got) / np.sqrt(np.maximum(due, 1)), -1, 1)[codes[members]])
        return np.asarray(np.mean(lacks, axis=0))

    def add(self, index: int) -> None:
        """Count a choice."""
        self._chosen += 1
        for codes, got in zip(self._codes, self._got, strict=True):
            got[codes[index]] += 1
