"""Results as they are read: cases told apart, answers told apart, and all of it kept on disk until it is stored."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftAnswer, Note
from evalkit.runner.plan import Named, fingerprint
from evalkit.suite.ids import Ids
from evalkit.suite.spool import DiskRows, FromDisk
from evalkit.types import MISSING, Case

MAX_TRIALS: Final = 1_000
_SHOWN: Final = 100


class Notes:
    """Collects notes: of each kind the first ones, then how many more there are."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, bool], list[Note]] = {}
        self._more: dict[tuple[str, bool], int] = {}
        self._told: set[Hashable] = set()

    def add(self, where: Location, kind: str, message: str, *, lost: bool = True, remedy: str = "") -> None:
        """Take down what was not carried over as it stood."""
        key = (kind, lost)
        first = self._first.setdefault(key, [])
        if len(first) < _SHOWN:
            first.append(Note(where, kind, message, lost, remedy))
        else:
            self._more[key] = self._more.get(key, 0) + 1

    def error(self, kind: str, error: ConfigError, where: Location) -> None:
        """Take down a row that cannot be read."""
        self.add(error.where or where, kind, error.message, remedy=error.remedy or "")

    def once(self, where: Location, kind: str, message: str, *, remedy: str = "") -> None:
        """Take down a change that is the same wherever it is met; only the first time."""
        if (kind, message) not in self._told:
            self._told.add((kind, message))
            self.add(where, kind, message, lost=False, remedy=remedy)

    def nothing_read(self, kind: str, source: Location, remedy: str = "") -> ConfigError:
        """The error of a source of which nothing can be read: what is wrong with the first thing in it.

        Args:
            kind: what it was looked through for.
            source: the whole.
            remedy: what to do where the first note does not say it.
        """
        first = next(iter(self.all(source)), Note(source, kind, ""))
        words = f"no {kind} can be read{f': {first.message}' if first.message else ''}"
        return ConfigError(words, where=first.where, remedy=first.remedy or remedy or None)

    def all(self, source: Location) -> tuple[Note, ...]:
        """All notes; those that would be too many are told as a number."""
        listed = [note for notes in self._first.values() for note in notes]
        more = [
            Note(source, kind, f"... and {count:,} more of this kind", lost)
            for (kind, lost), count in self._more.items()
        ]
        return (*listed, *more)


class Found(NamedTuple):
    """An answer and the case it is to. The case's id is what the source calls it, empty where it has no name."""

    case: Case
    answer: DraftAnswer


@dataclass(slots=True)
class Tally:
    """What came by: answers, those of them without any verdict, and the most trials of one case."""

    answers: int = 0
    unjudged: int = 0
    renamed: int = 0
    trials: int = 1


class Gathered:
    """The cases and answers of a source, each read from disk whenever it is asked for.

    The same question comes to be one case, whoever answers it. What one candidate answers twice as the same trial is
    two cases: nothing gets lost, and nothing is counted as a repetition that may not be one.

    Args:
        found: read to its end here.
    """

    def __init__(self, found: Iterable[Found]) -> None:
        self.tally = Tally()
        self.models: dict[str, None] = {}
        """The names of those that answered, in the order in which they first did."""
        self.prompts: dict[str, None] = {}
        # By hash, as there may be a million of each.
        self._places: dict[int, int] = {}
        self._turns: dict[int, int] = {}
        self._names: dict[str, int] = {}
        self._ids: list[str] = []
        self._first = array("Q")
        self._rows = DiskRows(self._written(found))

    def _written(self, found: Iterable[Found]) -> Iterator[bytes]:
        for number, (case, answer) in enumerate(found):
            place = self._place(case, answer, number)
            self._count(answer)
            # Bytes of our own, in a file without a name that nobody else can write to.
            yield pickle.dumps((case, replace(answer, case_id=self._ids[place])), pickle.HIGHEST_PROTOCOL)

    def _count(self, answer: DraftAnswer) -> None:
        self.models.setdefault(answer.model)
        self.prompts.setdefault(answer.prompt)
        self.tally.answers += 1
        self.tally.unjudged += answer.passed is None and answer.error is None
        self.tally.trials = max(self.tally.trials, answer.trial)

    def _place(self, case: Case, answer: DraftAnswer, number: int) -> int:
        content = _content(case)
        asked = hash((content, answer.model, answer.prompt, answer.trial))
        turn = self._turns.get(asked, 0)
        self._turns[asked] = turn + 1
        key = hash((content, turn))
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._ids)
            self._ids.append(self._unique(case.id or Ids().make(case.vars)))
            self._first.append(number)
        return place

    def _unique(self, name: str) -> str:
        if name not in self._names:
            self._names[name] = 1
            return name
        self.tally.renamed += 1
        while True:
            self._names[name] += 1
            numbered = f"{name}-{self._names[name]}"
            if numbered not in self._names:
                self._names[numbered] = 1
                return numbered

    @property
    def cases(self) -> Sequence[Case]:
        """Every case once, in the order in which they were first met."""
        return _Cases(self._rows, self._ids, self._first)

    @property
    def answers(self) -> Iterable[DraftAnswer]:
        """Every answer, in the source's order; can be gone through as often as need be."""
        return _Answers(self._rows)

    def missing(self) -> int:
        """How many cells of the grid of models, prompts, trials and cases have no answer."""
        cells = len(self.models) * len(self.prompts) * self.tally.trials * len(self._ids)
        return cells - self.tally.answers


def _content(case: Case) -> str:
    expected = None if case.expected is MISSING else [case.expected]
    return fingerprint([case.id, sorted(case.vars.items()), expected, case.tags])


def _loaded(rows: DiskRows, number: int) -> Found:
    return Found(*pickle.loads(rows.read(number)))  # noqa: S301 - see where they are written


class _Answers(Iterable[DraftAnswer]):
    def __init__(self, rows: DiskRows) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[DraftAnswer]:
        return (_loaded(self._rows, number).answer for number in range(len(self._rows)))

    def __len__(self) -> int:
        return len(self._rows)


class _Cases(FromDisk[Case]):
    def __init__(self, rows: DiskRows, ids: Sequence[str], first: Sequence[int]) -> None:
        self._rows = rows
        self._ids = ids
        self._first = first

    def __len__(self) -> int:
        return len(self._ids)

    def _item(self, index: int) -> Case:
        return replace(_loaded(self._rows, self._first[index]).case, id=self._ids[index])


def free_name(name: str, taken: Mapping[str, Named], content: str | None = None) -> str:
    """The name, or with a number where it is taken, unless by something of the same content (a fingerprint)."""
    number, free = 1, name
    while free in taken and (content is None or taken[free].fingerprint != content):
        number += 1
        free = f"{name}-{number}"
    return free


def complete_notes(notes: Notes, gathered: Gathered, source: Location) -> tuple[Note, ...]:
    """All notes, with what the grid of a run makes of the source: empty cells, answers without a verdict, new ids."""
    tally, missing = gathered.tally, gathered.missing()
    if missing:
        notes.add(
            source,
            "answer",
            f"the source has no answer for {missing:,} of {missing + tally.answers:,} combinations of model, prompt, "
            "trial and case: reports call these missing",
            lost=False,
        )
    if tally.unjudged:
        notes.add(
            source,
            "answer",
            f"answers without a verdict: {tally.unjudged:,} of {tally.answers:,}; reports call these missing",
            lost=False,
            remedy="judge them by a suite of the same cases: evalkit score RUN --suite SUITE",
        )
    if tally.renamed:
        notes.add(
            source,
            "case",
            f"ids that an earlier case has, and that were given a number: {tally.renamed:,} of {len(gathered.cases):,}",
            lost=False,
        )
    return notes.all(source)
