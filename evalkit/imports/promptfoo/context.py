"""What the assertions of a test are carried over with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo.functions import Functions
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.scripts.subjects import Scope
from evalkit.imports.promptfoo.transforms import Lens
from evalkit.types import MISSING, Json


class CannotError(ValueError):
    """An assertion that has no equal here; the message says why, or is empty."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion: its place, its type without `not-`, what of the answer it judges, and its value.

    Of the value, the vars are filled in.
    """

    node: Node
    base: str
    lens: Lens
    scope: Scope
    value: Json

    @property
    def threshold(self) -> float | None:
        """Its threshold."""
        return self.node.number("threshold")


@dataclass(slots=True)
class CaseContext:
    """A test as its assertions see it.

    Attributes:
        vars: the test's.
        tools: the functions that models may call, with the schemas of their arguments.
        transforms: of the output, in order.
        live: whether the provider gives objects whose `text` is the answer.
        grader: finds the model for a provider that an assertion names, or the test's; by kind, "text" or "embedding".
        files: the config's.
        notes: takes notes.
        rubric_prompt: the test's own words for judges.
        functions: takes the Python that is to be called.
        expecting: whether an assertion needs `expected`.
        expected: what the answer is compared with, as far as an assertion says so.
    """

    vars: Mapping[str, Json]
    tools: Mapping[str, Mapping[str, Json]]
    transforms: list[Node]
    live: bool
    grader: Callable[[Node | None, str, Node], str]
    files: Files
    notes: Notes
    rubric_prompt: Node | None = None
    functions: Functions = field(default_factory=Functions)
    expecting: bool = False
    expected: Json = field(default=MISSING)

    def expect(self, value: Json) -> None:
        """Say what the answer is compared with.

        Raises:
            CannotError: something else has been said.
        """
        if self.expected is not MISSING and self.expected != value:
            raise CannotError("another assertion of the test compares with another text, and a case has one `expected`")
        self.expected = value
