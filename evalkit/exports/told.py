"""What a format cannot hold, taken down while something is exported; alike things are told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evalkit.errors import Location
from evalkit.imports.draft import Note
from evalkit.types import Case


class _Thing(NamedTuple):
    kind: str
    message: str
    lost: bool
    remedy: str


@dataclass(slots=True)
class _First:
    where: Location
    case: str | None
    count: int = 0


class Told:
    """Takes down what is changed or lost.

    Args:
        source: what is exported; the place of whatever has no place of its own.
    """

    def __init__(self, source: Location) -> None:
        self._source = source
        self._things: dict[_Thing, _First] = {}

    def changed(self, kind: str, message: str, case: Case | None = None, *, remedy: str = "") -> None:
        """Take down what is carried over with a change that a person should know of."""
        self._add(_Thing(kind, message, lost=False, remedy=remedy), case)

    def lost(
        self, kind: str, message: str, case: Case | None = None, *, where: Location | None = None, remedy: str = ""
    ) -> None:
        """Take down what is missing from the export."""
        self._add(_Thing(kind, message, lost=True, remedy=remedy), case, where)

    def _add(self, thing: _Thing, case: Case | None, where: Location | None = None) -> None:
        place = where or (case.where if case else None) or self._source
        first = self._things.setdefault(thing, _First(place, case.id if case else None))
        first.count += 1

    def notes(self) -> Sequence[Note]:
        """All that was taken down: each thing with the first case that it is about, and how many there are."""
        return [
            Note(first.where, thing.kind, _words(thing, first), thing.lost, thing.remedy)
            for thing, first in self._things.items()
        ]


def _words(thing: _Thing, first: _First) -> str:
    if first.case is None:
        return thing.message
    more = f" and {first.count - 1:,} more" if first.count > 1 else ""
    return f'{thing.message} (case "{first.case}"{more})'
