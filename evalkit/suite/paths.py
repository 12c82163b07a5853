"""Paths as suites write them."""

from __future__ import annotations

import os
from pathlib import Path


def beside(folder: Path, entry: str) -> Path:
    """Resolve a path that starts from `folder`, without the detours (`evals/../prompts`) that messages would show."""
    plain = folder / entry
    tidy = Path(os.path.normpath(plain))
    # Behind a symbolic link `..` leads elsewhere; then the detour is the way.
    elsewhere = plain.exists() and not (tidy.exists() and tidy.samefile(plain))
    return plain if elsewhere else tidy
