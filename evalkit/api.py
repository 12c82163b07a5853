"""evalkit from Python, with the same power as the command line.

Nothing here prints anything or ends the process unless it is asked to: what `evalkit` would say and exit with is
returned, or raised as an `EvalkitError`. The names are offered by `evalkit` itself: `evalkit.run(...)`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from evalkit.types import CallScore, Case, Json, Record, Suite

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.analysis import RunData, RunSummary
    from evalkit.analysis.compare.compared import RunComparison
    from evalkit.analysis.compare.side import Side
    from evalkit.analysis.decide.decision import Decision
    from evalkit.analysis.gate.baseline import Baseline
    from evalkit.analysis.gate.result import GateResult
    from evalkit.analysis.run_data import Rows
    from evalkit.cli.assemble import Choice
    from evalkit.exports.export import Exported
    from evalkit.report import Reports
    from evalkit.runner.manifest import Manifest

    Comparison: TypeAlias = RunComparison
    """How two sides differ."""

Place: TypeAlias = str | Path
"""A path; for a run also its id, or a suite's name for its newest run."""

Function: TypeAlias = Callable[..., object]
"""A candidate: called with those of `vars`, `messages`, `params` and `tools` that it has parameters for, it returns an
answer as text, or as what JSON can carry. It may be async. One that is not is called once at a time, in a thread,
unless `concurrency` says otherwise."""

Models: TypeAlias = str | Function | Iterable[str | Function] | Mapping[str, Function]
"""Candidates: names of models.yaml, functions (called what they are called in Python), or functions by other names."""

_RESULTS: Final = "results"
_LATEST: Final = "latest"


@dataclass(frozen=True, slots=True)
class Step:
    """A call that is finished: how many of how many are, with its record and its score."""

    done: int
    planned: int
    record: Record
    score: CallScore


Watcher: TypeAlias = Callable[[Step], None]
"""Is told of every finished call, in the thread that makes the calls: it should be quick."""


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
    def folder(self) -> Path:
        """Where it is."""
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
        return resolve_side(text, Path(_RESULTS))

    def decide(
        self,
        require: Iterable[str] = (),
        *,
        without: Iterable[str] = (),
        prefer: Iterable[str] = (),
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
            require=tuple(require),
            without=tuple(without),
            prefer=tuple(prefer),
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
        self, out: Place | None = None, candidates: Iterable[str] = (), *, allow_incomplete: bool = False
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
            self.side(), tuple(candidates), Path(out) if out else None, allow_incomplete=allow_incomplete
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


def load_run(place: Place, results: Place = _RESULTS) -> Run:
    """Open a stored run, imported ones too.

    Args:
        place: a run's folder or id, or a suite's name or folder for its newest run.
        results: the folder in which ids and names are looked up.

    Raises:
        ConfigError: there is no such run, or it is damaged.
    """
    from evalkit.analysis import load_run as load
    from evalkit.analysis.compare.side import resolve_run

    return Run(load(resolve_run(str(place), Path(results))))


def run(
    suite: Suite | Place,
    models: Models | None = None,
    *,
    models_file: Place | None = None,
    prompts: Iterable[str] = (),
    filter: str | Iterable[str] = (),  # noqa: A002 - as the command line has it
    limit: int | None = None,
    seed: int | None = None,
    trials: int | None = None,
    concurrency: int | Literal["auto"] | None = None,
    warmup: int | None = None,
    max_cost: float | None = None,
    max_time: float | None = None,
    max_errors: int | None = None,
    rate: float | None = None,
    arrivals: Literal["constant", "poisson"] | None = None,
    race: bool | None = None,
    keep: int | None = None,
    margin: float | None = None,
    race_by: Literal["pass_rate", "score"] | None = None,
    stream: bool = True,
    prices: Place | None = None,
    results: Place = _RESULTS,
    resume: Place | bool | None = None,
    accept_changes: bool = False,
    keep_going: bool = False,
    allow_code: bool = False,
    progress: Watcher | bool = False,
) -> Run:
    """Ask every model every case, score the answers, and write the report, as `evalkit run` does.

    It may be called where an event loop is running, as in a notebook: the calls are made in a thread of their own.
    Ctrl-C lets the calls in flight finish, writes the report and then raises KeyboardInterrupt: what was bought is
    kept, and `resume=True` goes on with it. A second Ctrl-C drops the calls in flight.

    >>> def always_billing(vars):
    ...     return "billing"
    >>> run = evalkit.run("evals/triage.yaml", models=always_billing)
    >>> run.complete, run.summary.models[0].calls.rate
    (True, 0.5)

    Args:
        suite: a suite file, or a suite that has been loaded.
        models: the candidates to ask instead of the suite's: names of models.yaml, Python functions, or both in a list;
            a mapping gives functions other names than their own.
        models_file: where models are configured; by default models.yaml beside the suite or above it.
        prompts: ask with these only: names or files.
        filter: only cases whose id or tag matches one of these globs.
        limit: only a random sample of this many cases, drawn by `seed`.
        seed: of the sample, and of random arrivals.
        trials: ask each case this often.
        concurrency: calls in flight per model.
        warmup: calls per model that are made first and not counted.
        max_cost: stop before the run costs more than this, USD.
        max_time: make no more calls after so many seconds.
        max_errors: stop when more calls than this have failed.
        rate: a load test: send so many calls a second to each model.
        arrivals: how the calls of a load test are spaced.
        race: stop asking candidates that are shown worse than the best; `keep`, `margin` and `race_by` say how.
        keep: end the race with so many left.
        margin: whoever is not ahead of the best by more than this may be stopped.
        race_by: compare pass rates, or mean scores.
        stream: whether answers are streamed, which tells the time to the first token.
        prices: a price file in litellm's JSON format, for models without a price.
        results: the folder for results.
        resume: a run to go on with, its id or folder; True for the latest.
        accept_changes: go on although the suite or a model has changed since.
        keep_going: ask the other models although one of them fails its first small call.
        allow_code: let scorers run code, where `suite` is a file; a loaded suite has settled that.
        progress: a function to be told of every finished call; True shows what the command line shows, on standard
            error.

    Returns:
        The run, which may be incomplete: see `Run.complete`.

    Raises:
        ConfigError: something is wrong, with every problem found; nothing was asked.
        NothingRanError: no case is left, no model could be reached, or no call was answered.
        KeyboardInterrupt: Ctrl-C was pressed; names the folder with what was bought.
    """
    from evalkit.cli.assemble import Choice, assemble
    from evalkit.cli.racing import RaceChoice
    from evalkit.cli.scripted import carry_out
    from evalkit.runner.budget import Ceilings

    names, functions = _told_apart(models)
    choice = Choice(
        suite=Path(suite.path if isinstance(suite, Suite) else suite),
        models_file=Path(models_file) if models_file else None,
        models=names,
        prompts=tuple(prompts),
        patterns=(filter,) if isinstance(filter, str) else tuple(filter),
        limit=limit,
        seed=seed,
        trials=trials,
        concurrency=concurrency,
        warmup=warmup,
        ceilings=Ceilings(max_cost, max_time, max_errors),
        rate_per_s=rate,
        arrivals=arrivals,
        race=RaceChoice(race, keep, margin, race_by),
        stream=stream,
        price_file=Path(prices) if prices else None,
        out=Path(results),
        resume=_LATEST if resume is True else str(resume) if resume else None,
        accept_changes=accept_changes,
        keep_going=keep_going,
        allow_code=allow_code,
        loaded=suite if isinstance(suite, Suite) else None,
        functions=functions,
    )
    _check(choice)
    watcher = None if isinstance(progress, bool) else progress
    told = (lambda done, planned, record, score: watcher(Step(done, planned, record, score))) if watcher else None
    data, summary = carry_out(assemble(choice), told, shown=progress is True)
    return Run(data, summary)


def _told_apart(models: Models | None) -> tuple[tuple[str, ...], Mapping[str, Function]]:
    """Tell names of configured models from functions.

    Raises:
        ConfigError: two functions have one name, or a candidate is neither.
    """
    from evalkit.errors import ConfigError

    if models is None:
        return (), {}
    if isinstance(models, Mapping):
        names, functions = [], list(models.items())
    else:
        given: list[str | Function] = [models] if isinstance(models, str) or callable(models) else list(models)
        names = [one for one in given if isinstance(one, str)]
        functions = [(getattr(one, "__name__", type(one).__name__), one) for one in given if not isinstance(one, str)]
    for name, function in functions:
        if not callable(function):
            raise ConfigError(f"the candidate {name!r} cannot be called", remedy="give a function that answers")
    if len(dict(functions)) < len(functions):
        raise ConfigError("two functions have the same name", remedy="name them: models={'one': ..., 'other': ...}")
    return tuple(names), dict(functions)


def _check(choice: Choice) -> None:
    """Refuse numbers that the command line does not let in either."""
    from evalkit.errors import ConfigError, one_or_many

    least: Mapping[str, tuple[float | None, float]] = {
        "limit": (choice.limit, 1),
        "trials": (choice.trials, 1),
        "concurrency": (choice.concurrency if isinstance(choice.concurrency, int) else None, 1),
        "warmup": (choice.warmup, 0),
        "max_cost": (choice.ceilings.max_cost_usd, 0),
        "max_time": (choice.ceilings.max_time_s, 0),
        "max_errors": (choice.ceilings.max_errors, 0),
    }
    wrong = [f"{name} is {value}, and must be at least {low}" for name, (value, low) in least.items()
             if value is not None and not value >= low]  # fmt: skip
    if choice.rate_per_s is not None and not choice.rate_per_s > 0:
        wrong.append(f"rate is {choice.rate_per_s}, and must be above 0")
    if wrong:
        raise one_or_many([ConfigError(one) for one in wrong])


def compare(
    old: Run | Side | Place,
    new: Run | Side | Place | None = None,
    *,
    margin: float | Literal["auto"] | None = None,
    results: Place = _RESULTS,
) -> Comparison:
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

    first = _side(old, results)
    first, second = halves(first) if new is None else (first, _side(new, results))
    return compare_sides(load_side(first), load_side(second), pair_up(first, second), margin)


def _side(given: Run | Side | Place, results: Place) -> Side:
    from evalkit.analysis.compare.side import Side, resolve_side

    if isinstance(given, Run):
        return given.side()
    return given if isinstance(given, Side) else resolve_side(str(given), Path(results))


def export(
    what: Suite | Run | Place,
    out: Place,
    format: str | None = None,  # noqa: A002 - as the command line has it
    *,
    prompt: str | None = None,
    models_file: Place | None = None,
    allow_partial: bool = False,
    results: Place = _RESULTS,
) -> Exported:
    """Write a suite's cases, or a run's results, in a format of others, as `evalkit export` does.

    >>> exported = evalkit.export("evals/triage.yaml", "cases.csv")
    >>> [str(path) for path in exported.files], list(exported.notes)
    (['cases.csv'], [])

    Args:
        what: a suite or its file, or a run.
        out: the file, or for formats of several files the folder, which must not be there.
        format: its name; by default told from the ending of `out`.
        prompt: the prompt whose messages are wanted, where a format has room for one.
        models_file: where the suite's models are configured.
        allow_partial: write what can be held although something would be lost.
        results: the folder in which runs are looked up.

    Returns:
        The files written, with notes on what was changed or lost. Nothing was written where something would be lost
        and `allow_partial` was not given.

    Raises:
        ConfigError: there is no such suite, run or format; or a file is there already.
        WriteError: a file cannot be written.
    """
    from evalkit.exports.export import export_to, source_of
    from evalkit.exports.options import ExportOptions

    if isinstance(what, Run):
        source: Suite | RunData = what._data  # noqa: SLF001 - our own
    else:
        source = what if isinstance(what, Suite) else source_of(str(what), Path(results))
    options = ExportOptions(prompt, Path(models_file) if models_file else None)
    return export_to(source, Path(out), format, options, allow_partial=allow_partial)
