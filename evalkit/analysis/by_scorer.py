"""What every scorer said of a candidate's answers: how many passed it, and the mean of its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.analysis.figures import CaseMean
from evalkit.analysis.rows import fault_of, named_verdicts
from evalkit.stats import Interval
from evalkit.types import CallScore, ScorerVerdict

MOST_SCORERS = 200
"""Names of scorers that are counted for one candidate; cases may have scorers of their own, each with its name."""


@dataclass(frozen=True, slots=True)
class ScorerSummary:
    """What one scorer said of a candidate's answers. Calls that ended in an error have no verdicts.

    Attributes:
        model: of the candidate.
        prompt: of the candidate.
        scorer: its name; of several with one name, the later ones are numbered.
        weight: its share in the verdict on a call, 0 where it is reported only; None where that differs between cases.
        verdicts: how many it gave.
        passed: how many of them are passes.
        passed_interval: 95 % interval of their share; None without any verdict.
        mean_value: of the values there are, 0..1; None where there is none.
        mean_interval: its 95 % interval.
        graded: whether some value says more than pass or fail.
        faults: how often it had no say and was itself at fault, so that it gave no verdict.
        fault: the first of these, in words.
    """

    model: str
    prompt: str
    scorer: str
    weight: float | None
    verdicts: int
    passed: int
    passed_interval: Interval | None
    mean_value: float | None
    mean_interval: Interval | None
    graded: bool = False
    faults: int = 0
    fault: str = ""

    @property
    def passed_share(self) -> float | None:
        """The share of its verdicts that are passes, 0..1; None without any."""
        return self.passed / self.verdicts if self.verdicts else None

    @property
    def reported_only(self) -> bool:
        """Whether it has no say in any case."""
        return self.weight == 0


class ScorerCounts:
    """Adds up the verdicts on one candidate's answers, scorer by scorer, of the first MOST_SCORERS names.

    Args:
        cases: how many there are.
        trials: how often each is asked.
        shared: whether cases share sources.
    """

    def __init__(self, cases: int, trials: int, *, shared: bool = False) -> None:
        self.left_out = 0
        """Verdicts of scorers with other names."""
        self._cases = cases
        self._trials = trials
        self._shared = shared
        self._counts: dict[str, _Count] = {}

    def add(self, score: CallScore | None, unit: int) -> None:
        """Add the verdicts on a call, None where there is none; `unit` is the number of its case, or of its source."""
        for name, verdict in named_verdicts(score) if score else ():
            if name not in self._counts and len(self._counts) == MOST_SCORERS:
                self.left_out += 1
                continue
            if name not in self._counts:
                self._counts[name] = _Count(self._cases, self._trials, shared=self._shared)
            self._counts[name].add(unit, verdict)

    def summaries(self, model: str, prompt: str) -> Iterator[ScorerSummary]:
        """The figures of every scorer, in the order in which they first spoke."""
        for name, count in self._counts.items():
            yield count.summary(model, prompt, name)


class _Count:
    """The verdicts of one scorer."""

    def __init__(self, cases: int, trials: int, *, shared: bool) -> None:
        self._passed = 0
        self._passes = CaseMean(cases, trials, shared=shared)
        self._values = CaseMean(cases, trials, shared=shared)
        self._graded = False
        self._weights: set[float] = set()
        self._faults = 0
        self._fault = ""

    def add(self, unit: int, verdict: ScorerVerdict) -> None:
        """Add the verdict on an answer to the case (or of the source) of this number."""
        if len(self._weights) < 2:  # that there are several is all there is to know
            self._weights.add(verdict.weight)
        fault = fault_of(verdict)
        if fault is not None:
            self._faults += 1
            self._fault = self._fault or fault
            return
        score = verdict.score
        self._passed += score.passed
        self._passes.add(unit, float(score.passed))
        if score.value is not None:
            self._values.add(unit, score.value)
            self._graded = self._graded or score.value != score.passed

    def summary(self, model: str, prompt: str, name: str) -> ScorerSummary:
        """The figures of all that was added."""
        return ScorerSummary(
            model=model,
            prompt=prompt,
            scorer=name,
            weight=next(iter(self._weights)) if len(self._weights) == 1 else None,
            verdicts=self._passes.n,
            passed=self._passed,
            passed_interval=self._passes.interval(),
            mean_value=self._values.value(),
            mean_interval=self._values.interval(),
            graded=self._graded,
            faults=self._faults,
            fault=self._fault,
        )
