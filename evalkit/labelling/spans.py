"""Put an expected output into a text that others wrote, leaving every other character as it is.

A line of JSON, a table of CSV, a suite in YAML. Each function returns None where it cannot be done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode

from evalkit.scorers.values import as_text
from evalkit.suite.newcase import YAML_LINE, line_after
from evalkit.types import Json
from evalkit.yaml12.values import step_into
from evalkit.yaml12.writing import flow

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_CELL: Final = re.compile(r'("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n|\r|\n|\Z)')
_BREAK: Final = re.compile(r"\r\n|\r|\n")


class _Edit(NamedTuple):
    """Replace what stands from `start` to `end`."""

    start: int
    end: int
    text: str


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    parts, last = [], 0
    for edit in sorted(edits):
        parts += [text[last : edit.start], edit.text]
        last = edit.end
    return "".join([*parts, text[last:]])


def in_json_lines(text: str, labels: Mapping[int, Json], name: str) -> str | None:
    """Set a member of the objects on some lines.

    Args:
        text: of the file.
        labels: the member's values by the numbers of the lines, from 1.
        name: of the member.
    """
    lines = text.split("\n")
    for number, label in labels.items():
        lines[number - 1] = _in_object(lines[number - 1], name, json.dumps(label, ensure_ascii=False))
    return "\n".join(lines)


def _in_object(line: str, name: str, value: str) -> str:
    at = line.index("{") + 1
    empty = True
    while True:
        at = _past_space(line, at)
        if line[at] == "}":
            break
        if line[at] == ",":
            at = _past_space(line, at + 1)
        key, at = _DECODER.raw_decode(line, at)
        start = _past_space(line, _past_space(line, at) + 1)
        _, at = _DECODER.raw_decode(line, start)
        if key == name:
            return line[:start] + value + line[at:]
        empty = False
    end = len(line[:at].rstrip(" \t"))
    member = f"{json.dumps(name, ensure_ascii=False)}: {value}"
    return f"{line[:end]}{'' if empty else ', '}{member}{line[end:]}"


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


class _Record(NamedTuple):
    """A row of CSV: the number of its first line, and the ends of each cell."""

    line: int
    cells: Sequence[tuple[int, int]]


def in_csv(text: str, labels: Mapping[int, Json], name: str) -> str | None:
    """Set the cells of a column, which is added where there is none.

    Args:
        text: of the file.
        labels: what to write, by the number of a row's first line, from 1.
        name: of the column.
    """
    records = list(_records(text))
    if not records:
        return None
    header = [_plain(text[start:end]) for start, end in records[0].cells]
    if name not in header:
        return _edited(
            text, [_more(one, labels.get(one.line, ""), name if one is records[0] else None) for one in records]
        )
    column = header.index(name)
    edits = [
        _Edit(*record.cells[column], _cell(labels[record.line]))
        for record in records[1:]
        if record.line in labels and column < len(record.cells)
    ]
    return _edited(text, edits) if len(edits) == len(labels) else None


def _more(record: _Record, label: Json, title: str | None) -> _Edit:
    end = record.cells[-1][1]
    cell = _cell(label) if title is None and as_text(label) else title or ""
    return _Edit(end, end, f",{cell}")


def _plain(cell: str) -> str:
    cell = cell.removeprefix("\ufeff")
    return (cell[1:-1].replace('""', '"') if cell[:1] == '"' else cell).strip()


def _cell(label: Json) -> str:
    text = as_text(label)
    bare = text == text.strip() and not any(char in text for char in ',"\r\n')
    return text if bare else '"' + text.replace('"', '""') + '"'


def _records(text: str) -> Iterator[_Record]:
    at, line = 1 if text.startswith("\ufeff") else 0, 1
    cells: list[tuple[int, int]] = []
    start = at
    while at < len(text) and (found := _CELL.match(text, at)):
        cells.append(found.span(1))
        at = found.end()
        if found[2] == ",":
            if at < len(text):
                continue
            cells.append((at, at))
        if cells[0][0] < cells[-1][1]:  # else a blank line
            yield _Record(line, tuple(cells))
        line += len(_BREAK.findall(text, start, at))
        cells, start = [], at


def in_yaml(text: str, root: Node | None, labels: Mapping[int, Json]) -> str | None:
    """Set `expected` of the cases that stand in a suite itself.

    Args:
        text: of the suite, without byte order mark.
        root: its nodes.
        labels: what to write, by the case's index in `cases:`.
    """
    begins, at = [], 0
    for line in YAML_LINE.findall(text):
        begins.append(at)
        at += len(line)
    begins.append(at)
    newline = "\r\n" if "\r\n" in text else "\n"
    edits = []
    for index, label in labels.items():
        edit = _in_case(_Yaml(text, begins, newline), _node(_node(root, "cases"), index), flow(label))
        if edit is None:
            return None
        edits.append(edit)
    return _edited(text, edits)


class _Yaml(NamedTuple):
    """A text with the places where its lines begin."""

    text: str
    begins: Sequence[int]
    newline: str

    def at(self, line: int, column: int) -> int:
        """The place of a mark."""
        return self.begins[min(line, len(self.begins) - 1)] + column


def _node(node: Node | None, step: str | int) -> Node | None:
    found = step_into(node, step)
    return found[1] if found else None


def _in_case(yaml: _Yaml, case: Node | None, label: str) -> _Edit | None:
    if not isinstance(case, MappingNode):
        return None
    expected = _node(case, "expected")
    if expected is not None:
        return _instead(yaml, expected, label)
    if case.flow_style:
        end = yaml.at(case.end_mark.line, case.end_mark.column) - 1
        before = yaml.text[:end].rstrip()
        return _Edit(len(before), len(before), f"{'' if before.endswith((',', '{')) else ','} expected: {label}")
    at = yaml.at(line_after(_node(case, "vars") or case), 0)
    lead = "" if not at or yaml.text[at - 1] in "\r\n" else yaml.newline
    return _Edit(at, at, f"{lead}{' ' * case.start_mark.column}expected: {label}{yaml.newline}")


def _instead(yaml: _Yaml, node: Node, label: str) -> _Edit | None:
    """Write over a value that stands on one line."""
    start = yaml.at(node.start_mark.line, node.start_mark.column)
    end = yaml.at(node.end_mark.line, node.end_mark.column)
    if not isinstance(node, ScalarNode) or node.style in ("|", ">") or "\n" in yaml.text[start:end]:
        return None
    return _Edit(start, end, label if yaml.text[start - 1 : start].isspace() else f" {label}")
