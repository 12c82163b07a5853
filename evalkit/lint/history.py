"""What stored runs say of a suite's cases: who passed them, who failed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.analysis.results import run_results
from evalkit.analysis.run_data import Candidate, load_run
from evalkit.errors import ConfigError
from evalkit.runner.manifest import MANIFEST, read_cases
from evalkit.runner.plan import case_fingerprint
from evalkit.types import Case

_NEWEST: Final = 20


class Tally(NamedTuple):
    """How many answers of a candidate to a case were judged, and how many of these passed."""

    judged: int
    passed: int


@dataclass(frozen=True, slots=True)
class History:
    """What became of cases.

    Attributes:
        runs: how many runs were read.
        unread: the folders of those that could not be, each with the reason.
        by_case: per case id, what each candidate made of it, all runs together. Errors are no answers. Only of cases
            that ask and expect today what they did then.
    """

    runs: int = 0
    unread: tuple[str, ...] = ()
    by_case: Mapping[str, Mapping[Candidate, Tally]] = field(default_factory=dict)

    @property
    def candidates(self) -> Mapping[Candidate, Tally]:
        """What each candidate made of all cases together."""
        totals: dict[Candidate, Tally] = {}
        for tallies in self.by_case.values():
            for candidate, tally in tallies.items():
                totals[candidate] = _sum(totals.get(candidate), tally)
        return totals


def read_history(results: Path, cases: Sequence[Case]) -> History:
    """Read the newest runs of a suite.

    Args:
        results: the folder of the suite's runs.
        cases: as they are today.
    """
    if not results.is_dir():
        return History()
    folders = sorted(path.parent for path in results.glob(f"*/{MANIFEST}") if not path.parent.is_symlink())
    today = {case.id: _question(case) for case in cases}
    by_case: dict[str, dict[Candidate, Tally]] = {}
    unread: list[str] = []
    for folder in folders[-_NEWEST:]:
        try:
            _add_run(folder, today, by_case)
        except ConfigError as error:
            unread.append(f"{folder} ({error.message})")
    return History(len(folders[-_NEWEST:]) - len(unread), tuple(unread), by_case)


def _question(case: Case) -> tuple[str, str]:
    return case_fingerprint(case), repr(case.expected)


def _add_run(folder: Path, today: Mapping[str, tuple[str, str]], by_case: dict[str, dict[Candidate, Tally]]) -> None:
    results = run_results(load_run(folder))
    same = [today.get(case.id) == _question(case) for case in read_cases(folder)]
    for one in results.candidates:
        columns = zip(results.case_ids, same, one.finished, one.errors, one.passed, strict=True)
        for case_id, is_same, finished, errors, passed in columns:
            if is_same and finished > errors:
                tallies = by_case.setdefault(case_id, {})
                tallies[one.candidate] = _sum(tallies.get(one.candidate), Tally(finished - errors, passed))


def _sum(before: Tally | None, more: Tally) -> Tally:
    return more if before is None else Tally(before.judged + more.judged, before.passed + more.passed)
