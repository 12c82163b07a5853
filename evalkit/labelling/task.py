"""Which labels there are to choose from, and the keys that set them; or that an expected output is text, or JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from evalkit.errors import ConfigError
from evalkit.labelling.source import Source
from evalkit.scorers.catalogue import SCORERS
from evalkit.scorers.choices import Choice
from evalkit.scorers.labels import Label
from evalkit.scorers.options import build
from evalkit.scorers.spelling import Entry, options_given
from evalkit.scorers.values import as_text, is_scalar
from evalkit.types import MISSING, Json

KEYS: Final = "1234567890"
"""One for each label, as far as they go."""
_LABEL_CHARS: Final = 60
_MOST_SEEN: Final = 200


class Kind(StrEnum):
    """What an expected output is."""

    LABEL = "label"
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be set.

    Attributes:
        kind: of expected output.
        labels: to choose from.
        closed: a scorer knows no labels but these.
        added: how many of the labels, the last ones, came up on the way.
    """

    kind: Kind
    labels: tuple[Json, ...] = ()
    closed: bool = False
    added: int = 0

    @property
    def keys(self) -> Mapping[str, Json]:
        """The label that each key sets; none where there were more labels than keys from the start."""
        return dict(zip(KEYS, self.labels, strict=False)) if len(self.labels) - self.added <= len(KEYS) else {}

    def matching(self, typed: str) -> Sequence[Json]:
        """The labels for what was typed: those that start with it first, then those whose words do, then the rest."""
        wanted = _words(typed)
        ranked = [
            (_rank(words, wanted), place, label)
            for place, (label, words) in enumerate((label, _words(as_text(label))) for label in self.labels)
            if all(word in words for word in wanted.split())
        ]
        return [label for _, _, label in sorted(ranked, key=lambda one: one[:2])]

    def with_label(self, label: Json) -> Task:
        """Add a label that there was not yet, as far as labels can be added."""
        known = self.closed or self.kind is not Kind.LABEL or label in self.labels
        return self if known else replace(self, labels=(*self.labels, label), added=self.added + 1)


def _words(text: str) -> str:
    """Text with its words apart: `card_arrival` is found by "card arr"."""
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split())


def _rank(label: str, wanted: str) -> int:
    if label == wanted:
        return 0
    if label.startswith(wanted):
        return 1
    return 2 if all(any(one.startswith(word) for one in label.split()) for word in wanted.split()) else 3


def task_of(source: Source, given: Sequence[str] = (), *, as_json: bool = False) -> Task:
    """Find out what is to be set.

    Args:
        source: what is to be labelled.
        given: labels named by the user; these win.
        as_json: whether the user says that expected outputs are JSON.
    """
    if given:
        return Task(Kind.LABEL, tuple(dict.fromkeys(given)))
    if as_json:
        return Task(Kind.JSON)
    if named := tuple(dict.fromkeys(_named(source.document.data.get("scorers", [])))):
        return Task(Kind.LABEL, named, closed=True)
    seen = [item.expected for item in source.items if item.expected is not MISSING]
    if labels := _seen(seen):
        return Task(Kind.LABEL, labels)
    structured = "output_schema" in source.document.data or any(not isinstance(value, str) for value in seen)
    return Task(Kind.JSON if structured else Kind.TEXT)


def _named(spec: Any) -> Iterator[str]:  # noqa: ANN401 - a scorer as it is spelled, not yet checked
    """Go through the labels that scorers know, those within groups too."""
    if isinstance(spec, list):
        for one in spec:
            yield from _named(one)
    elif isinstance(spec, Mapping):
        for name, value in spec.items():
            if name in {"label", "choice"} and SCORERS.get(name) in {Label, Choice}:
                yield from _labels(name, value)
            else:
                yield from _named(value)


def _labels(name: str, value: Json) -> Iterator[str]:
    with contextlib.suppress(ConfigError, TypeError, ValueError, KeyError):  # a bad scorer is no matter of labelling
        if name == "label":
            yield from map(str, build(Label, options_given(Entry(name, value), Label)).labels)
        else:
            choices = build(Choice, options_given(Entry(name, value), Choice))
            yield from choices.compile(None).letters  # type: ignore[arg-type]


def _seen(values: Sequence[Json]) -> tuple[Json, ...]:
    """The labels that expected outputs look like; none where they rather are texts of their own."""
    short = all(is_scalar(one) and len(as_text(one)) <= _LABEL_CHARS and "\n" not in as_text(one) for one in values)
    distinct = tuple({as_text(one): one for one in values}.values()) if short else ()
    return distinct if len(distinct) <= _MOST_SEEN and 2 * len(distinct) <= len(values) else ()
