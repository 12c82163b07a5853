"""What can be said of any scorer: which part of the answer it judges, from which value on it passes, and `not`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.scorers.asking import asks_of, models_of, verdict_of
from evalkit.scorers.base import ScorerError
from evalkit.scorers.extract import NothingFoundError, Step, extracted
from evalkit.scorers.values import show
from evalkit.types import AskingScorer, Case, Json, Question, Record, Score, Scorer

# A mean of thirds must reach a threshold of two thirds whichever way its last bit was rounded.
ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A scorer around another one."""

    scorer: Scorer | AskingScorer

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the inner scorer asks."""
        return models_of(self.scorer)

    def check(self, case: Case) -> str | None:
        """Say what the inner scorer says."""
        return self.scorer.check(case)

    def asks(self, answer: Record, case: Case) -> tuple[Question, ...]:
        """Ask what the inner scorer asks."""
        return asks_of(self.scorer, answer, case)

    def score(self, answer: Record, case: Case) -> Score:
        """Judge without asking anyone."""
        return self.weigh(answer, case, ())

    def weigh(self, answer: Record, case: Case, replies: Sequence[Record]) -> Score:
        """Judge as the inner scorer does."""
        return verdict_of(self.scorer, answer, case, replies)


@dataclass(frozen=True, slots=True)
class NothingToJudge(Score):
    """The verdict on an answer that lacks what was to be taken out of it: it fails, and so it does under `not`."""


@dataclass(frozen=True, slots=True)
class Extracted(Wrapper):
    """Judges what a few steps take out of the answer."""

    steps: tuple[Step, ...]

    def asks(self, answer: Record, case: Case) -> tuple[Question, ...]:
        """Ask about the part."""
        try:
            return asks_of(self.scorer, self._part(answer), case)
        except NothingFoundError:
            return ()

    def weigh(self, answer: Record, case: Case, replies: Sequence[Record]) -> Score:
        """Judge the part."""
        try:
            part = self._part(answer)
        except NothingFoundError as nothing:
            reason = f"extract: {nothing}, got {show(answer.output or '')}"
            return NothingToJudge(0.0, passed=False, reason=reason, details=self._details(answer, case))
        return verdict_of(self.scorer, part, case, replies)

    def _part(self, answer: Record) -> Record:
        return dataclasses.replace(answer, output=extracted(self.steps[0].source(answer), self.steps))

    def _details(self, answer: Record, case: Case) -> Mapping[str, Json]:
        """The details of the verdict on an empty text: a label that is not there counts in the figures too."""
        try:
            empty = dataclasses.replace(answer, output="")
            return {} if models_of(self.scorer) else verdict_of(self.scorer, empty, case, ()).details
        except ScorerError:
            return {}


@dataclass(frozen=True, slots=True)
class Marked(Wrapper):
    """Passes from some value on."""

    mark: float

    def weigh(self, answer: Record, case: Case, replies: Sequence[Record]) -> Score:
        """Compare the value with the mark."""
        score = verdict_of(self.scorer, answer, case, replies)
        if score.value is None:
            return score
        if score.value < self.mark - ROUNDING:
            below = f"{score.value:.3g}, below {self.mark:g}"
            reason = f"{below}: {score.reason}" if score.reason else below
            return dataclasses.replace(score, passed=False, reason=reason)
        if isinstance(score, NothingToJudge) and not score.value:
            return score
        return Score(score.value, passed=True, reason=score.reason, details=score.details)


@dataclass(frozen=True, slots=True)
class Negated(Wrapper):
    """Passes what another scorer fails."""

    name: str

    def weigh(self, answer: Record, case: Case, replies: Sequence[Record]) -> Score:
        """Turn the verdict round."""
        score = verdict_of(self.scorer, answer, case, replies)
        if isinstance(score, NothingToJudge):
            return score
        value = None if score.value is None else 1 - score.value
        reason = f"{self.name} holds, and must not" if score.passed else ""
        return Score(value, passed=not score.passed, reason=reason, details=score.details)
