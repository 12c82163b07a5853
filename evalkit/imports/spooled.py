"""Rows and draft cases on disk: a source of a hundred thousand takes hardly more memory than one of ten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from evalkit.errors import Location
from evalkit.imports.draft import DraftCase, Stamp
from evalkit.suite.spool import DiskRows, FromDisk
from evalkit.types import MISSING, Json


class SpooledRows(Iterable[tuple[Location, Json]]):
    """Rows with their places, which can be gone through as often as need be.

    Args:
        rows: read to their end here.

    Raises:
        ConfigError: there is no room for temporary files.
    """

    def __init__(self, rows: Iterable[tuple[Location, Json]]) -> None:
        self._files: dict[Path | str, int] = {}
        self._rows = DiskRows(_encoded([*self._place(where), row]) for where, row in rows)

    def _place(self, where: Location) -> tuple[int | str, int | None]:
        """A file is noted once; a place that is no line of a file stands for itself."""
        if where.line is None:
            return str(where.path), None
        return self._files.setdefault(where.path, len(self._files)), where.line

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[Location, Json]]:
        files = list(self._files)
        for row in self._rows:
            place, line, data = json.loads(row)
            yield Location(place if line is None else files[place], line), data


class SpooledCases(FromDisk[DraftCase]):
    """Draft cases on disk."""

    def __init__(self, cases: Iterable[DraftCase]) -> None:
        self._rows = DiskRows(_encoded(_parts(case)) for case in cases)

    def __len__(self) -> int:
        return len(self._rows)

    def _item(self, index: int) -> DraftCase:
        variables, name, expected, tags, scorers, turns, todo, policy, at = json.loads(self._rows.read(index))
        return DraftCase(
            vars=variables,
            id=name,
            expected=expected[0] if expected else MISSING,
            tags=tuple(tags),
            scorers=tuple(scorers),
            turns=tuple(turns),
            todo=tuple(todo),
            data_policy=policy,
            at=Stamp(Location(*at[0]), at[1]) if at else None,
        )


def _parts(case: DraftCase) -> list[Any]:
    expected = [] if case.expected is MISSING else [case.expected]
    at = None if case.at is None else ((str(case.at.where.path), case.at.where.line), case.at.value)
    return [dict(case.vars), case.id, expected, case.tags, case.scorers, case.turns, case.todo, case.data_policy, at]


def _encoded(value: Json) -> bytes:
    return _encode(value).encode("ascii")


_encode: Final = json.JSONEncoder(check_circular=False).encode
