"""Logs of requests and answers: each request becomes a case, with the conversation that led to it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.calls import Call, NoCallError, Pair, call_of, pair_of
from evalkit.imports.columns import Facts, fit_for_id
from evalkit.imports.draft import DraftCase, DraftPrompt, DraftSuite, Share, Stamp
from evalkit.imports.gathering import Notes
from evalkit.imports.jsonfiles import read_document, read_lines
from evalkit.imports.options import ImportOptions
from evalkit.imports.spans import call_of_span, is_traced, spans_of
from evalkit.imports.spooled import SpooledCases, SpooledRows
from evalkit.imports.table import inert, scorers_for
from evalkit.imports.write import suite_name
from evalkit.models.table import provider_table
from evalkit.suite.starter import candidate_rows
from evalkit.types import MISSING, Json

OUTPUTS: Final = "outputs.jsonl"
"""What the models of the logs answered, apart from the cases, as `evalkit score` reads it."""

_MESSAGE: Final = "message"
_HISTORY: Final = "history"
_MOST_MODELS: Final = 50
_MOST_FILES: Final = 1_000
_ROWS: Final = ("requests", "data", "logs", "rows", "items", "calls")
_PROVIDERS: Final[Mapping[str, str]] = {
    "aws.bedrock": "bedrock",
    "azure": "openai",
    "azure.ai.openai": "openai",
    "az.ai.openai": "openai",
    "gcp.gemini": "gemini",
    "gcp.gen_ai": "gemini",
    "google": "gemini",
    "mistral_ai": "mistral",
    "x_ai": "xai",
}
_BEDROCK: Final = "bedrock"
_REGION: Final = "us-east-1"
_BY_NAME: Final = {"claude": "anthropic", "gemini": "gemini", "command-": "cohere", "mistral": "mistral"}


@dataclass(slots=True)
class _Seen:
    """What the calls have in common, and how they differ."""

    calls: int = 0
    unusable: int = 0
    repeated: int = 0
    answered: int = 0
    history: bool = False
    left: Counter[str] = field(default_factory=Counter)
    systems: Counter[str] = field(default_factory=Counter)
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    params: dict[str, Json] | None = None
    """The parameters that all have in common."""
    differing: set[str] = field(default_factory=set)
    outputs: Facts = field(default_factory=Facts)


def read(source: Path, options: ImportOptions) -> DraftSuite:
    """Read a log as a suite: a case a request.

    What the models answered is no part of the cases, unless it is to count as right; it goes to a file of its own.

    Args:
        source: a file of JSON or JSON lines, or a folder of such files, whose requests and answers are joined by id.
        options: whether answers count as right, among others.

    Raises:
        ConfigError: no request can be read.
    """
    where = Location(source)
    notes = Notes()
    seen = _Seen()
    calls = SpooledRows(_kept(_calls(source, options.time, notes, seen), options.limit, seen))
    if not seen.calls:
        raise notes.nothing_read("request", where, "kinds of sources: see evalkit import")
    system = next(iter(seen.systems)) if len(seen.systems) == 1 else None
    told: dict[str, str] = {}
    cases = SpooledCases(_cases(calls, options, seen, told, notes, shared=system is not None))
    models = _models(seen, where, notes) | candidate_rows(options.models)
    _tell(seen, options, where, notes)
    scorers, todo = scorers_for(seen.outputs if options.expected_from_output and seen.answered else None)
    return DraftSuite(
        name=options.name or suite_name(source.stem),
        cases=cases,
        prompts=(_prompt(system, seen, options.prompt),),
        models=models,
        scorers=scorers,
        description=f"Requests from {source.name}.",
        settings=_settings(seen, where, notes),
        todo=todo,
        files={OUTPUTS: "".join(told.values())} if told else {},
        notes=notes.all(where),
        shares=(Share("requests", seen.calls + seen.unusable, len(cases)),),
    )


def _calls(source: Path, time: str | None, notes: Notes, seen: _Seen) -> Iterator[tuple[Location, Call]]:
    """Read all calls; takes down the requests that cannot be asked again. `time` is what rows call their time."""
    for where, row, found in _found(source, notes, seen):
        try:
            call = call_of(found) if isinstance(found, Pair) else call_of_span(found)
            yield where, call if time is None else replace(call, at=row.get(time))
        except NoCallError as error:
            seen.unusable += 1
            notes.add(where, "request", str(error))


def _found(
    source: Path, notes: Notes, seen: _Seen
) -> Iterator[tuple[Location, Mapping[str, Json], Pair | Mapping[str, Json]]]:
    """Find requests and spans, each with its row; a request and an answer with one id in two rows become a pair."""
    waiting: dict[str, tuple[Location, Mapping[str, Json], Pair]] = {}
    answers: dict[str, Mapping[str, Json]] = {}
    for where, row in _rows(source, notes, seen):
        if is_traced(row):
            yield from ((where, span, span) for span in spans_of(row))
            continue
        pair = pair_of(row)
        if pair.request is None and pair.name and (pair.response or "custom_id" in row):
            answers[pair.name] = pair.response
        elif pair.request is not None and not pair.response and "custom_id" in row and pair.name not in waiting:
            waiting[pair.name] = (where, row, pair)
        else:
            yield where, row, pair
    for name, (where, row, pair) in waiting.items():
        yield where, row, replace(pair, response=answers.pop(name, {}))
    if answers:
        seen.unusable += len(answers)
        notes.add(
            Location(source),
            "request",
            f"{_times(len(answers), 'answer')} without a request, such as {next(iter(answers))[:80]!r}",
            remedy="put the file of requests beside the file of answers, and import their folder",
        )


def _rows(source: Path, notes: Notes, seen: _Seen) -> Iterator[tuple[Location, Mapping[str, Json]]]:
    for path in _files(source):
        try:
            for where, row in _values(path):
                if isinstance(row, dict):
                    yield where, row
                    continue
                seen.unusable += 1
                error = row if isinstance(row, ConfigError) else ConfigError("a row of a log is an object")
                notes.error("request", error, where)
        except ConfigError as error:
            seen.unusable += 1
            notes.error("request", error, Location(path))


def _files(source: Path) -> list[Path]:
    """The files of a folder in the order of their names, without those that lead out of it."""
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in (".jsonl", ".json", ".ndjson"))
    files = [path for path in found if path.is_file() and not path.is_symlink()]
    if not files:
        raise ConfigError("there is no .json or .jsonl file", where=Location(source), remedy="name a file")
    if len(files) > _MOST_FILES:
        raise ConfigError(f"there are {len(files):,} files", where=Location(source), remedy="put them into one .jsonl")
    return files


def _values(path: Path) -> Iterator[tuple[Location, Json | ConfigError]]:
    if path.suffix.lower() != ".json":
        yield from read_lines(path)
        return
    try:
        data = read_document(path)
    except ConfigError:
        yield from read_lines(path)  # what is called .json often holds a document a line
        return
    if isinstance(data, dict):
        data = next((data[name] for name in _ROWS if isinstance(data.get(name), list)), [data])
    for number, row in enumerate(data if isinstance(data, list) else [data], 1):
        yield Location(f"{path} (entry {number})"), row


def _kept(
    calls: Iterable[tuple[Location, Call]], limit: int | None, seen: _Seen
) -> Iterator[tuple[Location, dict[str, Json]]]:
    """Take down what the calls have in common, and turn them into rows."""
    said: set[int] = set()
    for where, call in islice(calls, limit):
        seen.calls += 1
        asked = hash((call.system, call.turns))
        seen.repeated += asked in said
        said.add(asked)
        seen.history = seen.history or len(call.turns) > 1
        seen.left.update(call.left)
        _count(seen.systems, call.system)
        if call.model:
            _count(seen.models, (call.model, call.provider))
        _compare(seen, call.params)
        if call.output is not None:
            seen.answered += 1
            seen.outputs.add(call.output)
        yield where, asdict(call)


def _compare(seen: _Seen, params: Mapping[str, Json]) -> None:
    """Keep the parameters that all calls have alike."""
    common = dict(params) if seen.params is None else seen.params
    seen.differing |= {name for name in common.keys() | params.keys() if common.get(name) != params.get(name)}
    seen.params = {name: value for name, value in common.items() if name not in seen.differing}


def _count(counter: Counter[Any], value: Hashable) -> None:
    """Count a value, unless there are too many others already: how many does not matter then."""
    if value in counter or len(counter) <= _MOST_MODELS:
        counter[value] += 1


def _cases(
    calls: SpooledRows, options: ImportOptions, seen: _Seen, told: dict[str, str], notes: Notes, *, shared: bool
) -> Iterator[DraftCase]:
    """Make the cases, and the lines of OUTPUTS by their ids. Without a `shared` system prompt each has its own."""
    taken: set[str] = set()
    for number, (where, call) in enumerate(calls, 1):
        name = next(one for one in _names(call["name"], number) if fit_for_id(one) and one not in taken)
        taken.add(name)
        history = [{role: text} for role, text in call["turns"][:-1]]
        if call["system"] and not shared:
            history.insert(0, {"system": call["system"]})
        variables: dict[str, Json] = {_MESSAGE: call["turns"][-1][1]}
        if seen.history or not shared:
            variables[_HISTORY] = history
        output = call["output"]
        at = None if options.time is None else Stamp(where, call["at"])
        if options.expected_from_output and seen.answered:
            if output is None:
                remedy = "leave it out, or label the cases afterwards"
                notes.add(where, "request", "its answer is not known, so nothing says what is right", remedy=remedy)
                continue
            yield DraftCase(variables, name, output, at=at)
        else:
            yield DraftCase(variables, name, MISSING, at=at)
        if output is not None:
            told[name] = json.dumps({"id": name, "output": output}, ensure_ascii=False) + "\n"


def _names(given: str, number: int) -> Iterator[str]:
    """What a case could be called, the best first."""
    yield given
    yield f"request-{number}"
    yield from (f"request-{number}-{more}" for more in count(2))


def _prompt(system: str | None, seen: _Seen, name: str | None) -> DraftPrompt:
    messages: list[Json] = [{"system": inert(system)}] if system else []
    if seen.history or system is None:
        messages.append({"insert": _HISTORY})
    messages.append({"user": f"{{{{ {_MESSAGE} }}}}"})
    many = "the requests have different system prompts: they are in `history` of each case"
    return DraftPrompt(name or "production", tuple(messages), todo=(many,) if system is None else ())


def _models(seen: _Seen, where: Location, notes: Notes) -> dict[str, Mapping[str, Json]]:
    """Rows for the models that were asked, the most frequent first."""
    rows: dict[str, Mapping[str, Json]] = {}
    for (model, said), _ in seen.models.most_common(_MOST_MODELS):
        provider, served = _provider(model, said)
        name = re.sub("[^A-Za-z0-9._:/@-]+", "-", served.rpartition("/")[2]).lstrip("._:/@-")[:100]
        if not name:
            continue
        if provider is None:
            provider = "openai"
            words = f"nothing says who serves {served[:100]!r}; OpenAI is taken for it"
            notes.add(where, "model", words, lost=False, remedy="set its provider in models.yaml")
        row = {"provider": provider, "model": served}
        if provider == _BEDROCK:
            words = f"nothing says in which region {served[:100]!r} is; {_REGION} is taken for it"
            notes.add(where, "model", words, lost=False, remedy="set its region in models.yaml")
            row["region"] = _REGION
        rows.setdefault(name, row)
    return rows


def _provider(model: str, said: str) -> tuple[str | None, str]:
    """Tell who serves a model: as the log says, as proxies spell it (`provider/model`), or by the model's name."""
    known = {name for name, row in provider_table().items() if row.requires == ("model",)}
    first, slash, rest = model.partition("/")
    if slash and rest and first in known:
        return first, rest
    named = _PROVIDERS.get(said, said)
    if named in known and named != "openai":
        return named, model
    by_name = next((provider for start, provider in _BY_NAME.items() if model.startswith(start)), None)
    if by_name is None and (named == "openai" or re.match(r"gpt-|chatgpt|o\d|text-|ft:gpt", model)):
        by_name = "openai"
    return by_name, model


def _settings(seen: _Seen, where: Location, notes: Notes) -> Mapping[str, Json]:
    """The parameters that all requests have alike."""
    if seen.differing:
        words = f"requests differ in {_listed(seen.differing)}, which the suite leaves to the models"
        notes.add(where, "parameter", words, lost=False, remedy="set `params:` in suite.yaml")
    return {"params": seen.params} if seen.params else {}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _times(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _tell(seen: _Seen, options: ImportOptions, where: Location, notes: Notes) -> None:
    """Take down what a person should know of the suite."""
    if seen.repeated:
        words = f"{_times(seen.repeated, 'request')} word for word like an earlier one"
        notes.add(where, "request", words, lost=False, remedy="keep one of each: evalkit sample")
    if seen.left:
        words = f"some requests set what the suite does not: {_listed(seen.left)}"
        remedy = "see `tools:` and `params:` of suites" if "tools" in seen.left else ""
        notes.add(where, "setting", words, lost=False, remedy=remedy)
    if options.expected_from_output and seen.answered:
        words = "what a model answered counts as right, its mistakes included"
        notes.add(where, "answer", words, lost=False, remedy="look through `expected` before you trust a pass rate")
    elif seen.answered:
        words = (
            f"{_times(seen.answered, 'answer')} to {_times(seen.calls, 'request')} kept in {OUTPUTS}, apart from the "
            "cases: nobody said what is right"
        )
        notes.add(where, "answer", words, lost=False, remedy="count them as right with --expected-from-output")
