"""What one person said of each case: a history of entries, each of which can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from evalkit.labelling.source import Item
from evalkit.types import MISSING, Json


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person said of one case.

    Attributes:
        label: what is expected; MISSING as long as nothing was said.
        unsure: flagged, to be looked at again.
        note: in the person's own words.
        skipped: left for later.
        looked: a candidate's answer, or what the file expects, was shown for this case.
        after_look: the label was set after that.
        before_look: the label that stood when it was shown; MISSING where there was none.
    """

    label: Json = MISSING
    unsure: bool = False
    note: str = ""
    skipped: bool = False
    looked: bool = False
    after_look: bool = False
    before_look: Json = MISSING

    @property
    def labelled(self) -> bool:
        """Whether something was said to be expected."""
        return self.label is not MISSING


NOTHING: Final = Mark()


class Act(StrEnum):
    """What an entry of the history is: something said, something shown, or something taken back."""

    SET = "set"
    LOOK = "look"
    UNDO = "undo"


class Entry(NamedTuple):
    """One act: how a case stands after it.

    `print` tells what the case asked at that time, `at` when that was, in ISO 8601.
    """

    act: Act
    case: str
    print: str
    mark: Mark
    at: str = ""


class History:
    """All acts of one person up to now.

    Entries on cases that are no longer there, or ask something else by now, are passed over; `stale` names these cases.
    """

    def __init__(self, items: Iterable[Item], entries: Iterable[Entry] = ()) -> None:
        self._prints = {item.case.id: item.print for item in items}
        self._marks: dict[str, Mark] = {}
        self._done: list[tuple[str, Mark]] = []
        self.stale: dict[str, None] = {}
        for entry in entries:
            self.add(entry)

    @property
    def marks(self) -> Mapping[str, Mark]:
        """What was said, by case id."""
        return self._marks

    def of(self, case_id: str) -> Mark:
        """What was said of a case."""
        return self._marks.get(case_id, NOTHING)

    def add(self, entry: Entry) -> None:
        """Go one act further."""
        if self._prints.get(entry.case) != entry.print:
            self.stale[entry.case] = None
            return
        if entry.act is Act.UNDO and self._done:
            self._done.pop()
        elif entry.act is Act.SET:
            self._done.append((entry.case, self.of(entry.case)))
        self._marks[entry.case] = entry.mark

    def undone(self) -> tuple[str, Mark] | None:
        """What taking the last act back would leave: a case's id, and how it would stand; None at the beginning.

        What was seen stays seen.
        """
        if not self._done:
            return None
        case_id, before = self._done[-1]
        now = self.of(case_id)
        if now.looked and not before.looked:
            before = replace(before, looked=True, before_look=before.label)
        return case_id, before


def marked(mark: Mark, label: Json) -> Mark:
    """Say what is expected."""
    return replace(mark, label=label, skipped=False, after_look=mark.looked and label is not MISSING)


def looked(mark: Mark) -> Mark:
    """Note that an answer was shown; the first time counts."""
    return mark if mark.looked else replace(mark, looked=True, before_look=mark.label)


def to_json(entry: Entry) -> dict[str, Json]:
    """An entry as a row of a journal; what says nothing is left out."""
    mark = entry.mark
    said: dict[str, Json] = {
        "label": mark.label,
        "unsure": mark.unsure or MISSING,
        "note": mark.note or MISSING,
        "skipped": mark.skipped or MISSING,
        "looked": mark.looked or MISSING,
        "after_look": mark.after_look or MISSING,
        "before_look": mark.before_look,
    }
    row = {"at": entry.at, "act": str(entry.act), "case": entry.case, "print": entry.print}
    return row | {name: value for name, value in said.items() if value is not MISSING}


def from_json(row: Mapping[str, Any]) -> Entry:
    """Read an entry back.

    Raises:
        KeyError, TypeError, ValueError: it is no such row.
    """
    flags: Sequence[str] = ("unsure", "skipped", "looked", "after_look")
    texts = [row["case"], row["print"], row.get("at", ""), row.get("note", "")]
    if not (
        all(isinstance(text, str) for text in texts) and all(row.get(flag, False) in {True, False} for flag in flags)
    ):
        raise ValueError("not an entry")
    case, asked, at, note = texts
    mark = Mark(
        label=row.get("label", MISSING),
        note=note,
        before_look=row.get("before_look", MISSING),
        **{flag: bool(row.get(flag, False)) for flag in flags},
    )
    return Entry(Act(row["act"]), case, asked, mark, at)
