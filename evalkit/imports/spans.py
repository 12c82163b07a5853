"""OpenTelemetry spans of calls to models: OTLP as JSON, or one span an object, by the conventions for GenAI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from evalkit.imports.calls import Call, NoCallError, listed, object_in, said, said_by
from evalkit.imports.settings import params_of
from evalkit.imports.values import items, mapping, text
from evalkit.types import Json

_LEVELS: Final = ("resourceSpans", "scopeSpans", "spans")
_MAX_DEPTH: Final = 50
_INDEXED: Final = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,4})\.(role|content)")
_MESSAGE: Final = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message")
_OPENINFERENCE: Final = re.compile(r"llm\.(input|output)_messages\.(\d{1,4})\.message\.(role|content)")
_REQUEST: Final = "gen_ai.request."
_SIDES: Final = {"prompt": "prompt", "completion": "completion", "input": "prompt", "output": "completion"}


def is_traced(row: Mapping[str, Json]) -> bool:
    """Whether a row is an export of spans, or a span."""
    if any(isinstance(row.get(key), list) for key in _LEVELS):
        return True
    return isinstance(row.get("attributes"), (dict, list)) and not {"messages", "request", "body"} & row.keys()


def spans_of(row: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Go through the spans of an export that tell of a call to a model; a row that is a span is the only one."""
    if "attributes" in row and not any(key in row for key in _LEVELS):
        if _tells(row):
            yield row
        return
    for key in _LEVELS:
        for inner in items(row.get(key)):
            if isinstance(inner, dict) and key == "spans":
                if _tells(inner):
                    yield inner
            elif isinstance(inner, dict):
                yield from spans_of({name: value for name, value in inner.items() if name != "attributes"})


def _tells(span: Mapping[str, Json]) -> bool:
    """Whether a span is a call to a model, rather than of a tool or an agent."""
    attributes = _attributes(span.get("attributes"))
    operation = attributes.get("gen_ai.operation.name")
    if operation is not None:
        return operation in ("chat", "text_completion", "generate_content", "completion")
    return any(name.startswith(("gen_ai.", "llm.")) and "message" in name for name in attributes) or any(
        name.startswith(("gen_ai.prompt", "gen_ai.request.")) for name in attributes
    )


def call_of_span(span: Mapping[str, Json]) -> Call:
    """Make a call of a span.

    Raises:
        NoCallError: it cannot be asked again, and why.
    """
    attributes = _attributes(span.get("attributes"))
    asked, answered = _indexed(attributes)
    asked = listed(attributes.get("gen_ai.input.messages")) or asked
    answered = listed(attributes.get("gen_ai.output.messages")) or answered
    for event in items(span.get("events")):
        more, answers = _of_event(mapping(event))
        asked, answered = [*asked, *more], [*answered, *answers]
    instructions = listed(attributes.get("gen_ai.system_instructions"))
    system = [said(instructions) or ""] if instructions else []
    turns: list[tuple[str, str]] = []
    for role, words in said_by(asked):
        (system.append(words) if role == "system" else turns.append((role, words)))
    if not turns or turns[-1][0] != "user":
        name = text(span.get("spanId") or span.get("span_id"))[:40]
        raise NoCallError(f"the span {name!r} holds no messages; they are recorded only where that is switched on")
    outputs = [
        said(one["parts"] if "parts" in one else one.get("content")) for one in answered if isinstance(one, dict)
    ]
    asking = {name.removeprefix(_REQUEST): value for name, value in attributes.items() if name.startswith(_REQUEST)}
    return Call(
        turns=tuple(turns),
        system="\n\n".join(filter(None, system)),
        output=next((one for one in outputs if one), None),
        model=text(attributes.get("gen_ai.request.model") or attributes.get("llm.model_name")),
        provider=text(attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system")),
        params=params_of(asking, object_in(attributes.get("llm.invocation_parameters"))),
        name=text(span.get("spanId") or span.get("span_id")),
    )


def _attributes(given: Json) -> dict[str, Any]:
    """Attributes by name; OTLP lists them, with each value under the name of its type."""
    if isinstance(given, dict):
        return given
    return {
        str(one["key"]): _value(one.get("value"), 0) for one in items(given) if isinstance(one, dict) and "key" in one
    }


def _value(wrapped: Json, depth: int) -> Json:
    if not isinstance(wrapped, dict) or depth > _MAX_DEPTH:
        return None
    kind, value = next(iter(wrapped.items()), ("", None))
    if kind == "arrayValue":
        return [_value(one, depth + 1) for one in items(mapping(value).get("values"))]
    if kind == "kvlistValue":
        return {
            str(one["key"]): _value(one.get("value"), depth + 1)
            for one in items(mapping(value).get("values"))
            if isinstance(one, dict) and "key" in one
        }
    if kind == "intValue" and isinstance(value, str):
        return int(value) if re.fullmatch(r"-?\d{1,18}", value) else None
    return value


def _indexed(attributes: Mapping[str, Json]) -> tuple[list[Json], list[Json]]:
    """Messages that are spread over attributes such as `gen_ai.prompt.0.content`."""
    found: dict[str, dict[int, dict[str, Json]]] = {"prompt": {}, "completion": {}}
    for name, value in attributes.items():
        match = _INDEXED.fullmatch(name) or _OPENINFERENCE.fullmatch(name)
        if match:
            found[_SIDES[match[1]]].setdefault(int(match[2]), {})[match[3]] = value
    asked, answered = ([side[index] for index in sorted(side)] for side in (found["prompt"], found["completion"]))
    return list(asked), list(answered)


def _of_event(event: Mapping[str, Json]) -> tuple[list[Json], list[Json]]:
    """The messages of an event: those asked, and those answered."""
    attributes = _attributes(event.get("attributes"))
    name = text(event.get("name") or attributes.get("event.name"))
    body = mapping(event.get("body")) or attributes
    if match := _MESSAGE.fullmatch(name):
        return [{"role": body.get("role", match[1]), "content": body.get("content")}], []
    if name == "gen_ai.choice":
        return [], [mapping(body.get("message")) or {"content": body.get("content", body.get("message"))}]
    inputs = listed(attributes.get("gen_ai.input.messages") or attributes.get("gen_ai.prompt"))
    return inputs, listed(attributes.get("gen_ai.output.messages") or attributes.get("gen_ai.completion"))
