"""Tables whose rows are cases already, as suites and `evalkit export` write them: with `vars`, maybe with scorers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evalkit.errors import Location
from evalkit.imports.columns import POLICY, Column, Facts, fit_for_id, is_empty
from evalkit.imports.draft import DraftCase, Stamp
from evalkit.imports.gathering import Notes
from evalkit.imports.spooled import SpooledRows
from evalkit.scorers.values import as_text, is_number
from evalkit.types import MISSING, Json


class CaseTable:
    """Rows that are all cases: their vars, and what they expect.

    Args:
        rows: all of which are cases; gone through once here.
        time: the var that says when each was asked, which is then none.
    """

    def __init__(self, rows: SpooledRows, time: str | None = None) -> None:
        self._rows = rows
        self._time = time
        self._vars: dict[str, None] = {}
        self.expected = Facts()
        self.unjudged = False
        """Whether a case has no scorers of its own."""
        for _, row in rows:
            self._vars |= dict.fromkeys(row["vars"])
            if "expected" in row and not is_empty(row["expected"]):
                self.expected.add(row["expected"])
            self.unjudged = self.unjudged or not row.get("scorers")
        self._vars.pop(time or "", None)

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The vars, as columns."""
        return tuple(Column(name, name) for name in self._vars)

    def cases(self, notes: Notes) -> Iterator[DraftCase]:
        """Make the cases; takes down what is no part of one. A var that others have and this one has not is empty."""
        taken: set[str] = set()
        for where, row in self._rows:
            name = row.get("id")
            text = as_text(name) if isinstance(name, str) or is_number(name) else ""
            if "id" in row and (not fit_for_id(text) or text in taken):
                notes.add(where, "id", "this row has no usable id of its own; one is made from its content", lost=False)
                text = ""
            taken.add(text)
            yield DraftCase(
                vars={name: row["vars"].get(name, "") for name in self._vars},
                id=text or None,
                expected=row.get("expected", MISSING),
                tags=tuple(as_text(tag) for tag in _list(row, "tags", where, notes) if fit_for_id(as_text(tag))),
                scorers=tuple(_list(row, "scorers", where, notes)),
                turns=tuple(_list(row, "turns", where, notes)),
                data_policy=policy_of(row, where, notes),
                at=None if self._time is None else Stamp(where, row["vars"].get(self._time)),
            )


def policy_of(row: Mapping[str, Json], where: Location, notes: Notes) -> str | None:
    """What a row says of where its data may go; a word that nobody knows keeps them at home."""
    value = row.get(POLICY)
    if is_empty(value):
        return None
    if value != "local":
        words = "some rows have a `data_policy` other than local; local is taken for it"
        notes.once(where, POLICY, words, remedy="leave the column out with --map to send them anywhere")
    return "local"


def _list(row: Mapping[str, Json], key: str, where: Location, notes: Notes) -> list[Json]:
    value = row.get(key)
    if isinstance(value, list):
        return value
    if value is not None:
        notes.add(where, key, f"`{key}` of a case is a list", remedy="write [...]")
    return []
