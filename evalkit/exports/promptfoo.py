"""A suite as a promptfoo config: promptfooconfig.yaml, and its prompts as chat messages in JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from evalkit.exports.assertions import Assertion, Meaning, NoEqualError, translated
from evalkit.exports.cases import finite
from evalkit.exports.options import ExportOptions
from evalkit.exports.promptfoo_models import grader_of, models_of, providers
from evalkit.exports.specs import spec_of
from evalkit.exports.told import Told
from evalkit.exports.write import Files
from evalkit.imports.promptfoo.cases import case_id
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Case, Json, Prompt, PromptTurn, ScorerEntry, Suite
from evalkit.yaml12.writing import block, comment

CONFIG: Final = "promptfooconfig.yaml"
_SCHEMA: Final = "# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json"
_SIMPLE: Final = re.compile(r"\{\{-?\s*[A-Za-z_]\w*\s*-?\}\}")
_REMEDY: Final = "write an assertion of promptfoo that says it"
_OTHERWISE: Final = "export to jsonl, which holds all of a case"
_SETTINGS: Final = {
    "tools": "tools are offered by a provider's `config.tools` there",
    "output_schema": "a form of the answer is asked for by a provider's `config.response_format` there",
    "gate": "`gate:` has no equal",
    "decide": "`decide:` has no equal",
    "cluster": "`cluster:` has no equal",
}


@dataclass(slots=True)
class _Made:
    """A case as a test, in the making; `todo` are its scorers that have no equal."""

    test: dict[str, Json]
    asserts: list[Assertion]
    todo: list[str] = field(default_factory=list)


def config(suite: Suite, options: ExportOptions, told: Told) -> Files:
    """Write promptfooconfig.yaml and a file for each prompt."""
    models = models_of(suite, options, told)
    graders = grader_of(suite, models)
    _settings(suite, told)
    prompts = _prompts(suite, told)
    tests = [_test(case, suite, graders, told) for case in suite.cases]
    shared = _hoisted(tests)
    head: dict[str, Json] = {"description": suite.description or suite.name}
    head["prompts"] = [f"file://{path}" for path in prompts]
    head["providers"] = list(providers(suite, models, told)) or ["echo"]
    default = _default(suite, shared, tests)
    if default:
        head["defaultTest"] = default
    if suite.trials > 1:
        head["evaluateOptions"] = {"repeat": suite.trials}
    return {CONFIG: _lines(head, tests), **{path: [text] for path, text in prompts.items()}}


def _settings(suite: Suite, told: Told) -> None:
    """Take down what of the suite has no place in a config."""
    for name, words in _SETTINGS.items():
        if getattr(suite, name):
            (told.lost if name in ("tools", "output_schema") else told.changed)("suite", words)
    if suite.data_policy is not None or any(case.data_policy is not None for case in suite.cases):
        told.lost("suite", "`data_policy: local`: nothing keeps promptfoo from sending these cases elsewhere")
    if suite.trials > 1:
        told.changed("suite", "`trials` becomes `repeat`, which counts each answer as a test of its own")


def _prompts(suite: Suite, told: Told) -> dict[str, str]:
    """The prompts' files by their paths."""
    files: dict[str, str] = {}
    for prompt in suite.prompts:
        messages = [_message(turn, prompt, told) for turn in prompt.turns]
        if not all(messages):
            continue
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", prompt.name).strip("-.") or "prompt"
        path, number = f"prompts/{stem}.json", 2
        while path in files:
            path, number = f"prompts/{stem}-{number}.json", number + 1
        files[path] = json.dumps(messages, ensure_ascii=False, indent=2) + "\n"
    return files


def _message(turn: PromptTurn, prompt: Prompt, told: Told) -> dict[str, Json] | None:
    if turn.insert is not None:
        words = f"the prompt {prompt.name!r} takes in messages from the var `{turn.insert}`: it is left out"
        told.lost("prompt", words, where=turn.where, remedy="write it anew as a prompt function")
        return None
    for template in [turn.template, *(part.template for part in turn.parts)]:
        if re.search(r"\{[{%#]", _SIMPLE.sub("", template)):
            words = (
                f"the prompt {prompt.name!r} is more than text and vars: look whether Nunjucks reads it as Jinja2 does"
            )
            told.changed("prompt", words)
    if not turn.parts:
        return {"role": turn.role, "content": turn.template}
    if any(part.kind == "image" for part in turn.parts):
        words = f"the prompt {prompt.name!r} shows pictures, which promptfoo wants as addresses or `file://` vars"
        told.lost("prompt", words, where=turn.where, remedy="write `file://` before the paths in the tests' vars")
    parts = [
        {"type": "text", "text": part.template}
        if part.kind == "text"
        else {"type": "image_url", "image_url": {"url": part.template.strip()}}
        for part in turn.parts
    ]
    return {"role": turn.role, "content": parts}


def _test(case: Case, suite: Suite, graders: Mapping[str | None, str | None], told: Told) -> _Made:
    test: dict[str, Json] = {"description": case.id, "vars": _vars(case, told)}
    metadata: dict[str, Json] = {} if case_id({}, case.id, set()) == case.id else {"id": case.id}
    if case.tags:
        metadata["tags"] = list(case.tags)
    if case.expected is not MISSING:
        metadata["expected"] = finite(case.expected)
    if metadata:
        test["metadata"] = metadata
    if case.turns:
        told.lost("turn", "the turns of a scripted conversation", case, remedy=_OTHERWISE)
    made = _Made(test, [])
    for entry in suite.scorers_for(case):
        _add(entry, case, suite, graders, made, told)
    return made


def _vars(case: Case, told: Told) -> dict[str, Json]:
    for name, value in case.vars.items():
        if value is None:
            told.changed("var", f"the var {name} is null, which is an empty text there", case)
        if _has_whole_float(value):
            told.changed("var", f"the var {name} holds a number such as 1.0, which is 1 there", case)
        if not isinstance(value, str):
            continue
        if value.startswith(("file://", "package:")):
            told.lost("var", f"the var {name} names a file that promptfoo would read in its place", case)
        elif any(mark in value for mark in ("{{", "{%")):
            told.changed("var", f"the var {name} looks like a template, which promptfoo may fill in", case)
        if value.endswith("\n"):
            told.changed("var", f"the var {name} loses the line end that it ends with", case)
    values: dict[str, Json] = finite(dict(case.vars))
    return values


def _has_whole_float(value: Json) -> bool:
    """Whether there is a number in it that JavaScript writes in another way."""
    if isinstance(value, Mapping):
        return any(map(_has_whole_float, value.values()))
    if isinstance(value, list):
        return any(map(_has_whole_float, value))
    return isinstance(value, float) and value.is_integer()


def _add(
    entry: ScorerEntry, case: Case, suite: Suite, graders: Mapping[str | None, str | None], made: _Made, told: Told
) -> None:
    meaning = Meaning(case.expected, suite.output_schema, graders.get)
    try:
        made.asserts.append(translated(spec_of(entry), meaning))
    except NoEqualError as error:
        why = f": {error}" if str(error) else ""
        told.lost("scorer", f"`{entry.name}` has no equal{why}", case, remedy=_REMEDY)
        made.todo.append(f"`{entry.spelling}` has no equal{why}; expected: {_shown(case.expected)}")
        return
    for remark in meaning.remarks:
        told.changed("scorer", remark, case)


def _shown(expected: Json) -> str:
    return "nothing" if expected is MISSING else as_text(expected)


def _hoisted(tests: Sequence[_Made]) -> list[Assertion]:
    """Take the assertions that all tests share out of them."""
    if not tests:
        return []
    counts = [Counter(map(_key, made.asserts)) for made in tests]
    shared = [one for one in tests[0].asserts if all(count[_key(one)] == 1 for count in counts)]
    keys = set(map(_key, shared))
    for made in tests:
        made.asserts = [one for one in made.asserts if _key(one) not in keys]
    return shared


def _key(one: Assertion) -> str:
    return json.dumps(one, sort_keys=True, ensure_ascii=False)


def _default(suite: Suite, shared: Sequence[Assertion], tests: Sequence[_Made]) -> dict[str, Json]:
    default: dict[str, Json] = {}
    if suite.vars:
        default["vars"] = finite(dict(suite.vars))
    if any(isinstance(value, list) for made in tests for value in [*made.test["vars"].values(), *suite.vars.values()]):
        default["options"] = {"disableVarExpansion": True}
    if suite.threshold is not None:
        default["threshold"] = suite.threshold
    if shared:
        default["assert"] = list(shared)
    return default


def _lines(head: Mapping[str, Json], tests: Sequence[_Made]) -> Iterator[str]:
    yield f"{_SCHEMA}\n"
    common = [todo for todo in tests[0].todo if all(todo in made.todo for made in tests)] if tests else []
    for todo in common:
        yield from _ended(comment(todo, label="TODO: "))
    yield from _ended(block(head))
    yield "tests:\n"
    for made in tests:
        for todo in made.todo:
            if todo not in common:
                yield from _ended(comment(todo, 2, "TODO: "))
        row = {**made.test, **({"assert": made.asserts} if made.asserts else {})}
        first, *rest = block(row, 4)
        yield f"  - {first.strip()}\n"
        yield from _ended(iter(rest))


def _ended(lines: Iterator[str]) -> Iterator[str]:
    return (f"{line}\n" for line in lines)
