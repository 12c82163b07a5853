"""From the options of a command line to a job with its providers: everything that can be wrong is found here."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evalkit import __version__
from evalkit.cli.keyless import unready
from evalkit.cli.named import find_models
from evalkit.cli.quantities import AUTO
from evalkit.cli.racing import NO_RACE, RaceChoice, race_of, race_problems
from evalkit.cli.voice import ALOUD, Voice
from evalkit.cluster.executor import RayCluster, cluster_problems
from evalkit.errors import ConfigError, ConfigErrors, Location, NothingRanError, one_or_many
from evalkit.models.config import find_models_file, load_models
from evalkit.models.functions import function_model
from evalkit.models.litellm import litellm_prices
from evalkit.models.price_table import with_prices
from evalkit.providers.build import Providers
from evalkit.runner import environment
from evalkit.runner.arrivals import CONSTANT
from evalkit.runner.budget import NO_CEILINGS, Ceilings
from evalkit.runner.changes import changes
from evalkit.runner.folder import find_run, new_run_id
from evalkit.runner.job import Job, describe, make_job
from evalkit.runner.manifest import Load, Manifest, ManifestPrompt, read_cases, read_manifest
from evalkit.runner.packed import refuse_packed
from evalkit.runner.plan import number_of_calls
from evalkit.runner.policy import breaches
from evalkit.suite import check_suite
from evalkit.suite.decide_block import unanswerable
from evalkit.types import Model, Prompt, Suite

# So many calls in flight stand for "no limit" in a load test: the server is to show its limit, not we ours.
_UNDER_LOAD: Final = 2000


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user asked for. None and empty leave it to the suite, or to the run that is resumed."""

    suite: Path
    models_file: Path | None = None
    models: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    limit: int | None = None
    seed: int | None = None
    trials: int | None = None
    concurrency: int | str | None = None
    warmup: int | None = None
    ceilings: Ceilings = NO_CEILINGS
    rate_per_s: float | None = None
    arrivals: str | None = None
    race: RaceChoice = NO_RACE
    stream: bool = True
    price_file: Path | None = None
    out: Path = Path("results")
    resume: str | None = None
    accept_changes: bool = False
    keep_going: bool = False
    dry_run: bool = False
    allow_code: bool = False
    cluster: RayCluster | None = None
    voice: Voice = ALOUD
    loaded: Suite | None = None
    """The suite, where it has been loaded already."""
    functions: Mapping[str, Callable[..., object]] = field(default_factory=dict)
    """Candidates that are Python functions at hand, by their names; asked beside those of `models`."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A job that is ready to be carried out. `folder` is set when a run is resumed."""

    job: Job
    manifest: Manifest
    providers: Providers
    out: Path
    folder: Path | None
    ceilings: Ceilings = NO_CEILINGS
    keep_going: bool = False
    voice: Voice = ALOUD
    cluster: RayCluster | None = None
    allow_code: bool = False

    @property
    def calls(self) -> int:
        """How many calls the whole run has."""
        return number_of_calls(self.manifest, self.job.cases)


def assemble(choice: Choice) -> Assembly:
    """Load, resolve and check everything, without making a call.

    Raises:
        ConfigError: something is wrong, with every problem found.
        NothingRanError: no case is left to ask.
    """
    suite = _suite(choice)
    folder = find_run(choice.out, suite.name, choice.resume) if choice.resume else None
    earlier = read_manifest(folder) if folder else None
    if earlier and earlier.suite.name != suite.name:
        raise ConfigError(
            f"the run {folder} belongs to the suite {earlier.suite.name!r}, not to {suite.name!r}",
            remedy="name the suite of the run, or leave out --resume",
        )
    if earlier and earlier.imported:
        raise ConfigError(
            f"the run {folder} was imported from {earlier.imported.source}, and cannot go on here",
            remedy="leave out --resume to ask the suite's models anew; evalkit compare sets the two runs side by side",
        )
    if earlier and folder:
        refuse_packed(folder)
        choice = _as_before(choice, earlier)
        suite = _suite(choice) if any(prompt.file for prompt in earlier.prompts) else suite
    models_file = _models_file(choice) if _names(choice, suite) or suite.judges else None
    job = make_job(
        suite,
        _models(choice, suite, models_file),
        _prompts(choice, suite),
        patterns=choice.patterns,
        limit=choice.limit,
        seed=choice.seed or 0,
        trials=choice.trials,
        judges=_judges(choice, suite, models_file),
    )
    if not job.cases:
        raise NothingRanError(
            f"no case of {suite.name} matches --filter {' '.join(choice.patterns)}",
            remedy="a filter is a glob over case ids and tags",
        )
    race = race_of(choice.race, earlier.race if earlier else None)
    candidates = [model.name for model in job.models]
    asked = {model.name: model for model in (*job.judges, *job.models)}
    providers = Providers(asked.values(), choice.functions)
    if problems := [
        *_contradictions(choice),
        *race_problems(choice.race, race, len(job.models) * len(job.prompts), load=choice.rate_per_s is not None),
        *unpriced(choice.ceilings, asked.values()),
        *unanswerable(suite.decide, job.models, job.trials),
        *breaches(job),
        *(cluster_problems(job, choice, race) if choice.cluster else ()),
        *unready(asked.values(), providers.check(_needs(suite, asked, candidates)), dry_run=choice.dry_run),
    ]:
        raise one_or_many(problems)
    manifest = dataclasses.replace(_manifest(job, providers, earlier, choice, models_file), race=race)
    if folder and earlier and not choice.accept_changes:
        _refuse_changes(folder, earlier, manifest, job)
    out, ceilings = choice.out, choice.ceilings
    how = (choice.keep_going, choice.voice, choice.cluster, choice.allow_code)
    return Assembly(job, manifest, providers, out, folder, ceilings, *how)


def _needs(suite: Suite, asked: Iterable[str], candidates: Collection[str]) -> dict[str, frozenset[str]]:
    """The FEATURES that requests to each model carry."""
    return {
        name: (suite.needs if name in candidates else frozenset[str]())
        | ({"embeddings"} if name in suite.embedders else frozenset[str]())
        for name in asked
    }


def _contradictions(choice: Choice) -> Iterator[ConfigError]:
    if choice.arrivals and choice.rate_per_s is None:
        yield ConfigError("--arrivals says how the calls of a load test are spaced", remedy="add --rate, such as 20/s")
    if choice.accept_changes and not choice.resume:
        yield ConfigError("--accept-changes goes with --resume", remedy="leave it out to start a new run")


def unpriced(ceilings: Ceilings, models: Iterable[Model]) -> Iterator[ConfigError]:
    """Find the models that money cannot be counted for, where it is to be."""
    if ceilings.max_cost_usd is None:
        return
    for model in models:
        if model.gpu is not None:
            yield ConfigError(
                f"--max-cost cannot count the GPU time of model {model.name!r} while the run goes on",
                where=model.where,
                remedy="use --max-time, or leave the model out",
            )
        elif model.price is None and not model.self_hosted and model.base_url:
            yield ConfigError(
                f"--max-cost needs the price of model {model.name!r}",
                where=model.where,
                remedy="add `price: {input: ..., output: ...}`, USD per one million tokens",
            )


def _refuse_changes(folder: Path, earlier: Manifest, manifest: Manifest, job: Job) -> None:
    found = changes(earlier, read_cases(folder), manifest, job.cases)
    if found:
        raise ConfigError(
            f"what the run {folder} asked has changed since: {', '.join(found)}",
            remedy="add --accept-changes to ask only what is new and judge every answer by the suite as it is now, "
            "or leave out --resume to start anew",
        )


def _suite(choice: Choice) -> Suite:
    """Load the suite; where it has problems, say what is wrong with the models file too."""
    files = tuple(Path(name) for name in choice.prompts if _is_file(name))
    if choice.loaded is not None and not files:
        return choice.loaded
    suite, problems = check_suite(choice.suite, allow_code=choice.allow_code, prompts=files)
    if suite is not None and not problems:
        return suite
    try:
        if choice.models or not choice.functions:
            load_models(_models_file(choice))
    except ConfigError as error:
        problems += error.errors if isinstance(error, ConfigErrors) else (error,)
    raise one_or_many(problems)


def _models_file(choice: Choice) -> Path:
    return choice.models_file or find_models_file(choice.suite.parent)


def _is_file(name: str) -> bool:
    return Path(name).suffix != "" and Path(name).is_file()


def _as_before(choice: Choice, earlier: Manifest) -> Choice:
    """Fill what the command line leaves open with what the resumed run chose."""
    before = earlier.selection
    file = Path(earlier.models_file) if earlier.models_file else None
    return dataclasses.replace(
        choice,
        models_file=choice.models_file or (file if file and file.is_file() else None),
        models=choice.models or _configured(earlier, choice),
        prompts=choice.prompts or tuple(prompt.file or prompt.name for prompt in earlier.prompts),
        patterns=choice.patterns or before.filter,
        limit=before.limit if choice.limit is None else choice.limit,
        seed=before.seed if choice.seed is None else choice.seed,
        trials=earlier.trials if choice.trials is None else choice.trials,
        concurrency=choice.concurrency or earlier.concurrency,
        rate_per_s=choice.rate_per_s or (earlier.load.rate_per_s if earlier.load else None),
        arrivals=choice.arrivals or (earlier.load.arrivals if earlier.load else None),
    )


def _configured(earlier: Manifest, choice: Choice) -> tuple[str, ...]:
    """The candidates of a run that are not functions at hand now."""
    return tuple(model.name for model in earlier.models if model.name not in choice.functions)


def _names(choice: Choice, suite: Suite) -> tuple[str, ...]:
    """The names of the configured models to ask: those of the suite, unless others are chosen."""
    return choice.models or (() if choice.functions else suite.models)


def _models(choice: Choice, suite: Suite, file: Path | None) -> tuple[Model, ...]:
    names = _names(choice, suite)
    if not names and not choice.functions:
        raise ConfigError(
            "no models to ask", where=Location(suite.path), remedy="list some under `models:`, or name one with -m"
        )
    given_by = None if choice.models else suite
    found = models_named(names, file, given_by, choice.price_file) if file and names else ()
    if taken := [model.name for model in (*found, *_judges(choice, suite, file)) if model.name in choice.functions]:
        raise ConfigError(f"the name {taken[0]!r} is that of a configured model", remedy="call the function otherwise")
    functions = (function_model(name, function) for name, function in choice.functions.items())
    return tuple(_as_chosen(model, choice) for model in (*found, *functions))


def _judges(choice: Choice, suite: Suite, file: Path | None) -> tuple[Model, ...]:
    """Find the models that the suite's scorers ask."""
    return models_named(suite.judges, file, suite, choice.price_file) if file and suite.judges else ()


def models_named(
    names: Sequence[str], file: Path, suite: Suite | None, price_file: Path | None = None
) -> tuple[Model, ...]:
    """Find models by the names that a suite or, without one, the command line gives; with the prices in force today."""
    chosen = find_models(names, load_models(file), file, suite)
    given = litellm_prices(price_file) if price_file else None
    return with_prices(chosen, dt.datetime.now(dt.UTC).date(), given)


def _as_chosen(model: Model, choice: Choice) -> Model:
    """Let the command line have the last word."""
    given = choice.concurrency
    if choice.rate_per_s is not None and model.base_url:
        given = given if isinstance(given, int) else _UNDER_LOAD
    auto = given == AUTO or (given is None and model.auto)
    return dataclasses.replace(
        model,
        concurrency=given if isinstance(given, int) else None if auto else model.concurrency,
        auto=auto,
        warmup=model.warmup if choice.warmup is None else choice.warmup,
        stream=model.stream and choice.stream,
    )


def _prompts(choice: Choice, suite: Suite) -> tuple[Prompt, ...]:
    if not choice.prompts:
        return tuple(suite.prompts)
    by_name = {prompt.name: prompt for prompt in suite.prompts}
    by_file = {Path(prompt.where.path).resolve(): prompt for prompt in suite.prompts if prompt.where}
    chosen: dict[str, Prompt] = {}
    for name in choice.prompts:
        prompt = by_name.get(name) or (by_file.get(Path(name).resolve()) if _is_file(name) else None)
        if prompt is None:
            raise _unknown_prompt(name, tuple(by_name), suite)
        chosen[prompt.name] = prompt
    return tuple(chosen.values())


def _unknown_prompt(name: str, known: Sequence[str], suite: Suite) -> ConfigError:
    close = difflib.get_close_matches(name, known, n=1)
    remedy = f"did you mean {close[0]!r}?" if close else f"its prompts are: {', '.join(known)}; or name a file"
    return ConfigError(f"{suite.name} has no prompt {name!r}", where=Location(suite.path), remedy=remedy)


def _manifest(
    job: Job, providers: Providers, earlier: Manifest | None, choice: Choice, models_file: Path | None
) -> Manifest:
    now = dt.datetime.now(dt.UTC)
    stamp = now.isoformat(timespec="seconds")
    manifest = describe(
        job,
        run_id=earlier.run_id if earlier else new_run_id(now),
        created_at=earlier.created_at if earlier else stamp,
        evalkit=__version__,
        concurrency=providers.concurrency,
    )
    files = {str(Path(name)) for name in choice.prompts if _is_file(name)}
    return dataclasses.replace(
        manifest,
        prompts=tuple(
            _with_file(entry, prompt, files) for entry, prompt in zip(manifest.prompts, job.prompts, strict=True)
        ),
        load=Load(choice.rate_per_s, choice.arrivals or CONSTANT) if choice.rate_per_s else None,
        models_file=str(models_file) if models_file else None,
        concurrency=choice.concurrency,
        versions=environment.versions(),
        host=environment.host(),
        git=environment.git_commit(choice.suite.resolve().parent),
        resumed_at=(*earlier.resumed_at, stamp) if earlier else (),
        client=earlier.client if earlier else None,
        limit_history=earlier.limit_history if earlier else {},
    )


def _with_file(entry: ManifestPrompt, prompt: Prompt, files: Collection[str]) -> ManifestPrompt:
    path = str(prompt.where.path) if prompt.where else None
    return dataclasses.replace(entry, file=path) if path in files else entry
