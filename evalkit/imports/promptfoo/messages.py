"""Chat prompts as promptfoo writes them: messages of several vendors, as ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from evalkit.imports.promptfoo.templates import to_jinja
from evalkit.types import Json

_ROLES: Final[Mapping[str, str]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "ai": "assistant",
}
_DATA: Final = re.compile(r"\s*data:", re.IGNORECASE)


class MessageError(ValueError):
    """A message that we have no like of; the message says why."""


def are_messages(value: Json) -> bool:
    """Whether data is a list of chat messages."""
    return bool(value) and isinstance(value, list) and all(isinstance(one, Mapping) and "role" in one for one in value)


def messages(value: list[Json], *, templates: bool) -> tuple[Json, ...]:
    """Read chat messages.

    Args:
        value: the messages.
        templates: whether their texts are Nunjucks templates, to be written in Jinja2.

    Raises:
        MessageError: one has no equal.
        TemplateError: a template has none.
    """
    return tuple(_message(one, templates=templates) for one in value if isinstance(one, Mapping))


def _message(value: Mapping[str, Json], *, templates: bool) -> Json:
    role = _ROLES.get(str(value["role"]))
    if role is None:
        raise MessageError(f"a message of role {str(value['role'])[:40]!r}")
    if extra := sorted(value.keys() & {"tool_calls", "function_call", "tool_call_id"}):
        raise MessageError(f"a message with `{extra[0]}`")
    said = value.get("content", value.get("parts"))
    parts = [_part(part) for part in (said if isinstance(said, list) else [said])]
    if templates:
        parts = [(kind, to_jinja(text)) for kind, text in parts]
    if any(kind == "image" for kind, _ in parts):
        if role != "user":
            raise MessageError(f"a picture in a message of role {role!r}")
        return {role: [{kind: text} for kind, text in parts]}
    return {role: "\n\n".join(text for _, text in parts)}


def _part(value: Json) -> tuple[str, str]:
    """A text or the place of a picture."""
    if isinstance(value, (str, int, float)):
        return "text", value if isinstance(value, str) else json.dumps(value)
    if not isinstance(value, Mapping):
        raise MessageError("a message without text")
    kind = str(value.get("type") or value.get("modality") or ("text" if "text" in value else ""))
    if kind in ("text", "input_text"):
        text = value.get("text", value.get("value"))
        if isinstance(text, str):
            return "text", text
    if kind in ("image", "image_url", "input_image"):
        return "image", _picture(value)
    if isinstance(inline := value.get("inline_data", value.get("inlineData")), Mapping):
        return "image", _data(inline.get("mime_type", inline.get("mimeType")), inline.get("data"))
    raise MessageError(f"a part of a message of kind {kind[:40]!r}" if kind else "a part of a message of no kind")


def _picture(value: Mapping[str, Json]) -> str:
    for key in ("image_url", "source", "value", "url"):
        found = value.get(key)
        if isinstance(found, str):
            return found
        if isinstance(found, Mapping):
            return _source(found)
    raise MessageError("a picture without a place")


def _source(value: Mapping[str, Json]) -> str:
    if isinstance(url := value.get("url"), str):
        return url
    return _data(value.get("media_type"), value.get("data", value.get("base64")))


def _data(media_type: Json, data: Json) -> str:
    if not isinstance(data, str):
        raise MessageError("a picture without data")
    if _DATA.match(data):
        return data
    kind = str(media_type or "image/jpeg")
    return f"data:{kind if '/' in kind else f'image/{kind}'};base64,{data}"
