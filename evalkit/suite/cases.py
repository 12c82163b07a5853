"""From rows to cases: strict keys and types, an id for each, and ids that are unique."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from evalkit.errors import ConfigError
from evalkit.scorers.options import unknown_name
from evalkit.scorers.values import as_text, is_number, kind_of, show
from evalkit.suite.rows import Row
from evalkit.types import MISSING, Case, Json

_MAX_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """A case before its scorers are compiled, with the row it came from."""

    case: Case
    row: Row

    @property
    def scorer_specs(self) -> list[Json]:
        """The case's own scorers as the row spells them."""
        specs: list[Json] = self.row.data.get("scorers", [])
        return specs


def drafts(rows: Iterable[Row | ConfigError]) -> tuple[list[Draft], list[ConfigError]]:
    """Check rows and turn the sound ones into cases with unique ids."""
    sound: list[Draft] = []
    errors: list[ConfigError] = []
    for row in rows:
        faults = [row] if isinstance(row, ConfigError) else _faults(row)
        errors += faults
        if isinstance(row, Row) and not faults:
            sound.append(Draft(_case(row), row))
    return _with_ids(sound), errors + _repeated(sound)


class _Field(NamedTuple):
    """What a key of a case must hold."""

    fits: Callable[[Json], bool]
    words: str


def _is_label(value: Json) -> bool:
    text = as_text(value) if is_number(value) else value
    return isinstance(text, str) and 0 < len(text) <= _MAX_ID and not _CONTROL.search(text)


_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_FIELDS: Final[Mapping[str, _Field]] = {
    "id": _Field(_is_label, f"one line of text of 1 to {_MAX_ID} characters"),
    "vars": _Field(lambda value: isinstance(value, dict), "a mapping of names to values"),
    "expected": _Field(lambda _: True, "any value"),
    "tags": _Field(lambda value: isinstance(value, list) and all(map(_is_label, value)), "a list of short texts"),
    "scorers": _Field(lambda value: isinstance(value, list), "a list of scorers"),
}


def _faults(row: Row) -> list[ConfigError]:
    if not isinstance(row.data, dict):
        remedy = "write `- {id: ..., vars: {...}, expected: ...}`"
        return [ConfigError(f"a case is a mapping, got {kind_of(row.data)}", where=row.where, remedy=remedy)]
    faults = []
    for key, value in row.data.items():
        field = _FIELDS.get(key)
        if field is None:
            error = unknown_name("key of a case:", key, _FIELDS)
            remedy = f"{error.remedy}; what fills a prompt stands under `vars:`"
            faults.append(ConfigError(error.message, where=row.at(key, key=True), remedy=remedy))
        elif not field.fits(value):
            words = f"`{key}` of a case must be {field.words}, got {show(value, 40)}"
            faults.append(ConfigError(words, where=row.at(key)))
    return faults


def _case(row: Row) -> Case:
    data = row.data
    return Case(
        id=as_text(data["id"]) if "id" in data else "",
        vars=data.get("vars", {}),
        expected=data.get("expected", MISSING),
        tags=tuple(dict.fromkeys(map(as_text, data.get("tags", ())))),
        where=row.where,
    )


def _repeated(found: list[Draft]) -> list[ConfigError]:
    first: dict[str, Case] = {}
    errors = []
    for case in (draft.case for draft in found if draft.case.id):
        earlier = first.setdefault(case.id, case)
        if earlier is not case:
            message = f'the case id "{case.id}" is taken by the case at {earlier.where}'
            errors.append(ConfigError(message, where=case.where, remedy="give each case an id of its own"))
    return errors


def _with_ids(found: list[Draft]) -> list[Draft]:
    taken = {draft.case.id for draft in found}
    return [draft if draft.case.id else _named(draft, taken) for draft in found]


def _named(draft: Draft, taken: set[str]) -> Draft:
    """Name a case by its vars, so that its id stays when other cases come and go, or its expected answer is mended."""
    content = json.dumps(sorted(draft.case.vars.items()), ensure_ascii=False)
    stem = f"case-{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return dataclasses.replace(draft, case=dataclasses.replace(draft.case, id=name))
