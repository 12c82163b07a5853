"""How every candidate fared on every case, side by side: what comparisons, gates and races are made of."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.analysis.rows import CallRow, Outcome
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.types import Case


@dataclass(frozen=True, slots=True)
class CaseResults:
    """One candidate's results, one number per case and column, in the order of the cases.

    An error is finished, not passed, and scores 0; a call that never finished is in no column.

    Attributes:
        model, prompt: its names.
        passed: how many trials passed ("I").
        finished: how many finished ("I"); 0: nothing is known of the case.
        errors: how many of these were errors ("I").
        score: the sum of their scores, 0..1 each ("d").
    """

    model: str
    prompt: str
    passed: array[int]
    finished: array[int]
    errors: array[int]
    score: array[float]

    @property
    def candidate(self) -> Candidate:
        """Its names."""
        return self.model, self.prompt


@dataclass(frozen=True, slots=True)
class RunResults:
    """The results of all candidates on the same cases.

    Attributes:
        case_ids: the cases, in order.
        tags: those of each case.
        clusters: what each case shares with others that may go wrong together; None where each stands for itself.
        candidates: in the run's order.
    """

    case_ids: Sequence[str]
    tags: Sequence[tuple[str, ...]]
    clusters: Sequence[str] | None
    candidates: tuple[CaseResults, ...]

    def of(self, candidate: Candidate) -> CaseResults:
        """One candidate's results.

        Raises:
            KeyError: there is no such candidate.
        """
        for one in self.candidates:
            if one.candidate == candidate:
                return one
        raise KeyError(candidate)


class ResultsCount:
    """Fills in results row by row, in the plan's order.

    Args:
        candidates: in the run's order.
        cases: how many there are.
        cluster: the var whose value cases of one source share; None: each case stands for itself.
    """

    def __init__(self, candidates: Sequence[Candidate], cases: int, cluster: str | None = None) -> None:
        self._cases = cases
        self._cluster = cluster
        self._ids: list[str] = []
        self._tags: list[tuple[str, ...]] = []
        self._known_tags: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._clusters: list[str] = []
        self._by_candidate = {candidate: _blank(candidate, cases) for candidate in candidates}
        self._at = 0

    def add(self, row: CallRow) -> None:
        """Count the next row."""
        place = self._at % self._cases
        self._at += 1
        if len(self._ids) < self._cases:
            self._know(row.case)
        outcome = row.outcome
        if not outcome.is_finished:
            return
        results = self._by_candidate[row.call.model, row.call.prompt]
        results.finished[place] += 1
        results.errors[place] += outcome is Outcome.ERROR
        results.passed[place] += outcome is Outcome.PASSED
        if row.verdict:
            results.score[place] += row.verdict.value

    def _know(self, case: Case) -> None:
        self._ids.append(case.id)
        # Cases of the same tags share one tuple, which is far smaller than as many.
        self._tags.append(self._known_tags.setdefault(case.tags, case.tags))
        if self._cluster is not None:
            self._clusters.append(cluster_of(case, self._cluster))

    def results(self) -> RunResults:
        """All that was counted."""
        clusters = None if self._cluster is None else tuple(self._clusters)
        return RunResults(tuple(self._ids), tuple(self._tags), clusters, tuple(self._by_candidate.values()))


def run_results(run: RunData) -> RunResults:
    """Read the results of a run.

    Raises:
        ConfigError: a row is damaged; names file and line.
    """
    groups = run.groups
    count = ResultsCount(list(groups), run.rows.cases, run.manifest.cluster)
    for rows in groups.values():
        for row in rows:
            count.add(row)
    return count.results()


def cluster_of(case: Case, key: str) -> str:
    """Name what a case shares with others: the value of that var; a case without it stands for itself."""
    return f"{key}={case.vars[key]}" if key in case.vars else f"case {case.id}"


def _blank(candidate: Candidate, cases: int) -> CaseResults:
    def zeros() -> array[int]:
        return array("I", bytes(4 * cases))

    return CaseResults(*candidate, zeros(), zeros(), zeros(), array("d", bytes(8 * cases)))
