"""Models by the names that a command line or a suite gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.models.config import choose
from evalkit.types import Model, Suite
from evalkit.yaml12 import load_file


def find_models(
    names: Sequence[str], configured: Mapping[str, Model], file: Path, suite: Suite | None = None
) -> tuple[Model, ...]:
    """Look up models by name in a models file.

    Args:
        names: the names, in the order wanted; the name of a row with a matrix means all of its own.
        configured: the models there are.
        file: the models file they are from.
        suite: whose file gives the names; None where they were typed.

    Raises:
        ConfigError: names are not configured; points at who gives a name, not at the models file.
    """
    problems = []
    for name in names:
        try:
            choose([name], configured, file)
        except ConfigError as error:
            where = _place(name, Path(suite.path)) if suite else None
            problems.append(ConfigError(f"{error.message} in {file}", where=where, remedy=error.remedy))
    if problems:
        raise one_or_many(problems)
    return choose(names, configured, file)


def _place(name: str, suite: Path) -> Location:
    """Where a suite's `models:` or `judge:` names a model; the file where only a scorer does."""
    document = load_file(suite)
    if document.data.get("judge") == name:
        return document.where(["judge"])
    named = document.data.get("models") or []
    return document.where(["models", named.index(name)]) if name in named else Location(suite)
