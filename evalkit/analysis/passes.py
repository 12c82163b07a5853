"""Counting passes, call by call, in memory that does not grow with the cases.

Two numbers each where trials repeat, three where cases share sources.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from evalkit.analysis.figures import Groups, Mean, group_mean
from evalkit.analysis.results import cluster_of
from evalkit.analysis.rows import CallRow, Outcome
from evalkit.analysis.summary import PassRate, PassTrials
from evalkit.stats import pass_at_k, pass_hat_k
from evalkit.types import Case


class Clusters:
    """What the cases share with each other, each kind numbered as it comes.

    Args:
        key: the var whose value cases of one source share.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._numbers: dict[str, int] = {}
        self.of_cases = array("I")
        """The number of each case's cluster, as far as cases went by."""

    def of(self, place: int, case: Case) -> int:
        """The number of a case's cluster; `place` is that of the case. In the first round cases come in order."""
        if place == len(self.of_cases):
            self.of_cases.append(self._numbers.setdefault(cluster_of(case, self._key), len(self._numbers)))
        return self.of_cases[place]


class PassCount:
    """Counts outcomes, and cases by how often they passed and finished: all that an interval takes."""

    def __init__(self) -> None:
        self.cases = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._results: Counter[tuple[int, int]] = Counter()
        self._clustered = array("I")

    def add_call(self, outcome: Outcome) -> None:
        """Count a call."""
        self._outcomes[outcome] += 1

    def add_case(self, passed: int, finished: int, cluster: int | None = None) -> None:
        """Count a case all of whose calls were counted; `cluster` is what it shares with others."""
        self.cases += 1
        self._results[passed, finished] += 1
        if cluster is not None:
            self._clustered.extend((cluster, passed, finished))

    def rate(self) -> PassRate:
        """The rate with its interval: Wilson, or clustered by case or source where these hold several calls."""
        mean = group_mean(self._groups(lambda passed, finished: (passed, finished)))
        return PassRate(
            passed=self._outcomes[Outcome.PASSED],
            failed=self._outcomes[Outcome.FAILED],
            errors=self._outcomes[Outcome.ERROR],
            missing=self._outcomes[Outcome.MISSING],
            not_asked=self._outcomes[Outcome.NOT_ASKED],
            interval=mean.interval if mean else None,
        )

    def whole(self, trials: int) -> Counter[int]:
        """The cases all of whose trials finished, by how many passed."""
        return Counter({passed: n for (passed, finished), n in self._results.items() if finished == trials})

    def over_trials(self, trials: int) -> tuple[PassTrials, ...]:
        """pass@k and pass^k for each k up to `trials`, over the cases all of which finished; empty without any."""
        return tuple(
            PassTrials(k, ever.value, ever.interval, always.value, always.interval)
            for k in range(1, trials + 1)
            if (ever := self._estimate(pass_at_k, trials, k)) and (always := self._estimate(pass_hat_k, trials, k))
        )

    def _estimate(self, estimate: Callable[[int, int, int], float], trials: int, k: int) -> Mean | None:
        known = {passed: estimate(trials, passed, k) for passed in self.whole(trials)}
        return group_mean(self._groups(lambda passed, finished: (known[passed], 1) if finished == trials else (0.0, 0)))

    def _groups(self, part: Callable[[int, int], tuple[float, int]]) -> Groups:
        """What the cases of each source add up to; a case counts as its sum and number of values."""
        if not self._clustered:
            groups: Counter[tuple[float, int]] = Counter()
            for (passed, finished), cases in self._results.items():
                groups[part(passed, finished)] += cases
            return groups
        sums: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        numbers = iter(self._clustered)
        for cluster, passed, finished in zip(numbers, numbers, numbers, strict=True):
            total, size = part(passed, finished)
            sums[cluster][0] += total
            sums[cluster][1] += size
        return Counter((total, int(size)) for total, size in sums.values())


class CandidateCount:
    """Counts the calls of one candidate, and those at each tag.

    Args:
        cases: how many there are.
        trials: how often each is asked. Calls come in the plan's order: trial after trial of all cases.
    """

    def __init__(self, cases: int, trials: int) -> None:
        self.all = PassCount()
        self.by_tag: dict[str, PassCount] = {}
        self._trials = trials
        slots = bytes(4 * cases) if trials > 1 else b""
        self._passed, self._finished = array("I", slots), array("I", slots)

    def add(self, row: CallRow, outcome: Outcome, place: int, cluster: int | None = None) -> None:
        """Count the next call; `place` is that of its case, `cluster` what the case shares with others."""
        result = self._result(outcome, place)
        last = row.call.trial == self._trials
        for count in self._counts(row):
            count.add_call(outcome)
            if last:
                count.add_case(*result, cluster)

    def _counts(self, row: CallRow) -> Iterator[PassCount]:
        yield self.all
        for tag in set(row.case.tags):
            if tag not in self.by_tag:
                self.by_tag[tag] = PassCount()
            yield self.by_tag[tag]

    def _result(self, outcome: Outcome, place: int) -> tuple[int, int]:
        """How often this call's case has passed and finished, this call included."""
        passed, finished = int(outcome is Outcome.PASSED), int(outcome.is_finished)
        if self._trials == 1:
            return passed, finished
        self._passed[place] += passed
        self._finished[place] += finished
        return self._passed[place], self._finished[place]
