"""One person's way through the cases: the order, the filter, what is said of the case in view, and what is left.

Knows nothing of terminals and files: every act is handed to `keep`, which puts it on the disk.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from evalkit.labelling.marks import Act, Entry, History, Mark, looked, marked
from evalkit.labelling.source import Item
from evalkit.labelling.task import Task
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Json

_ENOUGH: Final = 3
"""How many labels it takes to guess how long the rest will."""
_PAUSE_S: Final = 180.0
"""Longer than this is a break, and says nothing about the pace."""
_LATEST: Final = 25

Keep = Callable[[Entry], None]


class Progress(NamedTuple):
    """How far it is. `left_s` is None as long as the pace is not known."""

    labelled: int
    total: int
    unsure: int
    skipped: int
    left_s: float | None


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is: `now` in seconds for the pace, `stamp` for the journal."""

    now: Callable[[], float]
    stamp: Callable[[], str]


def in_order(items: Sequence[Item], *, shuffle: bool, seed: int) -> Sequence[Item]:
    """The order to go in: that of the file, or a random one, the same for the same seed."""
    return random.Random(seed).sample(items, len(items)) if shuffle else items


class Session:
    """Where one person is.

    Args:
        items: the cases, in the order to go in; at least one.
        task: what is to be set.
        history: what that person has said before.
        keep: puts an entry on the disk; where it raises, nothing was said.
        clock: tells the time.
        blind: the expected output of the file is hidden, and counts as nothing until looked at.
    """

    def __init__(
        self, items: Sequence[Item], task: Task, history: History, keep: Keep, clock: Clock, *, blind: bool = False
    ) -> None:
        self.items = items
        self.task = task
        for mark in history.marks.values():
            self.task = self.task if mark.label is MISSING else self.task.with_label(mark.label)
        self.filter = ""
        self._history = history
        self._keep = keep
        self._clock = clock
        self._blind = blind
        self._visible: Sequence[int] = range(len(items))
        self._paces: list[float] = []
        self._last = clock.now()
        self._at = 0
        if not self.is_done(items[0]):
            return
        self.to_unlabelled()

    @property
    def item(self) -> Item:
        """The case in view."""
        return self.items[self._at]

    @property
    def mark(self) -> Mark:
        """What was said of it."""
        return self._history.of(self.item.case.id)

    @property
    def label(self) -> Json:
        """What is expected of it as far as this person may know; MISSING: nothing yet."""
        return self.label_of(self.item)

    @property
    def place(self) -> tuple[int, int]:
        """Where the case in view stands among those that the filter lets through, from 1; and how many these are."""
        return self._visible.index(self._at) + 1, len(self._visible)

    @property
    def marks(self) -> History:
        """All that was said."""
        return self._history

    @property
    def is_blind(self) -> bool:
        """Whether what the file expects is hidden for the case in view, and there is such a thing."""
        return self._blind and self.item.expected is not MISSING

    def label_of(self, item: Item) -> Json:
        """What is expected of a case as far as this person may know."""
        mark = self._history.of(item.case.id)
        return item.expected if mark.label is MISSING and not self._blind else mark.label

    def is_done(self, item: Item) -> bool:
        """Whether a case has its label."""
        return self.label_of(item) is not MISSING

    def progress(self) -> Progress:
        """Count what is done, and guess how long the rest will take at the latest pace."""
        marks = [self._history.of(item.case.id) for item in self.items]
        labelled = sum(map(self.is_done, self.items))
        pace = statistics.median(self._paces[-_LATEST:]) if len(self._paces) >= _ENOUGH else None
        return Progress(
            labelled,
            len(self.items),
            sum(mark.unsure for mark in marks),
            sum(mark.skipped for mark in marks),
            None if pace is None else pace * (len(self.items) - labelled),
        )

    def set_label(self, label: Json) -> None:
        """Say what is expected, and go on to the next case without a label."""
        self._say(marked(self.mark, label))
        self.task = self.task.with_label(label)
        spent = self._clock.now() - self._last
        self._paces += [spent] if spent <= _PAUSE_S else []
        self._last = self._clock.now()
        self.to_unlabelled()

    def clear(self) -> bool:
        """Take the label away; whether there was one of this person."""
        there = self.mark.labelled
        if there:
            self._say(marked(self.mark, MISSING))
        return there

    def skip(self) -> None:
        """Leave a case for later."""
        self._say(replace(self.mark, skipped=True))
        self.to_unlabelled()

    def flag(self) -> None:
        """Flag a case as unsure, or no longer."""
        self._say(replace(self.mark, unsure=not self.mark.unsure))

    def note(self, text: str) -> bool:
        """Write a note to a case; an empty one takes it away. Whether that changed anything."""
        changes = text.strip() != self.mark.note
        if changes:
            self._say(replace(self.mark, note=text.strip()))
        return changes

    def look(self) -> None:
        """Note that an answer, or what the file expects, is shown for the case in view."""
        if not self.mark.looked:
            self._enter(Act.LOOK, self.item, looked(self.mark))

    def undo(self) -> bool:
        """Take the last act back, and go to its case; whether there was one."""
        undone = self._history.undone()
        if undone is None:
            return False
        case_id, before = undone
        place = next((at for at, item in enumerate(self.items) if item.case.id == case_id), None)
        if place is None:
            return False  # of a case that is left out this time
        self._enter(Act.UNDO, self.items[place], before)
        self._paces = self._paces[:-1]
        self._go(place)
        return True

    def step(self, by: int) -> None:
        """Go so many cases on or back, as far as there are any."""
        here = self._visible.index(self._at)
        self._at = self._visible[max(0, min(len(self._visible) - 1, here + by))]

    def to_unlabelled(self) -> bool:
        """Go to the next case without a label, from the start again after the last; skipped ones come last of all.

        Returns:
            Whether there is one in view.
        """
        here = self._visible.index(self._at)
        around = [*self._visible[here + 1 :], *self._visible[: here + 1]]
        left = [at for at in around if not self.is_done(self.items[at])]
        fresh = [at for at in left if not self._history.of(self.items[at].case.id).skipped]
        self._at = (fresh or left or [self._at])[0]
        return bool(left)

    def go_to(self, typed: str) -> bool:
        """Go to a case by its number in the file's order here, its id, or the start of that; whether there is one."""
        typed = typed.strip()
        names = [item.case.id for item in self.items]
        if typed in names:
            found: int | None = names.index(typed)
        elif typed.isdecimal():
            found = int(typed) - 1 if 1 <= int(typed) <= len(names) else None
        else:
            found = next((at for at, name in enumerate(names) if typed and name.startswith(typed)), None)
        if found is None:
            return False
        self._go(found)
        return True

    def set_filter(self, words: str) -> bool:
        """Show only cases that all these words fit, and go to the first; whether there are any, else nothing changes.

        `tag:NAME` is a tag; `is:labelled`, `is:unlabelled`, `is:unsure` and `is:skipped` are what they say; any other
        word stands in the case's id, vars, tags, label or note, whatever its case.
        """
        visible = [at for at, item in enumerate(self.items) if all(self._fits(item, word) for word in words.split())]
        if not visible:
            return False
        self.filter, self._visible = " ".join(words.split()), visible
        if self._at not in visible:
            self._at = visible[0]
        return True

    def _fits(self, item: Item, word: str) -> bool:
        kind, colon, rest = word.partition(":")
        mark = self._history.of(item.case.id)
        if colon and kind == "tag":
            return rest.casefold() in (tag.casefold() for tag in item.case.tags)
        if colon and kind == "is":
            done = self.is_done(item)
            states = {"labelled": done, "unlabelled": not done, "unsure": mark.unsure, "skipped": mark.skipped}
            return states.get(rest, False)
        texts = [item.case.id, *map(as_text, item.case.vars.values()), *item.case.tags, mark.note]
        texts += [turn.user for turn in item.case.turns]
        label = self.label_of(item)
        texts += [] if label is MISSING else [as_text(label)]
        return any(word.casefold() in text.casefold() for text in texts)

    def _go(self, place: int) -> None:
        if place not in self._visible:
            self.filter, self._visible = "", range(len(self.items))
        self._at = place

    def _say(self, mark: Mark) -> None:
        self._enter(Act.SET, self.item, mark)

    def _enter(self, act: Act, item: Item, mark: Mark) -> None:
        entry = Entry(act, item.case.id, item.print, mark, self._clock.stamp())
        self._keep(entry)
        self._history.add(entry)
