"""What a shell's completion asks: the script for the shell, and the names that an option takes.

Typer brings the scripts and the answers. They are set up when a shell asks, not at every start, which would take longer
than the rest of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

VARIABLE: Final = "_EVALKIT_COMPLETE"
"""The environment variable in which a shell puts its question."""


def set_up() -> None:
    """Have the command line answer a shell's question."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()


def script(shell: str) -> str:
    """Return the script that makes a shell (bash, zsh or fish) ask."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    text: str = get_completion_script(prog_name="evalkit", complete_var=VARIABLE, shell=shell)
    return text.strip()


def model_names(context: typer.Context, incomplete: str) -> list[str]:
    """List the configured models whose names begin like this; none where no models file can be read."""
    from evalkit.errors import ConfigError
    from evalkit.models.config import find_models_file
    from evalkit.yaml12 import load_file

    file, suite = context.params.get("models"), context.params.get("suite")
    try:
        data = load_file(file or find_models_file(Path(suite).parent if suite else Path())).data
    except ConfigError:
        return []
    rows = data.get("models") if isinstance(data, dict) else None
    return [name for name in rows if str(name).startswith(incomplete)] if isinstance(rows, dict) else []
