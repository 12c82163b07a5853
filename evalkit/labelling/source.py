"""What is to be labelled: the cases of a suite or of a case file, whether or not anybody could judge them yet.

Unlike `load_suite` this asks neither for expected outputs nor for scorers that can work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.structure import Path as KeyPath
from evalkit.structure import capped, structure_problems
from evalkit.suite.cases import case_of, faults_of, name_of
from evalkit.suite.ids import Ids
from evalkit.suite.loader import LITERAL_KEYS
from evalkit.suite.paths import beside
from evalkit.suite.prompts import prompt_from_entry
from evalkit.suite.render import Renderer
from evalkit.suite.rows import Row
from evalkit.suite.sources import all_rows
from evalkit.types import MISSING, Case, Image, Json, Message
from evalkit.yaml12 import Document, load_file

SUITES: Final = (".yaml", ".yml")
CASE_FILES: Final = (".jsonl", ".csv", ".json", ".parquet")
_HUB: Final = "hf://"
_PRINT_CHARS: Final = 12


class Place(NamedTuple):
    """Where a case stands: the file, and its line there; or, in the suite itself, its path in the document.

    `file` is None where the case comes from the hub. `name` is how the suite names the file, empty for itself;
    `columns` are those that it names for it.
    """

    file: Path | None
    line: int | None
    inline: KeyPath = ()
    columns: Mapping[str, str] = {}
    name: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A case to label.

    `print` changes with what the case asks: a label belongs to both, its id and this. `data` is the case as spelled.
    """

    case: Case
    place: Place
    print: str
    data: Mapping[str, Json]

    @property
    def expected(self) -> Json:
        """What its file expects; MISSING where that is nothing, null or an empty text."""
        value = self.case.expected
        return MISSING if value is None or (isinstance(value, str) and not value.strip()) else value


@dataclass(frozen=True, slots=True)
class Source:
    """Cases to label, and the suite's document, or one made up around a case file."""

    path: Path
    document: Document
    items: Sequence[Item]

    @property
    def is_suite(self) -> bool:
        """Whether a suite was named, and no case file."""
        return self.path.suffix in SUITES

    def messages(self, item: Item) -> Iterator[tuple[str, str]]:
        """Render every prompt of the suite for a case: titles, each with a text. What fails says so."""
        data: Mapping[str, Any] = self.document.data
        shared = data.get("vars", {})
        for index in range(len(data.get("prompts", ()))):
            try:
                prompt = prompt_from_entry(self.document, ("prompts", index), self.path.parent, shared)
                for message in Renderer(prompt, shared).sketch(item.case):
                    yield f"{prompt.name} - {message.role}", _said(message)
            except ConfigError as error:
                yield f"prompt {index + 1}", str(error)


def _said(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(f"[picture {part.url}]" if isinstance(part, Image) else part for part in message.content)


def open_source(path: Path) -> Source:
    """Read a suite or a case file.

    Raises:
        ConfigError: it cannot be read, or its cases are malformed; a missing expected output is no fault here.
    """
    if path.suffix in CASE_FILES:
        if not path.is_file():
            raise ConfigError("there is no such file", where=Location(path), remedy="check its name and folder")
        document = Document({"cases": [{"file": path.name}]}, path)
    elif path.suffix in SUITES:
        document = _suite(path)
    else:
        raise ConfigError(
            "cases cannot be labelled in such a file",
            where=Location(path),
            remedy=f"name a suite (.yaml) or a case file: {', '.join(CASE_FILES)}",
        )
    return Source(path, document, read_items(document, path))


def _suite(path: Path) -> Document:
    from evalkit.suite.schema import skeleton_schema

    document = load_file(path, literal_keys=LITERAL_KEYS)
    data = document.data
    if not isinstance(data, dict) or "cases" not in data:
        raise ConfigError("the suite has no `cases:`", where=Location(path), remedy="add some, or name a case file")
    problems = structure_problems(data, skeleton_schema(), document)
    bad = {problem.path[0] for problem in problems if problem.path}
    if "cases" in bad:
        raise one_or_many(capped([problem.error for problem in problems if problem.path[:1] == ("cases",)]))
    return replace(document, data={key: value for key, value in data.items() if key not in bad})


def read_items(document: Document, path: Path) -> Sequence[Item]:
    """Read the cases that a document names.

    Raises:
        ConfigError: some are malformed, or two have one id.
    """
    rows: list[Row] = []
    errors: list[ConfigError] = []
    for row in all_rows(document, path.parent):
        faults = [row] if isinstance(row, ConfigError) else faults_of(row)
        errors += faults
        rows += [row] if isinstance(row, Row) and not faults else []
    if errors:
        raise one_or_many(capped(errors))
    ids = Ids()
    names = [name_of(row, ids) for row in rows]
    if ids.clash:
        again = Ids(avoid=ids.given)
        names = [name_of(row, again) for row in rows]
    _check_ids(names, rows)
    files = _files(document, path.parent)
    return [_item(_case(row, name), row, files) for row, name in zip(rows, names, strict=True)]


def _check_ids(names: Sequence[str], rows: Sequence[Row]) -> None:
    first: dict[str, Row] = {}
    errors = [
        ConfigError(
            f'the case id "{name}" is taken by the case at {first[name].where}',
            where=row.where,
            remedy="give each case an id of its own",
        )
        for name, row in zip(names, rows, strict=True)
        if first.setdefault(name, row) is not row
    ]
    if errors:
        raise one_or_many(capped(errors))


def _files(document: Document, folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """What the suite says of the files it names, by the names that rows give as their place."""
    entries = [entry for entry in document.data["cases"] if isinstance(entry, dict) and "file" in entry]
    return {_path_of(entry["file"], folder): entry for entry in entries}


def _path_of(file: str, folder: Path) -> str:
    return file if file.startswith(_HUB) else str(beside(folder, file))


def _case(row: Row, name: str) -> Case:
    """The case of a sound row, without scorers."""
    return case_of(row, name, (), [()] * len(row.data.get("turns", ())))


def _item(case: Case, row: Row, files: Mapping[str, Mapping[str, Any]]) -> Item:
    if row.document is not None:
        place = Place(Path(row.document.path), row.where.line, row.path)
    else:
        path = str(row.where.path)
        path = path if path in files else path.rpartition(" (")[0]  # as in "cases.json (entry 3)"
        entry = files.get(path, {"file": path})
        file = None if path.startswith(_HUB) else Path(path)
        place = Place(file, row.where.line, columns=entry.get("columns", {}), name=entry["file"])
    return Item(case, place, fingerprint(case), row.data)


def fingerprint(case: Case) -> str:
    """Identify what a case asks: its vars, and what the user says in its turns."""
    content = json.dumps([sorted(case.vars.items()), [turn.user for turn in case.turns]], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:_PRINT_CHARS]
