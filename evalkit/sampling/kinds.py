"""Kinds of texts, found without labels: TF-IDF of words and letters, reduced, then k-means (scikit-learn)."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import ConfigError
from evalkit.sampling.texts import plain

_DIMENSIONS: Final = 200
_MANY: Final = 10_000
"""From so many texts on, k-means goes by batches."""
_PIECES: Final = 20_000
"""The commonest words and pieces of words that texts are compared by. More of them find no more kinds."""
_NAMED: Final = 3

Vectors = NDArray[np.float32]


class Kinds(NamedTuple):
    """Which kind each text is of, and what the kinds are.

    `of` holds a kind's number per text, `distance` how far from the kind's middle the text is, `names` the words that
    set each kind apart.
    """

    of: NDArray[np.int64]
    distance: NDArray[np.float64]
    names: tuple[str, ...]

    def members(self, kind: int) -> NDArray[np.int64]:
        """The texts of a kind, those nearest to its middle first."""
        members = np.flatnonzero(self.of == kind)
        return members[np.argsort(self.distance[members], kind="stable")]


def check_installed() -> None:
    """See that kinds can be found, before any work is done.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    _learn("cluster")


def embed(texts: Sequence[str]) -> Vectors:
    """Place texts in a space where those of one matter are near: rows of length 1, one per text.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    normalize = _learn("preprocessing").normalize
    plains = [plain(one) or "-" for one in texts]
    weigh = partial(
        _learn("feature_extraction.text").TfidfVectorizer, sublinear_tf=True, max_features=_PIECES, dtype=np.float32
    )
    words = weigh(ngram_range=(1, 2), analyzer="word", tokenizer=str.split, token_pattern=None)
    letters = weigh(ngram_range=(3, 5), analyzer="char_wb")
    both = _learn("pipeline").FeatureUnion([("words", words), ("letters", letters)])
    weights = normalize(both.fit_transform(plains))
    dimensions = min(_DIMENSIONS, min(weights.shape) - 1)
    if dimensions < 2:
        return np.asarray(weights.toarray())
    reduced = _learn("decomposition").TruncatedSVD(dimensions, n_iter=2, random_state=0).fit_transform(weights)
    return np.asarray(normalize(reduced))


def find_kinds(vectors: Vectors, texts: Sequence[str], count: int, *, seed: int) -> Kinds:
    """Sort texts into at most so many kinds.

    Args:
        vectors: as `embed` made them.
        texts: the same texts, to name the kinds by.
        count: how many kinds to look for.
        seed: of the random start.
    """
    distinct = len(np.unique(vectors.round(5), axis=0))
    count = max(1, min(count, distinct))
    cluster = _learn("cluster")
    method = cluster.MiniBatchKMeans if len(texts) > _MANY else cluster.KMeans
    with warnings.catch_warnings():  # where the search finds fewer kinds than that, these are the kinds
        warnings.simplefilter("ignore", _learn("exceptions").ConvergenceWarning)
        found = method(count, n_init=1, random_state=seed).fit(vectors)
    distance = np.linalg.norm(vectors - found.cluster_centers_[found.labels_], axis=1)
    filled, of = np.unique(found.labels_, return_inverse=True)
    return Kinds(of.astype(np.int64), distance, _names(texts, of, len(filled)))


def _names(texts: Sequence[str], of: NDArray[np.int64], count: int) -> tuple[str, ...]:
    """Name each kind by the words that are commoner in it than elsewhere."""
    inside: list[dict[str, int]] = [{} for _ in range(count)]
    everywhere: dict[str, int] = {}
    for text, kind in zip(texts, of, strict=True):
        for word in set(plain(text).split()):
            inside[kind][word] = inside[kind].get(word, 0) + 1
            everywhere[word] = everywhere.get(word, 0) + 1
    sizes = np.bincount(of, minlength=count)
    return tuple(
        ", ".join(_telling(words, everywhere, size)) for words, size in zip(inside, sizes.tolist(), strict=True)
    )


def _telling(words: dict[str, int], everywhere: dict[str, int], size: int) -> list[str]:
    weight = {word: times / size * times / everywhere[word] for word, times in words.items()}
    # Numbers, such as a telephone's, tell people little: they come last.
    return sorted(weight, key=lambda word: (word.isdigit(), -weight[word], word))[:_NAMED]


def _learn(module: str) -> Any:  # noqa: ANN401 - a module of a package without types
    """Import a module of scikit-learn."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise ConfigError(
            "the kinds of inputs are found with scikit-learn, which is not installed",
            remedy="pip install 'evalkit-cli[sample]'",
        ) from None
