"""What prompts show of cases, and what they show with every case. Imports jinja2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from jinja2 import Environment, TemplateSyntaxError, meta

from evalkit.scorers.values import as_text
from evalkit.types import Json, Prompt


def used_vars(prompts: Sequence[Prompt]) -> frozenset[str]:
    """Name the vars that some prompt uses."""
    environment = Environment(autoescape=True)  # nothing is rendered by it
    used = {turn.insert for prompt in prompts for turn in prompt.turns if turn.insert}
    for template in _templates(prompts):
        with contextlib.suppress(TemplateSyntaxError):  # the suite would not have been loaded
            used |= meta.find_undeclared_variables(environment.parse(template))
    return frozenset(used)


def shared_text(prompts: Sequence[Prompt], suite_vars: Mapping[str, Json]) -> str:
    """Put together what is shown with every case: the prompts' own words, and the suite's vars."""
    return "\n".join([*_templates(prompts), *texts_in(suite_vars)])


def _templates(prompts: Sequence[Prompt]) -> Iterator[str]:
    for prompt in prompts:
        for turn in prompt.turns:
            if turn.template:
                yield turn.template
            yield from (part.template for part in turn.parts)


def texts_in(value: Json) -> Iterator[str]:
    """Go through the texts in a value, at any depth; numbers count as texts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)
    elif value is not None:
        yield as_text(value)
