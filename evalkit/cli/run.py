"""`evalkit run`: ask every candidate every case, and report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def run(
    suite: options.Suite,
    model: options.ModelNames = None,
    prompt: options.PromptNames = None,
    models: options.ModelsFile = None,
    case_filter: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", "-f", help="Only cases whose id or tag matches this glob; repeatable.", metavar="GLOB"
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", help="Only a random sample of this many cases.", min=1, metavar="N")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the sample.", metavar="N")] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", help="Ask each case this often. Default: the suite's.", min=1, metavar="N")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", help="Calls in flight per model, for all models.", min=1, metavar="N"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for results.", metavar="DIR")] = Path("results"),
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            help="Go on with a run, asking only what is missing or failed. RUN: an id or a folder; else the latest.",
            metavar="[RUN]",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print calls, estimated tokens and cost per model; ask nobody.")
    ] = False,
    allow_code: options.AllowCode = False,
) -> None:
    """Ask every model every case, score the answers, and write the report.

    Writes report.md, models.csv, cases.csv and report.json to results/SUITE/RUN-ID. Ctrl-C finishes the calls in flight
    and keeps everything; --resume goes on.
    """
    from evalkit.cli.assemble import Choice, assemble
    from evalkit.cli.conduct import conduct
    from evalkit.cli.screen import print_plan

    choice = Choice(
        suite=suite,
        models_file=models,
        models=tuple(model or ()),
        prompts=tuple(prompt or ()),
        patterns=tuple(case_filter or ()),
        limit=limit,
        seed=seed,
        trials=trials,
        concurrency=concurrency,
        out=out,
        resume=resume,
        allow_code=allow_code,
    )
    assembly = assemble(choice)
    if dry_run:
        print_plan(assembly)
        return
    raise typer.Exit(conduct(assembly))
