"""Server-sent events, as chat completions stream them: lines of `data: {...}`, comments, `data: [DONE]`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.types import Json

DONE = "[DONE]"
_LINE_END = re.compile("\r\n|\n|\r")


def events(body: bytes) -> Iterator[Json]:
    """Read the JSON of every event of a finished stream, up to `[DONE]`.

    Several `data:` lines of one event belong together; comments, other fields and any line ends are accepted.

    Raises:
        ValueError: an event is not JSON.
    """
    data: list[str] = []
    # Not str.splitlines: it breaks at characters that JSON may hold as they are.
    for line in [*_LINE_END.split(body.decode("utf-8", "replace")), ""]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text = "\n".join(data)
            data = []
            if text.strip() == DONE:
                return
            yield json.loads(text)


class FirstToken:
    """Watches a stream arrive, and notes when its first token did.

    A token is text that is not empty, of the answer or of its reasoning; roles, comments and empty deltas are not.
    """

    def __init__(self) -> None:
        self.at_ms: float | None = None
        self._rest = b""

    def __call__(self, chunk: bytes, at_ms: float) -> None:
        """Look at what has just arrived, `at_ms` after the request was sent."""
        if self.at_ms is not None:
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if any(_has_token(line) for line in lines if line.startswith(b"data:")):
            self.at_ms = at_ms


def _has_token(line: bytes) -> bool:
    try:
        delta = json.loads(line[5:])["choices"][0]["delta"]
        return any(delta.get(key) for key in ("content", "reasoning_content", "reasoning", "tool_calls", "refusal"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return False


def assemble(body: bytes) -> dict[str, Json] | None:
    """Put a streamed chat completion together, in the shape of one that was not streamed.

    Returns:
        The completion; a chunk that holds an error, as it is; None when the stream broke off: it neither says why the
        model finished nor ends as streams do.

    Raises:
        ValueError: an event is not JSON.
    """
    whole: dict[str, Any] = {}
    message: dict[str, Any] = {}
    finish_reason, spoken = None, False
    for chunk in events(body):
        if not isinstance(chunk, dict):
            return None
        if chunk.get("error") or chunk.get("object") == "error":
            return chunk
        whole |= {key: value for key, value in chunk.items() if key != "choices" and value is not None}
        for choice in (chunk.get("choices") or ())[:1]:
            spoken = True
            _extend(message, choice.get("delta") or {})
            finish_reason = choice.get("finish_reason") or finish_reason
    if finish_reason is None and not body.rstrip().endswith(DONE.encode()):
        return None
    groq = whole.get("x_groq")
    if isinstance(groq, dict):
        whole.setdefault("usage", groq.get("usage"))
    return whole | {"choices": [{"message": message, "finish_reason": finish_reason}] if spoken else []}


def _extend(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add a delta's text and tool calls to the message so far."""
    for key in ("content", "refusal"):
        if isinstance(text := delta.get(key), str):
            message[key] = (message.get(key) or "") + text
    for part in delta.get("tool_calls") or ():
        calls: list[dict[str, Any]] = message.setdefault("tool_calls", [])
        index = part.get("index", len(calls))
        if index >= len(calls):
            calls.append({"function": {"name": "", "arguments": ""}})
        _extend_call(calls[min(index, len(calls) - 1)], part)


def _extend_call(call: dict[str, Any], part: Mapping[str, Any]) -> None:
    call |= {key: part[key] for key in ("id", "type") if part.get(key)}
    function = part.get("function") or {}
    for key in ("name", "arguments"):
        call["function"][key] += function.get(key) or ""
