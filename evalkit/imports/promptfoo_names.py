"""The models and prompts that promptfoo's results are of, called as the suite of the same config calls them.

Rows tell them by number, or by what the provider and the prompt are called; a list of them may stand beside the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from evalkit.imports.options import ImportOptions
from evalkit.imports.promptfoo.prompts import own_names
from evalkit.imports.promptfoo.providers import own_name
from evalkit.imports.promptfoo.recorded import prompt_stem, provider_of, template_of
from evalkit.imports.promptfoo_rows import Head, head_of
from evalkit.imports.values import count, mapping, text
from evalkit.runner.manifest import ManifestModel, ManifestPrompt
from evalkit.runner.plan import fingerprint
from evalkit.types import Json

_TOOL = "promptfoo"


_Listed: TypeAlias = tuple[int | None, Head, str]
"""A candidate: its number, what is told of it, and the template of its prompt; None and empty where nobody says."""


class Names:
    """Names the candidates of an export.

    Args:
        listed: the export's list of prompts, each with its provider; may be empty.
        rows: the export's; gone through once.
        options: what to call what has no name.
    """

    def __init__(self, listed: Sequence[Json], rows: Iterable[Json], options: ImportOptions) -> None:
        self.models: dict[str, ManifestModel] = {}
        """The models by name, in the source's order."""
        self.prompts: dict[str, ManifestPrompt] = {}
        """The prompts likewise."""
        self.unnamed: str | None = None
        """What the model is called that neither the source nor anybody else names, if there is one."""
        self._options = options
        self._providers: dict[str, Json] = {}
        self._by_number: dict[int, tuple[str, str]] = {}
        self._by_words: dict[tuple[str, str], tuple[str, str]] = {}
        self._name(self._heads(listed, rows))

    def of(self, head: Head, number: int | None) -> tuple[str, str]:
        """The names of a row's model and prompt; `number` is that of its prompt."""
        known = None if number is None else self._by_number.get(number)
        return self._by_words[_words(head)] if known is None else known

    def _heads(self, listed: Sequence[Json], rows: Iterable[Json]) -> list[_Listed]:
        """Every candidate once, in order."""
        numbered: dict[int, Head] = {}
        worded: dict[tuple[str, str], Head] = {}
        for row in rows:
            head, number = head_of(row), count(mapping(row).get("promptIdx"))
            self._providers.setdefault(head.called, head.provider)
            worded.setdefault(_words(head), head)
            if number is not None:
                numbered.setdefault(number, head)
        heads: list[_Listed] = []
        for number, entry in enumerate(map(mapping, listed)):
            raw, met = text(entry.get("raw")), numbered.pop(number, None)
            called = text(entry.get("provider")) or (met.called if met else "")
            if called:
                heads.append((number, Head(called, text(entry.get("label") or entry.get("display")), raw), raw))
        templates = {head.label: raw for _, head, raw in reversed(heads)}
        there = {_words(head) for _, head, _ in heads} | {_words(head) for head in numbered.values()}
        more = [*sorted(numbered.items()), *((None, head) for words, head in worded.items() if words not in there)]
        return heads + [(number, head, templates.get(head.label, "")) for number, head in more]

    def _name(self, heads: Sequence[_Listed]) -> None:
        prompts = self._name_prompts(heads)
        turns: Counter[tuple[str, str]] = Counter()
        models: dict[tuple[str, int], str] = {}
        taken: set[str] = set()
        for number, head, template in heads:
            prompt = prompts[head.label, template]
            turns[head.called, prompt] += 1
            # What asks the same prompt once more is another model of the same name.
            model = (head.called, turns[head.called, prompt])
            if model not in models:
                models[model] = self._add_model(head.called, taken)
            names = (models[model], prompt)
            self._by_words.setdefault(_words(head), names)
            if number is not None:
                self._by_number[number] = names

    def _name_prompts(self, heads: Sequence[_Listed]) -> dict[tuple[str, str], str]:
        """Name the prompts, by label and template."""
        first: dict[tuple[str, str], Head] = {}
        for _, head, template in heads:
            first.setdefault((head.label, template), head)
        stems = [prompt_stem(head.label, head.raw) for head in first.values()]
        names = own_names([stem or self._options.prompt or "" for stem in stems])
        for (label, template), stem, name in zip(first, stems, names, strict=True):
            raw = template or ("" if stem else label)
            self.prompts[name] = ManifestPrompt(name, fingerprint([_TOOL, name, raw]), template=template_of(raw))
        return dict(zip(first, names, strict=True))

    def _add_model(self, called: str, taken: set[str]) -> str:
        told = self._providers.get(called) or called or next(iter(self._options.models), None)
        asked = provider_of(told or "unnamed")
        name = own_name(asked.name, taken)
        self.unnamed = self.unnamed if told else name
        self.models[name] = ManifestModel(
            name=name,
            provider=asked.provider,
            fingerprint=fingerprint([_TOOL, name, asked.provider, asked.model]),
            model=asked.model or None,
            concurrency=0,
        )
        return name


def _words(head: Head) -> tuple[str, str]:
    return head.called, head.label
