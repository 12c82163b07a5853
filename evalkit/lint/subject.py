"""What is looked at: a suite, with what several checks need of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from evalkit.errors import Location
from evalkit.lint.history import History
from evalkit.lint.probes import Probes
from evalkit.lint.prompting import texts_in, used_vars
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Case, Json, Suite

_LABEL_CHARS: Final = 60
_MOST_LABELS: Final = 40
_CASES_PER_LABEL: Final = 3


@dataclass(frozen=True)
class Subject:
    """A suite, where its rules stand, and what stored runs say of its cases.

    Attributes:
        suite: a loaded one.
        places: where the keys of the suite's file stand, such as `gate.margin`, as far as they are there.
        history: of stored runs.
    """

    suite: Suite
    places: Mapping[str, Location] = field(default_factory=dict)
    history: History = field(default_factory=History)

    @property
    def file(self) -> Location:
        """The suite's file as a whole."""
        return Location(self.suite.path)

    @cached_property
    def cases(self) -> Sequence[Case]:
        """All cases, in memory."""
        return list(self.suite.cases)

    @cached_property
    def shown(self) -> frozenset[str]:
        """The vars that a prompt shows."""
        return used_vars(self.suite.prompts)

    def input_of(self, case: Case) -> str:
        """What is particular to a case of what a model is shown: the vars that prompts show, and the turns."""
        values = [value for name, value in case.vars.items() if name in self.shown or not self.shown]
        return "\n".join(texts_in([*values, *(turn.user for turn in case.turns)]))

    @cached_property
    def inputs(self) -> Sequence[str]:
        """The inputs of all cases."""
        return [self.input_of(case) for case in self.cases]

    @cached_property
    def probes(self) -> Probes:
        """The scorers, to be asked about made-up answers."""
        return Probes(self.suite, self.cases)

    @cached_property
    def labels(self) -> Mapping[str, int]:
        """How often each label is right, the commonest first; empty where what is right are no labels."""
        counts: dict[str, int] = {}
        for case in self.cases:
            if is_single(case.expected):
                label = as_text(case.expected)
                counts[label] = counts.get(label, 0) + 1
            elif case.expected is not MISSING:
                return {}
        few = len(counts) <= _MOST_LABELS and sum(counts.values()) >= _CASES_PER_LABEL * len(counts)
        short = all(len(label) <= _LABEL_CHARS for label in counts)
        return dict(sorted(counts.items(), key=lambda one: -one[1])) if few and short else {}

    @property
    def majority(self) -> tuple[str, float] | None:
        """The commonest label, and in what share of the cases it is right; None where what is right are no labels."""
        label = next(iter(self.labels), None)
        return None if label is None else (label, self.labels[label] / sum(self.labels.values()))

    def with_expected(self) -> Iterator[tuple[Case, str, str]]:
        """Go through the cases with one text, number or truth value that is right: each with its input and that."""
        for case, text in zip(self.cases, self.inputs, strict=True):
            if is_single(case.expected):
                yield case, text, as_text(case.expected)


def is_single(expected: Json) -> bool:
    """Whether what is right is one value: no list, no object, not null, not missing."""
    return isinstance(expected, (str, int, float))
