"""Scorers as suites spell them, taken apart again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from evalkit.scorers.catalogue import scorer_named
from evalkit.scorers.spelling import Entry, options_given
from evalkit.types import Json, ScorerEntry


class Spec(NamedTuple):
    """A scorer's name and its options, in full."""

    name: str
    options: Mapping[str, Json]


def spec_of(entry: ScorerEntry) -> Spec:
    """Take a compiled scorer's spelling apart."""
    return taken_apart(json.loads(entry.spelling))


def taken_apart(spelled: Json) -> Spec:
    """Take a sound spelling apart; a plain value is that of the main option."""
    name, value = (spelled, None) if isinstance(spelled, str) else next(iter(spelled.items()))
    if name == "not" and not (isinstance(value, Mapping) and "scorer" in value):
        return Spec(name, {"scorer": value})
    return Spec(name, options_given(Entry(name, value), scorer_named(name)))
