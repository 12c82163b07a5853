"""How the trials of a case compare to each other: whether they say the same, and how long they take."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from evalkit.analysis.figures import Mean, group_mean, percentiles
from evalkit.analysis.latencies import percentile_intervals, tail_interval
from evalkit.analysis.summary import Latency, Spread
from evalkit.stats.quantiles import quantile_interval
from evalkit.types import Record


class TrialCount:
    """Keeps a mark of each answer and the time it took, seventeen bytes a call.

    Args:
        cases: how many there are.
        trials: how often each is asked, twice or more. Calls come in the plan's order: trial after trial of all cases.
    """

    def __init__(self, cases: int, trials: int) -> None:
        self._cases = cases
        self._said = bytearray(cases * trials)
        self._marks = array("q", bytes(8 * cases * trials))
        self._taken = array("d", [math.nan]) * (cases * trials)

    def add(self, call: int, answer: Record) -> None:
        """Note the answer to a call, counted from 0."""
        self._said[call] = 1
        self._marks[call] = hash(_text(answer))
        if answer.latency_ms is not None:
            self._taken[call] = answer.latency_ms

    def latency(self, latency: Latency) -> Latency:
        """The same figures, with intervals that do not take the answers to one case as independent of each other."""
        timed = [call for call, ms in enumerate(self._taken) if not math.isnan(ms)]
        values, cases = [self._taken[call] for call in timed], [call % self._cases for call in timed]
        return replace(
            latency, intervals=percentile_intervals(values, cases), tail_interval=tail_interval(values, cases)
        )

    def agreement(self, clusters: Sequence[int] | None) -> Mean | None:
        """The share of pairs of answers to a case that are the same, averaged over cases with two or more answers.

        Args:
            clusters: of each case; None: each stands for itself.
        """
        sums: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for case in range(self._cases):
            said, marks = self._said[case :: self._cases], self._marks[case :: self._cases]
            answers = sum(said)
            if answers >= 2:
                same = Counter(mark for mark, known in zip(marks, said, strict=True) if known)
                total = sums[clusters[case] if clusters else case]
                total[0] += sum(map(_pairs, same.values())) / _pairs(answers)
                total[1] += 1
        return group_mean(Counter((total, int(n)) for total, n in sums.values()))

    def spread(self) -> Spread | None:
        """How many times as long the slowest answer to a case takes as the fastest, in the median over cases.

        Unlike a coefficient of variation that is a figure one can picture, and a case that once took for ever moves the
        median no more than any other. It grows with the number of trials, which all candidates of a run share.
        """
        ratios = []
        for case in range(self._cases):
            taken = [ms for ms in self._taken[case :: self._cases] if not math.isnan(ms)]
            if len(taken) >= 2 and min(taken) > 0:
                ratios.append(max(taken) / min(taken))
        (median,) = percentiles(ratios, 0.5)
        return None if median is None else Spread(len(ratios), median, quantile_interval(ratios, 0.5))


def _pairs(n: int) -> int:
    return math.comb(n, 2)


def _text(answer: Record) -> str:
    """What an answer says: its text without white space around it, and the tools it asks for."""
    called = [{key: value for key, value in call.items() if key != "id"} for call in answer.tool_calls]
    return (answer.output or "").strip() + (json.dumps(called, sort_keys=True) if called else "")
