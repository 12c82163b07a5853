"""When each input of a table was asked: the column that says so becomes neither a var of a case nor a tag."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.columns import Plan, Survey, accepted, is_empty, plan
from evalkit.imports.draft import DraftCase, DraftPrompt, DraftSuite, Note
from evalkit.imports.kinds import HUB
from evalkit.imports.options import ImportOptions
from evalkit.imports.spooled import SpooledRows
from evalkit.imports.table import inert
from evalkit.imports.tablerows import table_rows
from evalkit.sampling.moments import moment
from evalkit.scorers.values import as_text
from evalkit.types import Json

_REMEDY = "write times as ISO 8601, such as 2026-05-01T10:00:00Z, or as seconds since 1970"


class Cell(NamedTuple):
    """What the column says of a case: its place, its value, and the tags that the case has from other columns."""

    where: Location
    value: Json
    tags: frozenset[str]


class TimeColumn:
    """A column of times in a source, which need not be a table.

    Args:
        source: a table, or anything else whose cases have it as a var.
        options: how to read it.
        column: the source's name of it.
        is_table: whether rows are to be looked at.

    Raises:
        ConfigError: an option names a column that is not there, or no input is left.
    """

    def __init__(self, source: str, options: ImportOptions, column: str, *, is_table: bool) -> None:
        self.options = options
        """How to read the source: the column is a tag for now, as a var would be shown by the prompt."""
        self._column = column
        self._source = source
        self._cells: Sequence[Cell] = ()
        if is_table:
            self._look(options)

    def _look(self, options: ImportOptions) -> None:
        survey = Survey()
        rows = SpooledRows(_surveyed(self._source, options.limit, survey))
        if survey.cases == survey.rows:  # they have vars and tags already, or there are none
            return
        tags = options.tags or tuple(name for name in survey.facts if name.casefold() == "tags")
        self.options = replace(options, tags=(*tags, self._column))
        columns = plan(survey, self.options)
        self._cells = [
            Cell(where, row.get(self._column), frozenset(piece for name in tags for piece in _pieces(row.get(name))))
            for where, row in rows
            if _becomes_case(row, columns)
        ]

    def taken_off(self, draft: DraftSuite) -> tuple[DraftSuite, Sequence[dt.datetime | None]]:
        """Take the times off the cases that were read as `options` say; a note tells those that cannot be read.

        Returns:
            The suite without the column, and when each of its cases was asked, as far as known.

        Raises:
            ConfigError: there are no times.
        """
        cells = self._cells or [
            Cell(Location(self._source), case.vars.get(self._column), frozenset(case.tags)) for case in draft.cases
        ]
        moments = [moment(cell.value) for cell in cells]
        unread = [cell for cell, at in zip(cells, moments, strict=True) if at is None and not is_empty(cell.value)]
        if not any(moments):
            raise ConfigError(
                f"no time can be read from {self._column!r}",
                where=unread[0].where if unread else Location(self._source),
                remedy=f"name another column with --time, or {_REMEDY}",
            )
        cases = [self._without(*pair) for pair in zip(draft.cases, cells, strict=True)]
        prompts = draft.prompts if self._cells else [_without_var(one, self._column) for one in draft.prompts]
        notes = self._told(unread, len(unread) + sum(at is not None for at in moments))
        return replace(draft, cases=cases, prompts=prompts, notes=(*draft.notes, *notes)), moments

    def _without(self, case: DraftCase, cell: Cell) -> DraftCase:
        rest = {name: value for name, value in case.vars.items() if self._cells or name != self._column}
        return replace(case, vars=rest, tags=tuple(tag for tag in case.tags if tag in cell.tags))

    def _told(self, unread: Sequence[Cell], total: int) -> tuple[Note, ...]:
        if not unread:
            return ()
        first = as_text(unread[0].value)
        words = f"{len(unread):,} of {total:,} times in `{self._column}` cannot be read, the first: {first[:40]!r}"
        return (Note(unread[0].where, "time", words, lost=False, remedy=_REMEDY),)


def _surveyed(source: str, limit: int | None, survey: Survey) -> Iterator[tuple[Location, Mapping[str, Json]]]:
    """Look at every row that can be read; what cannot is told by whoever reads the cases."""
    with contextlib.suppress(ConfigError):
        for where, row in islice(table_rows(source if source.startswith(HUB) else Path(source)), limit):
            if not isinstance(row, ConfigError):
                survey.add(row, where)
                yield where, row


def _becomes_case(row: Mapping[str, Json], columns: Plan) -> bool:
    """Whether a row has an input, and says what is right where rows do."""
    told = columns.expected is None or not is_empty(accepted(row.get(columns.expected)))
    return told and not all(is_empty(row.get(column.source)) for column in columns.inputs)


def _without_var(prompt: DraftPrompt, name: str) -> DraftPrompt:
    """Show a var no more that `table.read` made a part of the prompt."""
    part = f"{inert(name)}:\n{{{{ {name} }}}}"

    def shorter(text: Json) -> Json:
        return "\n\n".join(one for one in text.split("\n\n") if one != part) if isinstance(text, str) else text

    return replace(
        prompt,
        messages=tuple(
            {role: shorter(text) for role, text in message.items()} if isinstance(message, Mapping) else message
            for message in prompt.messages
        ),
    )


def _pieces(cell: Json) -> Iterator[str]:
    """The tags in a cell."""
    entries = cell if isinstance(cell, list) else re.split("[;,]", cell) if isinstance(cell, str) else [cell]
    return (as_text(entry).strip() for entry in entries if entry is not None)
