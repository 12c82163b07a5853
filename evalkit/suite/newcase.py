"""Add a case to a suite: to the list in its file or to the case file at the end of it, leaving all else as it is.

The text is added, never rewritten, so that comments and layout stay. Then the suite is loaded again; unless it now has
exactly the cases it had and the new one as it was meant, the file is put back as it was.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.files import write_atomically
from evalkit.suite.delimited import Record, records
from evalkit.suite.loader import LITERAL_KEYS, load_suite
from evalkit.suite.paths import beside
from evalkit.types import MISSING, Case, Json, Suite
from evalkit.yaml12 import Document, load_file
from evalkit.yaml12.values import step_into
from evalkit.yaml12.writing import flow

_BOM: Final = "\ufeff"
_APPENDED: Final = (".jsonl", ".csv")
_LINE: Final = re.compile("[^\n]*\n|[^\n]+")
YAML_LINE: Final = re.compile("[^\n\r\x85\u2028\u2029]*(?:\r\n|[\n\r\x85\u2028\u2029])|[^\n\r\x85\u2028\u2029]+")
_CASE_COLUMNS: Final = frozenset({"id", "expected", "tags", "data_policy"})


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case to be added. `expected` is MISSING where there is none."""

    id: str
    vars: Mapping[str, Json]
    expected: Json = MISSING
    tags: tuple[str, ...] = ()


class Added(NamedTuple):
    """Where a case was added, and how many there are now."""

    path: Path
    cases: int


def known_vars(suite: Suite) -> tuple[str, ...]:
    """The vars that all of the suite's cases have: those that a new one needs, as far as can be told."""
    return tuple(name for name in suite.cases[-1].vars if all(name in case.vars for case in suite.cases))


def add_case(path: Path, case: NewCase, *, allow_code: bool = False) -> Added:
    """Add a case to a suite.

    Raises:
        ConfigError: the suite has problems as it is; the id is taken; the case does not fit into the suite, or there is
            no place for it. Nothing is changed then.
        WriteError: the file cannot be written.
    """
    before = load_suite(path, allow_code=allow_code)
    if taken := next((one for one in before.cases if one.id == case.id), None):
        raise ConfigError(
            f'the case id "{case.id}" is taken', where=taken.where, remedy="give the new case another one with --id"
        )
    addition = _addition(path, case)
    original = addition.file.read_bytes()
    try:
        write_atomically(addition.file, addition.text.with_more(addition.more))
        after = load_suite(path, allow_code=allow_code)
        _check(before, after, addition)
    except BaseException:
        addition.file.write_bytes(original)
        raise
    return Added(addition.file, len(after.cases))


def _check(before: Suite, after: Suite, addition: _Addition) -> None:
    """See that the cases are those there were and the new one."""
    wanted = addition.case
    as_wanted = (wanted.id, wanted.vars, wanted.expected, wanted.tags)
    others = (case for case in map(_content, after.cases) if case != as_wanted)
    if len(after.cases) != len(before.cases) + 1 or not all(map(operator.eq, map(_content, before.cases), others)):
        raise ConfigError(
            f'the case "{wanted.id}" would not be read as it was given',
            where=Location(addition.file),
            remedy="write it into the file by hand",
        )


def _content(case: Case) -> tuple[str, Mapping[str, Json], Json, tuple[str, ...]]:
    return case.id, case.vars, case.expected, case.tags


class _Text(NamedTuple):
    """A file's text, and the line before which more can be added."""

    lines: Sequence[str]
    line: int
    newline: str
    bom: bool = False

    def with_more(self, addition: str) -> str:
        """Return the whole text with an addition."""
        head = "".join(self.lines[: self.line])
        if head and not head.endswith("\n"):
            head += self.newline
        return (
            (_BOM if self.bom else "") + head + addition.replace("\n", self.newline) + "".join(self.lines[self.line :])
        )


def _read(file: Path, line: re.Pattern[str]) -> _Text:
    """Split a file's text by what ends a line in its format."""
    text = file.read_bytes().decode("utf-8")
    lines = line.findall(text.removeprefix(_BOM))
    return _Text(lines, len(lines), "\r\n" if lines and lines[0].endswith("\r\n") else "\n", text.startswith(_BOM))


class _Addition(NamedTuple):
    """What to add where, and the case as it will be read from there."""

    file: Path
    text: _Text
    more: str
    case: NewCase


def _addition(path: Path, case: NewCase) -> _Addition:
    """Choose the file, the place in it and the text to put there."""
    document = load_file(path, literal_keys=LITERAL_KEYS)
    entries = document.data["cases"]
    last = entries[-1]
    if not (isinstance(last, dict) and "file" in last):
        return _inline(path.resolve(), document, case)
    file = beside(path.parent, last["file"])
    if last["file"].startswith("hf://") or file.suffix not in _APPENDED:
        raise ConfigError(
            f"no case can be added to {last['file']}",
            where=document.where(("cases", len(entries) - 1, "file")),
            remedy=f"put a case file to the end of `cases:` that is one of: {', '.join(_APPENDED)}",
        )
    text = _read(file.resolve(), _LINE)
    columns: Mapping[str, str] = last.get("columns", {})
    if file.suffix == ".csv":
        return _csv_row(file.resolve(), text, case, columns)
    return _Addition(file.resolve(), text, _json_row(text, case, columns), case)


def _inline(file: Path, document: Document, case: NewCase) -> _Addition:
    found = step_into(document.root, "cases")
    node = found[1] if found else None
    if not isinstance(node, SequenceNode) or node.flow_style:
        raise ConfigError(
            "a case can only be added to `cases:` when each stands on lines of its own",
            where=document.where(("cases",)),
            remedy="write them as `- id: ...`, one below the other",
        )
    text = _read(file, YAML_LINE)
    indent = " " * node.start_mark.column
    blank = "\n" if _blank_between(text.lines, node) else ""
    more = blank + "".join(f"{indent}{one}\n" for one in _yaml_lines(case))
    return _Addition(file, text._replace(line=line_after(node)), more, case)


def _blank_between(lines: Sequence[str], node: SequenceNode) -> bool:
    """Whether the author leaves a line between cases."""
    if len(node.value) < 2:
        return False
    start = node.value[-1].start_mark.line
    return start > 0 and not lines[start - 1].strip()


def line_after(node: Node) -> int:
    """The number of the first line behind what a node says, counted from 0: comments and blank lines come after."""
    if isinstance(node, ScalarNode) or (isinstance(node, CollectionNode) and (node.flow_style or not node.value)):
        end = node.end_mark
        return int(end.line if end.column == 0 and end.line > node.start_mark.line else end.line + 1)
    if isinstance(node, MappingNode):
        return max(line_after(part) for pair in node.value for part in pair)
    return max(line_after(part) for part in node.value)


def _yaml_lines(case: NewCase) -> Iterable[str]:
    yield f"- id: {flow(case.id)}"
    yield f"  vars: {flow(case.vars)}"
    if case.expected is not MISSING:
        yield f"  expected: {flow(case.expected)}"
    if case.tags:
        yield f"  tags: {flow(list(case.tags))}"


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json_row(text: _Text, case: NewCase, columns: Mapping[str, str]) -> str:
    """Write a line of JSON, in the shape of the last one: with `vars`, or flat."""
    last = next((line for line in reversed(text.lines) if line.strip()), "{}")
    shape: Any = json.loads(last)
    content: dict[str, Json] = {"id": case.id}
    content |= {"vars": dict(case.vars)} if "vars" in shape else case.vars
    if case.expected is not MISSING:
        content["expected"] = case.expected
    if case.tags:
        content["tags"] = list(case.tags)
    return _json({columns.get(name, name): value for name, value in content.items()}) + "\n"


def _csv_row(file: Path, text: _Text, case: NewCase, columns: Mapping[str, str]) -> _Addition:
    """Write a row of CSV. Every cell is text, and a var without one is empty."""
    first = _first_record(file)
    header = [cell.strip() for cell in first.cells]
    meant = {source: name for name, source in columns.items()}
    names = [meant.get(column, column) for column in header]
    given = {name: _cell(value) for name, value in case.vars.items()}
    cells = {"id": case.id, "tags": "; ".join(case.tags), **given}
    if case.expected is not MISSING:
        cells["expected"] = _cell(case.expected)
    if strange := [name for name, cell in cells.items() if name not in names and (cell or name in given)]:
        raise ConfigError(
            f"there is no column for {', '.join(strange)}",
            where=Location(file, 1),
            remedy=f"its columns are: {', '.join(header)}",
        )
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", delimiter=first.separator).writerow([cells.get(name, "") for name in names])
    own = {name: given.get(name, "") for name in names if name not in _CASE_COLUMNS}
    expected = cells.get("expected", "") if "expected" in names else MISSING
    return _Addition(file, text, out.getvalue(), dataclasses.replace(case, vars=own, expected=expected))


def _first_record(file: Path) -> Record:
    with file.open(encoding="utf-8-sig", newline="") as table:
        first = next(records(table, file))
    if isinstance(first, ConfigError):
        raise first
    return first


def _cell(value: Json) -> str:
    return value if isinstance(value, str) else _json(value)


def checked_vars(suite: Suite, given: Mapping[str, Json]) -> None:
    """See that a case has the vars that the suite's cases have.

    Raises:
        ConfigError: one is missing; says which.
    """
    lacking = [name for name in known_vars(suite) if name not in given]
    if lacking:
        errors = [ConfigError(f"the case lacks {name!r}", remedy=f'add: --var {name}="..."') for name in lacking]
        raise one_or_many(errors)
