"""What every scorer is made of: its options, what it is compiled against, and the error of a scorer at fault."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import EvalkitError, ExitCode
from evalkit.types import Case, Json, Record, Score, Scorer


@dataclass(frozen=True, slots=True)
class ScorerContext:
    """What a scorer may know of the suite that lists it.

    `base_dir` is the folder relative paths start from. `output_schema` is the suite's JSON Schema for answers.
    `allow_code` says whether scorers may run the user's own code.
    """

    base_dir: Path
    output_schema: Json | None = None
    allow_code: bool = False


class ScorerError(EvalkitError):
    """A scorer could not judge an answer. The fault is the scorer's: it says nothing about the model."""

    exit_code = ExitCode.INCOMPLETE


class Options(ABC):
    """The options of one scorer, as a suite spells them.

    A subclass is a frozen dataclass. Each field annotated with an `Opt` is an option: its type, default and `Opt` are
    all that is needed to validate it and to describe it to editors. The docstring's first line describes the scorer.
    """

    __slots__ = ()

    @abstractmethod
    def compile(self, context: ScorerContext) -> Scorer:
        """Return the scorer that judges by these options.

        Raises:
            ConfigError: the options fit their types but cannot be used.
        """


class PlainScorer(Options):
    """Options that are themselves the scorer, needing nothing from the suite."""

    __slots__ = ()

    def compile(self, context: ScorerContext) -> Scorer:  # noqa: ARG002 - other scorers need it
        """Return itself."""
        return self

    @abstractmethod
    def score(self, answer: Record, case: Case) -> Score:
        """Judge an answer; never called for a record that holds an error."""

    @abstractmethod
    def check(self, case: Case) -> str | None:
        """Say why this case cannot be judged, or None."""
