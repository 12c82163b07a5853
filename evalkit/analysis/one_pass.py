"""One pass over a run's rows, from which all its figures come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from evalkit.analysis.answers import AnswerCount
from evalkit.analysis.by_scorer import ScorerCounts, ScorerSummary
from evalkit.analysis.differences import Comparisons
from evalkit.analysis.figures import CaseMean
from evalkit.analysis.judges import PositionCounts, judge_summaries
from evalkit.analysis.labels import LabelCounts, LabelSummary
from evalkit.analysis.load import LoadCount
from evalkit.analysis.passes import CandidateCount, Clusters
from evalkit.analysis.results import ResultsCount, RunResults
from evalkit.analysis.rows import CallRow, Outcome
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.analysis.summary import Consistency, ErrorGroup, JudgeSummary, ModelSummary, RunSummary, TagSummary
from evalkit.analysis.trials import TrialCount
from evalkit.runner.manifest import Manifest, ManifestModel
from evalkit.types import RecordError

SHOWN_FAILED = 20
"""Failed calls kept per candidate for reports to show."""


def analyse(run: RunData) -> RunSummary:
    """The figures of a run.

    Raises:
        ConfigError: a row is damaged; names file and line.
    """
    analysis = Analysis(run)
    deque(analysis.rows(), maxlen=0)
    return analysis.summary()


class Analysis:
    """The figures of a run, gained while its rows are used for something else: each row is read and decoded once."""

    def __init__(self, run: RunData) -> None:
        self._run = run
        self._models: list[ModelSummary] = []
        self._tags: list[TagSummary] = []
        self._scorers: list[ScorerSummary] = []
        self._uncounted_verdicts = 0
        self._labels: list[LabelSummary] = []
        self._judges: tuple[JudgeSummary, ...] = ()
        self._comparisons: Comparisons | None = None
        self.results: RunResults | None = None
        """What came of each case, once all rows are through; None for a single candidate."""

    def rows(self) -> Iterator[CallRow]:
        """Every row of the run, in the plan's order. When the last one is through, all figures are known."""
        groups, manifest, positions = self._run.groups, self._run.manifest, PositionCounts()
        clusters = Clusters(manifest.cluster) if manifest.cluster is not None else None
        results = ResultsCount(list(groups), self._run.rows.cases, manifest.cluster) if len(groups) > 1 else None
        for candidate, rows in groups.items():
            figures = _Figures(candidate, manifest, rows.cases, positions, clusters)
            for row in rows:
                figures.add(row)
                if results:
                    results.add(row)
                yield row
            self._models.append(figures.summary())
            self._tags.extend(figures.tags())
            self._scorers.extend(figures.scorers())
            self._uncounted_verdicts += figures.uncounted_verdicts
            self._labels.extend(figures.labels())
        self._judges = judge_summaries(self._run.folder, manifest, positions)
        if results:
            self.results = results.results()
            self._compare(self.results)

    def _compare(self, results: RunResults) -> None:
        run = self.summary()
        ranked = [(one.model, one.prompt) for one in run.ranked()]
        if len(ranked) > 1:
            # It needs numpy, which a run of a single candidate does without.
            from evalkit.analysis.matrix import compare_candidates

            self._comparisons = compare_candidates(results, ranked, graded=run.graded)

    def summary(self) -> RunSummary:
        """The figures of all rows that went by."""
        run = self._run
        return RunSummary(
            folder=run.folder,
            manifest=run.manifest,
            cases=run.rows.cases,
            models=tuple(self._models),
            tags=tuple(self._tags),
            scorers=tuple(self._scorers),
            uncounted_verdicts=self._uncounted_verdicts,
            labels=tuple(self._labels),
            judges=self._judges,
            comparisons=self._comparisons,
        )


class _Figures:
    """One candidate's figures in the making."""

    def __init__(
        self,
        candidate: Candidate,
        manifest: Manifest,
        cases: int,
        positions: PositionCounts,
        clusters: Clusters | None,
    ) -> None:
        self._model, self._prompt = candidate
        self._manifest = manifest
        self._cases = cases
        self._clusters = clusters
        self._calls = 0
        self._count = CandidateCount(cases, manifest.trials)
        self._trials = TrialCount(cases, manifest.trials) if manifest.trials > 1 else None
        self._scores = CaseMean(cases, manifest.trials, shared=clusters is not None)
        self._graded = False
        self._described = next(model for model in manifest.models if model.name == self._model)
        self._answers = AnswerCount(self._described.gpu)
        self._scorers = ScorerCounts(cases, manifest.trials, shared=clusters is not None)
        self._labels = LabelCounts(cases, manifest.trials, shared=clusters is not None)
        self._positions = positions
        self._load = LoadCount(manifest.load, paused=bool(manifest.resumed_at)) if manifest.load else None
        self._errors: dict[str, ErrorGroup] = {}
        self._failed: list[CallRow] = []

    def add(self, row: CallRow) -> None:
        """Add the next call of the plan."""
        outcome, verdict = row.outcome, row.verdict
        place = self._calls % self._cases
        cluster = self._clusters.of(place, row.case) if self._clusters else None
        unit = place if cluster is None else cluster
        self._count.add(row, outcome, place, cluster)
        self._scorers.add(verdict, unit)
        self._labels.add(verdict)
        if verdict:
            self._positions.add(verdict)
        if outcome is Outcome.FAILED and len(self._failed) < SHOWN_FAILED:
            self._failed.append(row)
        if error := row.error:
            self._add_error(error, row.case.id)
        if outcome.is_finished:
            self._add_score(unit, verdict.value if verdict else 0.0)
        if row.answer:
            self._answers.add(row.answer)
            if self._trials:
                self._trials.add(self._calls, row.answer)
        if self._load and row.record:
            self._load.add(row.record)
        self._calls += 1

    def _add_score(self, unit: int, value: float) -> None:
        self._scores.add(unit, value)
        self._graded = self._graded or 0 < value < 1

    def _add_error(self, error: RecordError, case_id: str) -> None:
        group = self._errors.get(error.kind) or ErrorGroup(error.kind, 0, case_id, error.message)
        self._errors[error.kind] = replace(group, count=group.count + 1)

    def summary(self) -> ModelSummary:
        """The figures of all calls that were added."""
        calls, used, answers = self._count.all.rate(), self._answers.consumption(), self._answers
        cost = used.cost_usd
        return ModelSummary(
            model=self._model,
            prompt=self._prompt,
            cases=self._cases,
            trials=self._manifest.trials,
            calls=calls,
            answers=answers.n,
            latency=self._trials.latency(answers.latency()) if self._trials else answers.latency(),
            used=used,
            cost_per_1k_cases_usd=None if cost is None else cost / answers.n * 1000,
            cost_per_passed_usd=cost / calls.passed if cost is not None and calls.passed else None,
            price_source=_price_source(self._described, cost, answers.billed),
            error_groups=tuple(sorted(self._errors.values(), key=lambda group: (-group.count, group.kind))),
            first_failed=tuple(self._failed),
            served_models=tuple(sorted(answers.served)),
            dropped_params=tuple(sorted(answers.dropped)),
            load=self._load.summary() if self._load else None,
            consistency=self._consistency(self._trials) if self._trials else None,
            score=self._scores.mean(),
            graded=self._graded,
        )

    def _consistency(self, trials: TrialCount) -> Consistency | None:
        """How the trials of single cases agree; None where no case had all of them."""
        k = self._manifest.trials
        whole = self._count.all.whole(k)
        if not whole:
            return None
        cases = whole.total()
        return Consistency(
            cases=cases,
            flaky=cases - whole[0] - whole[k],
            by_k=self._count.all.over_trials(k),
            agreement=trials.agreement(self._sources),
            spread=trials.spread(),
        )

    def tags(self) -> Iterator[TagSummary]:
        """The pass rate at every tag, frequent tags first."""
        counts = self._count.by_tag
        for tag in sorted(counts, key=lambda tag: (-counts[tag].cases, tag)):
            yield TagSummary(self._model, self._prompt, tag, counts[tag].cases, counts[tag].rate())

    def scorers(self) -> Iterator[ScorerSummary]:
        """What every scorer said."""
        return self._scorers.summaries(self._model, self._prompt)

    @property
    def uncounted_verdicts(self) -> int:
        """How many verdicts `scorers` leaves out, as they are of too many scorers."""
        return self._scorers.left_out

    def labels(self) -> Iterator[LabelSummary]:
        """What every scorer that tells labels found."""
        return self._labels.summaries(self._model, self._prompt, self._sources)

    @property
    def _sources(self) -> Sequence[int] | None:
        """The number of each case's source; None where each stands for itself."""
        return self._clusters.of_cases if self._clusters else None


def _price_source(model: ManifestModel, cost: float | None, billed: int) -> str | None:
    """Where the cost comes from: what the provider billed, GPUs, or unit prices and whoever stated them."""
    price, gpu = model.price, model.gpu
    if billed:
        return "provider"
    if gpu:
        return f"{gpu.count} GPU at ${gpu.usd_per_hour:g} an hour, for the time they were at work"
    if price:
        return f"{price.source}, {price.as_of}" if price.as_of else price.source
    return None if cost is None else "provider"
