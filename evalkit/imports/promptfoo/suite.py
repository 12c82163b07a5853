"""A config as a suite in the making."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from evalkit.imports.draft import DraftCase, DraftPrompt, DraftSuite
from evalkit.imports.options import ImportOptions
from evalkit.imports.promptfoo.cases import case_id
from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo.functions import Functions
from evalkit.imports.promptfoo.graders import Graders
from evalkit.imports.promptfoo.making import Made, make_case
from evalkit.imports.promptfoo.messages import MessageError
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.params import read_config
from evalkit.imports.promptfoo.prompts import ReadPrompt, messages_of, read_prompts
from evalkit.imports.promptfoo.providers import ReadModel, read_providers, same
from evalkit.imports.promptfoo.specs import Spec, short, without
from evalkit.imports.promptfoo.templates import TemplateError
from evalkit.imports.promptfoo.tests import ReadTest, read_tests
from evalkit.imports.promptfoo.tools import shared_tools
from evalkit.types import Json

_MAX_TODO: Final = 50
_JUDGES: Final = ("judge", "judge_reference")
_OUTPUTS: Final = "outputs.jsonl"
_PROGRAM: Final = "to_do.py"
_ANSWER: Final = '''"""TODO: none of the providers came along. Ask yours here, or name others in models.yaml."""


def answer(messages: list[dict[str, str]]) -> str:
    """Answer the last message, given all of them with their roles."""
    raise NotImplementedError("none of the providers came along: write this function, or name models in models.yaml")
'''
_PREFIX, _SUFFIX = "prompt_prefix", "prompt_suffix"


def draft_suite(config: Node, name: str, files: Files, notes: Notes, options: ImportOptions) -> DraftSuite:
    """Carry a config over."""
    prompts = read_prompts(config, files, notes)
    models, programs = _with_somebody(_models(config, files, notes, options), config)
    tools = shared_tools(models, files, notes)
    tests = read_tests(config, files, notes, options.limit)
    taken = {model.name for model in models}
    graders = Graders(files, notes, taken)
    settings = _settings(config, prompts, models, tools, files, notes)
    threshold = _shared_threshold(tests)
    if threshold is not None:
        settings["threshold"] = threshold
    prompts = prompts or [_prompt_to_do(config, tests)]
    functions = Functions()
    make = partial(
        make_case, models=models, tools=tools, files=files, notes=notes, graders=graders, functions=functions
    )
    made = [make(test, threshold=None if threshold is not None else test.threshold) for test in tests]
    prompts, made = _with_ends(*_with_filled(prompts, made, notes), tests, notes)
    prompts = _with_instructions(prompts, models, notes)
    made, outputs = _with_outputs(made, tests, notes)
    _with_blanks(settings, prompts, made, notes)
    settings |= _with_judge(graders, made)
    shared, todo = _hoisted(made)
    return DraftSuite(
        name=name,
        cases=_with_ids(made, tests),
        prompts=[DraftPrompt(one.name, one.messages, todo=one.todo) for one in prompts],
        models={**{model.name: model.row for model in models}, **graders.rows},
        scorers=tuple(map(short, shared)),
        run=tuple(model.name for model in models if not model.embeds) or None,
        description=config.text("description") or "",
        settings=settings,
        todo=(*_todo(notes, made, todo), *todo),
        files={**programs, **outputs, **functions.files()},
        notes=notes.gathered(),
        shares=notes.shares(),
    )


def _models(config: Node, files: Files, notes: Notes, options: ImportOptions) -> list[ReadModel]:
    if not options.models:
        return read_providers(config, files, notes)
    from evalkit.suite.starter import candidate_rows

    return [ReadModel(name, dict(row), config) for name, row in candidate_rows(list(options.models)).items()]


def _with_somebody(models: list[ReadModel], config: Node) -> tuple[list[ReadModel], dict[str, str]]:
    """Where none of the providers came along, name a program to be written; where there is none, an embedded model."""
    if any(not model.embeds for model in models):
        return models, {}
    if config.get("providers") is None and config.get("targets") is None:
        from evalkit.suite.starter import EMBEDDED, candidate_rows

        return [*models, ReadModel(EMBEDDED, dict(candidate_rows([EMBEDDED])[EMBEDDED]), config)], {}
    row: dict[str, Json] = {"provider": "python", "function": f"{_PROGRAM}:answer"}
    return [*models, ReadModel("to-do", row, config)], {_PROGRAM: _ANSWER}


def _settings(
    config: Node,
    prompts: Sequence[ReadPrompt],
    models: Sequence[ReadModel],
    tools: list[dict[str, Json]],
    files: Files,
    notes: Notes,
) -> dict[str, Json]:
    settings: dict[str, Json] = {}
    configs = [prompt.config for prompt in prompts]
    given = [one for one in configs if one is not None]
    if given:
        if len(given) == len(configs) and all(same(one.value, given[0].value) for one in given):
            settings["params"] = read_config(given[0], files, notes).params
        else:
            words = "a `config` of its own; here parameters are those of a model or of the suite"
            notes.lost(given[0].where, "prompt", words, "make a suite of its own for it")
    if tools:
        settings["tools"] = list(tools)
        choices = {str(model.settings.tool_choice): model.settings.tool_choice for model in models if not model.embeds}
        choice = next(iter(choices.values())) if len(choices) == 1 else None
        if isinstance(choice, str) and choice in ("auto", "none", "required", *(str(tool["name"]) for tool in tools)):
            settings["tool_choice"] = choice
        elif len(choices) > 1 or choice is not None:
            notes.lost(config.where, "provider", "providers choose tools in different ways, or one that is not there")
    repeat = config.get("evaluateOptions")
    times = repeat.number("repeat") if repeat is not None else None
    if isinstance(times, int) and 1 < times <= 1000:
        settings["trials"] = times
    return {key: value for key, value in settings.items() if value}


def _prompt_to_do(config: Node, tests: Sequence[ReadTest]) -> ReadPrompt:
    """A prompt that shows the vars, for the user to write anew."""
    names = dict.fromkeys(name for test in tests for name in test.vars if name.isidentifier())
    text = "\n".join(f"{name}: {{{{ {name} }}}}" for name in names) or "?"
    todo = ("none of the prompts came along; write this one anew",)
    return ReadPrompt("to-do", ({"user": text},), config.where, text, todo=todo)


def _shared_threshold(tests: Sequence[ReadTest]) -> float | None:
    """The threshold of all tests, where they have the same."""
    found = {test.threshold for test in tests}
    threshold = next(iter(found)) if len(found) == 1 else None
    return threshold if threshold is not None and 0 <= threshold <= 1 else None


def _with_filled(prompts: list[ReadPrompt], made: list[Made], notes: Notes) -> tuple[list[ReadPrompt], list[Made]]:
    """Put the messages of prompts that only a test's vars make into a var of each case."""
    done: list[ReadPrompt] = []
    for number, prompt in enumerate(prompts, 1):
        if prompt.filled is None:
            done.append(prompt)
            continue
        var = "messages" if len(prompts) == 1 else f"messages_{number}"
        try:
            filled = [messages_of(prompt, one.case.vars) for one in made]
        except (TemplateError, MessageError) as error:
            notes.lost(prompt.where, "prompt", f"this prompt cannot be carried over: {error}", "write it anew")
            continue
        notes.remark(prompt.where, "prompt", f"its blocks are filled in at import, into the var `{var}` of each case")
        for one, said in zip(made, filled, strict=True):
            one.case = replace(one.case, vars={**one.case.vars, var: said})
        done.append(replace(prompt, messages=({"insert": var},)))
    return done, made


def _with_ends(
    prompts: list[ReadPrompt], made: list[Made], tests: Sequence[ReadTest], notes: Notes
) -> tuple[list[ReadPrompt], list[Made]]:
    """Tests' prefixes and suffixes of the prompt become vars of the cases."""
    ends = [
        tuple(test.options[key].value if key in test.options else "" for key in ("prefix", "suffix")) for test in tests
    ]
    if not any(one for pair in ends for one in pair):
        return prompts, made
    for one, (before, after) in zip(made, ends, strict=True):
        one.case = replace(one.case, vars={**one.case.vars, _PREFIX: str(before or ""), _SUFFIX: str(after or "")})
    done = []
    for prompt in prompts:
        said = prompt.messages[0] if len(prompt.messages) == 1 else None
        text = said.get("user") if isinstance(said, Mapping) else None
        if not isinstance(text, str):
            notes.lost(prompt.where, "prompt", "tests put text around the prompt, which is a conversation")
            done.append(prompt)
            continue
        done.append(replace(prompt, messages=({"user": f"{{{{ {_PREFIX} }}}}{text}{{{{ {_SUFFIX} }}}}"},)))
    return done, made


def _with_instructions(prompts: list[ReadPrompt], models: Sequence[ReadModel], notes: Notes) -> list[ReadPrompt]:
    """The providers' instructions become the system message of the prompts, where all have the same."""
    asked = [model for model in models if not model.embeds]
    given = [model.settings.instructions for model in asked if model.settings.instructions is not None]
    if not given:
        return prompts
    if len(given) != len(asked) or any(one.value != given[0].value for one in given):
        words = "instructions of its own; here prompts are the same for all models"
        notes.lost(given[0].where, "provider", words, "write prompts with the instructions as `system`")
        return prompts
    return [replace(prompt, messages=({"system": given[0].value}, *prompt.messages)) for prompt in prompts]


def _with_outputs(made: list[Made], tests: Sequence[ReadTest], notes: Notes) -> tuple[list[Made], dict[str, str]]:
    """Outputs that tests bring along go into a file that `evalkit score` reads."""
    rows = []
    for number, (one, test) in enumerate(zip(made, tests, strict=True), 1):
        if test.output is not None:
            one.case = replace(one.case, id=f"test-{number}")
            rows.append(json.dumps({"id": one.case.id, "output": test.output}, ensure_ascii=False))
    if rows:
        words = f"`providerOutput` is not asked for: it is put into {_OUTPUTS}"
        remedy = f"evalkit score SUITE --outputs {_OUTPUTS}"
        where = next(test.node.where for test in tests if test.output is not None)
        if len(rows) == len(made):
            notes.remark(where, "test", words, remedy)
        else:
            notes.lost(where, "test", "some tests bring their outputs along, others are asked", remedy)
    return made, {_OUTPUTS: "".join(f"{row}\n" for row in rows)} if rows else {}


def _with_blanks(settings: dict[str, Json], prompts: Sequence[ReadPrompt], made: Sequence[Made], notes: Notes) -> None:
    """A var that a test lacks is nothing in promptfoo, and an error here: give it a blank."""
    given = frozenset.intersection(*(frozenset(one.case.vars) for one in made))
    structured = {name for one in made for name, value in one.case.vars.items() if isinstance(value, (list, dict))}
    for prompt in prompts:
        if shown := sorted(prompt.printed & structured):
            words = f"the list or mapping `{shown[0]}` is written as JSON; in promptfoo a list is written with commas"
            notes.remark(prompt.where, "prompt", words)
        for name in sorted(prompt.names - given):
            blanks = settings.setdefault("vars", {})
            blanks[name] = prompt.blank(name) or blanks.get(name, "")
            words = f"the prompt {prompt.name[:40]!r} uses `{name}`, which some tests lack: it is left blank there"
            notes.remark(prompt.where, "prompt", words)


def _with_judge(graders: Graders, made: Sequence[Made]) -> dict[str, Json]:
    """Where all judges are one, it is the suite's."""
    if len(graders.text) != 1:
        return {}
    name = next(iter(graders.text))
    for one in made:
        one.scorers = [_unnamed(spec, name) for spec in one.scorers]
    return {"judge": name}


def _unnamed(spec: Spec, judge: str) -> Spec:
    name, options = next(iter(spec.items()))
    if name in _JUDGES and options.get("model") == judge:
        return without(spec, "model")
    inner = {
        key: [_unnamed(one, judge) for one in value]
        if key == "scorers" and isinstance(value, list)
        else _unnamed(value, judge)
        if key == "scorer" and isinstance(value, dict)
        else value
        for key, value in options.items()
    }
    return {name: inner}


def _hoisted(made: Sequence[Made]) -> tuple[list[Spec], list[str]]:
    """Take the scorers that all cases share, and what is to be done with all, out of the cases."""
    counts = [Counter(map(_spelled, one.scorers)) for one in made]
    shared = [spec for spec in made[0].scorers if all(count[_spelled(spec)] == 1 for count in counts)]
    spelled = set(map(_spelled, shared))
    for one in made:
        one.scorers = [spec for spec in one.scorers if _spelled(spec) not in spelled]
    todo = [words for words in made[0].todo if all(words in one.todo for one in made)]
    for one in made:
        one.todo = [words for words in dict.fromkeys(one.todo) if words not in todo]
    return shared, list(dict.fromkeys(todo))


def _spelled(spec: Spec) -> str:
    return json.dumps(spec, sort_keys=True, default=str)


def _with_ids(made: Sequence[Made], tests: Sequence[ReadTest]) -> list[DraftCase]:
    """Cases are called what their tests are described as, unless their metadata holds an `id`."""
    taken: set[str] = set()
    cases: list[DraftCase] = []
    for one, test in zip(made, tests, strict=True):
        described = one.case.id or test.node.text("description")
        name = case_id(test.metadata, described, taken)
        scorers = tuple(map(short, one.scorers))
        cases.append(replace(one.case, id=name, scorers=scorers, todo=tuple(one.todo)))
    return cases


def _todo(notes: Notes, made: Sequence[Made], shared: Sequence[str]) -> list[str]:
    """What is to be done, and is said at no case."""
    said = {*shared, *(words for one in made for words in one.todo)}
    todo = [words for note in notes.notes if note.lost and (words := notes.todo(note)) not in said]
    unkept = notes.losses - sum(note.lost for note in notes.notes)
    more = max(len(todo) - _MAX_TODO, 0) + unkept
    return todo[:_MAX_TODO] + ([f"... and {more:,} more, which the import tells"] if more else [])
