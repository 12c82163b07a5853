"""Cases as datasets of harnesses that hold messages, not templates: Inspect, and OpenAI's evals."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.exports.cases import finite
from evalkit.exports.options import ExportOptions
from evalkit.exports.specs import Spec, spec_of
from evalkit.exports.told import Told
from evalkit.exports.write import Files
from evalkit.scorers.options import unknown_name
from evalkit.scorers.values import as_text, is_scalar, kind_of
from evalkit.suite.render import Renderer
from evalkit.types import MISSING, Case, Image, Json, Message, Part, Prompt, ScorerEntry, Suite

_CHOICES: Final = ("choices", "options")
"""The vars in which the texts of a multiple-choice question are looked for."""
_PICTURES: Final[Mapping[str, str]] = {"inspect": "image", "openai": "image_url"}


def inspect(suite: Suite, options: ExportOptions, told: Told) -> Files:
    """A sample a line: input, target, id, metadata (vars and tags) and, of multiple-choice questions, choices."""
    told.changed("scorer", "a dataset of Inspect holds no scorers, models or parameters: name them in its task")
    _policy_is_lost(suite, told)
    renderer = _renderer(suite, options)
    return {"": (_line(_sample(case, suite, renderer, told)) for case in suite.cases)}


def openai_evals(suite: Suite, options: ExportOptions, told: Told) -> Files:
    """A registry: evals/NAME.yaml, and data/NAME/samples.jsonl with input and ideal; run it with --registry_path."""
    _policy_is_lost(suite, told)
    renderer = _renderer(suite, options)
    grader = _grader(suite, told)
    name = suite.name
    return {
        f"evals/{name}.yaml": _registry(suite, grader),
        f"data/{name}/samples.jsonl": (
            _line(row) for case in suite.cases if (row := _eval_sample(case, grader, renderer, told)) is not None
        ),
    }


def _policy_is_lost(suite: Suite, told: Told) -> None:
    local = next((case for case in suite.cases if suite.data_policy or case.data_policy), None)
    if local is not None:
        told.lost("policy", "`data_policy: local`: nothing keeps who reads this from sending cases elsewhere", local)


def _renderer(suite: Suite, options: ExportOptions) -> Renderer:
    return Renderer(_prompt(suite, options), suite.vars)


def _prompt(suite: Suite, options: ExportOptions) -> Prompt:
    """Choose the prompt whose messages are wanted.

    Raises:
        ConfigError: there is none of the name; or there are several, and none is named.
    """
    prompts = {prompt.name: prompt for prompt in suite.prompts}
    if options.prompt is not None:
        if options.prompt not in prompts:
            raise unknown_name("prompt", options.prompt, prompts)
        return prompts[options.prompt]
    if len(prompts) != 1:
        words = f"the suite has {len(prompts)} prompts, and the format holds the messages of one"
        raise ConfigError(words, where=Location(suite.path), remedy=f"choose: --prompt {next(iter(prompts), 'NAME')}")
    return next(iter(prompts.values()))


def _line(row: Mapping[str, Json]) -> str:
    return json.dumps(finite(dict(row)), ensure_ascii=False) + "\n"


def _sample(case: Case, suite: Suite, renderer: Renderer, told: Told) -> dict[str, Json]:
    _turns_are_lost(case, told)
    messages = renderer.messages(case)
    said: Json = [_message(message, "inspect") for message in messages]
    if len(messages) == 1 and messages[0].role == "user" and isinstance(messages[0].content, str):
        said = messages[0].content
    row: dict[str, Json] = {"input": said}
    choices = _choices(case, suite)
    if case.expected is not MISSING and case.expected is not None:
        row["target"] = _letter(case.expected, choices) or _texts(case.expected, "target", case, told)
    elif case.expected is None:
        told.changed("expected", "`expected: null` is left out", case)
    row["id"] = case.id
    if choices:
        row["choices"] = list(choices)
    if "tags" in case.vars:
        told.lost("var", "the var `tags` gives way to the case's tags in `metadata`", case)
    row["metadata"] = {**case.vars, "tags": list(case.tags)}
    return row


def _turns_are_lost(case: Case, told: Told) -> None:
    if case.turns:
        remedy = "export to jsonl, which holds all of a case"
        told.lost("turn", "the turns of a conversation: a sample is asked once", case, remedy=remedy)


def _choices(case: Case, suite: Suite) -> Sequence[str]:
    """The texts to choose from, where the case is a multiple-choice question."""
    if not any(spec_of(entry).name == "choice" for entry in suite.scorers_for(case)):
        return ()
    found = next((case.vars[name] for name in _CHOICES if isinstance(case.vars.get(name), list)), ())
    return found if all(isinstance(one, str) for one in found) else ()


def _letter(expected: Json, choices: Sequence[str]) -> str | None:
    """The letter that an index into the choices means."""
    is_index = isinstance(expected, int) and not isinstance(expected, bool) and 0 <= expected < min(len(choices), 26)
    return string.ascii_uppercase[expected] if is_index else None


def _texts(value: Json, name: str, case: Case, told: Told) -> str | list[str]:
    """Write what is expected as a text, or a list of texts; takes down what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return value
    told.changed("expected", f"`expected` is {kind_of(value)}, and `{name}` a text", case)
    if isinstance(value, list) and value and all(map(is_scalar, value)):
        return [as_text(one) for one in value]
    return as_text(value)


def _message(message: Message, dialect: str) -> dict[str, Json]:
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    return {"role": message.role, "content": [_part(part, dialect) for part in message.content]}


def _part(part: Part, dialect: str) -> dict[str, Json]:
    if not isinstance(part, Image):
        return {"type": "text", "text": part}
    place = part.url or f"data:{part.media_type};base64,{part.data}"
    return {"type": _PICTURES[dialect], _PICTURES[dialect]: place if dialect == "inspect" else {"url": place}}


class _Grader(NamedTuple):
    """A class of the registry with its arguments, and whether it looks at `ideal`."""

    kind: str
    args: Mapping[str, Json]
    needs_ideal: bool = True


_MATCH: Final = _Grader("evals.elsuite.basic.match:Match", {})
_REMEDY: Final = "write a class for it, or take the cases alone"


def _grader(suite: Suite, told: Told) -> _Grader:
    """Choose the class that judges as the suite's scorer does; Match where none does, or there are several."""
    where = Location(suite.path)
    if len(suite.scorers) != 1:
        words = f"{len(suite.scorers)} scorers of the suite: an eval has one class, which becomes Match"
        told.lost("scorer", words, where=where, remedy=_REMEDY)
        return _MATCH
    entry = suite.scorers[0]
    found = _like(entry, told)
    if found is None:
        words = f"`{entry.name}` has no equal: Match takes its place, which passes what begins with the expected text"
        told.lost("scorer", words, where=where, remedy=_REMEDY)
    return found or _MATCH


def _like(entry: ScorerEntry, told: Told) -> _Grader | None:
    spec = spec_of(entry)
    if spec.name == "exact" and not spec.options:
        told.changed("scorer", "`exact` becomes Match, which also passes an answer that goes on after what is expected")
        return _MATCH
    if spec.name == "starts_with" and not spec.options:
        return _MATCH
    if spec.name == "contains_any" and spec.options.keys() <= {"ignore_case"}:
        return _Grader("evals.elsuite.basic.includes:Includes", dict(spec.options))
    if spec == Spec("json_equal", {"strict": True}):
        return _Grader("evals.elsuite.basic.json_match:JsonMatch", {})
    if spec == Spec("json", {"strict": True}):
        return _Grader("evals.elsuite.basic.json_validator:JsonValidator", {}, needs_ideal=False)
    if spec.name == "judge_reference" and spec.options.keys() <= {"model"}:
        told.changed("scorer", "`judge_reference` becomes the class of the spec `fact`, which asks in other words")
        args = {"modelgraded_spec": "fact"}
        return _Grader("evals.elsuite.modelgraded.classify:ModelBasedClassify", args)
    return None


def _registry(suite: Suite, grader: _Grader) -> Iterator[str]:
    """Write the YAML; texts in quotes, as its reader takes `no` and dates for something else."""
    name, full = suite.name, f"{suite.name}.test.v1"
    yield f"{_quoted(name)}:\n  id: {_quoted(full)}\n"
    if suite.description:
        yield f"  description: {_quoted(suite.description)}\n"
    yield "  metrics: [accuracy]\n"
    yield f"{_quoted(full)}:\n  class: {grader.kind}\n  args:\n"
    for key, value in {"samples_jsonl": f"{name}/samples.jsonl", **grader.args}.items():
        yield f"    {key}: {_quoted(value)}\n"


def _quoted(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True)


def _eval_sample(case: Case, grader: _Grader, renderer: Renderer, told: Told) -> dict[str, Json] | None:
    """Write a sample; None where the class could not judge it."""
    _turns_are_lost(case, told)
    if case.scorers:
        told.lost("scorer", "a case's own scorers: an eval has one class for all", case)
    if grader.needs_ideal and (case.expected is MISSING or case.expected is None):
        told.lost("case", "nothing is expected, which the class must know: the case is left out", case)
        return None
    row: dict[str, Json] = {"input": [_message(message, "openai") for message in renderer.messages(case)]}
    if case.expected is not MISSING and case.expected is not None:
        row["ideal"] = _ideal(case, grader, told)
    told.changed("var", "an eval holds the messages that the prompt makes, not the vars", case)
    return {**row, "id": case.id, **({"tags": list(case.tags)} if case.tags else {})}


def _ideal(case: Case, grader: _Grader, told: Told) -> Json:
    if grader.kind.endswith(":JsonMatch"):
        return case.expected if isinstance(case.expected, str) else as_text(case.expected)
    return _texts(case.expected, "ideal", case, told)
