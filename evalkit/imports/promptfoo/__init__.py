"""promptfoo configs as suites: YAML, JSON, or a CSV of tests. Nothing of a config is run, nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftSuite
from evalkit.imports.options import AS_THEY_ARE, ImportOptions

_NAMES: Final = ("promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json")
_TABLES: Final = (".csv", ".tsv")
_PROGRAMS: Final = (".js", ".cjs", ".mjs", ".ts", ".py")


def read(source: Path, options: ImportOptions = AS_THEY_ARE) -> DraftSuite:
    """Read a promptfoo config, or the folder that holds one.

    Raises:
        ConfigError: there is no config, or it is none. What only cannot be carried over is told in the draft's notes.
    """
    from evalkit.imports.promptfoo.config import check_keys, load_config, table_config
    from evalkit.imports.promptfoo.files import Files
    from evalkit.imports.promptfoo.nodes import Notes
    from evalkit.imports.promptfoo.suite import draft_suite
    from evalkit.imports.write import suite_name

    path = _config_of(source)
    files, notes = Files(path), Notes(path.parent)
    config = table_config(path, files, notes) if path.suffix.lower() in _TABLES else load_config(path, files)
    check_keys(config, notes)
    stem = path.parent.resolve().name if path.name in _NAMES else path.stem
    return draft_suite(config, suite_name(options.name or stem), files, notes, options)


def _config_of(source: Path) -> Path:
    if source.is_dir():
        found = next((source / name for name in _NAMES if (source / name).is_file()), None)
        if found is None:
            raise ConfigError(f"there is no {_NAMES[0]} in {source}", remedy="name the config file itself")
        return found
    if source.suffix.lower() in _PROGRAMS:
        remedy = "write it as YAML or JSON"
        raise ConfigError("this config is a program, and nothing is run here", where=Location(source), remedy=remedy)
    return source


__all__ = ["read"]
