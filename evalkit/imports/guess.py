"""Tell what kind of source a file is, where that is unmistakable: by its name, and by what it begins with."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError
from evalkit.imports.calls import pair_of
from evalkit.imports.kinds import HUB
from evalkit.imports.values import items, mapping
from evalkit.suite.jsontext import parse_json
from evalkit.types import Json

_HEAD: Final = 256 * 1024
_WHOLE: Final = 16 * 1024 * 1024
_PROMPTFOO: Final = frozenset({"promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json"})
_YAML_KEY: Final = re.compile(r"^([A-Za-z_][\w.-]*):", re.MULTILINE)
_LOGGED: Final = (
    {"request", "response"},
    {"custom_id", "body"},
    {"custom_id", "response"},
    {"custom_id", "params"},
    {"custom_id", "result"},
    {"resourceSpans"},
    {"request_body", "response_body"},
    {"model", "messages"},
    {"model", "choices"},
)
_CHATS: Final = ("messages", "conversations", "input")
_JUDGED: Final = frozenset({"expected", "ideal", "label", "labels", "reference", "target", "category", "intent"})


def guess(source: str) -> str | None:
    """Name the kind of a source; None where it could be several, or none."""
    if source.startswith(HUB):
        return "table"
    path = Path(source)
    if path.is_dir():
        return _by_files(path)
    if not path.is_file():  # a pipe would be waited for
        return None
    if path.name in _PROMPTFOO:
        return "promptfoo"
    suffix = path.suffix.lower()
    if suffix == ".eval":
        return "inspect"
    if suffix in (".parquet", ".tsv"):
        return "table"
    try:
        head = _head(path)
    except OSError:
        return None
    return _by_content(path, suffix, head)


def _by_files(folder: Path) -> str | None:
    if any((folder / name).is_file() for name in _PROMPTFOO):
        return "promptfoo"
    if next(folder.glob("*.eval"), None):
        return "inspect"
    if next(folder.glob("*/samples_*.jsonl"), next(folder.glob("samples_*.jsonl"), None)):
        return "lm-eval"
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jsonl", ".json"))
    first = next((path for path in files if path.is_file() and not path.is_symlink()), None)
    return "logs" if first is not None and guess(str(first)) == "logs" else None


def _head(path: Path) -> str:
    limit = _WHOLE if path.suffix.lower() == ".json" else _HEAD
    with path.open("rb") as file:
        return file.read(limit).decode("utf-8-sig", "replace")


def _by_content(path: Path, suffix: str, head: str) -> str | None:
    if suffix == ".csv":
        header = {cell.strip() for cell in next(csv.reader(head.splitlines()[:1]), [])}
        return "promptfoo" if any(name.startswith("__") for name in header) else "table"
    if suffix in (".yaml", ".yml"):
        return _by_yaml(head)
    if suffix == ".jsonl":
        return _by_row(path, next((line for line in head.splitlines() if line.strip()), ""))
    return _by_json(path, head) if suffix == ".json" else None


def _by_yaml(head: str) -> str | None:
    keys = set(_YAML_KEY.findall(head))
    if "prompts" in keys or {"providers", "targets"} & keys:
        return "promptfoo"
    return "openai-evals" if re.search(r"^\s+class:\s*evals\.", head, re.MULTILINE) else None


def _by_row(path: Path, line: str) -> str | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    if "doc_id" in row and {"resps", "filtered_resps"} & row.keys():
        return "lm-eval"
    if "success" in row and "provider" in row and {"gradingResult", "promptIdx"} & row.keys():
        return "promptfoo-results"
    if isinstance(row.get("input"), list) and "ideal" in row:
        return "openai-evals"
    if _is_logged(row):
        return "logs"
    return "lm-eval" if path.name.startswith("samples_") else "table"


def _is_logged(row: Mapping[str, Json]) -> bool:
    """Whether a row holds a request, or a conversation without any word on what is right."""
    if any(keys <= row.keys() for keys in _LOGGED):
        return True
    request = pair_of(row).request or {}
    chats = (items(request.get(key)) for key in _CHATS)
    return not _JUDGED & row.keys() and any(chat and {"role", "from"} & mapping(chat[0]).keys() for chat in chats)


def _by_json(path: Path, text: str) -> str | None:
    try:
        data = parse_json(text, path)
    except ConfigError:
        return None
    if isinstance(data, list):
        first = data[0] if data and isinstance(data[0], dict) else {}
        return "logs" if _is_logged(first) else "table"
    return _by_keys(data.keys()) if isinstance(data, dict) else None


def _by_keys(keys: AbstractSet[str]) -> str | None:
    if {"eval", "status"} <= keys:
        return "inspect"
    if "results" in keys and {"evalId", "config", "stats"} & keys:
        return "promptfoo-results"
    if "prompts" in keys and {"providers", "targets", "tests"} & keys:
        return "promptfoo"
    return "logs" if any(wanted <= keys for wanted in _LOGGED) else None
