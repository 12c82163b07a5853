"""Texts that say the same as one before, word for word or nearly.

Nearly: the longest common subsequence of two texts is at least so large a share of them, in the order of their words
as they stand or sorted, and no word that matters stands in the place of another one: "cancel the hotel for me" and
"cancel the ticket for me" are alike by their letters alone. To compare not all with all, only those are compared whose
MinHash signatures agree in some band, those first that agree in most (Broder, "On the resemblance and containment of
documents", 1997; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3). Two texts with half of their
three-letter pieces in common meet with probability 0.92, with 0.6 of them 0.996. What very many texts have in common,
such as a form letter around what each of them says, brings none of them together; so time and memory grow no faster
than the texts.
"""

from __future__ import annotations

import math
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
"""How alike two texts must be to say the same. Of such pairs of bank customers' questions none differ in what is
meant."""

_ROWS: Final = 4
_BANDS: Final = 40
_LONG: Final = 8_000
"""Characters of a text that are compared: of a longer one those at its beginning and its end."""
_FULL: Final = 100
"""Texts that one band may bring together."""
_COMPARED: Final = 50
"""Texts that one is compared with at most."""
_SWAPPED: Final = 0.05
"""The share of a text's words, weighed by how rare they are, that may stand in the place of others. In logs of forms
filled in with other words half of the near repeats would be of another kind without it, with it one in a hundred."""
_WORD: Final = 4
"""In so many texts a word is one, and no slip of the pen."""
_SLIP: Final = 75
"""How alike two words must be, of 100, for one to be a slip of the other."""


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
    rarity = _Rarity(_compared(texts[index]).words for index in firsts)
    for index in firsts:
        text = _compared(texts[index])
        keys = _band_keys(text.words, multipliers, shifts)
        met = Counter(chain.from_iterable(filter(None, map(buckets.get, keys))))
        others = [place for place, _ in met.most_common(_COMPARED)]
        alike = _alike(text, [kept[other] for other in others], near)
        same = next(((place, how) for place, how in alike if not rarity.swapped(text, kept[others[place]])), None)
        if same is not None:
            yield Repeat(index, others[same[0]], same[1])
            continue
        kept[index] = text
        for key in keys:
            bucket = buckets[key]
            if len(bucket) < _FULL:
                bucket.append(index)


class _Rarity:
    """How much the words of some texts matter: the more, the fewer texts hold them (inverse document frequency)."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = 0
        self._held: Counter[str] = Counter()
        for text in texts:
            self._texts += 1
            self._held.update(set(text.split()))

    def swapped(self, text: _Compared, other: _Compared) -> bool:
        """Whether words of one text that matter stand in the place of others: neither slips of these nor numbers."""
        words, others = Counter(text.words.split()), Counter(other.words.split())
        mine, theirs = list((words - others).elements()), list((others - words).elements())
        if not mine or not theirs:
            return False
        swapped = min(self._weight(self._told(mine, theirs)), self._weight(self._told(theirs, mine)))
        return swapped > _SWAPPED * min(self._weight(words.elements()), self._weight(others.elements()))

    def _told(self, words: Sequence[str], others: Sequence[str]) -> Iterable[str]:
        """Leave the words that are known as such, and that none of the others is a slip of."""
        known = (word for word in words if self._held[word] >= _WORD and not any(map(str.isdigit, word)))
        return [word for word in known if not any(is_slip(word, other) for other in others)]

    def _weight(self, words: Iterable[str]) -> float:
        return sum(math.log1p(self._texts / self._held[word]) for word in words)


def _compared(text: str) -> _Compared:
    words = plain(text if len(text) <= _LONG else f"{text[: _LONG // 2]} {text[-_LONG // 2 :]}")
    return _Compared(words, " ".join(sorted(words.split())))


def is_slip(word: str, other: str) -> bool:
    """Whether one word is, by its letters, the other one misspelled or in another form."""
    return fuzz.ratio(word, other) >= _SLIP


def _alike(text: _Compared, others: Sequence[_Compared], near: float) -> list[tuple[int, float]]:
    """Find the places of the texts that are near, and how alike they are; the most alike first."""
    found: dict[int, float] = {}
    for own, theirs in zip(text, zip(*others, strict=True), strict=False):
        for _, score, place in process.extract(own, theirs, scorer=fuzz.ratio, score_cutoff=100 * near, limit=None):
            # Below 1, as it is not word for word the same: its words are in another order, or it differs in its middle.
            found[place] = max(found.get(place, 0.0), min(score / 100, 0.999))
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))


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
