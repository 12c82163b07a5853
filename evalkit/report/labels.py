"""What a candidate is called in a report: its model, and its prompt where the run compares several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Candidate(Protocol):
    """A summary or a call, as far as its name goes."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def prompt(self) -> str:
        """The prompt's name."""
        ...


class Labels:
    """Names candidates so that no two of a run are called alike."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.several_prompts = len({candidate.prompt for candidate in candidates}) > 1

    def of(self, candidate: Candidate) -> str:
        """`model`, or `model / prompt` in a run with several prompts. Not yet safe to print as markdown."""
        return f"{candidate.model} / {candidate.prompt}" if self.several_prompts else candidate.model
