"""Requests to models and their answers, as the APIs of OpenAI and Anthropic spell them and as proxies keep them.

Only messages, models, a few parameters and answers are looked at; addresses, headers and keys never are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from evalkit.imports.values import items, mapping
from evalkit.types import Json

_SYSTEM: Final = frozenset({"system", "developer"})
_SPEAKERS: Final = frozenset({"user", "assistant"})
_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_PARAMS: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
}


class NoCallError(Exception):
    """A row holds no conversation that could be asked again; says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A conversation that a model was asked to go on with, and what it answered.

    `turns` are pairs of a role, user or assistant, and a text; the last is the user's. `output` is None where the
    answer is not known. `provider` is a word of the source's, empty where it says nothing. `name` is the source's own
    id, which joins a request to its answer.
    """

    turns: tuple[tuple[str, str], ...]
    system: str = ""
    output: str | None = None
    model: str = ""
    provider: str = ""
    params: Mapping[str, Json] = field(default_factory=dict)
    name: str = ""
    tools: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A request and its answer, as far as a row has them."""

    request: Mapping[str, Json] | None
    response: Mapping[str, Json]
    name: str = ""


def pair_of(row: Mapping[str, Json]) -> Pair:
    """Find the request and the answer in a row, wherever a log or a proxy keeps them."""
    name = next((text for key in ("custom_id", "id", "request_id") if isinstance(text := row.get(key), str)), "")
    response = _body(_first(row, "response", "response_body", "result", "output", "completion"))
    response = mapping(response.get("message")) or response
    request = _first(row, "request", "request_body", "params", "body", "proxy_server_request")
    if not request and isinstance(row.get("kwargs"), dict):
        request = row["kwargs"]
    found = _body(request)
    if not found and _asks(row):
        found = row
    return Pair(found if _asks(found) else None, response, name)


def _first(row: Mapping[str, Json], *names: str) -> Mapping[str, Json]:
    return next((found for name in names if (found := _object(row.get(name)))), {})


def _object(value: Json) -> Mapping[str, Json]:
    """An object, which some logs keep as a text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return mapping(value)


def _body(value: Mapping[str, Json]) -> Mapping[str, Json]:
    return _object(value.get("body")) or value


def _asks(body: Mapping[str, Json]) -> bool:
    return isinstance(body.get("messages"), list) or "input" in body or isinstance(body.get("prompt"), str)


def call_of(pair: Pair) -> Call:
    """Make a call of a request and its answer.

    Raises:
        NoCallError: it cannot be asked again, and why.
    """
    body, response = pair.request, pair.response
    if body is None:
        raise NoCallError("this is an answer without its request" if response else "there is no request in this row")
    if response.get("object") == "list" or str(response.get("object", "")).startswith("embedding"):
        raise NoCallError("this asks for no answer in words")
    anthropic = "system" in body or response.get("type") == "message"
    conversation = list(_conversation(body))
    system = [text for role, text in conversation if role == "system"]
    turns = [(role, text) for role, text in conversation if role != "system"]
    output = answer(response)
    while turns and turns[-1][0] == "assistant":
        _, said = turns.pop()
        output = said if output is None else output
    if not turns:
        raise NoCallError("nobody asks anything in this request")
    return Call(
        turns=tuple(turns),
        system="\n\n".join(filter(None, system)),
        output=output,
        model=_model(body, response),
        provider="anthropic" if anthropic else "",
        params={ours: body[key] for key, ours in _PARAMS.items() if _is_number(body.get(key))},
        name=pair.name,
        tools=bool(body.get("tools") or body.get("functions")),
    )


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _model(body: Mapping[str, Json], response: Mapping[str, Json]) -> str:
    found = body.get("model") or response.get("model")
    return found.strip() if isinstance(found, str) else ""


def _conversation(body: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Go through what was said, in order, by role: system, user or assistant."""
    for key in ("system", "instructions"):
        if body.get(key):
            yield "system", content_text(body[key])
    said = body.get("messages", body.get("input", body.get("prompt")))
    yield from said_by([{"role": "user", "content": said}] if isinstance(said, str) else said)


def said_by(messages: Json) -> Iterator[tuple[str, str]]:
    """Go through messages as any of the APIs spells them.

    Raises:
        NoCallError: there is one that a prompt cannot hold.
    """
    for message in items(messages):
        if not isinstance(message, dict):
            raise NoCallError("a message is no object")
        kind, role = _word(message.get("type", "message")), _word(message.get("role"))
        if kind == "reasoning":
            continue
        if kind not in ("message", "chat") or role in ("tool", "function") or message.get("tool_calls"):
            raise NoCallError("the conversation has calls of tools in it, which cannot be replayed")
        if role in _SYSTEM:
            yield "system", content_text(_content(message))
        elif role in _SPEAKERS:
            yield role, content_text(_content(message))
        else:
            raise NoCallError(f"nobody knows the role {role[:40]!r}")


def _word(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _content(message: Mapping[str, Json]) -> Json:
    return message["parts"] if "parts" in message else message.get("content")


def content_text(content: Json) -> str:
    """The text of a message: a text, or parts that hold texts.

    Raises:
        NoCallError: a part is no text, such as a picture.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise NoCallError("a message has a content that is no text")
    return "\n".join(filter(None, map(_part, content)))


def _part(part: Json) -> str:
    if isinstance(part, str):
        return part
    kind = _word(mapping(part).get("type", "text"))
    if kind in ("thinking", "reasoning", "redacted_thinking"):
        return ""
    text = mapping(part).get("text", mapping(part).get("content"))
    if kind not in _TEXTS or not isinstance(text, str):
        what = "tools" if "tool" in kind else kind[:40]
        raise NoCallError(f"a message holds more than text: {what}")
    return text


def answer(response: Mapping[str, Json]) -> str | None:
    """The text that a model answered; None where there is none, or something else."""
    found: Json = None
    if choices := items(response.get("choices")):
        first = mapping(choices[0])
        found = mapping(first.get("message")).get("content", first.get("text"))
    elif isinstance(response.get("output"), list):
        found = [
            part
            for item in response["output"]
            if mapping(item).get("type") == "message"
            for part in _as_list(mapping(item).get("content"))
        ]
    elif response.get("type") == "message" or response.get("role") == "assistant":
        found = response.get("content")
    return said(found)


def said(content: Json) -> str | None:
    """The text of an answer; None for an empty one, and for one that is no text."""
    try:
        text = content_text(content)
    except NoCallError:
        return None
    return text if text.strip() else None


def _as_list(value: Json) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
