"""Tests: inline, in files, from scenarios; with their defaults, one for each combination of vars."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo.csvtests import csv_tests
from evalkit.imports.promptfoo.files import Files, is_code, is_reference, json_lines
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.types import Json

MAX_TESTS: Final = 100_000
"""That a config may have, combinations of vars counted."""

_MAX_DEPTH: Final = 5
_ELSEWHERE: Final = ("http://", "https://", "huggingface://", "az://", "sharepoint:", "package:", "s3://")
_KNOWN: Final = frozenset(
    {"vars", "assert", "options", "description", "threshold", "metadata", "provider", "providerOutput", "prompts"}
    | {"providers", "assertScoringFunction"}
)
_OPTIONS: Final = frozenset(
    {"transform", "postprocess", "prefix", "suffix", "provider", "rubricPrompt", "disableVarExpansion", "repeat"}
    | {"disableDefaultAsserts", "transformVars", "disableConversationVar", "factuality", "runSerially"}
)


_NO_TESTS: Final = "none of the tests came along: write cases, or name their file, in the place of this one"
_HUB: Final = "huggingface://datasets/"
_UNLIKE: Final = {
    "provider": "a provider of the test's own; here every model is asked every case",
    "prompts": "the test is for some prompts only; here every case is asked with every prompt",
    "providers": "the test is for some providers only; here every model is asked every case",
    "assertScoringFunction": "a function that weighs the scores, and nothing is run here",
}


@dataclass(frozen=True, slots=True)
class ReadTest:
    """A test with its defaults: `vars` as plain values, everything else where it stands.

    `todo` is what is to be done with it; `made_up` tells that it stands in for tests that cannot be read.
    """

    node: Node
    vars: Mapping[str, Json]
    asserts: tuple[Node, ...]
    options: Mapping[str, Node]
    metadata: Mapping[str, Json] = field(default_factory=dict)
    threshold: float | None = None
    output: str | None = None
    whole: bool = True
    todo: tuple[str, ...] = ()
    made_up: bool = False


def read_tests(config: Node, files: Files, notes: Notes, limit: int | None) -> list[ReadTest]:
    """Read all tests of a config, combinations of vars counted; what cannot be read is noted."""
    default = _default(config, files, notes)
    found: list[ReadTest] = []
    for node in _all(config, files, notes):
        for test in _expanded(node, default, files, notes):
            if limit is not None and len(found) >= limit:
                return found
            if len(found) >= MAX_TESTS:
                notes.lost(node.where, "test", f"there are more than {MAX_TESTS:,} tests", "split the config")
                return found
            found.append(test)
    return found or [_to_do(config, default, files, notes)]


def _to_do(config: Node, default: Node, files: Files, notes: Notes) -> ReadTest:
    """A test that holds the place of those that cannot be read, with the defaults of all."""
    [test] = itertools.islice(_expanded(config.with_value({}), default, files, notes), 1)
    return replace(test, todo=(*test.todo, _NO_TESTS), made_up=True)


def _default(config: Node, files: Files, notes: Notes) -> Node:
    node = config.get("defaultTest")
    if node is None:
        return config.with_value({})
    try:
        found = files.resolved(node)
    except ConfigError as error:
        notes.lost(error.where or node.where, "test", f"`defaultTest`: {error.message}", error.remedy or "")
        return config.with_value({})
    return found if isinstance(found.value, Mapping) else config.with_value({})


def _all(config: Node, files: Files, notes: Notes) -> Iterator[Node]:
    given, scenarios = config.get("tests"), config.get("scenarios")
    if given is not None:
        yield from _read(given, files, notes, 0)
    if scenarios is not None:
        for scenario in _read(scenarios, files, notes, 0):
            yield from _of_scenario(scenario, files, notes)
    if given is None and scenarios is None:
        yield config.with_value({})


def _read(given: Node, files: Files, notes: Notes, depth: int) -> Iterator[Node]:
    for node in given.items():
        try:
            yield from _one(node, files, notes, depth)
        except ConfigError as error:
            notes.lost(error.where or node.where, "test", error.message, error.remedy or "")
            notes.count("tests", carried=False)


def _one(node: Node, files: Files, notes: Notes, depth: int) -> Iterator[Node]:
    value = node.value
    if isinstance(value, Mapping) and isinstance(value.get("path"), str) and not value.keys() & _KNOWN:
        value = value["path"]
    if isinstance(value, Mapping):
        yield node
        return
    if not isinstance(value, str) or depth > _MAX_DEPTH:
        raise ConfigError("this is no test", where=node.where, remedy="a test is a mapping with `vars`")
    if value.startswith(_ELSEWHERE):
        raise ConfigError(f"the tests at {value[:150]} are not fetched", where=node.where, remedy=_dataset(value))
    if is_code(value):
        remedy = "write the tests that it makes into a file"
        raise ConfigError(f"{value} is a program, and nothing is run here", where=node.where, remedy=remedy)
    for path in files.paths(value, node.where):
        yield from _of_file(path, node, files, notes, depth)


def _dataset(address: str) -> str:
    """Say how the suite would name a dataset."""
    parts = urlsplit(address)
    if not address.startswith(_HUB):
        return "download them"
    query = dict(parse_qsl(parts.query))
    split = query.get("split", "test") + (f"[:{query['limit']}]" if query.get("limit", "").isdigit() else "")
    config = f"&config={query['config']}" if "config" in query else ""
    return f"name it under `cases:` with `- file: hf://{parts.path.strip('/')}?split={split}{config}`"


def _of_file(path: Path, node: Node, files: Files, notes: Notes, depth: int) -> Iterator[Node]:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        delimiter = "\t" if suffix == ".tsv" else ","
        yield from csv_tests(files.text(path, node.where), path, notes, delimiter=delimiter)
    elif suffix == ".jsonl":
        nodes, errors = json_lines(files.text(path, node.where), path)
        for error in errors:
            notes.lost(error.where or node.where, "test", error.message)
            notes.count("tests", carried=False)
        yield from nodes
    elif suffix in (".yaml", ".yml", ".json"):
        for one in files.document(path, node.where).items():
            yield from _one(one, files, notes, depth + 1)
    else:
        raise ConfigError(
            f"tests cannot be read from {path.name}", where=node.where, remedy="write them as CSV or JSON"
        )


def _of_scenario(scenario: Node, files: Files, notes: Notes) -> Iterator[Node]:
    """Every config of a scenario with every test of it."""
    configs, tests = scenario.get("config"), scenario.get("tests")
    for config in _read(configs, files, notes, 0) if configs is not None else ():
        for test in _read(tests, files, notes, 0) if tests is not None else [scenario.with_value({})]:
            yield _merged(config, test)


def _merged(config: Node, test: Node) -> Node:
    value: dict[str, Any] = {**_mapping(config.value), **_mapping(test.value)}
    for key in ("vars", "options", "metadata"):
        inner = {**_mapping(_mapping(config.value).get(key)), **_mapping(_mapping(test.value).get(key))}
        if inner:
            value[key] = inner
    asserts = [one for part in (config, test) for one in _listed(_mapping(part.value).get("assert"))]
    if asserts:
        value["assert"] = asserts
    base = len(_listed(_mapping(config.value).get("assert")))

    def locate(path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - a Location
        if len(path) > 1 and path[0] == "assert" and isinstance(path[1], int):
            part, index = (config, path[1]) if path[1] < base else (test, path[1] - base)
            return part.locate((*part.path, "assert", index, *path[2:]))
        return test.locate((*test.path, *path))

    return Node(value, locate)


def _mapping(value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever stands there
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - whatever stands there
    return value if isinstance(value, list) else []


def _expanded(node: Node, default: Node, files: Files, notes: Notes) -> Iterator[ReadTest]:
    """A test with its defaults, once for each combination of its vars."""
    if not isinstance(node.value, Mapping):
        notes.lost(node.where, "test", "this is no test", "a test is a mapping with `vars`")
        notes.count("tests", carried=False)
        return
    todo = (*_remark_unknown(default, notes), *_remark_unknown(node, notes))
    options = {**dict(_entries(default.get("options"))), **dict(_entries(node.get("options")))}
    _remark_options(options, notes)
    skips = (own := options.get("disableDefaultAsserts")) is not None and own.value is True
    asserts = (*(() if skips else _asserts(default, files, notes)), *_asserts(node, files, notes))
    threshold = node.number("threshold")
    metadata = {**_mapping(_mapping(default.value).get("metadata")), **_mapping(_mapping(node.value).get("metadata"))}
    variables = {**dict(_vars(default, files, notes)), **dict(_vars(node, files, notes))}
    once = (own := options.get("disableVarExpansion")) is not None and own.value is True
    for values in [_plain(variables)] if once else _combinations(variables, files, notes):
        yield ReadTest(
            node=node,
            vars=values,
            asserts=asserts,
            options=options,
            metadata=metadata,
            threshold=default.number("threshold") if threshold is None else threshold,
            output=node.text("providerOutput"),
            whole=not any(key in _UNLIKE for part in (default, node) for key, _ in part.entries()),
            todo=todo,
        )


def _entries(node: Node | None) -> Iterator[tuple[str, Node]]:
    return node.entries() if node is not None else iter(())


def _asserts(node: Node, files: Files, notes: Notes) -> Iterator[Node]:
    given = node.get("assert")
    for one in given.items() if given is not None else ():
        try:
            yield from files.resolved(one).items() if is_reference(one.value) else [one]
        except ConfigError as error:
            notes.lost(error.where or one.where, "assertion", error.message, error.remedy or "")
            notes.count("assertions", carried=False)


def _vars(node: Node, files: Files, notes: Notes) -> Iterator[tuple[str, Node]]:
    given = node.get("vars")
    for one in given.items() if given is not None else ():
        try:
            found = files.resolved(one)
        except ConfigError as error:
            notes.lost(error.where or one.where, "test", f"`vars`: {error.message}", error.remedy or "")
            continue
        yield from found.entries()


def _plain(variables: Mapping[str, Node]) -> dict[str, Json]:
    return {name: node.value for name, node in variables.items()}


def _combinations(variables: Mapping[str, Node], files: Files, notes: Notes) -> Iterator[dict[str, Json]]:
    """Every combination of the vars that are lists of texts; a pattern of files is such a list."""
    choices: list[Sequence[Json]] = [_choices(name, node, files, notes) for name, node in variables.items()]
    for values in itertools.product(*choices):
        yield dict(zip(variables, values, strict=True))


def _choices(name: str, node: Node, files: Files, notes: Notes) -> Sequence[Json]:
    value = node.value
    if is_reference(value) and not is_code(value) and set(value) & set("*?["):
        try:
            return [f"file://{path.relative_to(files.folder)}" for path in files.paths(value, node.where)]
        except (ConfigError, ValueError) as error:
            message = error.message if isinstance(error, ConfigError) else str(error)
            notes.lost(node.where, "test", f"var `{name}`: {message}")
            return [value]
    if isinstance(value, list) and value and isinstance(value[0], str):
        return value
    return [value]


def _remark_unknown(node: Node, notes: Notes) -> list[str]:
    """Note the keys that are not carried over; returns what is to be done."""
    todo = []
    for key, inner in node.entries():
        if key in _UNLIKE:
            remedy = "make a suite of its own of such tests"
            todo.append(notes.lost(inner.where, "test", f"`{key}`: {_UNLIKE[key]}", remedy))
        elif key not in _KNOWN:
            notes.remark(inner.where, "test", f"`{key}` of the test is not carried over")
    return todo


def _remark_options(options: Mapping[str, Node], notes: Notes) -> None:
    for key, inner in options.items():
        if key not in _OPTIONS:
            notes.remark(inner.where, "test", f"`options.{key}` is not carried over")
