"""How far a run under way has got, from the rows that its journals gained since the last look.

Journals that were packed meanwhile do not grow: they are read once, by who has not read the rows before.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from evalkit.analysis.figures import Mean, group_mean
from evalkit.errors import ConfigError
from evalkit.runner.journal import RECORDS, SCORES
from evalkit.runner.manifest import CASES, Manifest
from evalkit.runner.packed import KINDS, PackedRows, is_packed, packed_path
from evalkit.runner.race_plan import needed_cases
from evalkit.view.life import last_written_s

_LONGEST: Final = 64 * 2**20
"""Bytes read at one look; what is left waits for the next."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate so far. `passed` of `judged` answers; `rate` counts errors as not passed; None before any is in."""

    model: str
    prompt: str
    planned: int
    answered: int
    errors: int
    judged: int
    passed: int
    rate: Mean | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A run so far.

    Attributes:
        quiet_s: seconds since something was written.
        open_end: whether it is a race under way, which may do without some of the calls that are planned.
    """

    standings: tuple[Standing, ...]
    quiet_s: float
    open_end: bool = False

    @property
    def done(self) -> int:
        """Calls that have ended, in an answer or an error."""
        return sum(one.answered + one.errors for one in self.standings)

    @property
    def planned(self) -> int:
        """Calls that the run needs."""
        return sum(one.planned for one in self.standings)


class _Asked(NamedTuple):
    """What tells a call from others, also where a resumed run asks it in other words."""

    model: str
    prompt: str
    case_id: str
    trial: str


class Watch:
    """Follows one run. May be asked by several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._records = _Tail(folder / RECORDS)
        self._scores = _Tail(folder / SCORES)
        self._calls: dict[_Asked, tuple[str, bool]] = {}
        self._passed: dict[str, bool] = {}

    def look(self, manifest: Manifest) -> Progress:
        """Read the new rows, and count."""
        with self._lock:
            self._read()
            standings = tuple(self._standings(manifest))
        race = manifest.race
        return Progress(standings, last_written_s(self._folder), race is not None and not race.over)

    def _read(self) -> None:
        for row in self._records.new_rows():
            if "call_id" in row:
                asked = _Asked(*(str(row.get(name)) for name in _Asked._fields))
                self._calls[asked] = str(row["call_id"]), row.get("error") is not None
        if self._scores.replaced():
            self._passed.clear()
        for row in self._scores.new_rows():
            self._passed[str(row.get("call_id"))] = row.get("passed") is True
        self._read_packed()

    def _read_packed(self) -> None:
        if not self._calls:
            for record in _packed_values(self._folder / RECORDS):
                asked = _Asked(record.model, record.prompt, record.case_id, str(record.trial))
                self._calls[asked] = record.call_id, record.error is not None
        if not self._passed:
            for score in _packed_values(self._folder / SCORES):
                self._passed[score.call_id] = score.passed

    def _standings(self, manifest: Manifest) -> Iterator[Standing]:
        needed = needed_cases(manifest, _lines(self._folder / CASES))
        answered, errors, judged, passed = (Counter[tuple[str, str]]() for _ in range(4))
        by_case: dict[tuple[str, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
        for (model, prompt, case_id, _), (call_id, failed) in self._calls.items():
            one, verdict = (model, prompt), self._passed.get(call_id)
            (errors if failed else answered)[one] += 1
            if failed or verdict is not None:
                by_case[one][case_id].append(not failed and bool(verdict))
            if not failed and verdict is not None:
                judged[one] += 1
                passed[one] += verdict
        for one in ((model.name, prompt.name) for model in manifest.models for prompt in manifest.prompts):
            groups = Counter((float(sum(trials)), len(trials)) for trials in by_case[one].values())
            planned = max(needed(*one) * manifest.trials, answered[one] + errors[one])
            counts = answered[one], errors[one], judged[one], passed[one]
            yield Standing(*one, planned, *counts, group_mean(groups) if judged[one] else None)


class _Tail:
    """Reads what a file of JSON lines gains."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._end = 0

    def replaced(self) -> bool:
        """Whether another file, or less of it, has taken the file's place; it is then read from its beginning."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        changed = found.st_ino != self._inode or found.st_size < self._end
        if changed:
            self._inode, self._end = found.st_ino, 0
        return changed

    def new_rows(self) -> Iterator[Mapping[str, Any]]:
        """Rows that were ended since the last look, without damaged ones."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._end)
                new = file.read(_LONGEST)
        except OSError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._end += len(whole)
        for line in whole.splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row


def _packed_values(journal: Path) -> Iterator[Any]:
    """The rows of a packed journal, up to where it is damaged; none of one that is not packed."""
    if not is_packed(journal):
        return
    try:
        with PackedRows(packed_path(journal), KINDS[journal.name]) as packed:
            yield from filter(None, packed.values(0, len(packed)))
    except ConfigError:
        return


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b""))
    except OSError:
        return 0
