"""Run suites."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from evalkit.api.checks import check_options, several
from evalkit.api.stored import RESULTS, Place, Run
from evalkit.errors import ConfigError
from evalkit.models.functions import function_name
from evalkit.types import CallScore, Record, Suite

Function: TypeAlias = Callable[..., object]
"""A candidate: called with those of `vars`, `messages`, `params` and `tools` that it has parameters for, it returns an
answer as text, or as what JSON can carry. It may be async. One that is not is called once at a time, in a thread,
unless `concurrency` says otherwise."""

Models: TypeAlias = str | Function | Iterable[str | Function] | Mapping[str, Function]
"""Candidates: names of models.yaml, functions (called what they are called in Python), or functions by other names."""

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


def run(
    suite: Suite | Place,
    models: Models | None = None,
    *,
    models_file: Place | None = None,
    prompts: str | Iterable[str] = (),
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
    results: Place = RESULTS,
    resume: Run | Place | bool | None = None,
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
        concurrency: calls in flight per model; `auto`: more until the server throttles or the client is busy.
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
        resume: a run to go on with, or its id or folder; True for the latest.
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

    check_options(
        {"limit": limit, "trials": trials, "concurrency": concurrency, "warmup": warmup, "max_cost": max_cost}
        | {"max_time": max_time, "max_errors": max_errors, "rate": rate, "arrivals": arrivals}
        | {"keep": keep, "margin": margin, "race_by": race_by}
    )
    names, functions = _told_apart(models)
    choice = Choice(
        suite=Path(suite.path if isinstance(suite, Suite) else suite),
        models_file=Path(models_file) if models_file else None,
        models=names,
        prompts=several(prompts),
        patterns=several(filter),
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
        resume=_resumed(resume),
        accept_changes=accept_changes,
        keep_going=keep_going,
        allow_code=allow_code,
        loaded=suite if isinstance(suite, Suite) else None,
        functions=functions,
    )
    watcher = None if isinstance(progress, bool) else progress
    told = (lambda done, planned, record, score: watcher(Step(done, planned, record, score))) if watcher else None
    data, summary = carry_out(assemble(choice), told, shown=progress is True)
    return Run(data, summary)


def _resumed(given: Run | Place | bool | None) -> str | None:
    if given is True:
        return _LATEST
    return str(given.folder if isinstance(given, Run) else given) if given else None


def _told_apart(models: Models | None) -> tuple[tuple[str, ...], Mapping[str, Function]]:
    """Tell names of configured models from functions.

    Raises:
        ConfigError: there are none; two functions have one name, or one has none; or a candidate is neither.
    """
    if models is None:
        return (), {}
    if isinstance(models, Mapping):
        names, functions = [], list(models.items())
    else:
        alone = isinstance(models, str) or callable(models) or not isinstance(models, Iterable)
        given: list[str | Function] = [models] if alone else list(models)  # type: ignore[list-item, arg-type]
        names = [one for one in given if isinstance(one, str)]
        functions = [(function_name(one), one) for one in given if not isinstance(one, str)]
    if not names and not functions:
        raise ConfigError("`models` is empty", remedy="leave it out to ask the models of the suite")
    for name, function in functions:
        if not isinstance(name, str) or not name:
            raise ConfigError(f"a candidate cannot be called {name!r}", remedy="name it by a text")
        if not callable(function):
            raise ConfigError(f"the candidate {name!r} cannot be called", remedy="give a function that answers")
    if len(dict(functions)) < len(functions):
        raise ConfigError("two functions have the same name", remedy="name them: models={'one': ..., 'other': ...}")
    return tuple(names), dict(functions)
