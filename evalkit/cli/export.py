"""`evalkit export`: a suite's cases, or a run's results, in the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def export(
    what: Annotated[
        str,
        typer.Argument(
            help="A suite file, for its cases; or a run's folder or id, or a suite's name for its newest run, for "
            "results.",
            metavar="WHAT",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The file to write; for promptfoo and openai-evals the folder.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of cases: jsonl, csv, parquet, promptfoo, inspect or openai-evals; of results: jsonl, csv or "
            "parquet. Default: by the file's ending.",
            metavar="NAME",
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            "-p",
            help="For inspect and openai-evals, which hold messages: the prompt to fill in, where the suite has "
            "several.",
            metavar="NAME",
        ),
    ] = None,
    models: options.ModelsFile = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Write what the format can hold, although something is lost.")
    ] = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Export a suite whose scorers run code; none is run here.")
    ] = False,
    results: options.Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written and lost as JSON.")] = False,
) -> None:
    """Write a suite's cases, or a run's results, in a format that others read.

    Says what the format cannot hold, with the place and the case. If something would be lost, nothing is written and it
    exits with 2, unless --allow-partial is given. No file that is there is changed.

    Results are a call a row: the columns of cases.csv, and NAME.score and NAME.passed for every scorer.
    """
    from evalkit.cli.exporting import Wanted, export_what
    from evalkit.exports.options import ExportOptions

    wanted = Wanted(
        what,
        out,
        file_format,
        ExportOptions(prompt, models),
        results,
        allow_partial=allow_partial,
        allow_code=allow_code,
        as_json=as_json,
    )
    raise typer.Exit(export_what(wanted))
