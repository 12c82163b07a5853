"""A run folder in memory: one row for every planned call, in the plan's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.analysis.rows import CallRow, Outcome
from evalkit.analysis.tidy import to_frame
from evalkit.models.prices import cost_usd
from evalkit.runner.journal import read_records, read_scores
from evalkit.runner.manifest import Manifest, read_cases, read_manifest
from evalkit.runner.plan import planned_calls
from evalkit.types import Case, Price, Record

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunData:
    """A run as far as it got. `rows` holds every planned call, finished or not. Without slots: its views are cached."""

    manifest: Manifest
    cases: Mapping[str, Case]
    rows: tuple[CallRow, ...]

    @cached_property
    def groups(self) -> Mapping[tuple[str, str], tuple[CallRow, ...]]:
        """The rows of each candidate, by (model, prompt), in the manifest's order."""
        groups: dict[tuple[str, str], list[CallRow]] = {
            (model.name, prompt.name): [] for model in self.manifest.models for prompt in self.manifest.prompts
        }
        for row in self.rows:
            groups[row.call.model, row.call.prompt].append(row)
        return {key: tuple(rows) for key, rows in groups.items()}

    @cached_property
    def incomplete(self) -> bool:
        """Whether some call has no verdict: it failed, its scorer failed, or it was never finished."""
        return not self.rows or any(row.outcome in {Outcome.ERROR, Outcome.MISSING} for row in self.rows)

    def to_pandas(self) -> pd.DataFrame:
        """The tidy table of cases.csv, one row per planned call, with nullable column types."""
        return to_frame(self.rows)


def load_run(folder: Path) -> RunData:
    """Read a run folder. Of several records or scores of one call the last counts; unplanned ones are ignored.

    Raises:
        ConfigError: the folder is not a run, or one of its files is damaged.
    """
    manifest = read_manifest(folder)
    cases = {case.id: case for case in read_cases(folder)}
    prices = {model.name: model.price for model in manifest.models}
    records = {record.call_id: _priced(record, prices.get(record.model)) for record in read_records(folder)}
    scores = {score.call_id: score for score in read_scores(folder)}
    rows = (
        CallRow(call, cases[call.case_id], records.get(call.call_id), scores.get(call.call_id))
        for call in planned_calls(manifest, tuple(cases.values()))
    )
    return RunData(manifest, cases, tuple(rows))


def _priced(record: Record, price: Price | None) -> Record:
    """Cost a call by the prices that the manifest states, which a resumed run may have changed.

    What the provider billed stays; so does a cost that no stated price explains.
    """
    if record.billed or price is None or record.error is not None:
        return record
    return replace(record, cost_usd=cost_usd(record.usage, price))
