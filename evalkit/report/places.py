"""Where the prompts and cases of a run stand in the user's files, as far as these can still be read.

For marks in a review only: a file that is gone, or has changed since, costs the mark its line and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import ConfigError, Location
from evalkit.runner.manifest import Manifest
from evalkit.suite.loader import LITERAL_KEYS
from evalkit.suite.paths import beside
from evalkit.suite.sources import all_rows
from evalkit.types import Json
from evalkit.yaml12 import Document, load_file


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand.

    Attributes:
        suite: the suite file; None where it is gone.
        prompts: the first message of each prompt, by name.
        cases: those that were asked for, by id.
        fingerprints: of the run's prompts, by name.
    """

    suite: Location | None
    prompts: Mapping[str, Location]
    cases: Mapping[str, Location]
    fingerprints: Mapping[str, str]


def places_of(manifest: Manifest, cases: Collection[str]) -> Places:
    """Find where a run's prompts stand, and the cases of these ids."""
    path = Path(manifest.suite.path)
    document = None if manifest.imported else _read(path)
    files = {prompt.name: Path(prompt.file) for prompt in manifest.prompts if prompt.file}
    prompts = {name: _first_message(file, _read(file)) for name, file in files.items()}
    fingerprints = {prompt.name: prompt.fingerprint for prompt in manifest.prompts}
    if document is None:
        return Places(
            Location(path, 1) if path.is_file() and not manifest.imported else None, prompts, {}, fingerprints
        )
    return Places(
        Location(path, 1), _prompts(document, path.parent) | prompts, _cases(document, path.parent, cases), fingerprints
    )


def _read(path: Path) -> Document | None:
    """A YAML file whose root is a mapping, if it can be read as one."""
    try:
        document = load_file(path, literal_keys=LITERAL_KEYS)
    except ConfigError:
        return None
    return document if isinstance(document.data, dict) else None


def _prompts(document: Document, folder: Path) -> dict[str, Location]:
    entries = document.data.get("prompts")
    places: dict[str, Location] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, str):
            path = beside(folder, entry)
            read = _read(path)
            places[_name(path, read)] = _first_message(path, read)
        elif isinstance(entry, dict):
            places[str(entry.get("name"))] = document.where(("prompts", index))
    return places


def _name(path: Path, document: Document | None) -> str:
    return str(document.data.get("prompt", path.stem)) if document else path.stem


def _first_message(path: Path, document: Document | None) -> Location:
    return document.where(("messages", 0)) if document else Location(path, 1)


def _cases(document: Document, folder: Path, wanted: Collection[str]) -> dict[str, Location]:
    """Where cases stand that were given their id; reading stops once all are found."""
    entries = document.data.get("cases")
    if not wanted or not isinstance(entries, list) or any(map(_is_remote, entries)):
        return {}
    places: dict[str, Location] = {}
    try:
        for row in all_rows(document, folder):
            case = row.data.get("id") if not isinstance(row, ConfigError) and isinstance(row.data, dict) else None
            if case in wanted and not isinstance(row, ConfigError):
                places[str(case)] = row.where
                if len(places) == len(wanted):
                    break
    except ConfigError:
        return places
    return places


def _is_remote(entry: Json) -> bool:
    return isinstance(entry, dict) and str(entry.get("file", "")).startswith("hf://")
