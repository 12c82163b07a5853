"""The plan: every call of a run with its id, known before the first one is made.

A call's id is derived from what decides the answer: the model's configuration, the prompt's content, the case's
content and the trial. So a resumed run asks again exactly what changed, and never pairs an old answer with a new
question; and a report can recompute the plan from the run folder alone.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import random
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol, overload

from evalkit.types import Call, Case, Json, Model


class Named(Protocol):
    """A model or a prompt, as far as a plan cares."""

    @property
    def name(self) -> str:
        """What records and reports call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """What changes when its answers could."""
        ...


class Planned(Protocol):
    """What a plan is made from: a manifest, or anything of its shape."""

    @property
    def models(self) -> Sequence[Named]:
        """The candidates."""
        ...

    @property
    def prompts(self) -> Sequence[Named]:
        """The prompt variants."""
        ...

    @property
    def trials(self) -> int:
        """How often each case is asked."""
        ...


def planned_calls(run: Planned, cases: Collection[Case]) -> Iterator[Call]:
    """Go through every call of a run: models in order, each with its prompts, trials and cases in order.

    The second trial of a case follows the first of all cases, so that an interrupted run has seen them all once.
    """
    for model in run.models:
        for call, _ in calls_of(model, run, cases):
            yield call


def calls_of(model: Named, run: Planned, cases: Collection[Case]) -> Iterator[tuple[Call, Case]]:
    """Go through one model's calls, each with its case."""
    for prompt in run.prompts:
        for trial in range(1, run.trials + 1):
            for case in cases:
                yield make_call(model, prompt, case, trial), case


def call_ids_by_case(run: Planned, cases: Iterable[Case]) -> Iterator[int]:
    """The ids of all calls as numbers, case by case: so each case is read and fingerprinted once.

    Those of a case come in the plan's order: model, prompt, trial.
    """
    rounds = [
        (model, prompt, trial) for model in run.models for prompt in run.prompts for trial in range(1, run.trials + 1)
    ]
    for case in cases:
        asked = case_fingerprint(case)
        for model, prompt, trial in rounds:
            yield int(call_id(model, prompt, asked, trial), 16)


def number_of_calls(run: Planned, cases: Collection[Case]) -> int:
    """Count a run's calls."""
    return len(run.models) * calls_per_model(run, cases)


def calls_per_model(run: Planned, cases: Collection[Case]) -> int:
    """Count the calls of each model."""
    return len(run.prompts) * run.trials * len(cases)


def make_call(model: Named, prompt: Named, case: Case, trial: int) -> Call:
    """Make the call that asks this question of this model."""
    content = case_fingerprint(case)
    return Call(call_id(model, prompt, content, trial), model.name, prompt.name, case.id, trial)


def call_id(model: Named, prompt: Named, case: str, trial: int) -> str:
    """Return sixteen hex digits that name this question to this model, in this run and every other.

    Names count beside contents: two candidates that are configured alike are still asked apart.
    """
    parts = [model.name, model.fingerprint, prompt.name, prompt.fingerprint, case, trial]
    return fingerprint(parts)


def fingerprint(value: Json) -> str:
    """Return sixteen hex digits of a JSON value; the order of keys counts, as a template can show it."""
    canonical = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def case_fingerprint(case: Case) -> str:
    """Identify what a model is asked: the id, the vars, what the user goes on to say, and the pictures' contents.

    A new `expected` needs a new verdict, not a new answer.
    """
    asked: list[Json] = [case.id, sorted(case.vars.items())]
    if case.turns or case.files:
        asked += [[turn.user for turn in case.turns], sorted((name, file.sha256) for name, file in case.files.items())]
    return fingerprint(asked)


def model_fingerprint(model: Model) -> str:
    """Identify what decides a candidate's answers; not its limits, prices or policy."""
    asked = (model.provider, model.model, model.base_url, model.weights, model.function, model.function_digest)
    more = [part for part in (model.command, model.options, model.headers, model.query, model.region) if part]
    return fingerprint([*asked, model.context_size, sorted(model.params.items()), *more])


def select_cases(cases: Sequence[Case], patterns: Iterable[str], limit: int | None, seed: int) -> Sequence[Case]:
    """Choose the cases to ask, in the suite's order.

    Args:
        cases: the suite's.
        patterns: globs; a case is kept when its id or one of its tags matches any of them. None given keeps all.
        limit: at most this many, drawn at random without replacement.
        seed: of the draw.
    """
    wanted = tuple(patterns)
    if not wanted and (limit is None or limit >= len(cases)):
        return cases
    kept = array(
        "Q", (at for at, case in enumerate(cases) if not wanted or any(_matches(case, glob) for glob in wanted))
    )
    if limit is not None and limit < len(kept):
        kept = array("Q", sorted(random.Random(seed).sample(kept, limit)))
    return Chosen(cases, kept)


def same_cases(suite: Sequence[Case], asked: Iterable[Case]) -> tuple[Sequence[Case], list[str]]:
    """Find cases that were asked among those of a suite, in the order in which they were asked.

    Returns:
        Those that would be asked the same today, and the ids of the others: missing, or changed in what they ask.
    """
    places = {case.id: place for place, case in enumerate(suite)}
    kept, others = array("Q"), []
    for case in asked:
        place = places.get(case.id)
        if place is not None and case_fingerprint(suite[place]) == case_fingerprint(case):
            kept.append(place)
        else:
            others.append(case.id)
    return Chosen(suite, kept), others


class Chosen(Sequence[Case]):
    """Some of a suite's cases, by their places among them; the cases themselves stay where they are."""

    def __init__(self, cases: Sequence[Case], places: array[int]) -> None:
        self._cases = cases
        self._places = places

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Case]: ...

    def __getitem__(self, index: int | slice) -> Case | Sequence[Case]:
        if isinstance(index, slice):
            return Chosen(self._cases, self._places[index])
        return self._cases[self._places[index]]

    def __len__(self) -> int:
        return len(self._places)


def _matches(case: Case, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for text in _names(case))


def _names(case: Case) -> Iterator[str]:
    yield case.id
    yield from case.tags
