"""The table that `promptfoo eval` prints, kept as a text: a row for each test, a column for each prompt and each var.

Text in it is broken wherever a cell ends, so a break is one of the answer only where the line before is not full. What
is longer than promptfoo prints is cut off there, and whether an answer passed stands before it; where it does not, all
have, if the counts below the table say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.jsonfiles import unreadable
from evalkit.types import Json

_EDGE: Final = "│"
_RULE: Final = "├"
_VAR: Final = re.compile(r"\w+")
_TITLE: Final = re.compile(r"\[([^\]\n]+)\] (.*)", re.DOTALL)
_MARK: Final = re.compile(r"\[(PASS|FAIL|ERROR)\] ?")
_ANSWER: Final = "\n---\n"
"""Stands between why an answer failed and the answer."""
_COUNTS: Final = re.compile(r"Evaluation complete: (?=\{)")
_MAX_CHARS: Final = 64 << 20


class Table(NamedTuple):
    """A printed table as an export would have it: rows, prompts, and the counts below it."""

    rows: list[Json]
    prompts: list[Json]
    stats: Mapping[str, Json]


def is_table(path: Path) -> bool:
    """Whether a file holds such a table rather than JSON."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return not file.read(4096).lstrip("\ufeff \t\r\n").startswith(("{", "["))
    except OSError as error:
        raise unreadable(path, error) from None


def read_table(path: Path) -> Table:
    """Read the table in a text, with a result for each cell below a prompt.

    Raises:
        ConfigError: there is none, or its rows are not of one width.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MAX_CHARS)
    except OSError as error:
        raise unreadable(path, error) from None
    rows = list(_rows(text.splitlines(), path))
    if len(rows) < 2:
        raise ConfigError(
            "holds neither JSON nor a table that promptfoo printed",
            where=Location(path),
            remedy="name a file that `promptfoo eval -o out.json` or `promptfoo export eval` wrote",
        )
    stats = _stats(text)
    titles = rows[0]
    prompts = [at for at, title in enumerate(titles) if not _VAR.fullmatch(title)]
    told = [_prompt(titles[at]) for at in prompts]
    unmarked = True if stats.get("failures") == 0 and not stats.get("errors") else None
    results = [
        _result(number, place, row[at], told[place], _variables(titles, row, prompts), unmarked)
        for number, row in enumerate(rows[1:])
        for place, at in enumerate(prompts)
    ]
    return Table(results, told, stats)


def _rows(lines: Sequence[str], path: Path) -> Iterator[list[str]]:
    """The cells of each row of the table, joined over its lines."""
    pending: list[list[str]] = []
    width = 0
    for number, line in enumerate(lines, 1):
        if line.startswith(_EDGE):
            pending.append([cell[1:-1] for cell in line.strip().strip(_EDGE).split(_EDGE)])
            width = width or len(pending[-1])
            if len(pending[-1]) != width:
                raise ConfigError("this line of the table has another number of cells", where=Location(path, number))
        elif pending and line.startswith((_RULE, "└")):
            yield [_joined(cell) for cell in zip(*pending, strict=True)]
            pending = []


def _joined(pieces: Sequence[str]) -> str:
    """A cell's text: of a full line the next one goes on, and a line that lacks one character ended with a space."""
    text = ""
    for piece in pieces:
        written = piece.rstrip()
        lacking = len(piece) - len(written)
        text += written + ("" if lacking == 0 else " " if lacking == 1 else "\n")
    return text.strip()


def _prompt(title: str) -> dict[str, Json]:
    named = _TITLE.fullmatch(title)
    provider, prompt = named.groups() if named else ("", title)
    return {"raw": prompt, "label": prompt, "provider": provider}


def _variables(titles: Sequence[str], row: Sequence[str], prompts: Sequence[int]) -> dict[str, Json]:
    return {title: row[at] for at, title in enumerate(titles) if at not in prompts}


def _result(
    test: int, place: int, cell: str, prompt: Mapping[str, Json], variables: Json, unmarked: bool | None
) -> Json:
    """A cell as a result of version 3 has it."""
    mark = _MARK.match(cell)
    kind, text = (mark[1], cell[mark.end() :]) if mark else ("", cell)
    reason, cut, answer = text.partition(_ANSWER) if kind == "FAIL" else ("", "", text)
    passed = unmarked if not kind else kind == "PASS"
    return {
        "testIdx": test,
        "promptIdx": place,
        "provider": prompt["provider"],
        "prompt": prompt,
        "vars": variables,
        "success": passed,
        "failureReason": {"ERROR": 2, "FAIL": 1}.get(kind, 0),
        "error": text if kind == "ERROR" else None,
        "response": {"output": answer if cut or kind != "FAIL" else ""},
        "gradingResult": {"pass": passed, "reason": reason},
    }


def _stats(text: str) -> Mapping[str, Json]:
    """The counts below the table."""
    found = _COUNTS.search(text)
    try:
        value = json.JSONDecoder().raw_decode(text, found.end())[0] if found else {}
    except (ValueError, RecursionError):
        value = {}
    return value if isinstance(value, dict) else {}
