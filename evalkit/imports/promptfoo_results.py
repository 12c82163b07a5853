"""promptfoo's results as a run: what `promptfoo eval -o out.json` (or .jsonl) and `promptfoo export eval` write.

Rows are the same in all versions but for details. Version 2 has a `table` and does not tell errors from failures;
versions 3 and 4 number prompts and tests and say why a row failed. An eval as it is shared has its rows and prompts at
the top. JSON lines are rows alone. The table that is printed on the screen is read too, as far as it goes.

An error (no answer, or no verdict) is told from a failure by `failureReason`, and where that is not said by whether
anything was graded. An answer out of promptfoo's cache has no latency: what it says is the time of the look-up.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftRun, Share
from evalkit.imports.gathering import Found, Gathered, Notes, complete_notes
from evalkit.imports.jsonfiles import read_document, read_lines
from evalkit.imports.options import ImportOptions
from evalkit.imports.promptfoo.files import Files
from evalkit.imports.promptfoo_names import Names
from evalkit.imports.promptfoo_rows import Cases, Row, row_of, test_of
from evalkit.imports.promptfoo_table import is_table, read_table
from evalkit.imports.promptfoo_trials import Trials, guessed_repeat, told_repeat
from evalkit.imports.values import count, first_moment, items, mapping, text
from evalkit.imports.write import suite_name
from evalkit.suite.spool import DiskRows
from evalkit.types import Json

TOOL: Final = "promptfoo"


@dataclass(frozen=True, slots=True)
class _Export:
    """A file of results, whatever its version: rows with their places, and what stands around them."""

    rows: Callable[[], Iterator[tuple[Location, Json | ConfigError]]]
    prompts: tuple[Json, ...]
    stats: Mapping[str, Json]
    config: Mapping[str, Json]
    about: Mapping[str, Json]
    created: tuple[Json, ...]


def read(source: Path, options: ImportOptions) -> DraftRun:
    """Read promptfoo's results.

    Raises:
        ConfigError: the file cannot be read, or is none that promptfoo writes.
    """
    where, notes = Location(source), Notes()
    if options.scorer is not None:
        raise ConfigError(
            "promptfoo's results tell themselves whether an answer passed", where=where, remedy="leave out --scorer"
        )
    export = _export(source)
    reading = _Reading(source, export, notes, options)
    gathered = Gathered(reading.found())
    if not gathered.tally.answers:
        raise ConfigError(
            "holds no result of promptfoo that can be read",
            where=where,
            remedy="name a file that `promptfoo eval -o out.json`, `-o out.jsonl` or `promptfoo export eval` wrote",
        )
    reading.compare_with_stats()
    if reading.names.unnamed in gathered.models:
        notes.add(where, "model", "does not say which model answered", lost=False, remedy="name it: -m PROVIDER:MODEL")
    return DraftRun(
        suite=suite_name(options.name or _name(export, source)),
        tool=_tool(export),
        source=str(source),
        created_at=first_moment(source, *export.created),
        models=tuple(model for name, model in reading.names.models.items() if name in gathered.models),
        prompts=tuple(prompt for name, prompt in reading.names.prompts.items() if name in gathered.prompts),
        cases=gathered.cases,
        answers=gathered.answers,
        trials=gathered.tally.trials,
        description=text(export.config.get("description"))[:1000],
        notes=complete_notes(notes, gathered, where),
        shares=(Share("result", reading.seen, gathered.tally.answers),),
    )


def _export(source: Path) -> _Export:
    if source.suffix.lower() in {".jsonl", ".ndjson"}:
        return _lines(source)
    return _printed(source) if is_table(source) else _document(source)


def _printed(source: Path) -> _Export:
    table = read_table(source)
    return _Export(partial(_numbered, source, table.rows), tuple(table.prompts), table.stats, {}, {}, ())


def _lines(source: Path) -> _Export:
    order: list[tuple[float, float, int]] = []
    rows = DiskRows(_packed(source, order))
    order.sort()
    return _Export(partial(_unpacked, rows, order), (), {}, {}, {}, ())


def _packed(source: Path, order: list[tuple[float, float, int]]) -> Iterator[bytes]:
    """Lines as bytes, with the order of tests and prompts: they stand in the order in which they were done."""
    for number, (where, row) in enumerate(read_lines(source)):
        order.append((*_order(row), number))
        fault = row.message if isinstance(row, ConfigError) else None
        yield pickle.dumps((where, fault, None if fault else row), pickle.HIGHEST_PROTOCOL)


def _unpacked(
    rows: DiskRows, order: Iterable[tuple[float, float, int]]
) -> Iterator[tuple[Location, Json | ConfigError]]:
    for *_, number in order:
        where, fault, row = pickle.loads(rows.read(number))  # noqa: S301 - written above
        yield where, row if fault is None else ConfigError(fault, where=where)


def _document(source: Path) -> _Export:
    data = read_document(source)
    top = mapping(data)
    inner = mapping(top.get("results"))
    rows = top.get("results") if isinstance(top.get("results"), list) else inner.get("results")
    if not isinstance(rows, list):
        raise ConfigError(
            "is not a file of promptfoo's results: it has no `results`",
            where=Location(source),
            remedy="name a file that `promptfoo eval -o out.json` or `promptfoo export eval` wrote",
        )
    head = mapping(mapping(inner.get("table")).get("head"))
    prompts = items(top.get("prompts")) or items(inner.get("prompts")) or items(head.get("prompts"))
    metadata = mapping(top.get("metadata"))
    return _Export(
        rows=partial(_numbered, source, rows),
        prompts=tuple(prompts),
        stats=mapping(inner.get("stats") or top.get("stats")),
        config=mapping(top.get("config")),
        about=metadata,
        created=(
            inner.get("timestamp"),
            top.get("createdAt"),
            metadata.get("evaluationCreatedAt"),
            _moment_in(top.get("evalId") or top.get("id")),
            metadata.get("exportedAt"),
        ),
    )


def _numbered(source: Path, rows: list[Json]) -> Iterator[tuple[Location, Json | ConfigError]]:
    """Rows in the order of tests and prompts."""
    for number, row in sorted(enumerate(rows, 1), key=lambda numbered: _order(numbered[1])):
        yield Location(f"{source} (result {number})"), row


def _order(row: Json) -> tuple[float, float]:
    told = mapping(row)
    test, prompt = count(told.get("testIdx")), count(told.get("promptIdx"))
    return math.inf if test is None else test, math.inf if prompt is None else prompt


def _moment_in(eval_id: Json) -> str:
    """The moment that stands in an eval's id, `eval-2024-10-02T21:37:20-kMQ` or `eval-WJi-2025-10-01T20:08:11`."""
    parts = text(eval_id).split("-")
    dates = [at for at, part in enumerate(parts) if len(part) == 4 and part.isdigit()]
    return "-".join(parts[dates[0] : dates[0] + 3]) if dates else ""


def _name(export: _Export, source: Path) -> str:
    description = text(export.config.get("description"))
    return description if 0 < len(description) <= 60 else source.stem


def _tool(export: _Export) -> str:
    version = text(export.about.get("promptfooVersion"))
    return f"{TOOL} {version[:40]}" if version else TOOL


class _Reading:
    """Goes through the rows once, and keeps count."""

    def __init__(self, source: Path, export: _Export, notes: Notes, options: ImportOptions) -> None:
        self.seen = 0
        self.names = Names(export.prompts, (row for _, row in export.rows() if isinstance(row, dict)), options)
        self._export = export
        self._cases = Cases(Files(source))
        self._where = Location(source)
        self._notes = notes
        self._limit = options.limit
        self._outcomes: Counter[str] = Counter()

    def found(self) -> Iterator[Found]:
        """Every row that can be used, as a case and an answer."""
        trials = Trials(self._repeat())
        for where, data in islice(self._export.rows(), self._limit):
            self.seen += 1
            row = self._row(data, where)
            if row is not None:
                self._outcomes[row.outcome] += 1
                yield Found(row.case, row.answer(*self.names.of(row.head, row.prompt_number), trials.trial(row)))

    def _row(self, data: Json | ConfigError, where: Location) -> Row | None:
        """A row that can be used; of any other the notes tell why not."""
        try:
            if isinstance(data, ConfigError):
                raise data
            return row_of(data, where, self._notes, self._cases)
        except ConfigError as error:
            self._notes.error("result", error, where)
            return None

    def _repeat(self) -> int:
        told = told_repeat(self._export.config)
        if told is not None:
            return told
        rows = (row for _, row in islice(self._export.rows(), self._limit))
        guessed = guessed_repeat(test_of(row) for row in rows if isinstance(row, dict))
        if guessed > 1:
            self._notes.once(
                self._where, "test", f"every test stands there {guessed} times: taken as that many trials of each"
            )
        return guessed

    def compare_with_stats(self) -> None:
        """Say where the source's own counts are not those of its rows; of a part there is nothing to compare."""
        stats, counts = self._export.stats, self._outcomes
        told = {name: count(stats.get(name)) for name in ("successes", "failures", "errors")}
        if self._limit is not None or told["successes"] is None or told["failures"] is None:
            return
        # Before there was a count of errors they were failures.
        ours = (counts["passed"], counts["failed"] + (counts["error"] if told["errors"] is None else 0))
        theirs = (told["successes"], told["failures"])
        if ours != theirs or (told["errors"] is not None and told["errors"] != counts["error"]):
            self._notes.add(
                self._where,
                "stats",
                f"its stats count {theirs[0]} passed, {theirs[1]} failed and {told['errors'] or 0} errors, its rows "
                f"{counts['passed']}, {counts['failed']} and {counts['error']}: the rows were taken",
                lost=False,
            )
