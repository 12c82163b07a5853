"""Requests to models and their answers, as the APIs of OpenAI and Anthropic spell them and as proxies keep them.

Only messages, models, a few parameters and answers are kept; addresses, headers and keys never are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from evalkit.imports.settings import left_out, params_of
from evalkit.imports.streams import streamed
from evalkit.imports.values import items, mapping
from evalkit.types import Json

_SYSTEM: Final = frozenset({"system", "developer"})
_SPEAKERS: Final = frozenset({"user", "assistant"})
_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_ROLES: Final = {"human": "user", "gpt": "assistant", "model": "assistant"}
"""Other words for who speaks."""
_REQUESTS: Final = ("request", "request_body", "params", "body", "proxy_server_request", "kwargs", "inputs", "input")
_ANSWERS: Final = ("response", "response_body", "result", "outputs", "output", "completion")
_ANSWERING: Final = frozenset({"choices", "output", "candidates", "content", "message", "response", "body", "error"})
"""What tells an API's answer that is kept as a text from an answer that is JSON."""
_SAID: Final = ("messages", "contents", "conversations", "input", "prompt")
_LISTED: Final = frozenset({"messages", "contents", "conversations"})
_BESIDE: Final = ("model", "custom_llm_provider", "model_parameters", "modelParameters")
"""What stands in a row rather than in its request."""
_WORDLESS: Final = re.compile(r"/(embeddings|moderations|images|audio|rerank)\b")
_PREFIX: Final = "the beginning of the answer"


class NoCallError(Exception):
    """A row holds no conversation that could be asked again; says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A conversation that a model was asked to go on with, and what it answered.

    `turns` are pairs of a role, user or assistant, and a text; the last is the user's. `output` is None where the
    answer is not known. `provider` is a word of the source's, empty where it says nothing. `name` is the source's own
    id, which joins a request to its answer. `left` names what the request sets beside, and a suite does not. `at` is
    when it was asked, as the source spells it.
    """

    turns: tuple[tuple[str, str], ...]
    system: str = ""
    output: str | None = None
    model: str = ""
    provider: str = ""
    params: Mapping[str, Json] = field(default_factory=dict)
    name: str = ""
    left: tuple[str, ...] = ()
    at: Json = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A request and its answer, as far as a row has them."""

    request: Mapping[str, Json] | None
    response: Mapping[str, Json]
    name: str = ""


def pair_of(row: Mapping[str, Json]) -> Pair:
    """Find the request and the answer in a row, wherever a log or a proxy keeps them."""
    name = next((text for key in ("custom_id", "id", "request_id") if isinstance(text := row.get(key), str)), "")
    asking = (body for key in _REQUESTS if _asks(body := _body(object_in(row.get(key)))))
    request = next(asking, _body(row) if _asks(_body(row)) else None)
    if request is not None:
        request = {**{key: row[key] for key in _BESIDE if key in row}, "url": _address(row), **request}
    return Pair(request, _answer_in(row), name)


def _answer_in(row: Mapping[str, Json]) -> Mapping[str, Json]:
    for key in _ANSWERS:
        value = row.get(key)
        found = object_in(value) or streamed(value)
        if found and not (isinstance(value, str) and not _ANSWERING & found.keys()):
            body = found.get("body")
            whole = object_in(body) or streamed(body) or found
            return mapping(whole.get("message")) if whole.get("type") == "succeeded" else whole
        if isinstance(value, str) and value.strip():
            return {"role": "assistant", "content": value}
    return {}


def _address(row: Mapping[str, Json]) -> str:
    """Where a request went, as far as that tells what it asks for."""
    for place in (row, mapping(row.get("request"))):
        if isinstance(found := place.get("url", place.get("endpoint")), str):
            return found
    return ""


def object_in(value: Json) -> Mapping[str, Json]:
    """An object, which some logs keep as a text."""
    return mapping(_opened(value, "{"))


def listed(value: Json) -> list[Json]:
    """A list, which some logs keep as a text; an empty one for anything else."""
    return items(_opened(value, "["))


def _opened(value: Json, start: str) -> Json:
    if isinstance(value, str) and value.lstrip().startswith(start):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value


def _body(value: Mapping[str, Json]) -> Mapping[str, Json]:
    body = object_in(value.get("body")) or value
    return {**body, **{key: listed(body[key]) for key in _LISTED if isinstance(body.get(key), str)}}


def _asks(body: Mapping[str, Json]) -> bool:
    return any(isinstance(body.get(key), list) for key in _LISTED) or "input" in body or "prompt" in body


def call_of(pair: Pair) -> Call:
    """Make a call of a request and its answer.

    Raises:
        NoCallError: it cannot be asked again, and why.
    """
    body, response = pair.request, pair.response
    if body is None:
        raise NoCallError("this is an answer without its request" if response else "there is no request in this row")
    _check(body, response)
    conversation = list(_conversation(body))
    system = [text for role, text in conversation if role == "system"]
    turns = [(role, text) for role, text in conversation if role != "system"]
    output = answer(response)
    left = left_out(body)
    while turns and turns[-1][0] == "assistant":
        _, said = turns.pop()
        left = left if output is None else (*left, _PREFIX)
        output = said if output is None else output
    if not turns:
        raise NoCallError("nobody asks anything in this request")
    configured = [mapping(body.get(key)) for key in ("model_parameters", "modelParameters", "generationConfig")]
    return Call(
        turns=tuple(turns),
        system="\n\n".join(filter(None, system)),
        output=output,
        model=_model(body, response),
        provider=_provider(body, response),
        params=params_of(body, *configured),
        name=pair.name,
        left=left,
    )


def _check(body: Mapping[str, Json], response: Mapping[str, Json]) -> None:
    """See that a request asks for words, and says all that it asks."""
    kind = str(response.get("object", ""))
    if kind == "list" or kind.startswith("embedding") or _WORDLESS.search(_word(body.get("url"))):
        raise NoCallError("this asks for no answer in words")
    if body.get("previous_response_id") or body.get("conversation"):
        raise NoCallError("this goes on from an earlier answer, which is not in this row")
    if isinstance(body.get("prompt"), dict):
        raise NoCallError("its prompt is kept elsewhere: only the prompt's id is in this row")


def _model(body: Mapping[str, Json], response: Mapping[str, Json]) -> str:
    found = body.get("model") or response.get("model") or response.get("modelVersion")
    return found.strip() if isinstance(found, str) else ""


def _provider(body: Mapping[str, Json], response: Mapping[str, Json]) -> str:
    if said := _word(body.get("custom_llm_provider")):
        return said
    if isinstance(response.get("done"), bool):
        return "ollama"
    return "anthropic" if "system" in body or response.get("type") == "message" else ""


def _conversation(body: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Go through what was said, in order, by role: system, user or assistant."""
    for key in ("system", "instructions", "system_instruction", "systemInstruction"):
        if body.get(key):
            told = body[key]
            yield "system", content_text(_content(told) if isinstance(told, dict) and "parts" in told else told)
    said = next((body[key] for key in _SAID if key in body), None)
    yield from said_by([{"role": "user", "content": said}] if isinstance(said, str) else said)


def said_by(messages: Json) -> Iterator[tuple[str, str]]:
    """Go through messages as any of the APIs spells them.

    Raises:
        NoCallError: there is one that a prompt cannot hold.
    """
    for message in items(messages):
        if not isinstance(message, dict):
            raise NoCallError("a message is no object")
        kind, role = _word(message.get("type", "message")), _word(message.get("role", message.get("from")))
        role = _ROLES.get(role, role)
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
    return next((message[key] for key in ("parts", "content", "value") if key in message), None)


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
    elif candidates := items(response.get("candidates")):
        found = mapping(mapping(candidates[0]).get("content")).get("parts")
    elif isinstance(response.get("output"), list):
        found = [
            part
            for item in response["output"]
            if mapping(item).get("type") == "message"
            for part in _as_list(mapping(item).get("content"))
        ]
    elif response.get("type") == "message" or response.get("role") == "assistant":
        found = response.get("content")
    elif "done" in response:
        found = mapping(response.get("message")).get("content", response.get("response"))
    elif mapping(response.get("message")).get("role") == "assistant":
        found = mapping(response["message"]).get("content")
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
