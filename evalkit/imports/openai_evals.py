"""Evals of OpenAI's registry: a YAML file that names an eval, its class and its samples; or the samples alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.calls import NoCallError, said_by
from evalkit.imports.columns import fit_for_id, is_empty
from evalkit.imports.draft import DraftCase, DraftPrompt, DraftSuite, Share
from evalkit.imports.evals_graders import Grading, grading_of
from evalkit.imports.gathering import Notes
from evalkit.imports.jsonfiles import read_lines
from evalkit.imports.options import ImportOptions
from evalkit.imports.spooled import SpooledCases, SpooledRows
from evalkit.imports.table import inert
from evalkit.imports.values import items, mapping
from evalkit.imports.write import suite_name
from evalkit.scorers.options import unknown_name
from evalkit.suite.starter import EMBEDDED, candidate_rows
from evalkit.types import MISSING, Json
from evalkit.yaml12 import Document, load_file

_INPUT: Final = "input"
_HISTORY: Final = "history"
_EXAMPLES: Final = {"example_user": "user", "example_assistant": "assistant"}
_MATCH: Final = "evals.elsuite.basic.match:Match"


@dataclass(frozen=True, slots=True)
class _Eval:
    """An eval of the registry: where it is spelled, its class and the class's arguments."""

    name: str
    where: Location
    kind: str
    args: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class _Sample:
    """What is said before, the last thing said, and what is right; `criteria` is a judge's, if there is one."""

    opening: tuple[tuple[str, str], ...]
    last: str
    ideal: Json
    criteria: str = ""
    id: str | None = None
    tags: tuple[str, ...] = ()


def read(source: Path, options: ImportOptions) -> DraftSuite:
    """Read an eval as a suite.

    Args:
        source: a YAML file of the registry, whose data lie in its folder or in `data` beside that; or samples as JSON
            lines, which are judged as the class Match does.
        options: `name` chooses among several evals of a file.

    Raises:
        ConfigError: the file cannot be read, or holds several evals of which none was chosen; no sample can be read.
    """
    notes = Notes()
    found = _eval_of(source, options.name)
    samples_file = source if source.suffix == ".jsonl" else _data(source, found, "samples_jsonl")
    shots = _few_shots(source, found, notes)
    unusable: list[Location] = []
    rows = SpooledRows(islice(_samples(samples_file, shots, notes, unusable), options.limit))
    if not len(rows):
        raise notes.nothing_read("sample", Location(samples_file))
    grading = grading_of(found.kind, found.args, found.where, source.parent, notes)
    opening = _common_opening(rows)
    cases, scorers = _hoisted(SpooledCases(_cases(rows, grading, notes, shared=opening is not None)), grading)
    models: dict[str, Mapping[str, Json]] = {**candidate_rows(options.models or [EMBEDDED])}
    run = tuple(models)
    if grading.judge:
        models.setdefault(grading.judge, {"provider": "openai", "model": grading.judge})
    return DraftSuite(
        name=options.name or suite_name(found.name),
        cases=cases,
        prompts=(_prompt(opening, options.prompt),),
        models=models,
        run=run,
        scorers=scorers,
        description=f"{found.name} of OpenAI's evals.",
        settings=_settings(found, grading),
        todo=grading.todo,
        notes=notes.all(found.where),
        shares=(Share("samples", len(rows) + len(unusable), len(cases)),),
    )


def _eval_of(source: Path, name: str | None) -> _Eval:
    if source.suffix == ".jsonl":
        return _Eval(source.stem, Location(source), _MATCH, {})
    document = load_file(source)
    data = mapping(document.data)
    found = {str(key): value for key, value in data.items() if isinstance(value, dict) and "class" in value}
    if not found:
        remedy = "name a file of evals/registry/evals"
        raise ConfigError("no eval is spelled here: none has a `class`", where=Location(source), remedy=remedy)
    chosen = _chosen(source, data, found, name)
    entry = found[chosen]
    where = document.where((chosen,), key=True)
    return _Eval(_plain(chosen), where, _class(entry, document, chosen), mapping(entry.get("args")))


def _class(entry: Mapping[str, Json], document: Document, name: str) -> str:
    if not isinstance(entry["class"], str):
        raise ConfigError("`class` must be a text", where=document.where((name, "class")))
    return entry["class"]


def _chosen(source: Path, data: Mapping[str, Json], found: Mapping[str, Json], name: str | None) -> str:
    """Choose the eval: the one of that name, or the only one."""
    alias = mapping(data.get(name)).get("id") if name else None
    for candidate in (name, alias):
        if isinstance(candidate, str) and candidate in found:
            return candidate
    if len(found) == 1:
        return next(iter(found))
    names = list(dict.fromkeys(map(_plain, found)))
    if name:
        matching = [one for one in found if _plain(one) in (name, suite_name(name))]
        if len(matching) == 1:
            return matching[0]
        raise unknown_name("eval", name, names)
    remedy = f"choose one with --name: {', '.join(names[:20])}"
    raise ConfigError(f"there are {len(found)} evals in this file", where=Location(source), remedy=remedy)


def _plain(name: str) -> str:
    """The name of an eval without its split and version: `joke` of `joke.dev.v0`."""
    parts = name.split(".")
    return ".".join(parts[:-2]) if len(parts) > 2 else name


def _data(source: Path, found: _Eval, key: str) -> Path:
    """Find a data file as the registry does: below `data` beside the evals, or beside the YAML file.

    Raises:
        ConfigError: none is named, it is not there, or it lies elsewhere.
    """
    named = found.args.get(key)
    if not isinstance(named, str) or not named:
        raise ConfigError(f"{found.name} names no `{key}`", where=found.where, remedy="import its samples themselves")
    registry = source.resolve().parent.parent if source.resolve().parent.name == "evals" else source.resolve().parent
    below = named.removeprefix("evals/registry/data/")
    try:
        candidates = [(folder / below).resolve() for folder in (registry / "data", source.resolve().parent)]
        inside = [path for path in candidates if path.is_relative_to(registry)]
        path = next((path for path in inside if path.is_file()), None)
    except (OSError, ValueError):
        inside, path = [], None
    if path is None:
        why = "is not there" if inside else "lies outside the registry"
        remedy = "copy it beside the YAML file, or to `data` beside the folder of that"
        raise ConfigError(f"the file {named[:200]!r} of {found.name} {why}", where=found.where, remedy=remedy)
    return path


def _few_shots(source: Path, found: _Eval, notes: Notes) -> list[tuple[str, str]]:
    """The examples that stand before the last message of every sample."""
    number = found.args.get("num_few_shot")
    if not isinstance(number, int) or number < 1 or "few_shot_jsonl" not in found.args:
        return []
    said: list[tuple[str, str]] = []
    for where, row in islice(read_lines(_data(source, found, "few_shot_jsonl")), number):
        try:
            said += _said_by(mapping(row).get("sample"))
        except NoCallError as error:
            notes.add(where, "example", str(error))
    return said


def _samples(
    path: Path, shots: Sequence[tuple[str, str]], notes: Notes, unusable: list[Location]
) -> Iterator[tuple[Location, Json]]:
    for where, row in read_lines(path):
        try:
            sample = _sample(row, shots)
        except (NoCallError, ConfigError) as error:
            unusable.append(where)
            lfs = isinstance(error, ConfigError) and _is_pointer(path)
            remedy = "this is a pointer of Git LFS: fetch it with `git lfs pull`" if lfs else ""
            notes.add(where, "sample", error.message if isinstance(error, ConfigError) else str(error), remedy=remedy)
        else:
            yield where, [sample.opening, sample.last, sample.ideal, sample.criteria, sample.id, sample.tags]


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(40).startswith(b"version https://git-lfs")


def _sample(row: Json | ConfigError, shots: Sequence[tuple[str, str]]) -> _Sample:
    if isinstance(row, ConfigError):
        raise row
    if not isinstance(row, dict) or "input" not in row:
        raise NoCallError("a sample is an object with `input` and `ideal`")
    given = row["input"]
    said = [("user", given)] if isinstance(given, str) else list(_said_by(given))
    if not said or said[-1][0] == "assistant" or is_empty(said[-1][1]):
        raise NoCallError("nobody asks anything in `input`")
    ideal = row.get("ideal", row.get("expected"))
    criteria = row.get("criteria")
    opening = (*said[:-1], *shots)
    name, tags = row.get("id"), row.get("tags")
    return _Sample(
        opening,
        said[-1][1],
        ideal,
        criteria if isinstance(criteria, str) else "",
        name if isinstance(name, str) and fit_for_id(name) else None,
        tuple(tag for tag in (tags if isinstance(tags, list) else ()) if isinstance(tag, str) and fit_for_id(tag)),
    )


def _said_by(messages: Json) -> Iterator[tuple[str, str]]:
    """Go through messages; examples that stand as the system's own, under a name, are put into the mouths they show."""
    for message in items(messages):
        speaker = mapping(message).get("name")
        role = _EXAMPLES.get(speaker) if isinstance(speaker, str) else None
        yield from said_by([message if role is None else {**mapping(message), "role": role}])


def _common_opening(rows: Iterable[tuple[Location, Json]]) -> list[tuple[str, str]] | None:
    """What is said before the last message of every sample; None where that differs."""
    first: Json = None
    for _, (opening, *_) in rows:
        first = opening if first is None else first
        if opening != first:
            return None
    return [(role, text) for role, text in first or ()]


def _cases(rows: SpooledRows, grading: Grading, notes: Notes, *, shared: bool) -> Iterator[DraftCase]:
    taken: set[str] = set()
    for number, (where, (opening, last, ideal, criteria, given, tags)) in enumerate(rows, 1):
        variables: dict[str, Json] = {_INPUT: last}
        if not shared:
            variables[_HISTORY] = [{role: text} for role, text in opening]
        try:
            expected, scorers = grading.judged(ideal, criteria)
        except ValueError as error:
            notes.add(where, "sample", str(error))
            continue
        name = next((one for one in (given, f"sample-{number}") if one and one not in taken), None)
        taken.add(name or "")
        expected = MISSING if expected is None else expected
        yield DraftCase(variables, name, expected, tags=tuple(tags), scorers=scorers)


def _hoisted(cases: SpooledCases, grading: Grading) -> tuple[SpooledCases, tuple[Json, ...]]:
    """Have the suite judge what all cases would judge alike."""
    first = cases[0].scorers if cases else ()
    if not first or grading.scorers or any(case.scorers != first for case in cases):
        return cases, grading.scorers
    return SpooledCases(replace(case, scorers=()) for case in cases), first


def _prompt(opening: Sequence[tuple[str, str]] | None, name: str | None) -> DraftPrompt:
    messages: list[Json] = (
        [{"insert": _HISTORY}] if opening is None else [{role: inert(text)} for role, text in opening]
    )
    return DraftPrompt(name or "original", (*messages, {"user": f"{{{{ {_INPUT} }}}}"}))


def _settings(found: _Eval, grading: Grading) -> Mapping[str, Json]:
    most = found.args.get("max_tokens")
    limit = {"max_tokens": most} if isinstance(most, int) and not isinstance(most, bool) and most > 0 else {}
    return {"params": {"temperature": 0, **limit}, **({"judge": grading.judge} if grading.judge else {})}
