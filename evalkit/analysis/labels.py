"""Which labels were expected and which found: confusion matrices, out of the verdicts of scorers that tell both.

Such a verdict's details hold `label` (null: the answer names none) and `expected`.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from evalkit.analysis.rows import named_verdicts
from evalkit.stats.labels import Cell, Classification, classify
from evalkit.types import CallScore, Score

MOST_LABELS = 1000
"""Different labels of one scorer beyond which nothing is counted: memory grows with their square at worst."""


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """What one scorer found a candidate's answers to name. Calls that ended in an error have no label and no part.

    `figures` is None where there are more than MOST_LABELS labels. `left_out` is how many of the scorer's verdicts do
    not tell labels, as where its `extract` found nothing to judge.
    """

    model: str
    prompt: str
    scorer: str
    figures: Classification | None
    left_out: int


class LabelCounts:
    """Counts the labels in the verdicts on one candidate's answers, scorer by scorer.

    Args:
        cases: how many there are.
        trials: how often each is asked. Calls come in the plan's order: trial after trial of all cases.
        shared: whether cases share sources.
    """

    def __init__(self, cases: int, trials: int, *, shared: bool = False) -> None:
        self._cases = cases
        self._kept = cases * trials if trials > 1 or shared else 0
        self._calls = 0
        self._confusions: dict[str, _Confusion] = {}
        self._others: Counter[str] = Counter()

    def add(self, score: CallScore | None) -> None:
        """Count the labels that the verdict on the next call tells of; None where there is no verdict."""
        for name, verdict in named_verdicts(score) if score else ():
            cell = _cell(verdict.score)
            if cell is None:
                self._others[name] += 1
                continue
            if name not in self._confusions:
                self._confusions[name] = _Confusion(self._kept)
            self._confusions[name].add(self._calls, cell)
        self._calls += 1

    def summaries(self, model: str, prompt: str, clusters: Sequence[int] | None = None) -> Iterator[LabelSummary]:
        """The figures of every scorer that told labels, in the order in which they first did.

        Args:
            model: of the candidate.
            prompt: of the candidate.
            clusters: the number of each case's source; None: each case stands for itself.
        """
        units = range(self._cases) if clusters is None else clusters
        for name, confusion in self._confusions.items():
            found = confusion.by_unit(units)
            yield LabelSummary(model, prompt, name, None if found is None else classify(found), self._others[name])


class _Confusion:
    """Which cell of the confusion matrix each answer is in.

    Args:
        kept: so many calls are kept, four bytes each; 0: each case was asked once and shares nothing, so that the cells
            are just counted.
    """

    def __init__(self, kept: int) -> None:
        self._labels: set[str | None] = {None}
        self._cells: dict[Cell, int] = {}
        self._times: Counter[Cell] = Counter()
        self._of_calls = array("I", bytes(4 * kept)) if kept else None

    def add(self, call: int, cell: Cell) -> None:
        """Note the cell of a call, counted from 0."""
        if self._too_many():
            return
        self._labels.update(cell)
        if self._too_many():
            self._cells.clear()
            self._times.clear()
        elif self._of_calls is None:
            self._times[cell] += 1
        else:
            self._of_calls[call] = self._cells.setdefault(cell, len(self._cells) + 1)  # 0 is a call without one

    def _too_many(self) -> bool:
        return len(self._labels) - 1 > MOST_LABELS

    def by_unit(self, units: Sequence[int]) -> Mapping[tuple[Cell, ...], int] | None:
        """How many units (cases, or their sources) have which cells; None where there are too many labels.

        Args:
            units: the number of each case's unit.
        """
        if self._too_many():
            return None
        if self._of_calls is None:
            return {(cell,): times for cell, times in self._times.items()}
        found: defaultdict[int, list[int]] = defaultdict(list)
        for unit, number in zip(cycle(units), self._of_calls, strict=False):
            if number:
                found[unit].append(number)
        known = list(self._cells)
        counts = Counter(tuple(sorted(numbers)) for numbers in found.values())
        return {tuple(known[number - 1] for number in numbers): n for numbers, n in counts.items()}


def _cell(score: Score) -> Cell | None:
    """The expected label and the one found; None where the verdict does not tell, or says the opposite (`not`)."""
    expected, found = score.details.get("expected"), score.details.get("label")
    if not isinstance(expected, str) or not (isinstance(found, str) or (found is None and "label" in score.details)):
        return None
    opposite = 0.0 if found == expected else 1.0
    return None if score.value == opposite else (expected, found)
