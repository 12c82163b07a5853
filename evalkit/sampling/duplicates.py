"""Texts that say the same as one before, word for word or nearly.

Nearly: the longest common subsequence of two texts is at least so large a share of them, in the order of their words
as they stand or sorted. To compare not all with all, only those are compared whose MinHash signatures agree in some
band (Broder, "On the resemblance and containment of documents", 1997; Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", chapter 3). Two texts with half of their three-letter pieces in common meet with probability 0.92,
with 0.6 of them 0.996.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from evalkit.sampling.texts import plain

NEAR: Final = 0.85
"""How alike two texts must be to say the same. Fewer than one in nine such pairs of bank customers' questions differ in
what is meant; at 0.80 it is one in four."""

_PIECE: Final = 3
_ROWS: Final = 4
_BANDS: Final = 40
_LONG: Final = 20_000
"""Characters of a text that are compared."""


class Repeat(NamedTuple):
    """The text at a place says the same as the one at `first` before it. `alike` is from 0 to 1; 1 is word for word."""

    place: int
    first: int
    alike: float


def find_repeats(texts: Sequence[str], near: float = NEAR) -> list[Repeat]:
    """Find the texts that repeat an earlier one, which itself repeats none.

    Args:
        texts: in the order in which the first of several is kept.
        near: how alike is the same, 0 to 1; 1 finds only what is word for word the same.

    Returns:
        In the order of the texts.
    """
    plains = [plain(text[:_LONG]) for text in texts]
    exact = list(_exact(plains))
    if near >= 1:
        return exact
    repeated = {repeat.place: repeat for repeat in exact}
    firsts = [index for index in range(len(texts)) if index not in repeated]
    for repeat in _nearly(plains, firsts, near):
        repeated[repeat.place] = repeat
    # Whoever repeats a text that was found to repeat another one repeats that.
    return [
        repeat._replace(first=repeated[repeat.first].first) if repeat.first in repeated else repeat
        for _, repeat in sorted(repeated.items())
    ]


def _exact(plains: Sequence[str]) -> Iterable[Repeat]:
    seen: dict[str, int] = {}
    for index, text in enumerate(plains):
        first = seen.setdefault(text, index)
        if first != index:
            yield Repeat(index, first, 1.0)


def _nearly(plains: Sequence[str], firsts: Sequence[int], near: float) -> Iterable[Repeat]:
    """Compare each text with those kept before that share a band with it."""
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    multipliers, shifts = _hashes()
    for index in firsts:
        keys = _band_keys(plains[index], multipliers, shifts)
        met = sorted({other for key in keys for other in buckets.get(key, ())})
        best = _most_alike(plains[index], [plains[other] for other in met], near)
        if best is None:
            for key in keys:
                buckets[key].append(index)
        else:
            yield Repeat(index, met[best[0]], best[1])


def _most_alike(text: str, others: Sequence[str], near: float) -> tuple[int, float] | None:
    """Find the place of the most alike text, and how alike it is; None where none is near."""
    found = [
        process.extractOne(text, others, scorer=scorer, score_cutoff=100 * near)
        for scorer in (fuzz.ratio, fuzz.token_sort_ratio)
    ]
    return max(((place, score / 100) for _, score, place in filter(None, found)), key=lambda one: one[1], default=None)


def _hashes() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Draw the hash functions h(x) = a x + b modulo 2**64, the same ones every time."""
    drawn = np.random.default_rng(0).integers(0, 2**64, (2, _ROWS * _BANDS, 1), dtype=np.uint64)
    return drawn[0] | np.uint64(1), drawn[1]


def _band_keys(text: str, multipliers: NDArray[np.uint64], shifts: NDArray[np.uint64]) -> list[tuple[int, bytes]]:
    letters = np.frombuffer(f"  {text}  ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = len(letters) - _PIECE + 1
    pieces = np.unique(sum(letters[place : place + count] << np.uint64(21 * place) for place in range(_PIECE)))
    signature = (multipliers * pieces + shifts >> np.uint64(32)).min(axis=1).reshape(_BANDS, _ROWS)
    return [(band, rows.tobytes()) for band, rows in enumerate(signature)]
