"""How far two people agree on labels, what a look at answers did to them, and what stands when several labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple

from evalkit.labelling.marks import Mark
from evalkit.labelling.source import Item
from evalkit.scorers.values import as_text
from evalkit.stats.agreement import Kappa, cohen_kappa
from evalkit.types import MISSING, Json

MOST_LABELS: Final = 500
"""Different labels beyond which there is no kappa: texts of their own, on which people agree by no chance at all."""

Marks = Mapping[str, Mark]


class Tally(NamedTuple):
    """Of so many cases that both labelled, how many alike."""

    alike: int
    n: int


class Dispute(NamedTuple):
    """A case on which people differ, with what each said."""

    item: Item
    said: Mapping[str, Mark]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two people agree.

    Attributes:
        first, second: their names.
        only_first, only_second: how many cases one of them labelled alone.
        kappa: over what both labelled; its value is None where chance leaves no room, or labels are too many.
        confusion: how often the first said this and the second that, where they differ; the most frequent first.
        blind: the cases that both labelled without a look at answers.
        looked: those where at least one had looked before.
        disputes: where they differ, in the cases' order.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    kappa: Kappa
    confusion: Sequence[tuple[str, str, int]]
    blind: Tally
    looked: Tally
    disputes: Sequence[Dispute]


def agreements(items: Sequence[Item], people: Mapping[str, Marks]) -> Iterable[Agreement]:
    """Compare everybody with everybody."""
    for first, second in combinations(people, 2):
        yield _agreement(items, (first, people[first]), (second, people[second]))


def _agreement(items: Sequence[Item], one: tuple[str, Marks], other: tuple[str, Marks]) -> Agreement:
    (first, said_first), (second, said_second) = one, other
    in_first = {item.case.id for item in items if _labelled(said_first, item)}
    in_second = {item.case.id for item in items if _labelled(said_second, item)}
    both = [item for item in items if item.case.id in in_first & in_second]
    pairs = [(said_first[item.case.id], said_second[item.case.id]) for item in both]
    words = [(spelled(a.label), spelled(b.label)) for a, b in pairs]
    after = [a.after_look or b.after_look for a, b in pairs]
    differ = Counter(pair for pair in words if pair[0] != pair[1])
    return Agreement(
        first=first,
        second=second,
        only_first=len(in_first - in_second),
        only_second=len(in_second - in_first),
        kappa=_kappa(words),
        confusion=[(a, b, times) for (a, b), times in sorted(differ.items(), key=lambda one: (-one[1], one[0]))],
        blind=_tally(words, [not seen for seen in after]),
        looked=_tally(words, after),
        disputes=[
            Dispute(item, {first: a, second: b})
            for item, (a, b), (word, wanted) in zip(both, pairs, words, strict=True)
            if word != wanted
        ],
    )


def _labelled(marks: Marks, item: Item) -> bool:
    return item.case.id in marks and marks[item.case.id].labelled


def _tally(words: Sequence[tuple[str, str]], counted: Sequence[bool]) -> Tally:
    alike = [a == b for (a, b), counts in zip(words, counted, strict=True) if counts]
    return Tally(sum(alike), len(alike))


def spelled(label: Json) -> str:
    """A label as text: two are alike where these are."""
    return as_text(label).strip()


def _kappa(words: Sequence[tuple[str, str]]) -> Kappa:
    places = {word: place for place, word in enumerate(dict.fromkeys(word for pair in words for word in pair))}
    if len(places) > MOST_LABELS:
        return Kappa(None, None, sum(a == b for a, b in words) / len(words), len(words))
    table = [[0] * len(places) for _ in places]
    for a, b in words:
        table[places[a]][places[b]] += 1
    return cohen_kappa(table)


class Changed(NamedTuple):
    """Of a person's labels that stood before a look at an answer, how many were changed after it."""

    changed: int
    n: int
    after_look: int
    labelled: int


def changes(marks: Iterable[Mark]) -> Changed:
    """Count what a look did to one person's labels."""
    said = [mark for mark in marks if mark.labelled]
    before = [mark for mark in said if mark.before_look is not MISSING]
    changed = sum(spelled(mark.label) != spelled(mark.before_look) for mark in before)
    return Changed(changed, len(before), sum(mark.after_look for mark in said), len(said))


@dataclass(frozen=True, slots=True)
class Settled:
    """What stands: labels by case id, and the cases on which people still differ."""

    labels: Mapping[str, Json]
    disputes: Sequence[Dispute]


def settle(items: Sequence[Item], people: Mapping[str, Marks], adjudicated: Marks) -> Settled:
    """Find what stands: what was adjudicated; else what everybody said who labelled the case, if they agree."""
    labels: dict[str, Json] = {}
    disputes = []
    for item in items:
        said = {name: marks[item.case.id] for name, marks in people.items() if _labelled(marks, item)}
        if _labelled(adjudicated, item):
            labels[item.case.id] = adjudicated[item.case.id].label
        elif len({spelled(mark.label) for mark in said.values()}) > 1:
            disputes.append(Dispute(item, said))
        elif said:
            labels[item.case.id] = next(iter(said.values())).label
    return Settled(labels, disputes)
