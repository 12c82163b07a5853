"""Load a suite: read its file, prompts and cases, compile its scorers, and report all problems of all of them at once.

Nothing is asked of a model here, and whatever can be found wrong without asking is found here.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.scorers import ScorerContext
from evalkit.structure import Problem, capped, error_parts, structure_problems
from evalkit.suite.decide_block import decide_problems
from evalkit.suite.gate_rules import gate_problems
from evalkit.suite.intake import Standards, TakenIn, take_in
from evalkit.suite.jsontext import parse_json
from evalkit.suite.judging import OwnScorers, compiled
from evalkit.suite.paths import beside
from evalkit.suite.prompts import prompt_from_entry, prompt_from_file
from evalkit.suite.sources import all_rows
from evalkit.suite.tools import check_choice, read_tools, with_tools
from evalkit.types import Json, Prompt, ScorerEntry, Suite, Tool
from evalkit.yaml12 import Document, load_file, read_text

LITERAL_KEYS: Final = frozenset(
    {"vars", *(f"cases.{key}" for key in ("id", "vars", "expected", "tags", "turns.user", "turns.expected"))}
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def load_suite(path: Path, *, allow_code: bool = False, prompts: Sequence[Path] = ()) -> Suite:
    """Load a suite file and check everything that can be checked before the first call.

    Args:
        path: the suite file.
        allow_code: whether scorers may run the user's own code.
        prompts: further prompt files, compared beside the suite's own.

    Raises:
        ConfigError: what is wrong; a `ConfigErrors` with all of it where there are several problems.
    """
    suite, errors = check_suite(path, allow_code=allow_code, prompts=prompts)
    if suite is None:
        raise one_or_many(errors)
    return suite


def check_suite(
    path: Path, *, allow_code: bool = False, prompts: Sequence[Path] = ()
) -> tuple[Suite | None, list[ConfigError]]:
    """Load a suite like `load_suite`, but return the problems: either a suite, or at least one error."""
    try:
        document = load_file(path, literal_keys=LITERAL_KEYS)
    except ConfigError as error:
        return None, error_parts(error)
    from evalkit.suite.schema import skeleton_schema

    problems = structure_problems(document.data, skeleton_schema(), document)
    if not isinstance(document.data, dict):
        return None, [problem.error for problem in problems]
    errors = capped([problem.error for problem in problems])
    return _check(_source(document, path, problems), errors, prompts, allow_code=allow_code), errors


@dataclass(frozen=True, slots=True)
class _Source:
    """A suite's document, with the keys that are structurally sound."""

    document: Document
    path: Path
    data: Mapping[str, Any]
    bad_keys: frozenset[str | int]
    bad_prompts: frozenset[str | int]


def _source(document: Document, path: Path, problems: Sequence[Problem]) -> _Source:
    # A bad entry of `prompts` spoils that entry alone; anywhere else a problem spoils the whole section.
    entries = [problem.path for problem in problems if problem.path[:1] == ("prompts",) and len(problem.path) > 1]
    bad_keys = frozenset(problem.path[0] for problem in problems if problem.path and problem.path not in entries)
    data = {key: value for key, value in document.data.items() if key not in bad_keys}
    return _Source(document, path, data, bad_keys, frozenset(entry[1] for entry in entries))


def _check(
    source: _Source, errors: list[ConfigError], extra_prompts: Sequence[Path], *, allow_code: bool
) -> Suite | None:
    """Take every step with what is sound, and add what is not to `errors`."""
    data = source.data
    name = _name(source, errors)
    schema = _output_schema(source, errors)
    context = ScorerContext(source.path.parent, schema, allow_code, data.get("judge"))
    tools, choice = _tools(source, errors)
    prompts = [with_tools(prompt, tools, choice) for prompt in _prompts(source, extra_prompts, errors)]
    scorers = _scorers(source, context, errors)
    shared = data.get("vars", {})
    rendered = () if "vars" in source.bad_keys else tuple(prompts)
    own_scorers = OwnScorers(context)
    standards = Standards(scorers, own_scorers, rendered, shared, source.path.parent)
    taken = _cases(source, standards, errors)
    errors += decide_problems(source.document, data.get("decide"), taken.cases if taken else None)
    errors += gate_problems(data.get("gate", {}), lambda rule: source.document.where(("gate", rule), key=True))
    if errors or scorers is None or taken is None:
        return None
    return Suite(
        name=name,
        path=str(source.path),
        cases=taken.cases,
        prompts=tuple(prompts),
        models=tuple(data.get("models", ())),
        scorers=scorers,
        description=data.get("description", ""),
        vars=shared,
        params=data.get("params", {}),
        output_schema=schema,
        trials=int(data.get("trials", 1)),
        threshold=data.get("threshold"),
        tools=tools,
        tool_choice=choice,
        data_policy=data.get("data_policy"),
        allow_hosts=tuple(map(_host, data.get("allow_hosts", ()))),
        cluster=data.get("cluster"),
        gate=data.get("gate", {}),
        decide=data.get("decide", {}),
        needs=taken.needs | ({"tools"} if tools else set()),
        judges=tuple(sorted(own_scorers.models.union(*(entry.models for entry in scorers)))),
        embedders=tuple(sorted(own_scorers.embedders.union(*(entry.embedders for entry in scorers)))),
        fingerprint=_fingerprint(data, schema, prompts, taken.digest),
    )


def _name(source: _Source, errors: list[ConfigError]) -> str:
    name: str = source.data.get("suite", source.path.stem)
    if not _NAME.fullmatch(name):
        where = Location(source.path)
        errors.append(ConfigError(f'"{name}" cannot name a results folder', where=where, remedy="add `suite: a-name`"))
    return name


def _output_schema(source: _Source, errors: list[ConfigError]) -> Json | None:
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    given = source.data.get("output_schema")
    place = source.document.where(("output_schema",))
    try:
        schema = _schema_file(beside(source.path.parent, given), place) if isinstance(given, str) else given
        if schema is not None:
            validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except ConfigError as error:
        errors.append(error)
    except SchemaError as error:
        steps = () if isinstance(given, str) else ("output_schema", *error.absolute_path)
        where = source.document.where(steps) if steps else place
        errors.append(ConfigError(f"`output_schema` is not a valid JSON Schema: {error.message}", where=where))
    else:
        return schema
    return {}  # anything goes, so that scorers do not complain about the same thing once more


def _schema_file(path: Path, place: Location) -> Json:
    if not path.is_file():
        raise ConfigError(
            f"the schema file {path} does not exist", where=place, remedy="paths start from the suite's folder"
        )
    schema = parse_json(read_text(path), path)
    if not isinstance(schema, (dict, bool)):
        raise ConfigError("a JSON Schema is an object", where=Location(path, 1))
    return schema


def _tools(source: _Source, errors: list[ConfigError]) -> tuple[tuple[Tool, ...], str | None]:
    """Read the suite's tools and how they are to be chosen; none where they cannot be used."""
    given, choice = source.data.get("tools", []), source.data.get("tool_choice")
    try:
        tools = read_tools(source.document, given, source.path.parent)
        if choice is not None and "tools" not in source.bad_keys:
            check_choice(choice, tools, source.document.where(("tool_choice",)))
    except ConfigError as error:
        errors += error_parts(error)
        return (), None
    return tools, choice


def _host(name: str) -> str:
    """Spell a host as addresses do."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def _prompts(source: _Source, extra: Sequence[Path], errors: list[ConfigError]) -> list[Prompt]:
    shared = source.data.get("vars", {})
    prompts: dict[str, tuple[Prompt, Location]] = {}
    indices = [index for index in range(len(source.data.get("prompts", ()))) if index not in source.bad_prompts]
    paths = [("prompts", index) for index in indices]
    reads = [
        *(
            (source.document.where(at), partial(prompt_from_entry, source.document, at, source.path.parent, shared))
            for at in paths
        ),
        *((Location(path), partial(prompt_from_file, path, shared)) for path in extra),
    ]
    for place, read in reads:
        try:
            prompt = read()
        except ConfigError as error:
            errors += error_parts(error)
            continue
        taken = prompts.setdefault(prompt.name, (prompt, place))
        if taken[0] is not prompt:
            message = f'the prompt name "{prompt.name}" is taken by the prompt at {taken[1]}'
            errors.append(ConfigError(message, where=place, remedy="give each prompt a name of its own"))
    return [prompt for prompt, _ in prompts.values()]


def _scorers(source: _Source, context: ScorerContext, errors: list[ConfigError]) -> tuple[ScorerEntry, ...] | None:
    """Compile the suite's scorers; None where some cannot be, so that their absence is not held against the cases."""
    specs = source.data.get("scorers", [])
    places = [source.document.where(("scorers", index)) for index in range(len(specs))]
    scorers, faults = compiled(specs, places, context)
    errors += capped(faults)
    return None if faults or "scorers" in source.bad_keys else scorers


def _cases(source: _Source, standards: Standards, errors: list[ConfigError]) -> TakenIn | None:
    """Read and check the cases; None where there is no room for them."""
    rows = partial(all_rows, source.document, source.path.parent) if "cases" in source.data else partial(iter, ())
    try:
        taken = take_in(rows, standards)
    except ConfigError as error:
        errors.append(error)
        return None
    errors += taken.errors
    return taken


def _fingerprint(data: Mapping[str, Json], schema: Json, prompts: Sequence[Prompt], cases: str) -> str:
    """Identify all that decides what is asked and how answers are judged; models and descriptions do not.

    Tools are part of the prompts' fingerprints.
    """
    content = {
        "cases": cases,
        "prompts": [[prompt.name, prompt.fingerprint] for prompt in prompts],
        "output_schema": schema,
        **{key: data.get(key) for key in ("scorers", "judge", "params", "vars", "trials", "threshold")},
    }
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
