"""The models and prompts that promptfoo's results are of, called as the suite of the same config calls them.

Rows tell them by number, or by what the provider and the prompt are called; a list of them may stand beside the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

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

    def _heads(self, listed: Sequence[Json], rows: Iterable[Json]) -> list[tuple[int | None, Head, str]]:
        """Every candidate once, in order: its number, what is told of it, and the template of its prompt."""
        numbered: dict[int, Head] = {}
        worded: dict[tuple[str, str], Head] = {}
        for row in rows:
            head, number = head_of(row), count(mapping(row).get("promptIdx"))
            self._providers.setdefault(head.called, head.provider)
            worded.setdefault(_words(head), head)
            if number is not None:
                numbered.setdefault(number, head)
        heads: list[tuple[int | None, Head, str]] = []
        for number, entry in enumerate(map(mapping, listed)):
            raw, met = text(entry.get("raw")), numbered.pop(number, None)
            called = text(entry.get("provider")) or (met.called if met else "")
            if called:
                heads.append((number, Head(called, text(entry.get("label") or entry.get("display")), raw), raw))
        templates = {head.label: raw for _, head, raw in reversed(heads)}
        there = {_words(head) for _, head, _ in heads} | {_words(head) for head in numbered.values()}
        more = [*sorted(numbered.items()), *((None, head) for words, head in worded.items() if words not in there)]
        return heads + [(number, head, templates.get(head.label, "")) for number, head in more]

    def _name(self, heads: Sequence[tuple[int | None, Head, str]]) -> None:
        keys = [(head.label, raw) for _, head, raw in heads]
        distinct = list(dict.fromkeys(keys))
        first = {key: head for key, (_, head, _) in reversed(list(zip(keys, heads, strict=True)))}
        stems = [prompt_stem(first[key].label, first[key].raw) for key in distinct]
        prompts = dict(zip(distinct, own_names([stem or self._options.prompt or "" for stem in stems]), strict=True))
        for key, stem in zip(distinct, stems, strict=True):
            self._add_prompt(prompts[key], key[1] or ("" if stem else key[0]))
        turns: Counter[tuple[str, tuple[str, str]]] = Counter()
        models: dict[tuple[str, int], str] = {}
        taken: set[str] = set()
        for key, (number, head, _) in zip(keys, heads, strict=True):
            turns[head.called, key] += 1
            model = (head.called, turns[head.called, key])
            if model not in models:
                models[model] = self._add_model(head.called, taken)
            names = (models[model], prompts[key])
            self._by_words.setdefault(_words(head), names)
            if number is not None:
                self._by_number[number] = names

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

    def _add_prompt(self, name: str, raw: str) -> None:
        self.prompts[name] = ManifestPrompt(name, fingerprint([_TOOL, name, raw]), template=template_of(raw))


def _words(head: Head) -> tuple[str, str]:
    return head.called, head.label
