"""`evalkit score`: judge answers that are there already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def score(
    target: Annotated[
        Path,
        typer.Argument(
            help="A run's folder or id, or a suite's name or folder for its newest run; or a .jsonl file of outputs: "
            "one object a line with id, output, expected.",
            metavar="RUN|FILE",
            show_default=False,
        ),
    ],
    suite: Annotated[
        Path | None,
        typer.Option("--suite", help="Judge by this suite's scorers. Default: the run's suite.", metavar="SUITE"),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            help="Judge a file by this scorer, spelled as in a suite: 'numeric: {tolerance: 0.01}'; repeatable.",
            metavar="SCORER",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where the verdicts on a file go, one object a line. Default: printed.", metavar="FILE"
        ),
    ] = None,
    models: options.ModelsFile = None,
    max_cost: options.MaxCost = None,
    allow_code: options.AllowCode = False,
    results: options.Results = Path("results"),
) -> None:
    """Judge the answers of a run anew, or outputs that were produced elsewhere. No candidate is asked.

    A run's verdicts and reports are replaced when all answers are judged; until then, or when that is broken off, they
    stay as they were. Models that scorers ask are asked only what they have not answered before.
    """
    from evalkit.analysis.compare.side import resolve_run
    from evalkit.cli.rescoring import score_file, score_run
    from evalkit.runner.budget import Ceilings

    ceilings = Ceilings(max_cost_usd=max_cost)
    for_files = bool(scorer or out)
    if target.is_file() or target.suffix == ".jsonl" or (for_files and not target.is_dir()):
        raise typer.Exit(score_file(target, suite, tuple(scorer or ()), out, models, ceilings, allow_code=allow_code))
    if for_files:
        raise typer.BadParameter("--scorer and --out are for files of outputs; a run is judged by a suite")
    run = resolve_run(str(target), results)
    raise typer.Exit(score_run(run, suite, models, ceilings, allow_code=allow_code))
