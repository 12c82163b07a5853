"""How far a scorer's verdicts can be trusted, by people's labels; and pass rates put right by them.

Needs numpy: import this module lazily.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from evalkit.analysis.calibration.human_labels import LabelFile, LabelMatcher, PeopleSay, votes
from evalkit.analysis.judges import PositionCounts
from evalkit.analysis.results import cluster_of
from evalkit.analysis.rows import CallRow, fault_of, named_verdicts
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.analysis.summary import PositionBias
from evalkit.errors import ConfigError, Location
from evalkit.scorers.options import unknown_name
from evalkit.stats.agreement import Kappa, cohen_kappa, fleiss_kappa
from evalkit.stats.intervals import Interval, clustered_mean_interval, clustered_standard_error
from evalkit.stats.paired import Pairs, clustered_difference, tango_interval
from evalkit.stats.ppi import Corrected, JudgedSample, Labelled, labels_to_halve, prediction_powered_rate
from evalkit.types import Score

MIN_LABELS: Final = 10
"""With fewer labels of a candidate's answers nothing is said about its pass rate."""

_UNLIKELY: Final = 3.0
"""Standard deviations from what a random sample would hold, above which labelled answers do not look like one."""

_Verdict: TypeAlias = tuple[bool, bool]
"""What a scorer said of an answer, and what people did."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A scorer's verdicts against people's, on the same answers.

    Attributes:
        counts: the verdicts, the scorer's first.
        kappa: agreement beyond chance.
        bias: share that the scorer passes minus share that people pass, -1..1; above 0 it is lenient.
        bias_interval: 95 % interval of that.
        people_interval: 95 % interval of the share that people pass, by the labels alone.
    """

    counts: Labelled
    kappa: Kappa
    bias: float
    bias_interval: Interval
    people_interval: Interval

    @property
    def n(self) -> int:
        """How many answers both judged."""
        return sum(self.counts)

    @property
    def agreed(self) -> int:
        """On how many of them they say the same."""
        return self.counts.pass_pass + self.counts.fail_fail

    @property
    def scorer_passed(self) -> int:
        """How many of them the scorer passes."""
        return self.counts.pass_pass + self.counts.pass_fail

    @property
    def people_passed(self) -> int:
        """How many of them people pass."""
        return self.counts.pass_pass + self.counts.fail_pass


@dataclass(frozen=True, slots=True)
class CandidateCalibration:
    """What labels tell of one candidate's pass rate.

    Attributes:
        model, prompt: its names.
        judged: how many of its answers the scorer judged.
        passed: how many of these it passed.
        interval: 95 % interval of that share; None where it judged none.
        agreement: with people, on its answers; None where none is labelled.
        corrected: the pass rate by people's standard; None with fewer than MIN_LABELS labels.
        to_halve: how many labels in all would halve the interval of that; None where that takes more cases.
        like_random: whether the labelled answers may be a random sample, as far as the scorer's verdicts show.
    """

    model: str
    prompt: str
    judged: int
    passed: int
    interval: Interval | None
    agreement: Agreement | None
    corrected: Corrected | None
    to_halve: int | None
    like_random: bool = True

    @property
    def rate(self) -> float | None:
        """The share of answers that the scorer passes, 0..1; None where it judged none."""
        return self.passed / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class ScorerCalibration:
    """One scorer against people. `unjudged` labelled answers have no verdict of it."""

    scorer: str
    agreement: Agreement | None
    candidates: tuple[CandidateCalibration, ...]
    unjudged: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a file of labels tells of a run's scorers.

    Attributes:
        labelled: how many answers people labelled.
        ties: of how many as many people said pass as fail; these are left out.
        blank: rows of the file without a label.
        annotators: how many people are named.
        people: how far these agree with each other; None where no answer has several labels.
        scorers: in the order in which they first spoke.
        positions: how often the order of two texts decided, by judge.
    """

    labelled: int
    ties: int
    blank: int
    annotators: int
    people: Kappa | None
    scorers: tuple[ScorerCalibration, ...]
    positions: Mapping[str, PositionBias]


def calibrate(
    run: RunData,
    labels: LabelFile,
    scorers: Collection[str] = (),
    candidates: Collection[Candidate] | None = None,
) -> Calibration:
    """Compare scorers' verdicts with people's labels.

    Args:
        run: whose answers people labelled.
        labels: the file.
        scorers: names of those that are compared; empty: all whose verdicts came from models.
        candidates: those that are looked at; None: all.

    Raises:
        ConfigError: a row of the run is damaged, labels do not fit the run, or there is no such scorer.
    """
    matcher, positions, cluster = LabelMatcher(labels), PositionCounts(), run.manifest.cluster
    meant = [one for one in run.groups if candidates is None or one in candidates]
    tables: dict[str, _Table] = {}
    for row, wanted in _rows(run, meant):
        labelled = matcher.add(row, wanted=wanted)
        if not wanted:
            continue
        if row.verdict:
            positions.add(row.verdict)
        for name, score in verdicts_of(row):
            table = tables.setdefault(name, _Table(clustered=run.manifest.trials > 1 or cluster is not None))
            source = row.case.id if cluster is None else cluster_of(row.case, cluster)
            table.add(row, score, source, labelled=labelled)
    said = matcher.result()
    names = chosen_scorers({name: table.asks for name, table in tables.items()}, scorers, run)
    tallies = votes(said.values())
    return Calibration(
        labelled=len(said),
        ties=sum(one.passed is None for one in said.values()),
        blank=labels.blank,
        annotators=labels.annotators,
        people=fleiss_kappa(tallies) if tallies else None,
        scorers=tuple(tables[name].calibration(name, meant, said) for name in names),
        positions=positions.by_judge,
    )


def _rows(run: RunData, wanted: Collection[Candidate]) -> Iterator[tuple[CallRow, bool]]:
    """Every row, and whether it is of a candidate that is wanted."""
    for row in run.rows:
        yield row, (row.call.model, row.call.prompt) in wanted


def verdicts_of(row: CallRow) -> Iterator[tuple[str, Score]]:
    """Every scorer's verdict on an answer, faults left out."""
    if row.verdict is None:
        return
    for name, verdict in named_verdicts(row.verdict):
        if fault_of(verdict) is None:
            yield name, verdict.score


def is_judgement(score: Score) -> bool:
    """Whether a model gave this verdict: its details then hold what every judge said."""
    return any(isinstance(score.details.get(key), list) for key in ("judges", "pairs"))


def chosen_scorers(asks: Mapping[str, bool], wanted: Collection[str], run: RunData) -> list[str]:
    """The scorers that are meant.

    Args:
        asks: every scorer that gave a verdict, and whether a model gave some of its.
        wanted: names of those; empty: all that asked a model.
        run: for the error.

    Raises:
        ConfigError: there is no such scorer, or none that asked a model.
    """
    for name in wanted:
        if name not in asks:
            raise unknown_name("scorer", name, asks) if asks else _nothing_judged(run)
    names = [name for name, asked in asks.items() if (name in wanted if wanted else asked)]
    if not names:
        if not asks:
            raise _nothing_judged(run)
        remedy = f"name the one that the labels are about with --scorer: {', '.join(asks)}"
        raise ConfigError("no scorer of this run asked a model", where=Location(run.folder), remedy=remedy)
    return names


def _nothing_judged(run: RunData) -> ConfigError:
    return ConfigError("no answer of this run was judged", where=Location(run.folder), remedy="finish it with --resume")


class _Table:
    """One scorer's verdicts in the making: counts by candidate, and each on labelled answers."""

    def __init__(self, *, clustered: bool) -> None:
        self.asks = False
        self._clustered = clustered
        self._counts: dict[Candidate, Counter[bool]] = {}
        self._clusters: dict[Candidate, dict[str, list[bool]]] = {}
        self._labelled: dict[str, tuple[Candidate, str, bool]] = {}

    def add(self, row: CallRow, score: Score, cluster: str, *, labelled: bool) -> None:
        candidate = row.call.model, row.call.prompt
        self.asks = self.asks or is_judgement(score)
        self._counts.setdefault(candidate, Counter())[score.passed] += 1
        if self._clustered:
            self._clusters.setdefault(candidate, {}).setdefault(cluster, []).append(score.passed)
        if labelled:
            self._labelled[row.call.call_id] = candidate, cluster, score.passed

    def calibration(
        self, name: str, candidates: Sequence[Candidate], said: Mapping[str, PeopleSay]
    ) -> ScorerCalibration:
        """Work out all figures."""
        pooled: dict[str, list[_Verdict]] = {}
        each: dict[Candidate, dict[str, list[_Verdict]]] = {}
        for call_id, (candidate, cluster, passed) in self._labelled.items():
            people = said[call_id].passed
            if people is not None:
                pooled.setdefault(cluster, []).append((passed, people))
                each.setdefault(candidate, {}).setdefault(cluster, []).append((passed, people))
        figures = tuple(self._candidate(candidate, each.get(candidate, {})) for candidate in candidates)
        return ScorerCalibration(name, _agreement(pooled), figures, len(said.keys() - self._labelled.keys()))

    def _candidate(self, candidate: Candidate, verdicts: Mapping[str, Sequence[_Verdict]]) -> CandidateCalibration:
        counts, agreement = self._counts.get(candidate, Counter()), _agreement(verdicts)
        judged = counts.total()
        clusters: Sequence[Sequence[float]] = list(self._clusters.get(candidate, {}).values())
        values = clusters or [[1.0]] * counts[True] + [[0.0]] * counts[False]
        sample = None
        if agreement:
            error = clustered_standard_error(clusters) if clusters else None
            sample = JudgedSample(agreement.counts, counts[True], judged, error, len(verdicts))
        enough = sample if agreement and agreement.n >= MIN_LABELS else None
        return CandidateCalibration(
            *candidate,
            judged=judged,
            passed=counts[True],
            interval=clustered_mean_interval(values) if judged else None,
            agreement=agreement,
            corrected=prediction_powered_rate(enough) if enough else None,
            to_halve=labels_to_halve(enough) if enough else None,
            like_random=sample is None or _like_random(sample),
        )


def _agreement(verdicts: Mapping[str, Sequence[_Verdict]]) -> Agreement | None:
    """Compare verdicts, given by the cluster of their answers; None where there is none."""
    flat = [verdict for group in verdicts.values() for verdict in group]
    if not flat:
        return None
    tally = Counter(flat)
    counts = Labelled(tally[True, True], tally[True, False], tally[False, True], tally[False, False])
    groups = [[(int(not ours), int(not theirs)) for ours, theirs in group] for group in verdicts.values()]
    return Agreement(
        counts=counts,
        kappa=cohen_kappa((counts[:2], counts[2:]), clusters=groups),
        bias=(counts.pass_fail - counts.fail_pass) / len(flat),
        bias_interval=_bias_interval(verdicts, counts),
        people_interval=clustered_mean_interval(
            [[float(people) for _, people in group] for group in verdicts.values()]
        ),
    )


def _bias_interval(verdicts: Mapping[str, Sequence[_Verdict]], counts: Labelled) -> Interval:
    if all(len(group) == 1 for group in verdicts.values()):
        return tango_interval(Pairs(*counts))
    differences = [float(ours) - theirs for group in verdicts.values() for ours, theirs in group]
    clusters = [cluster for cluster, group in verdicts.items() for _ in group]
    return clustered_difference(differences, clusters).interval


def _like_random(sample: JudgedSample) -> bool:
    """Whether so many labelled answers that the scorer passes may come of drawing at random, without replacement."""
    drawn, share, n = sum(sample.labelled), sample.passed / sample.n, sample.n
    found = sample.labelled.pass_pass + sample.labelled.pass_fail
    variance = drawn * share * (1 - share) * (n - drawn) / max(n - 1, 1)
    return abs(found - drawn * share) <= _UNLIKELY * math.sqrt(variance) + 0.5
