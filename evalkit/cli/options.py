"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Suite = Annotated[Path, typer.Argument(help="The suite file.", metavar="SUITE", show_default=False)]
ModelsFile = Annotated[
    Path | None,
    typer.Option(
        "--models", help="The models file. Default: models.yaml beside the suite or above it.", metavar="FILE"
    ),
]
ModelNames = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="Ask this model instead of the suite's; repeatable.", metavar="NAME"),
]
PromptNames = Annotated[
    list[str] | None,
    typer.Option("--prompt", "-p", help="Ask with this prompt only: a name or a file; repeatable.", metavar="PROMPT"),
]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Let the suite's python scorers run code from files beside it.")
]
