"""Tests in CSV: a row each, with promptfoo's special columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.types import Json

_MAX_CELL: Final = 16 * 1024 * 1024
_ASSERTION: Final = re.compile(
    r"(not-)?([a-z][a-z-]*(?::(?:cosine|dot|euclidean))?)(?:\((\d+(?:\.\d+)?)\))?(?::([\s\S]*))?"
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_CONFIG: Final = re.compile(r"__config:__expected(\d*):(\w+)")
_SCRIPT: Final = (("javascript:", "javascript"), ("fn:", "javascript"), ("eval:", "javascript"), ("python:", "python"))
_JUDGED: Final = ("grade:", "llm-rubric:")
_GRADED: Final = frozenset(
    {
        "answer-relevance",
        "classifier",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "cost",
        "latency",
        "levenshtein",
        "perplexity-score",
        "perplexity",
        "rouge-n",
        "similar",
        "starts-with",
    }
)
TYPES: Final = frozenset(
    {
        "agent-rubric",
        "answer-relevance",
        "bleu",
        "classifier",
        "contains",
        "contains-all",
        "contains-any",
        "contains-html",
        "contains-json",
        "contains-sql",
        "contains-xml",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "conversation-relevance",
        "cost",
        "equals",
        "factuality",
        "finish-reason",
        "g-eval",
        "gleu",
        "guardrails",
        "icontains",
        "icontains-all",
        "icontains-any",
        "is-html",
        "is-json",
        "is-refusal",
        "is-sql",
        "is-valid-function-call",
        "is-valid-openai-function-call",
        "is-valid-openai-tools-call",
        "is-xml",
        "javascript",
        "latency",
        "levenshtein",
        "llm-rubric",
        "pi",
        "meteor",
        "model-graded-closedqa",
        "model-graded-factuality",
        "moderation",
        "perplexity",
        "perplexity-score",
        "python",
        "regex",
        "rouge-n",
        "ruby",
        "similar",
        "similar:cosine",
        "similar:dot",
        "similar:euclidean",
        "starts-with",
        "tool-call-f1",
        "skill-used",
        "search-rubric",
        "webhook",
        "word-count",
    }
)
"""The types of assertions that a cell can begin with."""


def csv_tests(text: str, path: Path, notes: Notes, *, delimiter: str = ",") -> Iterator[Node]:
    """Read rows as tests.

    Raises:
        ConfigError: the text is not CSV.
    """
    limit = csv.field_size_limit(_MAX_CELL)
    try:
        reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
        header = [cell.strip() for cell in next(reader, [])]
        if not any(header):
            raise ConfigError("there is no row of column names", where=Location(path, 1))
        before = reader.line_num
        for row in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                words = f"the row has {len(row)} cells, and there are {len(header)} columns"
                notes.lost(Location(path, line), "test", words, "mend the row")
                notes.count("tests", carried=False)
                continue
            yield _test(dict(zip(header, row, strict=True)), path, line, notes)
    except csv.Error as error:
        raise ConfigError(f"this is not CSV: {error}", where=Location(path, 1)) from None
    finally:
        csv.field_size_limit(limit)


def _test(row: dict[str, str], path: Path, line: int, notes: Notes) -> Node:
    place = Location(path, line)
    test: dict[str, Any] = {"vars": {}, "assert": [], "options": {}, "metadata": {}}
    configs: dict[int, dict[str, Json]] = {}
    for key, cell in row.items():
        config = _CONFIG.fullmatch(key)
        if config:
            if (number := _number(cell)) is not None and config[2] == "threshold":
                configs.setdefault(int(config[1] or 1) - 1, {})["threshold"] = number
            elif cell.strip():
                notes.lost(place, "test", f"the cell of `{key}` is not understood")
        else:
            _put(test, key, cell, place, notes)
    for index, one in enumerate(test["assert"]):
        one.update({"metric": row["__metric"]} if row.get("__metric") else {})
        one.update(configs.get(index, {}))
    return Node({key: value for key, value in test.items() if value or key == "vars"}, lambda _: place)


def _put(test: dict[str, Any], key: str, cell: str, place: Location, notes: Notes) -> None:
    """Put a cell where it belongs."""
    if not key.startswith("__"):
        test["vars"][key] = cell
    elif key.startswith("__expected"):
        if cell.strip():
            test["assert"].append(assertion(cell.strip()))
    elif key in ("__prefix", "__suffix"):
        test["options"][key[2:]] = cell
    elif key in ("__description", "__providerOutput"):
        test[key[2:]] = cell
    elif key.startswith("__metadata:"):
        _put_metadata(test["metadata"], key.removeprefix("__metadata:"), cell)
    elif key == "__threshold" and (number := _number(cell)) is not None:
        test["threshold"] = number
    elif key not in ("__metric", "__threshold"):
        notes.remark(place, "test", f"the column `{key}` is not carried over")


def _put_metadata(metadata: dict[str, Json], name: str, cell: str) -> None:
    if cell.strip():
        several = [one.strip().replace("\\,", ",") for one in re.split(r"(?<!\\),", cell)]
        metadata[name.removesuffix("[]")] = several if name.endswith("[]") else cell


def _number(cell: str) -> float | None:
    return float(cell) if _NUMBER.fullmatch(cell.strip()) else None


def assertion(text: str) -> dict[str, Json]:
    """Read a cell of `__expected`: a type and its value, or the answer itself."""
    for prefix, kind in _SCRIPT:
        if text.startswith(prefix):
            return {"type": kind, "value": text.removeprefix(prefix).strip()}
    for prefix in _JUDGED:
        if text.startswith(prefix):
            return {"type": "llm-rubric", "value": text.removeprefix(prefix)}
    if text.startswith("file://"):
        return {"type": "python" if ".py" in text else "javascript", "value": text}
    match = _ASSERTION.fullmatch(text)
    if match is None or match[2] not in TYPES:
        return {"type": "equals", "value": text}
    made: dict[str, Json] = {"type": (match[1] or "") + match[2]}
    if match[4] is not None:
        made["value"] = match[4].strip()
    if match[2] in _GRADED:
        made["threshold"] = float(match[3]) if match[3] else 0.8 if match[2] == "similar" else 0.75
    return made
