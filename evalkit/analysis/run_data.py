"""A run folder as rows, one for every planned call, read anew from the disk each time they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from evalkit.analysis.rows import CallRow
from evalkit.analysis.tidy import to_frame
from evalkit.models.prices import cost_usd, thinks
from evalkit.runner.manifest import Manifest, ManifestModel, ManifestPrompt, read_cases, read_manifest
from evalkit.runner.plan import call_ids_by_case
from evalkit.runner.race_plan import Needed, needed_calls
from evalkit.runner.stored import Stored, locate
from evalkit.runner.talk import added
from evalkit.types import Call, Record

if TYPE_CHECKING:
    import pandas as pd

Candidate: TypeAlias = tuple[str, str]
"""The names of a model and a prompt."""


class _Round(NamedTuple):
    """One trial of all cases by one candidate."""

    model: ManifestModel
    prompt: ManifestPrompt
    trial: int
    turn: int
    """Which of a case's calls it is, counted from 0."""


class Rows:
    """Planned calls in the plan's order: model, prompt, trial, case. Every iteration reads the files anew.

    Raises:
        ConfigError: on the way, at a damaged row; names file and line.
    """

    def __init__(self, stored: Stored, rounds: Sequence[_Round], needed: Needed) -> None:
        self._stored = stored
        self._rounds = rounds
        self._needed = needed

    def __len__(self) -> int:
        return len(self._rounds) * self.cases

    @property
    def cases(self) -> int:
        """How many cases each candidate is asked."""
        return self._stored.cases

    def __iter__(self) -> Iterator[CallRow]:
        with self._stored.open() as read:
            for model, prompt, trial, turn in self._rounds:
                parts = read.ids(turn), read_cases(self._stored.folder), read.records(turn), read.scores(turn)
                for place, (call, case, record, score) in enumerate(zip(*parts, strict=True)):
                    yield CallRow(
                        Call(call, model.name, prompt.name, case.id, trial),
                        case,
                        record and priced(record, model),
                        score,
                        self._needed(model.name, prompt.name, place),
                    )

    def of(self, candidate: Candidate) -> Rows:
        """The rows of one candidate."""
        rounds = [one for one in self._rounds if (one.model.name, one.prompt.name) == candidate]
        return Rows(self._stored, rounds, self._needed)


@dataclass(frozen=True, slots=True)
class RunData:
    """A run as far as it got. `rows` holds every planned call, finished or not."""

    folder: Path
    manifest: Manifest
    rows: Rows

    @property
    def groups(self) -> Mapping[Candidate, Rows]:
        """The rows of each candidate, in the manifest's order."""
        candidates = [(model.name, prompt.name) for model in self.manifest.models for prompt in self.manifest.prompts]
        return {candidate: self.rows.of(candidate) for candidate in candidates}

    def to_pandas(self) -> pd.DataFrame:
        """The tidy table of cases.csv, one row per planned call, with nullable column types."""
        return to_frame(self.rows)


def load_run(folder: Path) -> RunData:
    """Open a run folder. Of several records or scores of one call the last counts; unplanned ones are ignored.

    Raises:
        ConfigError: the folder is not a run, or one of its files is damaged.
    """
    manifest = read_manifest(folder)
    rounds = _rounds(manifest)
    stored = locate(folder, len(rounds), lambda: call_ids_by_case(manifest, read_cases(folder)))
    return RunData(folder, manifest, Rows(stored, rounds, needed_calls(manifest, stored.cases)))


def _rounds(manifest: Manifest) -> tuple[_Round, ...]:
    kinds = [
        (model, prompt, trial)
        for model in manifest.models
        for prompt in manifest.prompts
        for trial in range(1, manifest.trials + 1)
    ]
    return tuple(_Round(*kind, turn) for turn, kind in enumerate(kinds))


def priced(record: Record, model: ManifestModel) -> Record:
    """Cost a call by the prices that the manifest states, which a resumed run may have changed.

    What the provider billed stays; so does a cost that no stated price explains.
    """
    price = model.price
    if record.billed or price is None or record.error is not None:
        return record
    usages = [reply.usage for reply in record.turns] or [record.usage]
    cost = added(cost_usd(usage, price, thinking=thinks(model.params)) for usage in usages)
    return record if cost == record.cost_usd else replace(record, cost_usd=cost)
