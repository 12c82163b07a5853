"""Values of a config with the places they stand at, and the notes about what does not come along."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Final, TypeAlias

from evalkit.errors import Location
from evalkit.imports.draft import Note, Share
from evalkit.types import Json

Path: TypeAlias = tuple[str | int, ...]

_MAX_NOTES: Final = 2_000
_MAX_LINES: Final = 8


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a source file: plain data, and how to find the place of what is inside of it."""

    value: Any
    locate: Callable[[Path], Location]
    path: Path = ()

    @property
    def where(self) -> Location:
        """Its place."""
        return self.locate(self.path)

    def get(self, key: str) -> Node | None:
        """The value of a key; None where there is none, or null."""
        value = self.value.get(key) if isinstance(self.value, Mapping) else None
        return None if value is None else Node(value, self.locate, (*self.path, key))

    def text(self, key: str) -> str | None:
        """The text of a key; a number counts as how it is spelled."""
        value = self.value.get(key) if isinstance(self.value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            return None
        return str(value)

    def number(self, key: str) -> float | int | None:
        """The number of a key."""
        value = self.value.get(key) if isinstance(self.value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return None
        return value

    def items(self) -> Iterator[Node]:
        """The items of a list; of anything else, itself alone."""
        if not isinstance(self.value, list):
            yield self
            return
        for index, value in enumerate(self.value):
            yield Node(value, self.locate, (*self.path, index))

    def entries(self) -> Iterator[tuple[str, Node]]:
        """The keys of a mapping with their values."""
        if isinstance(self.value, Mapping):
            for key, value in self.value.items():
                yield str(key), Node(value, self.locate, (*self.path, key))

    def with_value(self, value: Json) -> Node:
        """Another value at the same place, such as what stands in the file that it names."""
        path, locate = self.path, self.locate
        return Node(value, lambda _: locate(path))


def always(place: Location) -> Callable[[Path], Location]:
    """The same place for all that is inside of a value, such as the line of a table."""
    return lambda _: place


def _at_several(notes: list[Note]) -> Note:
    first, *more = notes
    lines = [str(line) for line in dict.fromkeys(note.where.line for note in more) if line != first.where.line]
    if not lines:
        return first
    shown = ", ".join(lines[:_MAX_LINES])
    rest = f" and {len(lines) - _MAX_LINES} more" if len(lines) > _MAX_LINES else ""
    return replace(first, message=f"{first.message} (also at line{'s' * (len(lines) > 1)} {shown}{rest})")


@dataclass(slots=True)
class Notes:
    """Gathers notes, each once, and counts what was found and carried over.

    `folder` is the config's: what is to be done names the places by their path from there. `losses` counts the notes
    of what is missing, those too that are too many to be kept.
    """

    folder: FilePath = FilePath()
    notes: list[Note] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)
    losses: int = 0
    _more: dict[tuple[str, bool], tuple[Location, int]] = field(default_factory=dict)
    _seen: set[tuple[str, str, str]] = field(default_factory=set)

    def lost(self, where: Location, kind: str, message: str, remedy: str = "") -> str:
        """Note what is missing from the result; returns what to write there as a TODO."""
        note = Note(where, kind, message, remedy=remedy)
        self._add(note)
        return self.todo(note)

    def todo(self, note: Note) -> str:
        """Say what is to be done."""
        path = FilePath(note.where.path)
        near = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        words = f"{note.message} ({replace(note.where, path=near)})"
        return f"{words}: {note.remedy}" if note.remedy else words

    def gathered(self) -> tuple[Note, ...]:
        """All notes; a remark that is made at several places of a file stands once, with their lines.

        Those that would be too many are told as a number, at the place of the first of them.
        """
        places: dict[tuple[str, ...], list[Note]] = {}
        for note in self.notes:
            one = () if not note.lost else (str(note.where),)
            places.setdefault((str(note.where.path), note.kind, note.message, note.remedy, *one), []).append(note)
        more = (
            Note(first, kind, f"... and {count:,} more of this kind", lost)
            for (kind, lost), (first, count) in self._more.items()
        )
        return (*map(_at_several, places.values()), *more)

    def remark(self, where: Location, kind: str, message: str, remedy: str = "") -> None:
        """Note what is not quite the same, or decides nothing."""
        self._add(Note(where, kind, message, lost=False, remedy=remedy))

    def _add(self, note: Note) -> None:
        key = (str(note.where), note.kind, note.message)
        if key in self._seen:
            return
        self._seen.add(key)
        self.losses += note.lost
        if len(self.notes) < _MAX_NOTES:
            self.notes.append(note)
        else:
            first, count = self._more.get((note.kind, note.lost), (note.where, 0))
            self._more[note.kind, note.lost] = (first, count + 1)

    def count(self, kind: str, *, carried: bool, found: int = 1) -> None:
        """Count things of a kind."""
        counts = self.counts.setdefault(kind, [0, 0])
        counts[0] += found
        counts[1] += found if carried else 0

    def shares(self) -> tuple[Share, ...]:
        """How much of each kind came along."""
        return tuple(Share(kind, found, carried) for kind, (found, carried) in self.counts.items())
