"""The vars of a test as a case has them: files read, templates filled in, transforms done where they are plain."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo.cases import plain_var
from evalkit.imports.promptfoo.files import Files, is_code, is_reference, parsed
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.scripts.javascript import parse_javascript
from evalkit.imports.promptfoo.scripts.subjects import Constant, Scope, subject
from evalkit.imports.promptfoo.scripts.tree import Fields, Literal, Member, Name, NotMechanicalError, with_names
from evalkit.imports.promptfoo.templates import TemplateError, filled_vars
from evalkit.imports.promptfoo.tests import ReadTest
from evalkit.types import Json

_PICTURES: Final = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}
_LARGEST: Final = 5 * 1024 * 1024
_UNREADABLE: Final = (".mp3", ".wav", ".ogg", ".flac", ".m4a", ".mp4", ".mov", ".avi", ".webm", ".svg", ".bmp", ".tiff")


def case_vars(test: ReadTest, files: Files, notes: Notes) -> tuple[dict[str, Json], list[str]]:
    """Make a case's vars of a test's, and say what is to be done; what cannot be made stays as it is written."""
    todo: list[str] = []
    variables = {name: _read(name, value, test, files, notes, todo) for name, value in test.vars.items()}
    variables = _transformed(variables, test, notes, todo)
    try:
        variables = filled_vars(variables)
    except TemplateError as error:
        words = f"a var cannot be filled in: {error}"
        todo.append(notes.lost(test.node.where, "test", words, "write the value itself"))
    return variables, todo


def _read(name: str, value: Json, test: ReadTest, files: Files, notes: Notes, todo: list[str]) -> Json:
    if not is_reference(value):
        return plain_var(value)
    where = test.node.where
    try:
        return _content(value, files, test)
    except ConfigError as error:
        todo.append(notes.lost(where, "test", f"var `{name}`: {error.message}", error.remedy or ""))
        return value


def _content(reference: str, files: Files, test: ReadTest) -> Json:
    if is_code(reference):
        raise ConfigError(f"{reference} is a program, and nothing is run here", remedy="write the value itself")
    path = files.paths(reference, test.node.where)[0]
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        return _picture(path, suffix)
    if suffix in _UNREADABLE:
        raise ConfigError(f"{path.name} is neither text nor a picture that prompts can show")
    text = files.text(path, test.node.where)
    if suffix in (".yaml", ".yml"):
        return json.dumps(parsed(text, path).value, ensure_ascii=False, separators=(",", ":"))  # as JavaScript does
    return text.strip()


def _picture(path: Path, suffix: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror or error}") from None
    if len(raw) > _LARGEST:
        raise ConfigError(f"the picture {path.name} is larger than 5 MB", remedy="name its path in an `image:` part")
    return f"data:image/{_PICTURES[suffix]};base64,{base64.b64encode(raw).decode()}"


def _transformed(variables: dict[str, Json], test: ReadTest, notes: Notes, todo: list[str]) -> dict[str, Json]:
    """`transformVars: return {...vars, more: ...}` of plain values."""
    node = test.options.get("transformVars")
    if node is None:
        return variables
    try:
        return {**variables, **_more(node, variables)}
    except NotMechanicalError as error:
        remedy = "write the vars that it makes into the tests"
        todo.append(notes.lost(node.where, "test", f"`transformVars` is not understood: {error}", remedy))
        return variables


def _more(node: Node, variables: Mapping[str, Json]) -> dict[str, Json]:
    if not isinstance(node.value, str) or is_code(node.value):
        raise NotMechanicalError("it is a program")
    text = node.value.strip()
    tree = parse_javascript(text if text.startswith("return") else f"return {text}")
    if not isinstance(tree, Fields) or tree.spread != (Name("vars"),):
        raise NotMechanicalError("it makes something else of the vars than more of them")
    inside = Member(Name("context"), Literal("vars"))
    scope = Scope(variables)
    made: dict[str, Json] = {}
    for name, value in tree.fields:
        found = subject(with_names(value, {"vars": inside}), scope)
        if not isinstance(found, Constant):
            raise NotMechanicalError(f"`{name}` is made of more than vars")
        made[name] = found.value
    return made
