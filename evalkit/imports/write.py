"""Write a suite in the making as files: suite.yaml, prompts/, models.yaml, and cases.jsonl where the cases are many.

All of it is written beside the folder first and moved there at the end; what is there already is never replaced.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Final

from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.imports.draft import DraftCase, DraftPrompt, DraftSuite
from evalkit.imports.inputs import row_of
from evalkit.models.config import FILE, choose, load_models
from evalkit.structure import error_parts
from evalkit.suite.loader import check_suite
from evalkit.suite.starter import EMBEDDED, candidate_rows
from evalkit.types import Json
from evalkit.yaml12.writing import WIDTH, block, can_write, comment, flow, flow_key

SUITE: Final = PurePosixPath("suite.yaml")
CASES: Final = PurePosixPath("cases.jsonl")

_INLINE: Final = 200
_INLINE_CHARACTERS: Final = 400_000
_REMARKS: Final = 50
_NO_CODE: Final = "--allow-code"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the suite's file, all files, and how many cases.

    `problems` are what `evalkit validate` would say of it; scorers that run code of the suite's own are not asked, but
    told of by `needs_code`.
    """

    suite: Path
    files: tuple[Path, ...]
    cases: int
    problems: tuple[ConfigError, ...] = ()
    needs_code: bool = False


def write_suite(draft: DraftSuite, folder: Path) -> Written:
    """Write a suite into a folder, which may be there and hold other files.

    Raises:
        ConfigError: a file is there already, or the draft names one outside the folder; nothing is written then.
        WriteError: a file cannot be written; none is.
    """
    prompts = _prompt_files(draft.prompts)
    texts: dict[PurePosixPath, Iterable[str]] = {}
    inline = _inline(draft.cases)
    remarks: list[str] = []
    if not inline:
        texts[CASES] = _lines(_rows_of(draft.cases, remarks))  # written first, as the suite repeats its remarks
    texts[SUITE] = _lines(_suite(draft, list(prompts), None if inline else remarks))
    texts |= {path: _lines(_prompt(prompt)) for path, prompt in prompts.items()}
    texts[PurePosixPath(FILE)] = _lines(_models(draft.models))
    texts |= {_inside(name, texts): [text] for name, text in draft.files.items()}
    _refuse_what_is_there(texts, folder)
    _place(texts, folder)
    problems = _problems(folder)
    return Written(
        suite=folder / SUITE,
        files=tuple(folder / path for path in sorted(texts, key=lambda path: path != SUITE)),
        cases=len(draft.cases),
        problems=tuple(one for one in problems if _NO_CODE not in (one.remedy or "")),
        needs_code=any(_NO_CODE in (one.remedy or "") for one in problems),
    )


def suite_name(text: str) -> str:
    """Make a name that a suite can have out of any text."""
    name = re.sub("[^a-z0-9._-]+", "-", text.lower(), flags=re.ASCII).strip("-._")[:80].rstrip("-._")
    return name or "imported"


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return (f"{line}\n" for line in lines)


def _inline(cases: Sequence[DraftCase]) -> bool:
    """Whether the cases are few and short enough to be read in the suite's file."""
    if len(cases) > _INLINE:
        return False
    length = 0
    for case in cases:
        content = row_of(case)
        length += len(_json(content))
        if length > _INLINE_CHARACTERS or not can_write(content):
            return False
    return True


def _suite(draft: DraftSuite, prompts: Sequence[PurePosixPath], remarks: Sequence[str] | None) -> Iterator[str]:
    """Write the suite's file; with `remarks` on the cases where these stand in a file of their own."""
    for todo in draft.todo:
        yield from comment(todo, label="TODO: ")
    yield from block({"suite": draft.name})
    head: dict[str, Json] = {"description": draft.description} if draft.description else {}
    models = _rows(draft.models)
    head["prompts"] = [str(path) for path in prompts]
    head["models"] = list(dict.fromkeys(draft.run if draft.run is not None else models))
    yield from block(head)
    if draft.settings:
        yield from block(dict(draft.settings))
    if draft.scorers:
        yield "scorers:"
        yield from block(draft.scorers, 2)
    yield "cases:" if draft.cases else "cases: []"
    if remarks is None:
        for case in draft.cases:
            yield from _case_lines(case)
        return
    for remark in remarks:
        yield from comment(remark, 2)
    yield f"  - file: {CASES}"


def _rows_of(cases: Iterable[DraftCase], remarks: list[str]) -> Iterator[str]:
    """Write a case a line. What is still to be done with some is added to `remarks`, as it cannot stand there."""
    more = 0
    for number, case in enumerate(cases, 1):
        for todo in case.todo:
            if len(remarks) < _REMARKS:
                remarks.append(f"TODO: line {number} of {CASES}{f' ({case.id})' if case.id else ''}: {todo}")
            else:
                more += 1
        yield _json(row_of(case))
    if more:
        remarks.append(f"... and {more} more")


def _case_lines(case: DraftCase) -> Iterator[str]:
    for todo in case.todo:
        yield from comment(todo, 2, "TODO: ")
    first, *rest = block(row_of(case), 4)
    yield f"  - {first.strip()}"
    yield from rest


def _prompt_files(prompts: Sequence[DraftPrompt]) -> dict[PurePosixPath, DraftPrompt]:
    files: dict[PurePosixPath, DraftPrompt] = {}
    for prompt in prompts:
        stem = suite_name(prompt.name).replace("-", "_")
        stems = chain([stem], (f"{stem}_{number}" for number in count(2)))
        files[next(path for one in stems if (path := PurePosixPath("prompts", f"{one}.yaml")) not in files)] = prompt
    return files


def _prompt(prompt: DraftPrompt) -> Iterator[str]:
    for todo in prompt.todo:
        yield from comment(todo, label="TODO: ")
    yield from block({"prompt": prompt.name})
    if prompt.description:
        yield from block({"description": prompt.description})
    yield "messages:"
    yield from block(prompt.messages, 2)


def _rows(models: Mapping[str, Mapping[str, Json]]) -> Mapping[str, Mapping[str, Json]]:
    """The draft's candidates; where there are none, the one that needs neither a key nor a server."""
    return models or candidate_rows([EMBEDDED])


def _models(models: Mapping[str, Mapping[str, Json]]) -> Iterator[str]:
    yield "# The candidates. Look at them with: evalkit models"
    yield "# Keys are never written here: each provider reads its own environment variable (OPENAI_API_KEY, ...)."
    yield "models:"
    for name, row in _rows(models).items():
        line = f"  {flow_key(name)}: {flow(row)}"
        yield from [line] if len(line) <= WIDTH else block({name: dict(row)}, 2)


def _json(value: Json) -> str:
    """Write a line of JSON; what no file can hold is written as the YAML files would."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError:
        return json.dumps(_portable(value), ensure_ascii=False)
    return text


def _portable(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {_portable(key): _portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _inside(name: str, taken: Mapping[PurePosixPath, object]) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or "\0" in name:
        raise ConfigError(f"{name!r} lies outside the suite's folder", remedy="leave it out of the import")
    if path in taken:
        raise ConfigError(f"{name} would be written twice", remedy="rename it at the source")
    return path


def _refuse_what_is_there(texts: Iterable[PurePosixPath], folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a folder", remedy="name another folder with -o")
    there = [str(folder / path) for path in texts if os.path.lexists(folder / path)]
    if there:
        raise ConfigError(
            f"there already: {', '.join(there)}; nothing was written",
            remedy="name another folder with -o, or move what is there",
        )


def _place(texts: Mapping[PurePosixPath, Iterable[str]], folder: Path) -> None:
    """Write all files beside the folder, then move them to it: as a whole where there is no such folder yet."""
    placed: list[Path] = []
    part: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name or 'suite'}.", suffix=".part", dir=folder.resolve().parent))
        part.chmod(0o777 & ~_umask())
        for path, text in texts.items():
            _write(part / path, text)
        if folder.exists():
            _move_in(part, texts, folder, placed)
        else:
            part.rename(folder)
    except OSError as error:
        for one in placed:
            one.unlink(missing_ok=True)
        raise WriteError(
            f"cannot write to {folder}: {error.strerror or error}", remedy="make room, or make the folder writable"
        ) from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _move_in(part: Path, texts: Iterable[PurePosixPath], folder: Path, placed: list[Path]) -> None:
    for path in texts:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(part / path, target)
        placed.append(target)


def _move(source: Path, target: Path) -> None:
    """Put a file in its place; unlike a rename, it fails where somebody else was faster."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # not every file system knows links
        with source.open("rb") as read, target.open("xb") as written:
            try:
                shutil.copyfileobj(read, written)
            except OSError:
                target.unlink(missing_ok=True)
                raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(path: Path, text: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="", errors="backslashreplace") as file:
        file.writelines(text)


def _problems(folder: Path) -> list[ConfigError]:
    """Say what keeps the suite from being run; keys and servers aside."""
    suite, problems = check_suite(folder / SUITE)
    try:
        models = load_models(folder / FILE)
        if suite is not None:
            choose((*suite.models, *suite.judges, *suite.embedders), models, folder / FILE)
    except ConfigError as error:
        problems += error_parts(error)
    return problems
