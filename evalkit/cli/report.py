"""`evalkit report`: write a run's report anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="The run's folder: results/SUITE/RUN-ID.", metavar="RUN")],
) -> None:
    """Write a run's report.md, .html and .json and its tables (models.csv, cases.csv, ...) anew from its journal."""
    from evalkit.analysis import load_run
    from evalkit.cli.screen import print_results
    from evalkit.report import write_reports

    print_results(write_reports(load_run(run)))
