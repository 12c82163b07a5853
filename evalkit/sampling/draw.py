"""Draw a sample from many inputs, and say how well it stands for them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.sampling import strata
from evalkit.sampling.choose import choose, number_of_kinds
from evalkit.sampling.duplicates import NEAR, Repeat, find_repeats
from evalkit.sampling.kinds import Kinds, Vectors, embed, find_kinds
from evalkit.sampling.personal import find_personal

_BLOCK: Final = 4096
_TIME: Final = "time"


@dataclass(frozen=True, slots=True)
class Input:
    """What a model was asked: the text that varies, its tags, and when, where that is known."""

    text: str
    tags: tuple[str, ...] = ()
    at: dt.datetime | None = None


class Share(NamedTuple):
    """The share of a value among all inputs and in the sample, 0 to 1."""

    value: str
    inputs: float
    sample: float


class KindShare(NamedTuple):
    """A kind of inputs: the words that set it apart, how many inputs are of it, and how many were chosen."""

    name: str
    inputs: int
    chosen: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What was chosen, and how well it stands for the rest.

    Attributes:
        chosen: the places of the chosen inputs, in order.
        stands_for: how many inputs each of them is the nearest of the chosen to, itself and repeats counted.
        repeats: the inputs that were left out because they repeat another.
        kinds: the commonest first.
        strata: per stratum the shares of its values, the largest first; of times the earliest.
        nearness: how near the nearest chosen one is to an input (cosine, 0 to 1): the 5 %, 50 % and 95 % quantiles.
        personal: the places of the chosen inputs that hold something that looks like personal data, by its kind.
    """

    inputs: int
    chosen: tuple[int, ...]
    stands_for: tuple[int, ...]
    repeats: tuple[Repeat, ...]
    kinds: tuple[KindShare, ...]
    strata: Mapping[str, tuple[Share, ...]]
    nearness: tuple[float, float, float]
    personal: Mapping[str, tuple[int, ...]]


def draw(
    inputs: Sequence[Input],
    wanted: int,
    *,
    seed: int = 0,
    near: float = NEAR,
    detect: Callable[[str], str] | None = None,
) -> Sample:
    """Draw a sample of different inputs that stand for all.

    Args:
        inputs: at least one.
        wanted: how many to choose, at least 1; fewer are chosen where there are not so many different ones.
        seed: of the search for kinds.
        near: how alike two inputs must be to count as the same, 0 to 1.
        detect: tells a text's language; None leaves languages out.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    texts = [one.text for one in inputs]
    repeats = find_repeats(texts, near)
    weights = Counter(range(len(inputs)))
    for repeat in repeats:
        del weights[repeat.place]
        weights[repeat.first] += 1
    kept = sorted(weights)
    different = [texts[place] for place in kept]
    seen = [weights[place] for place in kept]
    vectors = embed(different)
    kinds = find_kinds(vectors, different, number_of_kinds(wanted), seed=seed)
    values = _strata([inputs[place] for place in kept], detect)
    chosen = choose(kinds, vectors, seen, values, wanted)
    nearest, nearness = _nearest(vectors, chosen)
    represented = np.bincount(nearest, weights=seen, minlength=len(chosen))
    return Sample(
        inputs=len(inputs),
        chosen=tuple(kept[place] for place in chosen),
        stands_for=tuple(int(count) for count in represented),
        repeats=tuple(repeats),
        kinds=_kind_shares(kinds, seen, chosen),
        strata={name: _shares(name, column, seen, chosen) for name, column in values.items()},
        nearness=_quantiles(nearness, seen),
        personal=_personal(texts, [kept[place] for place in chosen]),
    )


def _strata(inputs: Sequence[Input], detect: Callable[[str], str] | None) -> dict[str, list[str]]:
    texts = [one.text for one in inputs]
    found = {"length": strata.lengths(texts)}
    if detect is not None:
        found["language"] = strata.languages(texts, detect)
    if any(one.at for one in inputs):
        found[_TIME] = strata.times([one.at for one in inputs])
    if any(one.tags for one in inputs):
        found["tag"] = strata.common([", ".join(sorted(one.tags)) or "none" for one in inputs])
    return found


def _nearest(vectors: Vectors, chosen: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the nearest chosen one of every text (its place among the chosen), and how near it is."""
    picked = vectors[list(chosen)].T
    blocks = [vectors[start : start + _BLOCK] @ picked for start in range(0, len(vectors), _BLOCK)]
    return (
        np.concatenate([block.argmax(axis=1) for block in blocks]),
        np.concatenate([block.max(axis=1) for block in blocks]),
    )


def _quantiles(values: NDArray[np.float32], weights: Sequence[int]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(np.repeat(values, weights), (0.05, 0.5, 0.95)).clip(0, 1)
    return float(low), float(middle), float(high)


def _kind_shares(kinds: Kinds, seen: Sequence[int], chosen: Sequence[int]) -> tuple[KindShare, ...]:
    count = len(kinds.names)
    inputs = np.bincount(kinds.of, weights=seen, minlength=count)
    picked = np.bincount(kinds.of[list(chosen)], minlength=count)
    rows = zip(kinds.names, inputs.astype(int).tolist(), picked.tolist(), strict=True)
    return tuple(sorted((KindShare(*row) for row in rows), key=lambda kind: (-kind.inputs, kind.name)))


def _shares(name: str, column: Sequence[str], seen: Sequence[int], chosen: Sequence[int]) -> tuple[Share, ...]:
    everywhere = strata.shares(column, seen)
    sample = strata.shares([column[place] for place in chosen], [1] * len(chosen))
    order = sorted(everywhere) if name == _TIME else everywhere  # "from 2026-..." stands before "unknown"
    return tuple(Share(value, everywhere[value], sample.get(value, 0.0)) for value in order)


def _personal(texts: Sequence[str], chosen: Sequence[int]) -> Mapping[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for place in chosen:
        for kind in sorted({finding.kind for finding in find_personal(texts[place])}):
            found.setdefault(kind, []).append(place)
    return {kind: tuple(places) for kind, places in sorted(found.items())}
