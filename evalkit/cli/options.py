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
CaseFilter = Annotated[
    list[str] | None,
    typer.Option("--filter", "-f", help="Only cases whose id or tag matches this glob; repeatable.", metavar="GLOB"),
]
Limit = Annotated[
    int | None, typer.Option("--limit", "-n", help="Only a random sample of this many cases.", min=1, metavar="N")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the sample.", metavar="N")]
Trials = Annotated[
    int | None, typer.Option("--trials", help="Ask each case this often. Default: the suite's.", min=1, metavar="N")
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", "-c", help="Calls in flight per model. Default: the model's.", min=1, metavar="N"),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder for results.", metavar="DIR")]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        help="Go on with a run, asking only what is missing or failed. RUN: an id or a folder; else the latest.",
        metavar="[RUN]",
    ),
]
NoStream = Annotated[
    bool, typer.Option("--no-stream", help="Ask for whole answers: no time to first token, a little less work.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print calls, estimated tokens and cost per model; ask nobody.")
]
