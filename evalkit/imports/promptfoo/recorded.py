"""What promptfoo's results tell of providers, prompts and tests, read as a config's reader reads these.

The run of results and that of the imported suite then have the same models, prompts, cases and expected answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.promptfoo.assertions import base_of, carry_all, leaves
from evalkit.imports.promptfoo.cases import described_id, given_id, plain_var, said_to_expect, tags_of
from evalkit.imports.promptfoo.context import CaseContext
from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo.judged import EXPECTING
from evalkit.imports.promptfoo.messages import MessageError
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.prompts import prompt_of_text
from evalkit.imports.promptfoo.providers import provider
from evalkit.imports.promptfoo.templates import TemplateError
from evalkit.imports.values import items, mapping, one_line, text
from evalkit.types import MISSING, Case, Json

_RESULTS: Final = Location("results")
_COMPARING: Final = EXPECTING | {"equals"}
"""The types of assertions that tell what is expected."""
_ENDINGS: Final = "txt|md|j2|jinja|prompt|json|jsonl|ya?ml"
_OF_FILE: Final = re.compile(rf"(?:(?P<label>[^\n{{}}]+): )?(?P<path>[^\s{{}}]+\.(?:{_ENDINGS}))(?:: .*)?", re.DOTALL)
_PATH: Final = re.compile(rf"(?:(?P<label>.+): )?(?P<path>[^\n]+\.(?:{_ENDINGS}))", re.DOTALL)


class Asked(NamedTuple):
    """Whom promptfoo asked: what to call it, its provider and its model by our names."""

    name: str
    provider: str
    model: str


def provider_of(told: Json) -> Asked:
    """Read a provider as results tell it: its id, or a mapping of it with its label and config.

    Of the config only the model's name is looked at.
    """
    given = {"id": told} if isinstance(told, str) else mapping(told)
    name, label = text(given.get("id")), text(given.get("label"))
    body = {"id": name, "label": label or None, "config": {"model": mapping(given.get("config")).get("model")}}
    read = provider(Node(body, lambda _: _RESULTS), Files(Path()), Notes())
    called = label or (read.name if read is not None else name)
    if read is not None and "model" in read.row:
        return Asked(called, str(read.row["provider"]), str(read.row["model"]))
    first, colon, rest = name.partition(":")
    return Asked(called, one_line(first) if colon else "promptfoo", one_line(rest if colon else name))


def prompt_stem(label: str, raw: str) -> str:
    """What to call a prompt: its label, or its file; empty where it is called what it says.

    Args:
        label: as promptfoo writes it; for a prompt of a file, the file's path with the prompt behind it.
        raw: the prompt's text; or, for want of that, the text as it was sent, or nothing.
    """
    if not label or label == raw:
        return ""
    rest = label.removesuffix(raw) if raw else label
    of_file = _PATH.fullmatch(rest.removesuffix(": ")) if rest != label else _OF_FILE.fullmatch(label)
    if of_file:
        return of_file["label"] or Path(of_file["path"]).stem
    return "" if "\n" in label or "{{" in label or "{%" in label else label


def template_of(raw: str) -> tuple[tuple[str, str], ...]:
    """A prompt's text as roles with templates, in our Jinja2 where that can be said; none for no text."""
    if not raw:
        return ()
    try:
        said = prompt_of_text(raw, Node(raw, lambda _: _RESULTS))
    except (ConfigError, MessageError, TemplateError):
        said = ()
    pairs = [next(iter(one.items())) for one in said if isinstance(one, Mapping) and len(one) == 1]
    if pairs and len(pairs) == len(said):
        told = ((str(role), words if isinstance(words, str) else json.dumps(words)) for role, words in pairs)
        return tuple(told)
    return (("user", raw),)


def case_of(variables: Mapping[str, Json], test: Mapping[str, Json], files: Files) -> Case:
    """Make the case of a test.

    Args:
        variables: the test's, as they were in force.
        test: with its defaults.
        files: of the results. What a test names is read only below the results' folder.
    """
    asked = {name: plain_var(value) for name, value in variables.items()}
    metadata = mapping(test.get("metadata"))
    expected, rest = said_to_expect(_asserted(asked, test, files), metadata)
    return Case(
        id=given_id(metadata) or described_id(text(test.get("description"))),
        vars=asked,
        expected=expected,
        tags=tuple(tag for tag in map(one_line, tags_of(rest)) if tag),
    )


def _asserted(variables: Mapping[str, Json], test: Mapping[str, Json], files: Files) -> Json:
    """What the test's assertions compare answers with."""
    # No place in a file of the user's own: paths that stand here do not lead out of the folder.
    node = Node({"assert": items(test.get("assert")), "options": mapping(test.get("options"))}, lambda _: _RESULTS)
    given, options = node.get("assert"), node.get("options")
    asserts = [one for one in given.items() if _compares(one)] if given is not None else []
    if not asserts:
        return MISSING
    own = options.get("transform") or options.get("postprocess") if options is not None else None
    context = CaseContext(
        vars=variables,
        tools={},
        transforms=[] if own is None else [own],
        live=False,
        grader=lambda *_: "judge",
        files=files,
        notes=Notes(),
        rubric_prompt=options.get("rubricPrompt") if options is not None else None,
    )
    carry_all(asserts, context, None)
    return context.expected


def _compares(node: Node) -> bool:
    return any(base_of(one) in _COMPARING for one in leaves(node))
