"""Answers that were streamed, as logs keep them: server-sent events as a text, or a list of their contents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from evalkit.imports.values import items, mapping
from evalkit.types import Json


def streamed(value: Json) -> Mapping[str, Json]:
    """Put a streamed answer together, as the same API would have sent it whole; an empty one for anything else."""
    if isinstance(value, str) and value.lstrip().startswith(("data:", "event:")):
        return _joined(list(_events(value.splitlines())))
    return _joined(value) if isinstance(value, list) else {}


def _events(lines: Iterable[str]) -> Iterator[Json]:
    for line in lines:
        if line.startswith("data:"):
            try:
                yield json.loads(line.removeprefix("data:"))
            except (ValueError, RecursionError):
                continue  # the last one is no JSON: [DONE]


def _joined(events: Sequence[Json]) -> Mapping[str, Json]:
    pieces: list[str] = []
    served: Json = None
    for event in map(mapping, events):
        if event.get("type") == "response.completed":
            return mapping(event.get("response"))
        delta = mapping(event.get("delta")) or mapping(
            mapping(next(iter(items(event.get("choices"))), None)).get("delta")
        )
        piece = delta.get("content", delta.get("text"))
        pieces += [piece] if isinstance(piece, str) else []
        served = served or event.get("model") or mapping(event.get("message")).get("model")
    return {"role": "assistant", "content": "".join(pieces), "model": served} if pieces else {}
