"""Prompts: in the config, or in text, JSON and YAML files that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.promptfoo.files import Files, is_code, is_reference, json_lines
from evalkit.imports.promptfoo.messages import MessageError, are_messages, messages
from evalkit.imports.promptfoo.nodes import Node, Notes, always
from evalkit.imports.promptfoo.templates import (
    TemplateError,
    blank,
    fill,
    is_template,
    names_in,
    names_with_default,
    printed,
    to_jinja,
)
from evalkit.types import Json
from evalkit.yaml12 import load

_DUMPED: Final = re.compile(r"\{\{-?\s*([^{}]+?)\s*\|\s*dump\s*(?:\(\s*\d*\s*\))?\s*-?\}\}")
_ELSEWHERE: Final = ("langfuse://", "portkey://", "helicone://", "http://", "https://", "exec:", "package:", "az://")
_TEXT: Final = (".txt", ".md", ".j2", ".jinja", ".prompt", "")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_REMEDY: Final = "write it as a prompt of the suite"


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A prompt. `filled` is a template of JSON with blocks in it, which only each test's vars make messages of."""

    name: str
    messages: tuple[Json, ...]
    where: Location
    source: str
    filled: str | None = None
    config: Node | None = None
    todo: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of the vars that its templates use."""
        found: frozenset[str] = frozenset()
        for text in _texts(list(self.messages)):
            found |= names_in(text) - names_with_default(text)
        return found

    def blank(self, name: str) -> Json:
        """The value of a var with which its templates show nothing."""
        found = (blank(text, name) for text in _texts(list(self.messages)))
        return next((one for one in found if one != ""), "")

    @property
    def printed(self) -> frozenset[str]:
        """The names of the vars that it shows as they are."""
        return frozenset(name for text in _texts(list(self.messages)) for name in printed(text))


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from () if key == "insert" else _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)


def read_prompts(config: Node, files: Files, notes: Notes) -> list[ReadPrompt]:
    """Read a config's prompts; what cannot be used is noted."""
    given = config.get("prompts")
    if given is None:
        node = config.with_value("{{prompt}}")
        return [_made("prompt", str(node.value), node, None)]
    nodes = _named(given) if isinstance(given.value, Mapping) else list(given.items())
    prompts: list[ReadPrompt | None] = []
    for node in nodes:
        try:
            found = _prompt(node, files)
        except (ConfigError, TemplateError, MessageError) as error:
            where = error.where if isinstance(error, ConfigError) and error.where else node.where
            notes.lost(where, "prompt", f"this prompt cannot be carried over: {_words(error)}", _REMEDY)
            notes.count("prompts", carried=False)
            prompts.append(None)
            continue
        notes.count("prompts", carried=True, found=len(found))
        prompts += found
    return _with_own_names(prompts)


def _words(error: Exception) -> str:
    return error.message if isinstance(error, ConfigError) else str(error)


def _named(given: Node) -> list[Node]:
    """`{file: label}`, the oldest way to write prompts."""
    return [inner.with_value({"id": key, "label": inner.value}) for key, inner in given.entries()]


def _prompt(node: Node, files: Files) -> list[ReadPrompt]:
    """Read an entry of `prompts`, which may be several."""
    label, config, raw = None, None, node.value
    if isinstance(raw, Mapping):
        label, config = node.text("label") or node.text("display"), node.get("config")
        raw = node.text("raw") or node.text("id")
        if node.get("function") is not None:
            raise MessageError("a function")
    if not isinstance(raw, str) or not raw.strip():
        raise MessageError("it has no text")
    text = node.with_value(raw)
    if raw.startswith(_ELSEWHERE):
        raise MessageError(f"{raw[:80]} is kept elsewhere, and nothing is fetched here")
    if is_code(raw) and "\n" not in raw:
        raise MessageError(f"{raw} is a program, and nothing is run here")
    found = _of_file(text, files) if _is_file(raw, files) else [_made("", raw, text, None)]
    return [replace(one, config=config, name=label or one.name) for one in found]


def _is_file(raw: str, files: Files) -> bool:
    if is_reference(raw):
        return True
    if "\n" in raw or len(raw) > 250 or is_template(raw):
        return False
    suffix = Path(raw).suffix.lower()
    if suffix not in (*_TEXT, ".json", ".jsonl", ".yaml", ".yml") or not suffix:
        return False
    try:
        return (files.folder / raw).is_file() or "*" in raw
    except (OSError, ValueError):
        return False


def _of_file(node: Node, files: Files) -> list[ReadPrompt]:
    found: list[ReadPrompt] = []
    for path in files.paths(str(node.value), node.where):
        place = Node(None, always(Location(path, 1)))
        text, suffix = files.text(path, node.where), path.suffix.lower()
        if suffix == ".jsonl":
            lines, errors = json_lines(text, path)
            if errors:
                raise errors[0]
            found += [_of_data(path.stem, line.value, line, None) for line in lines]
        elif suffix in (".yaml", ".yml"):
            data = files.document(path, node.where)
            found.append(_of_data(path.stem, data.value, place, None))
        elif suffix == ".txt":
            parts = [part.strip() for part in re.split(r"(?m)^[ \t]*---[ \t]*\r?$", text)]
            found += [_made(path.stem, part, place, None) for part in parts if part]
        else:
            found.append(_made(path.stem, text.strip(), place, None))
    if not found:
        raise MessageError("the file holds no prompt")
    return found


def _of_data(name: str, data: Json, node: Node, label: str | None) -> ReadPrompt:
    if are_messages(data):
        said = messages(data, templates=True)
        return ReadPrompt(label or name, said, node.where, json.dumps(data, ensure_ascii=False))
    return _made(name, data if isinstance(data, str) else json.dumps(data, ensure_ascii=False), node, label)


def _made(name: str, raw: str, node: Node, label: str | None) -> ReadPrompt:
    """Read the text of a prompt: JSON or YAML of messages, else one message of a user."""
    named = label or name
    data = _data(raw)
    if are_messages(data):
        return ReadPrompt(named, messages(data, templates=True), node.where, raw)
    if data is None and raw.lstrip().startswith("[") and "{%" in raw and '"role"' in raw:
        to_jinja(raw)
        return ReadPrompt(named, (), node.where, raw, filled=raw)
    return ReadPrompt(named, ({"user": to_jinja(raw)},), node.where, raw)


def prompt_of_text(raw: str, node: Node) -> tuple[Json, ...]:
    """The messages that the text of a prompt means; none where only a test's vars make them.

    Raises:
        MessageError, TemplateError: they cannot be said.
    """
    return _made("", raw, node, None).messages


def _data(raw: str) -> Json:
    """The data that a prompt is written as, whose texts are templates; None where it is plain text."""
    text = raw.strip()
    if text.startswith("- role:"):
        try:
            return load(text, path="prompt").data
        except ConfigError:
            return None
    if not text.startswith(("[", "{")) or "{%" in text:
        return None
    for attempt in (text, _quoted(text)):
        try:
            data: Json = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        return data
    return None


def _quoted(text: str) -> str:
    """Put placeholders that stand for a whole JSON text into quotes."""
    return _DUMPED.sub(lambda match: json.dumps("{{ " + match[1] + " }}"), text)


def messages_of(prompt: ReadPrompt, variables: Mapping[str, Json]) -> list[Json]:
    """Fill in a prompt that only a test's vars make messages of.

    Raises:
        TemplateError, MessageError: it cannot be, or what comes out are no messages.
    """
    text = fill(prompt.filled or "", variables)
    for attempt in (text, re.sub(r",(\s*[\]}])", r"\1", text)):
        try:
            data = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        if are_messages(data):
            return list(messages(data, templates=False))
    raise MessageError("what the template makes are no messages")


def _with_own_names(prompts: list[ReadPrompt | None]) -> list[ReadPrompt]:
    """Name each prompt. One that did not come along is counted, so that the others are called as in the results."""
    names = own_names([prompt.name if prompt else "" for prompt in prompts])
    return [replace(prompt, name=name) for prompt, name in zip(prompts, names, strict=True) if prompt is not None]


def own_names(stems: Sequence[str]) -> list[str]:
    """Give each of a config's prompts a name of its own, of what it is called; by its number where that is nothing."""
    taken: dict[str, None] = {}
    for number, told in enumerate(stems, 1):
        stem = _CONTROL.sub("", " ".join(told.split())[:80]) or f"prompt-{number}"
        name = next(one for one in _numbered(stem) if one not in taken)
        taken[name] = None
    return list(taken)


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
