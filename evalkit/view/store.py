"""The runs of a results folder, as far as a list needs them: manifests, and figures of report.json; no journals.

What lies in the folder is taken as it comes: a damaged file is told of beside its run, never raised. Nothing is read
that a link leads to outside of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError
from evalkit.report.told import REPORT, Figures, read_told
from evalkit.runner.folder import LATEST
from evalkit.runner.journal import JUDGEMENTS, RECORDS, SCORES
from evalkit.runner.manifest import CASES, MANIFEST, Manifest, read_manifest
from evalkit.runner.packed import packed_names
from evalkit.view.life import shows_life

_READ: Final = (CASES, RECORDS, SCORES, JUDGEMENTS, *packed_names())
"""What is read of a run besides what a list needs."""


class State(StrEnum):
    """How far a run got."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNDER_WAY = "under way"
    CUT_SHORT = "cut short"
    UNREPORTED = "no report"
    DAMAGED = "damaged"


_PASSING: Final = {State.UNDER_WAY, State.CUT_SHORT, State.UNREPORTED}
"""States that a process can change, at work on the run, before any file that a list reads has changed."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in the folder.

    Attributes:
        suite, run_id: the names of its folders.
        manifest: None where it is damaged; `fault` then says how.
        figures: of each candidate; without numbers while the run is under way.
    """

    suite: str
    run_id: str
    folder: Path
    state: State
    manifest: Manifest | None
    figures: tuple[Figures, ...] = ()
    fault: str = ""

    @property
    def created_at(self) -> str:
        """When it began, ISO 8601; nothing where unknown."""
        return str(self.manifest.created_at) if self.manifest else ""

    @property
    def name(self) -> str:
        """What tells it from all others: SUITE/RUN-ID."""
        return f"{self.suite}/{self.run_id}"


def candidates_of(run: StoredRun) -> list[tuple[str, str]]:
    """The candidates of a run by model and prompt, in its order; none where its manifest is damaged."""
    if run.manifest is None:
        return []
    return [(model.name, prompt.name) for model in run.manifest.models for prompt in run.manifest.prompts]


class Store:
    """Looks runs up by name, and remembers what it has read for as long as the files stay the same.

    Args:
        root: the results folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._known: dict[Path, tuple[object, StoredRun]] = {}

    def suites(self) -> list[str]:
        """The names of the suites that have runs, in their order."""
        return sorted(home.name for home in self._folders(self.root) if next(self._run_folders(home), None))

    def runs(self, suite: str | None = None) -> list[StoredRun]:
        """All runs, or those of one suite, the newest first."""
        homes = [home for home in self._folders(self.root) if suite in {None, home.name}]
        found = [self._read(folder) for home in homes for folder in self._run_folders(home)]
        return sorted(found, key=lambda run: (run.created_at, run.run_id), reverse=True)

    def find(self, suite: str, run_id: str) -> StoredRun | None:
        """The run of this name. Names are compared with those there are, never made into a path.

        One whose journals lead elsewhere is not found, so that what is found may be read.
        """
        homes = (home for home in self._folders(self.root) if home.name == suite)
        folders = (folder for home in homes for folder in self._run_folders(home) if folder.name == run_id)
        folder = next(folders, None)
        return self._read(folder) if folder and all(self._own(folder / name) for name in _READ) else None

    def file(self, run: StoredRun, name: str) -> Path | None:
        """A file of a run, if it is one and lies within the results folder."""
        path = run.folder / name
        return path if path.is_file() and self._inside(path) else None

    def _folders(self, home: Path) -> Iterator[Path]:
        try:
            entries = sorted(home.iterdir())
        except OSError:
            return
        for path in entries:
            if path.is_dir() and not path.name.startswith(".") and _sayable(path.name) and self._inside(path):
                yield path

    def _run_folders(self, home: Path) -> Iterator[Path]:
        for folder in self._folders(home):
            manifest = folder / MANIFEST
            if folder.name != LATEST and manifest.is_file() and self._inside(manifest):
                yield folder

    def _own(self, path: Path) -> bool:
        """Whether it is a file within the results folder, or nothing at all."""
        return (path.is_file() and self._inside(path)) or not os.path.lexists(path)

    def _inside(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self.root)
        except (OSError, RuntimeError):  # a circle of links
            return False

    def _read(self, folder: Path) -> StoredRun:
        report = folder / REPORT
        stamp = _stamp(folder / MANIFEST), _stamp(report)
        known = self._known.get(folder)
        if known and known[0] == stamp and known[1].state not in _PASSING:
            return known[1]
        run = _stored(folder, report if report.is_file() and self._inside(report) else None)
        self._known[folder] = stamp, run
        return run


def _stored(folder: Path, report: Path | None) -> StoredRun:
    names = folder.parent.name, folder.name, folder
    try:
        manifest = read_manifest(folder)
    except ConfigError as error:
        remedy = f" ({error.remedy})" if error.remedy else ""
        return StoredRun(*names, State.DAMAGED, None, fault=f"{MANIFEST} {error.message}{remedy}")
    fault = _unfit(manifest)
    if fault:
        return StoredRun(*names, State.DAMAGED, None, fault=f"{MANIFEST} is damaged: {fault}")
    bare = tuple(Figures(model.name, prompt.name) for model in manifest.models for prompt in manifest.prompts)
    told = read_told(report) if report else None
    if isinstance(told, str):
        return StoredRun(*names, State.DAMAGED, manifest, bare, told)
    if told is None or manifest.finished_at is None or told.finished_at != manifest.finished_at:
        idle = State.CUT_SHORT if manifest.finished_at is None else State.UNREPORTED
        return StoredRun(*names, State.UNDER_WAY if shows_life(folder) else idle, manifest, bare)
    return StoredRun(*names, State.INCOMPLETE if told.incomplete else State.COMPLETE, manifest, told.figures)


def _unfit(manifest: Manifest) -> str:
    """What of a manifest cannot be counted with, as its types, which nobody checked, would let it be."""
    names: list[object] = [*(one.name for one in manifest.models), *(one.name for one in manifest.prompts)]
    trials: object = manifest.trials
    if not all(isinstance(name, str) for name in names):
        return "a model or a prompt has no name"
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        return f"trials is {trials!r}, not a whole number from 1"
    return ""


def _stamp(path: Path) -> object:
    """What changes when a file is written anew; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _sayable(name: str) -> bool:
    """Whether a name can stand in an address."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
