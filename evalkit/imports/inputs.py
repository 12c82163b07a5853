"""What any source asks of a model, as texts: what sampling and looking for duplicates go by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from evalkit.imports.draft import DraftCase, DraftSuite
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Json


class Input(NamedTuple):
    """An input as a text, and its row: a case as case files spell it, with `vars`, `expected` where it is known, ..."""

    text: str
    row: Mapping[str, Json]


def inputs_of(draft: DraftSuite) -> Iterator[Input]:
    """Go through the inputs of a suite in the making."""
    return (Input(_text(case), row_of(case)) for case in draft.cases)


def _text(case: DraftCase) -> str:
    return "\n".join(filter(None, _texts([*case.vars.values(), *case.turns])))


def _texts(value: Json) -> Iterator[str]:
    """Go through the texts in a value, at any depth; numbers count as texts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield as_text(value)


def row_of(case: DraftCase) -> dict[str, Json]:
    """Spell a case as case files do."""
    row: dict[str, Json] = {} if case.id is None else {"id": case.id}
    row["vars"] = dict(case.vars)
    if case.expected is not MISSING:
        row["expected"] = case.expected
    for name, several in (("tags", case.tags), ("scorers", case.scorers), ("turns", case.turns)):
        if several:
            row[name] = list(several)
    if case.data_policy is not None:
        row["data_policy"] = case.data_policy
    return row
