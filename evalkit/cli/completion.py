"""`evalkit completion`: a script that lets a shell complete evalkit's commands and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell: bash, zsh or fish.", show_default=False)],
) -> None:
    """Print a script that makes a shell complete commands, options and the names of models.

    bash: add to ~/.bashrc: eval "$(evalkit completion bash)"

    zsh: add to ~/.zshrc, after compinit: eval "$(evalkit completion zsh)"

    fish: evalkit completion fish > ~/.config/fish/completions/evalkit.fish
    """
    from evalkit.cli.completing import script

    typer.echo(script(shell.value))
