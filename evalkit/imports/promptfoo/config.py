"""The config file itself: read, its references filled in, its keys looked over."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.promptfoo.files import Files, is_reference
from evalkit.imports.promptfoo.nodes import Node, Notes

_READ: Final = frozenset(
    {"prompts", "providers", "targets", "tests", "defaultTest", "scenarios", "description", "evaluateOptions"}
    | {"assertionTemplates", "assertTemplates", "$schema"}
)
_LOST: Final = {
    "redteam": "red-team tests are made up anew by each run",
    "plugins": "red-team tests are made up anew by each run",
    "nunjucksFilters": "filters are programs, and nothing is run here",
    "extensions": "extensions are programs, and nothing is run here",
    "assertScoringFunction": "it is a program, and nothing is run here",
}
_REMARKS: Final = {
    "env": "`env` is not copied: keys do not belong into files",
    "derivedMetrics": "`derivedMetrics` decide no verdict and are not carried over",
}
_MAX_DEPTH: Final = 40
_MAX_VALUES: Final = 5_000_000


def load_config(path: Path, files: Files) -> Node:
    """Read a config of YAML or JSON.

    Raises:
        ConfigError: it is no config.
    """
    root = files.document(path, Location(path))
    if not isinstance(root.value, Mapping):
        remedy = "a config has `prompts`, `providers` and `tests`"
        raise ConfigError("this is no promptfoo config", where=Location(path, 1), remedy=remedy)
    if not root.value.keys() & {"prompts", "providers", "targets", "tests", "scenarios"}:
        remedy = "a config has `prompts`, `providers` and `tests`"
        raise ConfigError(
            "this is no promptfoo config: nothing of one is in it", where=Location(path, 1), remedy=remedy
        )
    return Node(_References(root.value, Location(path)).resolved(root.value, 0), root.locate)


class _References:
    """Fills in `$ref: '#/...'`, as promptfoo does before all else."""

    def __init__(self, root: Mapping[str, Any], where: Location) -> None:
        self._root = root
        self._where = where
        self._values = 0

    def resolved(self, value: Any, depth: int) -> Any:  # noqa: ANN401 - whatever stands there
        """Copy a value with what its references mean in their place; those that lead nowhere stay."""
        self._values += 1
        if self._values > _MAX_VALUES or depth > 4 * _MAX_DEPTH:
            raise ConfigError("its references (`$ref`) expand without bound", where=self._where)
        if isinstance(value, list):
            return [self.resolved(one, depth + 1) for one in value]
        if not isinstance(value, Mapping):
            return value
        target = self._target(value.get("$ref"))
        if isinstance(target, Mapping):
            merged = {**target, **{key: one for key, one in value.items() if key != "$ref"}}
            return self.resolved(merged, depth + 1)
        return {str(key): self.resolved(one, depth + 1) for key, one in value.items()}

    def _target(self, reference: Any) -> Any:  # noqa: ANN401 - whatever stands there
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        found: Any = self._root
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


def table_config(path: Path, files: Files, notes: Notes) -> Node:
    """Make a config of a CSV of tests alone: its prompt is for the user to write.

    Raises:
        ConfigError: the file cannot be read.
    """
    text = files.text(path, Location(path))
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    header = next(csv.reader(text.removeprefix("\ufeff").splitlines()[:1], delimiter=delimiter), [])
    names = [cell.strip() for cell in header if cell.strip() and not cell.strip().startswith("__")]
    if not names:
        raise ConfigError("there is no column of vars", where=Location(path, 1))
    place = Location(path, 1)
    prompt = f"{{{{ {names[0]} }}}}" if len(names) == 1 else "\n".join(f"{name}: {{{{ {name} }}}}" for name in names)
    notes.remark(place, "prompt", "a CSV of tests has no prompt: it is made of the columns", "write it in prompts/")
    return Node({"prompts": [prompt], "tests": f"file://{path.name}"}, lambda _: place)


def check_keys(config: Node, notes: Notes) -> None:
    """Look over the keys of a config: what is lost with it, and what only does not come along."""
    for key, node in config.entries():
        if key in _READ or node.value in (None, {}, []):
            continue
        if key in _LOST:
            notes.lost(node.where, "config", f"`{key}`: {_LOST[key]}")
        elif key == "tracing" or is_reference(key):
            notes.remark(node.where, "config", f"`{key}` is not carried over")
        else:
            notes.remark(node.where, "config", _REMARKS.get(key, f"`{key}` is not carried over"))
