"""Texts that say the same as one before, word for word or nearly.

Nearly: the longest common subsequence of two texts is at least so large a share of them, in the order of their words
as they stand or sorted. To compare not all with all, only those are compared whose MinHash signatures agree in some
band, those first that agree in most (Broder, "On the resemblance and containment of documents", 1997; Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3). Two texts with half of their three-letter pieces in
common meet with probability 0.92, with 0.6 of them 0.996. What very many texts have in common, such as a form letter
around what each of them says, brings none of them together; so time and memory grow no faster than the texts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from evalkit.sampling.texts import plain, verbatim

NEAR: Final = 0.85
"""How alike two texts must be to say the same. Fewer than one in nine such pairs of bank customers' questions differ in
what is meant; at 0.80 it is one in four."""

_ROWS: Final = 4
_BANDS: Final = 40
_LONG: Final = 8_000
"""Characters of a text that are compared: of a longer one those at its beginning and its end."""
_FULL: Final = 100
"""Texts that one band may bring together."""
_COMPARED: Final = 50
"""Texts that one is compared with at most."""


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
    repeated = {repeat.place: repeat for repeat in _exact(texts)}
    if near < 1:
        firsts = [index for index in range(len(texts)) if index not in repeated]
        repeated |= {repeat.place: repeat for repeat in _nearly(texts, firsts, near)}
    # Whoever repeats a text that was found to repeat another one repeats that.
    return [
        repeat._replace(first=repeated[repeat.first].first, alike=min(repeat.alike, repeated[repeat.first].alike))
        if repeat.first in repeated
        else repeat
        for _, repeat in sorted(repeated.items())
    ]


def _exact(texts: Sequence[str]) -> Iterable[Repeat]:
    seen: dict[bytes, int] = {}
    for index, text in enumerate(texts):
        key = blake2b(verbatim(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        first = seen.setdefault(key, index)
        if first != index:
            yield Repeat(index, first, 1.0)


class _Compared(NamedTuple):
    """A text as it is compared: its words as they stand, and sorted."""

    words: str
    sorted_words: str


def _nearly(texts: Sequence[str], firsts: Sequence[int], near: float) -> Iterable[Repeat]:
    """Compare each text with those kept before that share a band with it."""
    buckets: defaultdict[int, list[int]] = defaultdict(list)
    kept: dict[int, _Compared] = {}
    multipliers, shifts = _hashes()
    for index in firsts:
        text = _compared(texts[index])
        keys = _band_keys(text.words, multipliers, shifts)
        met = Counter(chain.from_iterable(filter(None, map(buckets.get, keys))))
        others = [place for place, _ in met.most_common(_COMPARED)]
        best = _most_alike(text, [kept[other] for other in others], near)
        if best is not None:
            yield Repeat(index, others[best[0]], best[1])
            continue
        kept[index] = text
        for key in keys:
            bucket = buckets[key]
            if len(bucket) < _FULL:
                bucket.append(index)


def _compared(text: str) -> _Compared:
    words = plain(text if len(text) <= _LONG else f"{text[: _LONG // 2]} {text[-_LONG // 2 :]}")
    return _Compared(words, " ".join(sorted(words.split())))


def _most_alike(text: _Compared, others: Sequence[_Compared], near: float) -> tuple[int, float] | None:
    """Find the place of the most alike text, and how alike it is; None where none is near."""
    found = [
        process.extractOne(own, theirs, scorer=fuzz.ratio, score_cutoff=100 * near)
        for own, theirs in zip(text, zip(*others, strict=True), strict=False)
    ]
    # Below 1, as it is not word for word the same: its words stand in another order, or it differs in its middle.
    alike = ((place, min(score / 100, 0.999)) for _, score, place in filter(None, found))
    return max(alike, key=lambda one: one[1], default=None)


def _hashes() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Draw the hash functions h(x) = a x + b modulo 2**64, the same ones every time."""
    drawn = np.random.default_rng(0).integers(0, 2**64, (2, _ROWS * _BANDS, 1), dtype=np.uint64)
    return drawn[0] | np.uint64(1), drawn[1]


def _band_keys(text: str, multipliers: NDArray[np.uint64], shifts: NDArray[np.uint64]) -> list[int]:
    """Make a key of each band: equal for texts that agree in it, else different but for a chance of 1 in 2**57."""
    letters = np.frombuffer(f"  {text}  ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    pieces = letters[:-2] | letters[1:-1] << np.uint64(21) | letters[2:] << np.uint64(42)
    signature = (multipliers * pieces + shifts >> np.uint64(32)).min(axis=1).reshape(_BANDS, _ROWS)
    mixed = (signature * _MIXERS).sum(axis=1, dtype=np.uint64) & ~np.uint64(63)
    keys: list[int] = (mixed | _BAND_NUMBERS).tolist()
    return keys


_MIXERS: Final = np.random.default_rng(1).integers(0, 2**64, _ROWS, dtype=np.uint64) | np.uint64(1)
_BAND_NUMBERS: Final = np.arange(_BANDS, dtype=np.uint64)
