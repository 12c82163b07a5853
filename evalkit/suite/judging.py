"""A suite's scorers and those of its cases: compiled, and asked whether they can judge each case."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.scorers import ScorerContext, compile_scorer
from evalkit.structure import error_parts
from evalkit.suite.cases import Draft
from evalkit.types import Case, Json, ScorerEntry


def compiled(
    specs: Sequence[Json], places: Iterable[Location], context: ScorerContext, owner: str = ""
) -> tuple[tuple[ScorerEntry, ...], list[ConfigError]]:
    """Compile the entries of a `scorers:` list; what cannot be compiled becomes errors with the entry's place."""
    entries: list[ScorerEntry] = []
    errors: list[ConfigError] = []
    for spec, place in zip(specs, places, strict=True):
        try:
            entries.append(compile_scorer(spec, context=context))
        except ConfigError as error:
            errors += [
                ConfigError(owner + part.message, where=part.where or place, remedy=part.remedy)
                for part in error_parts(error)
            ]
    return tuple(entries), errors


def with_scorers(draft: Draft, context: ScorerContext) -> tuple[Case, list[ConfigError]]:
    """Compile a case's own scorers."""
    specs = draft.scorer_specs
    if not specs:
        return draft.case, []
    places = [draft.row.at("scorers", index) for index in range(len(specs))]
    entries, errors = compiled(specs, places, context, f'case "{draft.case.id}": ')
    return dataclasses.replace(draft.case, scorers=entries), errors


_ADD: Final = "add `scorers:` to the suite or to the case"


def unjudged(cases: Sequence[Case], scorers: tuple[ScorerEntry, ...]) -> list[ConfigError]:
    """Find the cases that have no scorer, or one that cannot judge them."""
    if cases and not scorers and not any(case.scorers for case in cases):
        return [ConfigError("no scorer judges any case", where=cases[0].where, remedy=_ADD)]
    errors = []
    for case in cases:
        entries = scorers + case.scorers
        complaints = [f"{entry.name}: {reason}" for entry in entries if (reason := entry.scorer.check(case))]
        if not entries:
            complaints = ["no scorer judges this case"]
        remedy = None if entries else _ADD
        errors += [ConfigError(f'case "{case.id}": {words}', where=case.where, remedy=remedy) for words in complaints]
    return errors
