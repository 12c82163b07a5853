"""From a tree of YAML nodes to plain values, with guards against duplicate keys, cycles and alias bombs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from yaml.error import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from evalkit.errors import ConfigError, Location
from evalkit.yaml12.scalars import Value, plain

MAX_DEPTH: Final = 100
MAX_ALIASED: Final = 1_000_000

_PREFIX: Final = "tag:yaml.org,2002:"
_MERGE: Final = "<<"
_SHOWN: Final = 60

Literal: TypeAlias = "dict[str, Literal] | None"
"""Which keys below are literal: None means that all is, an empty mapping that nothing is."""

_NOTHING: Final[Literal] = {}


def trie(literal_keys: frozenset[str]) -> Literal:
    """Arrange dotted paths by their steps, none of which may be a part of another."""
    root: dict[str, Literal] = {}
    for dotted in literal_keys:
        *parents, last = dotted.split(".")
        here = root
        for parent in parents:
            below: dict[str, Literal] = here.get(parent) or {}
            here[parent] = below
            here = below
        here[last] = None
    return root


class Built(NamedTuple):
    """A value with its number of nodes and its height, aliases expanded."""

    value: Value
    size: int
    height: int


class Builder:
    """Turns nodes into plain values. Collects what is wrong in `problems`; raises where going on would be unsafe."""

    def __init__(self, path: Path | str) -> None:
        self.problems: list[ConfigError] = []
        self._path = path
        self._aliased = 0
        self._open: set[int] = set()
        self._done: dict[tuple[int, int], Built] = {}

    def build(self, node: Node, literal: Literal) -> Built:
        """Build a node's value, once for all its aliases."""
        if isinstance(node, ScalarNode):
            return Built(self._scalar(node, literal=literal is None), 1, 0)
        identity = (id(node), id(literal))
        known = self._done.get(identity)
        if known:
            return self._again(node, known)
        if id(node) in self._open:
            raise self._error(node, "this value contains itself", "remove the alias ('*...') that leads back to it")
        self._open.add(id(node))
        built = self._mapping(node, literal) if isinstance(node, MappingNode) else self._sequence(node, literal)
        self._open.remove(id(node))
        if built.height > MAX_DEPTH:
            raise self._error(node, TOO_DEEP)
        self._done[identity] = built
        return built

    def _again(self, node: Node, known: Built) -> Built:
        self._aliased += known.size
        if self._aliased > MAX_ALIASED:
            raise self._error(node, f"the aliases ('*...') of this file expand to over {MAX_ALIASED:,} values")
        return known

    def _scalar(self, node: ScalarNode, *, literal: bool) -> Value:
        tag: str | None = node.tag
        if tag is None:
            return plain(node.value, literal=literal)
        kind = tag.removeprefix(_PREFIX)
        if kind == "str":
            return node.value
        value = plain(node.value, literal=False)
        if type(value).__name__ in _TAGGED.get(kind, ()):
            return float(value) if kind == "float" else value
        problem = f"{_quoted(node.value)} is not {kind}" if kind in _TAGGED else f"unknown tag {_tag(tag)}"
        self.problems.append(self._error(node, problem, _UNTAG))
        return None

    def _sequence(self, node: Node, literal: Literal) -> Built:
        self._check_tag(node, "seq")
        built = [self.build(child, literal) for child in node.value]
        return _joined([part.value for part in built], built)

    def _mapping(self, node: MappingNode, literal: Literal) -> Built:
        self._check_tag(node, "map")
        own: dict[str, Value] = {}
        parts: list[Built] = []
        lines: dict[str, int] = {}
        merged: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in lines:
                self.problems.append(
                    self._error(key_node, f"the key {_quoted(key)} is given twice, first on line {lines[key]}")
                )
            lines[key] = key_node.start_mark.line + 1
            if _is_merge(key_node):
                parts.append(self._merge(value_node, literal, into=merged))
                continue
            built = self.build(value_node, literal and literal.get(key, _NOTHING))
            parts.append(built)
            own[key] = built.value
        return _joined({**merged, **own}, parts)

    def _key(self, node: Node) -> str:
        """A key is the text that was typed: `1`, `no` and `null` are names like any other."""
        if isinstance(node, ScalarNode):
            self._scalar(node, literal=True)
            return str(node.value)
        self.problems.append(self._error(node, "a key must be one word or text, not a list or mapping"))
        return ""

    def _merge(self, node: Node, literal: Literal, *, into: dict[str, Value]) -> Built:
        built = self.build(node, literal)
        for part in built.value if isinstance(built.value, list) else [built.value]:
            if not isinstance(part, dict):
                self.problems.append(self._error(node, "'<<' takes a mapping or a list of mappings"))
                break
            for key, value in part.items():
                into.setdefault(key, value)
        return built

    def _check_tag(self, node: Node, kind: str) -> None:
        if node.tag not in (None, _PREFIX + kind):
            self.problems.append(self._error(node, f"unknown tag {_tag(node.tag)}", _UNTAG))

    def _error(self, node: Node, message: str, remedy: str | None = None) -> ConfigError:
        return ConfigError(message, where=place(self._path, node.start_mark), remedy=remedy)


_TAGGED: Final = {"int": ("int",), "float": ("int", "float"), "bool": ("bool",), "null": ("NoneType",)}
TOO_DEEP: Final = f"values are nested more than {MAX_DEPTH} levels deep"
_UNTAG: Final = "remove the tag, or put the value in quotes if it should start with '!'"


def _joined(value: Value, parts: list[Built]) -> Built:
    size = 1 + sum(part.size for part in parts)
    return Built(value, size, 1 + max((part.height for part in parts), default=0))


def step_into(node: Node | None, step: str | int) -> tuple[Node | None, Node] | None:
    """Find the key and value nodes one step down, if there are any."""
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    if isinstance(node, MappingNode):
        return next((pair for pair in _pairs(node) if pair[0].value == str(step)), None)
    return None


def _pairs(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    """A mapping's own entries, then those it merges in."""
    yield from (pair for pair in node.value if not _is_merge(pair[0]))
    for key_node, value_node in node.value:
        if _is_merge(key_node):
            for source in value_node.value if isinstance(value_node, SequenceNode) else [value_node]:
                yield from _pairs(source)


def _is_merge(key_node: Node) -> bool:
    tag: str | None = key_node.tag
    return tag is None and bool(key_node.value == _MERGE)


def place(path: Path | str, mark: Mark) -> Location:
    """Count lines and columns from 1, as editors do."""
    return Location(path, mark.line + 1, mark.column + 1)


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'


def _tag(tag: str) -> str:
    return "!!" + tag.removeprefix(_PREFIX) if tag.startswith(_PREFIX) else tag
