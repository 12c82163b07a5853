"""`evalkit baseline`: freeze a run's verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def baseline(
    run: options.RunToRead,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate", help="Only this candidate: MODEL or MODEL@PROMPT; repeatable.", metavar="MODEL[@PROMPT]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The file to write. Default: what the suite's `gate:` names, else results/baselines/SUITE.json.",
            metavar="FILE",
        ),
    ] = None,
    allow_incomplete: Annotated[
        bool,
        typer.Option(
            "--allow-incomplete",
            help="Freeze a run with errors or missing calls, too. Errors count as not passed, there as anywhere.",
        ),
    ] = False,
    results: options.Results = Path("results"),
) -> None:
    """Freeze what passed and failed in a run, to hold later runs against: see `evalkit gate`.

    The file is small, sorted and made for git: one line per case, with latency, cost and what each case asked.
    """
    from evalkit.cli.gating import write_baseline

    write_baseline(run, results, tuple(candidate or ()), out, allow_incomplete=allow_incomplete)
