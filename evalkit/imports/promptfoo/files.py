"""The files that a config refers to: read, never run, and bounded."""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.promptfoo.nodes import Node, always
from evalkit.yaml12 import load, read_text

MAX_BYTES: Final = 32 * 1024 * 1024
"""Of one file."""
MAX_ALL_BYTES: Final = 256 * 1024 * 1024
"""Of all files of a config."""
MAX_FILES: Final = 1_000
"""That a pattern may match."""

SCHEME: Final = "file://"
CODE: Final = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".sh", ".exe", ".bat")

_PATTERN: Final = frozenset("*?[")
_BINARY: Final = (".pdf", ".xlsx", ".xls", ".docx", ".zip")


def is_reference(value: object) -> bool:
    """Whether a value names a file."""
    return isinstance(value, str) and value.startswith(SCHEME)


def is_code(name: str) -> bool:
    """Whether a name is one of a program, with or without a function in it."""
    stem, _, function = name.removeprefix(SCHEME).rpartition(":")
    return name.endswith(CODE) or (bool(stem) and function.isidentifier() and stem.endswith(CODE))


@dataclass(slots=True)
class Files:
    """Reads the files of a config. Paths start from its folder, and lead out of it only from the config itself.

    Attributes:
        config: the config file.
        read: how many characters have been read.
    """

    config: Path
    read: int = 0
    _documents: dict[Path, Node] = field(default_factory=dict)

    def paths(self, reference: str, where: Location) -> list[Path]:
        """Find the files that a reference or a pattern means, in order.

        Raises:
            ConfigError: there is none, or there are too many.
        """
        name = reference.removeprefix(SCHEME)
        try:
            path = self.folder / name
            found = [path] if path.is_file() else self._matching(path) if _PATTERN & set(name) else []
            outside = Path(where.path) != self.config and not all(map(self._is_inside, found))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{reference[:200]!r} is not the name of a file", where=where) from error
        if outside:
            words = f"{name[:200]} lies outside the config's folder, where only the config itself may lead"
            raise ConfigError(words, where=where, remedy="name it in the config, or copy it beside")
        if not found:
            raise ConfigError(
                f"the file {name[:200]} is not there", where=where, remedy="put it there, or take the reference out"
            )
        if len(found) > MAX_FILES:
            raise ConfigError(f"{name[:200]} means more than {MAX_FILES} files", where=where)
        return found

    @property
    def folder(self) -> Path:
        """The folder that paths start from."""
        return self.config.parent

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.folder.resolve())

    def _matching(self, path: Path) -> list[Path]:
        # Unlike Path.glob, this takes patterns that begin with .. or at the root.
        return sorted(Path(one) for one in glob.glob(str(path), recursive=True) if Path(one).is_file())  # noqa: PTH207

    def text(self, path: Path, where: Location) -> str:
        """Read a text file.

        Raises:
            ConfigError: it is no text, or too much has been read.
        """
        if path.suffix.lower() in _BINARY:
            raise ConfigError(f"{path.name} is no text", where=where, remedy="write it as text, CSV or JSON")
        text = read_text(path, max_bytes=MAX_BYTES)
        self.read += len(text)
        if self.read > MAX_ALL_BYTES:
            raise ConfigError("the config's files are larger than 256 MB together", where=where)
        return text

    def document(self, path: Path, where: Location) -> Node:
        """Read a YAML or JSON file.

        Raises:
            ConfigError: it is neither.
        """
        known = self._documents.get(path)
        if known is None:
            known = self._documents[path] = parsed(self.text(path, where), path)
        return known

    def resolved(self, node: Node) -> Node:
        """What stands in the file that a node names; the node itself where it names none.

        Raises:
            ConfigError: there is no such file, or it is no data.
        """
        if not is_reference(node.value):
            return node
        if is_code(node.value):
            raise ConfigError(f"{node.value} is a program, and nothing is run here", where=node.where)
        path = self.paths(node.value, node.where)[0]
        if path.suffix.lower() in (".yaml", ".yml", ".json"):
            return self.document(path, node.where)
        return Node(self.text(path, node.where), always(Location(path, 1)))


def parsed(text: str, path: Path) -> Node:
    """Parse YAML or JSON.

    Raises:
        ConfigError: it is neither.
    """
    try:
        document = load(text, path=path, max_bytes=MAX_BYTES)
    except ConfigError as error:
        data = _json(text) if path.suffix == ".json" else None
        if data is None:
            raise
        del error
        return Node(data, always(Location(path, 1)))
    return Node(document.data, document.where)


def _json(text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """JSON that is no YAML of ours, such as with a key twice."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_lines(text: str, path: Path) -> tuple[list[Node], list[ConfigError]]:
    """Read a file of one JSON value a line; lines that are none become errors."""
    nodes: list[Node] = []
    errors: list[ConfigError] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            nodes.append(Node(json.loads(line), always(Location(path, number))))
        except (ValueError, RecursionError):
            errors.append(ConfigError("the line is not JSON", where=Location(path, number)))
    return nodes, errors
