"""The models that judge and embed: named by an assertion, a test or its defaults, else promptfoo's own choice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from evalkit.imports.promptfoo.context import CannotError
from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.providers import ReadModel, own_name, provider
from evalkit.types import Json

_KINDS: Final = frozenset({"text", "embedding", "classification", "moderation"})
_OWN: Final[Mapping[str, tuple[str, dict[str, Json]]]] = {
    "text": ("judge", {"provider": "openai", "model": "gpt-4.1"}),
    "embedding": ("embedder", {"provider": "openai", "model": "text-embedding-3-large"}),
}
"""What promptfoo takes where OpenAI's key is set and nobody says otherwise; its judge changes with its versions."""


@dataclass(slots=True)
class Graders:
    """Finds the rows of judges and embedders, and remembers them in `rows`; `text` are the names of judges."""

    files: Files
    notes: Notes
    taken: set[str]
    rows: dict[str, dict[str, Json]] = field(default_factory=dict)
    text: set[str] = field(default_factory=set)
    _known: dict[str, ReadModel | None] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def name(self, nodes: list[Node | None], kind: str, assertion: Node) -> str:
        """Find the name of the first provider that is given and can do it; else of promptfoo's own.

        Raises:
            CannotError: the provider has no equal.
        """
        for node in nodes:
            chosen = _of_kind(node, kind)
            if chosen is None:
                continue
            model = self._model(chosen)
            if model.embeds == (kind == "embedding"):
                return self._row(model.row, model.name, kind)
        stem, row = _OWN[kind]
        words = f"no provider is named to {'compare meanings' if kind == 'embedding' else 'judge'}"
        self.notes.remark(assertion.where, "assertion", f"{words}: {row['model']} does", f"see `{stem}` in models.yaml")
        return self._row(row, stem, kind)

    def _model(self, node: Node) -> ReadModel:
        key = json.dumps(node.value, sort_keys=True, default=str)
        if key not in self._known:
            self._known[key] = provider(node, self.files, self.notes)
        model = self._known[key]
        if model is None:
            raise CannotError("the provider that grades has no equal")
        return model

    def _row(self, row: dict[str, Json], stem: str, kind: str) -> str:
        key = json.dumps(row, sort_keys=True, default=str)
        if key not in self._names:
            prefix = "" if stem in ("judge", "embedder") else "judge-" if kind == "text" else "embedder-"
            name = self._names[key] = own_name(prefix + stem, self.taken)
            self.rows[name] = row
        if kind == "text":
            self.text.add(self._names[key])
        return self._names[key]


def _of_kind(node: Node | None, kind: str) -> Node | None:
    """The provider of a kind: of a mapping of kinds, that of ours; of anything else, itself."""
    if node is None:
        return None
    if isinstance(node.value, Mapping) and node.value and node.value.keys() <= _KINDS:
        return node.get(kind)
    return node
