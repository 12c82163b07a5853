"""Files of a folder that somebody named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import ConfigError, Location

_MOST_FILES = 10_000


def files_in(folder: Path, endings: Sequence[str], prefix: str = "") -> list[Path]:
    """List the files in a folder and below it, by name; links that lead out of it are passed over.

    Args:
        folder: where to look.
        endings: of the files' names.
        prefix: of the files' names.

    Raises:
        ConfigError: there is none, or there are more than anyone would import.
    """
    home = folder.resolve()
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        paths = (Path(parent) / name for name in names if name.startswith(prefix) and name.endswith(tuple(endings)))
        found += (path for path in paths if path.is_file() and path.resolve().is_relative_to(home))
        if len(found) > _MOST_FILES:
            raise ConfigError(
                f"holds more than {_MOST_FILES:,} files", where=Location(folder), remedy="name some of it"
            )
    if not found:
        wanted = " or ".join(f"{prefix}*{ending}" for ending in endings)
        raise ConfigError(f"holds no file {wanted}", where=Location(folder), remedy="name the file, or its folder")
    return sorted(found)
