"""A row: one case as its source spells it, before anything is known to be right about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from evalkit import structure
from evalkit.errors import ConfigError, Location
from evalkit.types import Json
from evalkit.yaml12 import Document


@dataclass(frozen=True, slots=True)
class Row:
    """A case as its source spells it, in the shape of an inline case; those have a `document` and a `path` in it."""

    data: Json
    where: Location
    document: Document | None = None
    path: structure.Path = ()

    def at(self, *steps: str | int, key: bool = False) -> Location:
        """Find the place of a part of the case, as near as its source can tell."""
        return self.document.where((*self.path, *steps), key=key) if self.document else self.where


Rows: TypeAlias = Iterator[Row | ConfigError]
"""What a source yields: rows, and between them what is wrong with others."""
