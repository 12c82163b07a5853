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
        return self.named((candidate.model, candidate.prompt))

    def named(self, candidate: tuple[str, str]) -> str:
        """The same by the names of model and prompt."""
        model, prompt = candidate
        return f"{model} / {prompt}" if self.several_prompts else model
