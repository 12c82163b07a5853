"""What a suite's scorers say of answers that nobody should pass with. No model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from evalkit.errors import ConfigError
from evalkit.scorers import ScorerError, combine, verdict_of
from evalkit.scorers.values import as_text
from evalkit.suite.conversation import Judged, judged
from evalkit.suite.render import Renderer
from evalkit.types import MISSING, Case, Completion, Record, Score, ScorerEntry, Suite

_MOST: Final = 2_000
_SHORT: Final = 40
"""Answers so short take no scorer long, whatever its pattern."""
_PROGRAMS: Final = ("python_tests", "program", "sql")
"""Scorers that run what is in an answer."""


class Outcome(NamedTuple):
    """What became of an answer given to many cases: who could be asked, and who passed it."""

    tried: int
    passed: tuple[Case, ...]

    @property
    def share(self) -> float:
        """The share of the tried cases that passed."""
        return len(self.passed) / self.tried if self.tried else 0.0


class Probes:
    """Judges made-up answers by a suite's scorers, and remembers which of these could not be asked.

    Scorers that ask a model, or that run programs, are left out; so are the cases on which these have a say.

    Args:
        suite: a loaded one.
        cases: its cases; of more than 2,000 so many are taken, evenly spaced.
    """

    def __init__(self, suite: Suite, cases: Sequence[Case]) -> None:
        self._suite = suite
        step = max(1, -(-len(cases) // _MOST))
        self.cases: Sequence[Case] = cases[::step]
        self.left_out: dict[str, None] = {}
        self._renderers = [Renderer(prompt, suite.vars) for prompt in suite.prompts]

    def say(self, *answers: str) -> Outcome:
        """Give the same answers to every case; one that passes is enough. What is right is not held against a case."""
        return self._outcome({case.id: answers for case in self.cases})

    def echo(self) -> Outcome:
        """Give back to every case the last message that each prompt ends with."""
        return self._outcome({case.id: tuple(dict.fromkeys(self._last_messages(case))) for case in self.cases})

    def swap(self) -> Outcome:
        """Give every case what is right for a later one that expects something else; no case that lists what is."""
        answers: dict[str, tuple[str, ...]] = {}
        other = later = ""
        for case in reversed(self.cases):
            if (
                case.expected is not MISSING
                and not isinstance(case.expected, list)
                and (right := as_text(case.expected))
            ):
                if right != later:
                    other, later = later, right
                answers[case.id] = (other,) if other else ()
        return self._outcome(answers)

    def _outcome(self, answers: dict[str, tuple[str, ...]]) -> Outcome:
        tried = 0
        passed: list[Case] = []
        for case in self.cases:
            verdicts = [
                self._passes(case, answer) for answer in answers.get(case.id, ()) if not _is_right(answer, case)
            ]
            known = [verdict for verdict in verdicts if verdict is not None]
            tried += bool(known)
            if any(known):
                passed.append(case)
        return Outcome(tried, tuple(passed))

    def _passes(self, case: Case, answer: str) -> bool | None:
        tasks = list(judged(self._suite.scorers_for(case), _record(case, answer), case))
        asked = [task for task in tasks if task.entry.weight]
        for task in asked:
            if _needs_help(task.entry):
                self.left_out[task.entry.name] = None
        if any(_needs_help(task.entry) or len(answer) > max(_SHORT, task.entry.inline_chars) for task in asked):
            return None
        scores = [_score(task) for task in asked]
        return combine("", [task.entry for task in asked], scores, self._suite.threshold).passed

    def _last_messages(self, case: Case) -> list[str]:
        if case.turns:
            return [case.turns[-1].user]
        texts: list[str] = []
        for renderer in self._renderers:
            try:
                texts += [message.text for message in renderer.sketch(case)[-1:]]
            except ConfigError:  # a picture is gone since the suite was loaded
                continue
        return texts


def _needs_help(entry: ScorerEntry) -> bool:
    return bool(entry.models) or any(f'"{name}"' in entry.spelling for name in _PROGRAMS)


def _record(case: Case, answer: str) -> Record:
    """An answer of that text, to every turn of the case."""
    turns = tuple(Completion(answer) for _ in case.turns)
    return Record("", "", "", case.id, 1, output=answer, finish_reason="stop", turns=turns)


def _score(task: Judged) -> Score:
    try:
        return verdict_of(task.entry.scorer, task.answer, task.case, ())
    except ScorerError as error:
        return Score(0.0, passed=False, reason=error.message)
    except Exception as error:  # noqa: BLE001 - a scorer from elsewhere may fail in any way; that is no pass
        return Score(0.0, passed=False, reason=str(error))


def _is_right(answer: str, case: Case) -> bool:
    expected = case.expected
    return isinstance(expected, str) and expected.strip().casefold() == answer.strip().casefold()
