"""One result of promptfoo: the test, the answer, and what its assertions said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftAnswer
from evalkit.imports.gathering import Notes
from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo.recorded import case_of
from evalkit.imports.values import (
    amount,
    count,
    failure,
    finish_reason,
    items,
    mapping,
    number,
    share,
    text,
    verdict,
)
from evalkit.runner.plan import fingerprint
from evalkit.types import Case, Json, RecordError, ScorerVerdict, Usage

_ERROR: Final = 2
"""The `failureReason` of a row that has no verdict. 0 is none, 1 an assertion."""


_TELLING: Final = ("description", "assert", "metadata", "options")
"""What of a test tells it from others, beside its vars."""


class Head(NamedTuple):
    """Who was asked, as results tell it, and with which prompt: its label, and its text as far as that is told."""

    provider: Json
    label: str
    raw: str

    @property
    def called(self) -> str:
        """What the provider is called in the source."""
        given = self.provider
        return given if isinstance(given, str) else text(mapping(given).get("label") or mapping(given).get("id"))


def head_of(data: Json) -> Head:
    """Read whom a result is of. The text of its prompt is the one that was sent."""
    told = mapping(data)
    prompt = told.get("prompt")
    if isinstance(prompt, str):
        return Head(told.get("provider"), prompt, "")
    given = mapping(prompt)
    label = text(given.get("label") or given.get("display")) or text(told.get("promptId")) or text(given.get("id"))
    return Head(told.get("provider"), label, text(given.get("raw")))


@dataclass(frozen=True, slots=True)
class Row:
    """A result. `test_number` and `prompt_number` are None where the row has none.

    `test` is the same for two rows of the same test, also for one that is asked several times.
    """

    case: Case
    test: str
    test_number: int | None
    prompt_number: int | None
    head: Head
    passed: bool
    result: DraftAnswer

    @property
    def outcome(self) -> str:
        """What became of it: "passed", "failed" or "error"."""
        return "error" if self.result.error else "passed" if self.passed else "failed"

    def answer(self, model: str, prompt: str, trial: int) -> DraftAnswer:
        """The answer of a candidate by the names that the run has for it."""
        return replace(self.result, model=model, prompt=prompt, trial=trial)


class Cases:
    """Makes the cases of tests. A test's results stand together, and its assertions are read but once for them all."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._last: tuple[str, Case] | None = None

    def of(self, mark: str, variables: Mapping[str, Json], test: Mapping[str, Json]) -> Case:
        """The case of a test that is told from others by `mark`."""
        if self._last is None or self._last[0] != mark:
            self._last = (mark, case_of(variables, test, self._files))
        return self._last[1]


def row_of(data: Json, where: Location, notes: Notes, cases: Cases) -> Row:
    """Read a result.

    Raises:
        ConfigError: it is none, or does not tell whether it passed.
    """
    if not isinstance(data, dict):
        raise ConfigError("is not a result: it must be a mapping", where=where)
    grading, success = mapping(data.get("gradingResult")), data.get("success")
    if not isinstance(success, bool):
        success = grading.get("pass")
    error = _error(data, grading)
    if not isinstance(success, bool) and error is None:
        raise ConfigError("does not tell whether it passed: it has no `success`", where=where)
    test = mapping(data.get("testCase") or data.get("test"))
    variables = _variables(data, test)
    mark = _mark(variables, test)
    return Row(
        case=cases.of(mark, variables, test),
        test=mark,
        test_number=count(data.get("testIdx")),
        prompt_number=count(data.get("promptIdx")),
        head=head_of(data),
        passed=success is True and error is None,
        result=_answer(data, grading, error, passed=success is True, where=where, notes=notes),
    )


def test_of(data: Json) -> tuple[str, int | None]:
    """The test of a result, as rows tell it, and its number."""
    told = mapping(data)
    test = mapping(told.get("testCase") or told.get("test"))
    return _mark(_variables(told, test), test), count(told.get("testIdx"))


def _mark(variables: Mapping[str, Json], test: Mapping[str, Json]) -> str:
    return fingerprint([sorted(variables.items()), *map(test.get, _TELLING)])


def _variables(data: Mapping[str, Json], test: Mapping[str, Json]) -> dict[str, Json]:
    told = data.get("vars") if isinstance(data.get("vars"), dict) else test.get("vars")
    return {name: value for name, value in mapping(told).items() if name != "_conversation"}


def _error(data: Mapping[str, Json], grading: Mapping[str, Json]) -> RecordError | None:
    """Why a row has no verdict; None where it has one."""
    reason, told = count(data.get("failureReason")), _response(data).get("error") or data.get("error")
    if reason is not None:
        return failure(told) if reason == _ERROR else None
    if _response(data).get("error") or (told and not grading and data.get("success") is not True):
        return failure(told)
    return None


def _response(data: Mapping[str, Json]) -> Mapping[str, Json]:
    return mapping(data.get("response") or data.get("providerResponse"))


def _answer(
    data: Mapping[str, Json],
    grading: Mapping[str, Json],
    error: RecordError | None,
    *,
    passed: bool,
    where: Location,
    notes: Notes,
) -> DraftAnswer:
    response = _response(data)
    if error is not None:
        return DraftAnswer("", "", "", error=error)
    score = number(data.get("score") if data.get("score") is not None else grading.get("score"))
    if score is not None and share(score) is None:
        notes.once(where, "score", "scores outside of 0 to 1 were brought to the nearer end")
    return DraftAnswer(
        model="",
        prompt="",
        case_id="",
        output=text(response.get("output")),
        passed=passed,
        value=float(passed) if score is None else min(1.0, max(0.0, score)),
        verdicts=tuple(_verdicts(grading, where, notes)),
        finish_reason=finish_reason(response.get("finishReason")),
        usage=_usage(mapping(response.get("tokenUsage"))),
        latency_ms=None if response.get("cached") is True else amount(data.get("latencyMs")),
        cost_usd=_cost(response.get("cost"), data.get("cost")),
    )


def _cost(answered: Json, told: Json) -> float | None:
    """What an answer cost. A row's 0 says nothing: it also stands there when the provider named no cost."""
    return amount(answered) if answered is not None else amount(told) or None


def _usage(tokens: Mapping[str, Json]) -> Usage:
    """Tokens of the answer. What comes from promptfoo's cache has only their sum; 0 and 0 of some is not known."""
    sent, received = count(tokens.get("prompt")), count(tokens.get("completion"))
    if not sent and not received and tokens.get("total"):
        return Usage()
    details = mapping(tokens.get("completionDetails"))
    return Usage(
        input=sent,
        cached_input=count(details.get("cacheReadInputTokens")),
        cache_write=count(details.get("cacheCreationInputTokens")),
        output=received,
        reasoning=count(details.get("reasoning")),
    )


def _verdicts(grading: Mapping[str, Json], where: Location, notes: Notes) -> Iterator[ScorerVerdict]:
    for part in map(mapping, items(grading.get("componentResults"))):
        passed = part.get("pass")
        if not isinstance(passed, bool):
            notes.add(where, "assertion", "an assertion's result does not tell whether it passed; it was left out")
            continue
        assertion = mapping(part.get("assertion"))
        name = text(assertion.get("metric") or assertion.get("type")) or "assertion"
        told = number(part.get("score"))
        value = float(passed) if told is None else min(1.0, max(0.0, told))
        weight = amount(assertion.get("weight"))
        yield verdict(name, value, passed=passed, reason=part.get("reason"), weight=1.0 if weight is None else weight)
