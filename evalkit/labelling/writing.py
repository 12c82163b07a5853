"""Labels become `expected` in the files that hold the cases: put in, with all else left as it is, or laid beside.

What was written is read again. Unless it says exactly what was meant and nothing else has changed, the files are put
back as they were, and the labels go into a new case file beside the source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.files import write_atomically
from evalkit.labelling.source import Item, Source, open_source
from evalkit.labelling.spans import in_csv, in_json_lines, in_yaml
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Json

_BOM: Final = "\ufeff"


class Written(NamedTuple):
    """What became of labels.

    Attributes:
        in_place: the files that have them now, each with how many were put in.
        beside: a new case file with the cases that no file could take; None where there are none.
        instead_of: what the suite should name that file instead of.
        unchanged: how many labels were there already.
    """

    in_place: Mapping[Path, int]
    beside: Path | None
    instead_of: Sequence[str]
    unchanged: int


def write_labels(source: Source, labels: Mapping[str, Json]) -> Written:
    """Write labels into the files that hold the cases.

    Args:
        source: as the files are now.
        labels: by case id.

    Raises:
        ConfigError: the file to be laid beside exists already.
        WriteError: a file cannot be written.
    """
    wanted = [item for item in source.items if item.case.id in labels and not _has(item, labels[item.case.id])]
    unchanged = len(labels) - len(wanted)
    files = list(dict.fromkeys(item.place.file for item in wanted))
    texts = {file: _text(source, file, wanted, labels) for file in files}
    done = {file: text for file, text in texts.items() if file is not None and text is not None}
    lost = [file for file in files if file not in done]
    if done and not _kept(source, done, labels):
        done, lost = {}, files
    counts = {file: sum(item.place.file == file for item in wanted) for file in done}
    if not lost:
        return Written(counts, None, (), unchanged)
    names = dict.fromkeys(item.place.name or "the cases under `cases:`" for item in wanted if item.place.file in lost)
    return Written(counts, _beside(source, lost, labels), list(names), unchanged)


def _has(item: Item, label: Json) -> bool:
    return item.case.expected is not MISSING and _spelled(item, item.case.expected) == _spelled(item, label)


def _spelled(item: Item, label: Json) -> str:
    """A value as its file can hold it: a cell of CSV is text."""
    if item.place.file and item.place.file.suffix == ".csv":
        return as_text(label)
    return json.dumps(label, ensure_ascii=False, sort_keys=True)


def _text(source: Source, file: Path | None, wanted: Sequence[Item], labels: Mapping[str, Json]) -> str | None:
    """A file's text with the labels in it; None where it cannot take them."""
    if file is None:
        return None
    mine = [item for item in wanted if item.place.file == file]
    raw = file.read_bytes().decode("utf-8")
    text = raw.removeprefix(_BOM)
    column = mine[0].place.columns.get("expected", "expected")
    if mine[0].place.inline:
        by_index = {int(item.place.inline[1]): labels[item.case.id] for item in mine}
        new = in_yaml(text, source.document.root, by_index)
    else:
        writer = _WRITERS.get(file.suffix)
        by_line = {item.place.line or 0: labels[item.case.id] for item in mine}
        new = writer(text, by_line, column) if writer else None
    return new if new is None else raw[: len(raw) - len(text)] + new


_WRITERS: Final[Mapping[str, Callable[[str, Mapping[int, Json], str], str | None]]] = {
    ".jsonl": in_json_lines,
    ".csv": in_csv,
}


def _kept(source: Source, texts: Mapping[Path, str], labels: Mapping[str, Json]) -> bool:
    """Write files and read them again; they are put back unless they say what was meant."""
    targets = {file.resolve(): text for file, text in texts.items()}
    originals = {file: file.read_bytes() for file in targets}
    try:
        for file, text in targets.items():
            write_atomically(file, text)
        as_meant = _as_meant(source, open_source(source.path), texts, labels)
    except ConfigError:
        as_meant = False
    except BaseException:
        _restore(originals)
        raise
    if not as_meant:
        _restore(originals)
    return as_meant


def _restore(originals: Mapping[Path, bytes]) -> None:
    for file, content in originals.items():
        write_atomically(file, content.decode())


def _as_meant(before: Source, after: Source, files: Mapping[Path, str], labels: Mapping[str, Json]) -> bool:
    """Whether the cases are those there were, but for the labels that were to go into these files."""
    if len(before.items) != len(after.items):
        return False
    for old, new in zip(before.items, after.items, strict=True):
        label = labels.get(old.case.id, MISSING) if old.place.file in files else MISSING
        if (old.case.id, old.print, old.case.tags, _rest(old)) != (new.case.id, new.print, new.case.tags, _rest(new)):
            return False
        if label is MISSING and not (old.expected is MISSING and new.expected is MISSING):
            label = old.case.expected
        if label is not MISSING and not _has(new, label):
            return False
    return True


def _rest(item: Item) -> str:
    return json.dumps({key: value for key, value in item.data.items() if key != "expected"}, ensure_ascii=False)


def _beside(source: Source, files: Sequence[Path | None], labels: Mapping[str, Json]) -> Path:
    """Lay a case file beside the source, with all cases of some files, so that it can stand in their place."""
    path = source.path.with_name(f"{source.path.stem}.labels.jsonl")
    if path.exists():
        raise ConfigError(
            "the labels would go into this file, and it exists already",
            where=Location(path),
            remedy="move it away; the labels are kept in the journals",
        )
    rows = (_row(item, labels.get(item.case.id, item.expected)) for item in source.items if item.place.file in files)
    write_atomically(path, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def _row(item: Item, expected: Json) -> Mapping[str, Json]:
    row = {"vars": {}, **item.data, "id": item.case.id}
    return row if expected is MISSING else {**row, "expected": expected}
