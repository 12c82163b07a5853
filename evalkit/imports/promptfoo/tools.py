"""The tools of providers: OpenAI's, Anthropic's and Google's spellings, as a suite's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.providers import ReadModel, same
from evalkit.types import Json

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OBJECT: Final = {"type": "object", "properties": {}}
_TYPES: Final = frozenset({"OBJECT", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "NULL"})
_MAX_DEPTH: Final = 40


def shared_tools(models: list[ReadModel], files: Files, notes: Notes) -> list[dict[str, Json]]:
    """The tools of the suite: those of the providers, which must be the same for all."""
    lists = [(model, _tools(model, files, notes)) for model in models if not model.embeds]
    tools: list[dict[str, Json]] = next((found for _, found in lists if found), [])
    for model, found in lists:
        if not same(list(found), list(tools)):
            words = "its tools are not those of the other providers, and a suite has tools for all"
            notes.lost(model.node.where, "provider", words, "make a suite of its own for it")
    return tools


def _tools(model: ReadModel, files: Files, notes: Notes) -> list[dict[str, Json]]:
    given = model.settings.tools
    if given is None:
        return []
    found: dict[str, dict[str, Json]] = {}
    for node in _entries(given, files, notes):
        if (tool := _tool(node, notes)) is not None:
            found[str(tool["name"])] = tool
    return list(found.values())


def _entries(given: Node, files: Files, notes: Notes) -> Iterator[Node]:
    """Each function: of a list, of files, of Google's `functionDeclarations`."""
    for node in given.items():
        try:
            inner = files.resolved(node)
        except ConfigError as error:
            notes.lost(error.where or node.where, "tool", error.message, error.remedy or "")
            continue
        for one in inner.items():
            declared = one.get("functionDeclarations") or one.get("function_declarations")
            yield from declared.items() if declared is not None else [one]


def _tool(node: Node, notes: Notes) -> dict[str, Json] | None:
    function = _function(node.value)
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in ("auto", "none", "required"):
        what = next(iter(node.value), "?") if isinstance(node.value, Mapping) else "?"
        notes.lost(
            node.where, "tool", f"a tool that is no function of the user's: {str(function.get('type', what))[:60]}"
        )
        return None
    tool: dict[str, Json] = {"name": name}
    if isinstance(function.get("description"), str):
        tool["description"] = function["description"]
    schema = function.get("parameters", function.get("input_schema"))
    if isinstance(schema, Mapping):
        tool["parameters"] = _small(schema, 0)
    return tool if _is_sound(tool, node, notes) else None


def _function(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever stands there
    """The function itself: under `function`, or as the Adaline gateway has it."""
    for path in (("function",), ("definition", "schema"), ("toolSpec",)):
        inner = value
        for step in path:
            inner = inner.get(step) if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping):
            return inner
    return value if isinstance(value, Mapping) else {}


def _small(value: Any, depth: int) -> Any:  # noqa: ANN401 - a JSON Schema
    """Write the types of a schema as JSON Schema does; Google's are in capitals."""
    if depth > _MAX_DEPTH:
        return {}
    if isinstance(value, Mapping):
        return {
            str(key): one.lower()
            if key == "type" and isinstance(one, str) and one in _TYPES
            else _small(one, depth + 1)
            for key, one in value.items()
        }
    return [_small(one, depth + 1) for one in value] if isinstance(value, list) else value


def _is_sound(tool: dict[str, Json], node: Node, notes: Notes) -> bool:
    from jsonschema import Draft202012Validator, SchemaError

    schema = tool.get("parameters", _OBJECT)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        notes.lost(node.where, "tool", f"the parameters of {tool['name']!r} are no JSON Schema: {error.message[:120]}")
        return False
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        notes.lost(node.where, "tool", f"the parameters of {tool['name']!r} are no object")
        return False
    return True
