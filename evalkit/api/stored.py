"""Suites and runs that are there: load them, look at them, compare, decide."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from evalkit.api.checks import check_margin, several
from evalkit.types import Case, Json, Suite

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.analysis import RunData, RunSummary
    from evalkit.analysis.compare.compared import RunComparison
    from evalkit.analysis.compare.side import Side
    from evalkit.analysis.decide.decision import Decision
    from evalkit.analysis.gate.baseline import Baseline
    from evalkit.analysis.gate.result import GateResult
    from evalkit.analysis.run_data import Rows
    from evalkit.report import Reports
    from evalkit.runner.manifest import Manifest

Place: TypeAlias = str | Path
"""A path; for a run also its id, or a suite's name for its newest run."""

RESULTS: Final = "results"
"""The folder for results."""


class Run:
    """A run's folder, and what it comes to. Everything is read from the folder when it is asked for.

    >>> run = evalkit.load_run("triage")
    >>> [(one.model, one.calls.passed, one.calls.finished) for one in run.summary.models]
    [('keywords', 3, 4)]
    """

    def __init__(self, data: RunData, summary: RunSummary | None = None) -> None:
        self._data = data
        self._summary = summary

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def data(self) -> RunData:
        """What all else here is made of: the rows of every candidate."""
        return self._data

    @property
    def folder(self) -> Path:
        """Where it is, from the root: it stays so when the process changes its working directory."""
        return self._data.folder

    @property
    def manifest(self) -> Manifest:
        """What was asked, of whom, and under which conditions."""
        return self._data.manifest

    @property
    def cases(self) -> Sequence[Case]:
        """The cases that were asked, in the suite's order; without their scorers."""
        from evalkit.runner.manifest import read_cases

        return tuple(read_cases(self.folder))

    @property
    def calls(self) -> Rows:
        """Every planned call with its case, and its record and score as far as the run got; read anew each time."""
        return self._data.rows

    @property
    def summary(self) -> RunSummary:
        """All figures of the report, unrounded: per candidate, tag and scorer; comparisons, and the decision.

        Raises:
            ConfigError: a row is damaged; names file and line.
        """
        if self._summary is None:
            from evalkit.analysis import Analysis
            from evalkit.analysis.decide.deciding import decide_run

            analysis = Analysis(self._data)
            deque(analysis.rows(), maxlen=0)
            summary = analysis.summary()
            self._summary = replace(summary, decision=decide_run(self._data, summary, analysis.results))
        return self._summary

    @property
    def complete(self) -> bool:
        """Whether every call has a verdict: none failed, and none is missing."""
        return not self.summary.incomplete

    def to_pandas(self) -> pd.DataFrame:
        """Make a data frame of it: a call a row, cases.csv's columns, and NAME.score and NAME.passed of every scorer.

        >>> frame = evalkit.load_run("triage").to_pandas()
        >>> frame.groupby("model")["passed"].mean().to_dict()
        {'keywords': 0.75}
        """
        from evalkit.exports.results import results_frame

        return results_frame(self._data)

    def report(self) -> Reports:
        """Write its report.md, .html, .json, junit.xml and tables anew.

        Raises:
            WriteError: one cannot be written.
        """
        from evalkit.report import write_reports

        reports = write_reports(self._data)
        self._summary = reports.summary
        return reports

    def side(self, model: str | None = None, prompt: str | None = None) -> Side:
        """Choose one candidate, or those of a model or of a prompt, for `compare`.

        Raises:
            ConfigError: there is none.
        """
        from evalkit.analysis.compare.side import resolve_side

        text = str(self.folder) + (f":{model}" if model else "") + (f"@{prompt}" if prompt else "")
        return resolve_side(text, Path(RESULTS))

    def decide(
        self,
        require: str | Iterable[str] = (),
        *,
        without: str | Iterable[str] = (),
        prefer: str | Iterable[str] = (),
        margin: float | None = None,
        requests_per_day: float | None = None,
        suite: Place | None = None,
    ) -> Decision:
        """Choose among the candidates, as `evalkit decide` does.

        >>> evalkit.load_run("triage").decide(["pass_rate>=0.9"]).recommended is None
        True

        Args:
            require: requirements on top of the suite's `decide:` rules, such as `pass_rate>=0.9`.
            without: keys of rules to leave out.
            prefer: what to choose by among those as good as the best.
            margin: how far below the best pass rate still counts as as good, 0..1.
            requests_per_day: the traffic whose monthly cost is to be gone by.
            suite: the file whose `decide:` block holds, instead of the run's.

        Raises:
            ConfigError: a rule cannot be used.
        """
        from evalkit.analysis.decide.deciding import decided
        from evalkit.suite.decide_block import block_of, revised

        rules = revised(
            block_of(Path(suite)) if suite else self.manifest.decide,
            require=several(require),
            without=several(without),
            prefer=several(prefer),
            margin=margin,
            requests_per_day=requests_per_day,
        )
        return decided(self._data, rules)

    def gate(
        self, baseline: Place | None = None, rules: Mapping[str, Json] | None = None, *, suite: Place | None = None
    ) -> GateResult:
        """Hold it against a baseline and limits, as `evalkit gate` does; writes nothing.

        >>> evalkit.load_run("triage").gate(rules={"min_pass_rate": 0.7}).outcome.name
        'PASSED'

        Args:
            baseline: the file to compare with; by default, the one that the suite's `gate:` block names.
            rules: as they stand in that block, in whose place they are.
            suite: the file whose block holds, instead of the run's.

        Raises:
            ConfigError: a rule cannot be used, or there is nothing to hold the run to.
        """
        from evalkit.cli.gating import Given, look_at

        given = Given(Path(baseline) if baseline else None, Path(suite) if suite else None, dict(rules or {}))
        return look_at(self._data, given)[1]

    def freeze(
        self, out: Place | None = None, candidates: str | Iterable[str] = (), *, allow_incomplete: bool = False
    ) -> Baseline:
        """Write its verdicts as the baseline that later runs are held against, as `evalkit baseline` does.

        Args:
            out: the file; by default, the one that the suite's `gate:` block names.
            candidates: those to freeze, as MODEL or MODEL@PROMPT; by default all.
            allow_incomplete: freeze it although calls failed or are missing.

        Raises:
            ConfigError: it is incomplete, or has no such candidate.
            WriteError: the file cannot be written.
        """
        from evalkit.cli.gating import freeze_run

        return freeze_run(
            self.side(), several(candidates), Path(out) if out else None, allow_incomplete=allow_incomplete
        ).new


def load_suite(path: Place, allow_code: bool = False) -> Suite:
    """Load a suite file and check everything that can be checked without asking a model.

    >>> suite = evalkit.load_suite("evals/triage.yaml")
    >>> suite.name, len(suite.cases), suite.cases[0].expected
    ('triage', 4, 'billing')

    Args:
        path: the suite file.
        allow_code: whether scorers may run code: your own functions, and programs that models wrote.

    Raises:
        ConfigError: what is wrong; a `ConfigErrors` with all of it where there are several problems.
    """
    from evalkit.suite import load_suite as load

    return load(Path(path), allow_code=allow_code)


def load_run(place: Place, results: Place = RESULTS) -> Run:
    """Open a stored run, imported ones too.

    Args:
        place: a run's folder or id, or a suite's name or folder for its newest run.
        results: the folder in which ids and names are looked up.

    Raises:
        ConfigError: there is no such run, or it is damaged.
    """
    from evalkit.analysis import load_run as load
    from evalkit.analysis.compare.side import resolve_run

    return Run(load(resolve_run(str(place), Path(results)).absolute()))


def compare(
    old: Run | Side | Place,
    new: Run | Side | Place | None = None,
    *,
    margin: float | Literal["auto"] | None = None,
    results: Place = RESULTS,
) -> RunComparison:
    """Compare a new side with an old one, case by case, as `evalkit compare` does.

    >>> run = evalkit.run("evals/triage.yaml", models={"a": lambda vars: "billing", "b": lambda vars: vars["message"]})
    >>> pair = evalkit.compare(run.side("a"), run.side("b"), margin=0.02).pairs[0]
    >>> pair.difference.better, pair.difference.worse, pair.verdict.name
    (0, 2, 'INCONCLUSIVE')

    Args:
        old: a run, a side of one (`run.side(model)`), or RUN, RUN:MODEL, RUN@PROMPT or RUN:MODEL@PROMPT.
        new: likewise. Left out where `old` is a run of exactly two candidates.
        margin: how much worse still counts as as good, 0..1; `auto`: by what an unchanged candidate would keep to in
            nine of ten comparisons; None: that is not asked.
        results: the folder in which ids and names are looked up.

    Raises:
        ConfigError: a side names nothing, or the two have nothing in common.
    """
    from evalkit.analysis.compare.compared import compare_sides
    from evalkit.analysis.compare.pairing import halves, pair_up
    from evalkit.analysis.compare.side import load_side

    check_margin(margin)
    first = _side(old, results)
    first, second = halves(first) if new is None else (first, _side(new, results))
    return compare_sides(load_side(first), load_side(second), pair_up(first, second), margin)


def _side(given: Run | Side | Place, results: Place) -> Side:
    from evalkit.analysis.compare.side import Side, resolve_side

    if isinstance(given, Run):
        return given.side()
    return given if isinstance(given, Side) else resolve_side(str(given), Path(results))
