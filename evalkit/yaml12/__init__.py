"""The YAML reader for suites, prompts and model files: YAML 1.2, with a place for every value and every complaint.

Scalars follow the core schema of YAML 1.2, with one step further: what a reader would call text stays text. So `no`,
`on`, `12:30`, `2024-01-01`, `1_000` and `0123` are strings. PyYAML's C parser builds the node tree; the values are
built here. Values that an alias repeats are shared, so treat them as read-only.

Imports PyYAML, about 20 ms: import this module lazily where start-up time counts.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from yaml.nodes import Node, ScalarNode

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.yaml12.parser import compose
from evalkit.yaml12.values import Builder, place, step_into, trie

MAX_BYTES: Final = 64 * 1024 * 1024

KeyPath: TypeAlias = Sequence[str | int]
"""Mapping keys and list indices, from the document's root."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its plain value (`data`), and the places its values came from."""

    data: Any
    path: Path | str
    root: Node | None = None

    def where(self, path: KeyPath = (), *, key: bool = False) -> Location:
        """Find the place of the value at `path`, or of its key; of the nearest parent if there is no such value."""
        key_node, node = self._nodes(path)
        return self._place(key_node if key and key_node else node)

    def text_start(self, path: KeyPath) -> Location:
        """Find the line on which the text of a string starts: for a block (`|`, `>`) the one below its header."""
        _, node = self._nodes(path)
        place = self._place(node)
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            return Location(self.path, (place.line or 1) + 1)
        return place

    def _place(self, node: Node | None) -> Location:
        return place(self.path, node.start_mark) if node else Location(self.path, 1, 1)

    def _nodes(self, path: KeyPath) -> tuple[Node | None, Node | None]:
        key_node, node = None, self.root
        for step in path:
            found = step_into(node, step)
            if found is None:
                return None, node
            key_node, node = found
        return key_node, node


def load_file(path: Path | str, *, literal_keys: frozenset[str] = frozenset(), max_bytes: int = MAX_BYTES) -> Document:
    """Read a YAML file; see `load`.

    Raises:
        ConfigError: the file cannot be read, is too large or is not UTF-8, or as in `load`.
    """
    return load(read_text(path, max_bytes=max_bytes), path=path, literal_keys=literal_keys, max_bytes=max_bytes)


def load(
    text: str, *, path: Path | str, literal_keys: frozenset[str] = frozenset(), max_bytes: int = MAX_BYTES
) -> Document:
    """Parse one YAML document.

    Args:
        text: the file's content, without byte order mark.
        path: names the file in messages.
        literal_keys: dotted paths of mapping keys, lists left out (`cases.expected`). Under them a number that would
            not be written back as it was typed (`1.10`, `1e3`, `+5`) stays the string that was typed.
        max_bytes: longer texts are refused.

    Raises:
        ConfigError: not YAML, or YAML that is ambiguous or dangerous (duplicate keys, unknown tags, several documents,
            values that contain themselves, aliases that expand without bound, deep nesting).
    """
    if len(text) > max_bytes:
        raise _too_large(path, max_bytes)
    with _collector_paused():
        root = compose(text, path)
        if root is None:
            return Document(None, path)
        builder = Builder(path)
        data = builder.build(root, trie(literal_keys)).value
    if builder.problems:
        raise one_or_many(builder.problems)
    return Document(data, path, root)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Spare the garbage collector the walk over a growing tree that holds no garbage: a large file loads 4 x faster."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_text(path: Path | str, *, max_bytes: int = MAX_BYTES) -> str:
    """Read a user's text file as UTF-8, with or without byte order mark; line ends are left as they are.

    Raises:
        ConfigError: there is no such file, it cannot be read, is too large or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(raw) > max_bytes:
        raise _too_large(path, max_bytes)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"the byte 0x{raw[error.start]:02x} is not UTF-8",
            where=Location(path, line),
            remedy="save the file as UTF-8",
        ) from None


def _unreadable(path: Path | str, error: OSError) -> ConfigError:
    where = Location(path)
    if isinstance(error, FileNotFoundError):
        return ConfigError("there is no such file", where=where, remedy="check the path")
    if isinstance(error, IsADirectoryError) or Path(path).is_dir():
        return ConfigError("this is a folder, not a file", where=where, remedy="name a file in it")
    return ConfigError(
        f"the file cannot be read: {error.strerror or error}", where=where, remedy="check its permissions"
    )


def _too_large(path: Path | str, max_bytes: int) -> ConfigError:
    return ConfigError(
        f"the file is larger than {max_bytes / 1024 / 1024:g} MB",
        where=Location(path),
        remedy="keep cases in a .jsonl file and name it under `cases:` with `- file: cases.jsonl`",
    )
