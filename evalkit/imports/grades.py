"""Which of several scorers or metrics tells whether an answer passed, and from which grade on it does."""

from __future__ import annotations

from typing import Final

from evalkit.errors import Location
from evalkit.imports.gathering import Notes
from evalkit.imports.values import number
from evalkit.types import Json

PASS_AT: Final = 0.5
"""From which grade on an answer counts as passed, where grades are given."""


def spelled_number(told: Json) -> Json:
    """The number that a text spells, None where that is none that counts; anything else as it is."""
    if not isinstance(told, str):
        return told
    try:
        return number(float(told)) if told.strip() else None
    except ValueError:
        return told


def tell_deciding(notes: Notes, source: Location, kind: str, name: str, *, several: bool, graded: bool) -> None:
    """Say by whom answers were judged, once for each.

    Args:
        notes: to write it down in.
        source: of the results.
        kind: what the source calls those that judge: "scorer", "metric".
        name: of the one that decides.
        several: whether there are others.
        graded: whether it says more than pass or fail.
    """
    if several:
        notes.once(
            source,
            kind,
            f"of several {kind}s {name} tells whether an answer passed; the others are reported beside it",
            remedy="choose another one with --scorer NAME",
        )
    if graded:
        notes.once(source, kind, f"{name} gives grades: {PASS_AT:g} or more counts as a pass")
