"""`evalkit report`: write a run's report anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def report(
    run: Annotated[Path, typer.Argument(help="The run's folder: results/SUITE/RUN-ID.", metavar="RUN")],
    explain: options.Explain = False,
) -> None:
    """Write a run's report.md, .html and .json and its tables (models.csv, cases.csv, ...) anew from its journal."""
    from evalkit.analysis import load_run
    from evalkit.cli.screen import print_results
    from evalkit.report import write_reports

    reports = write_reports(load_run(run))
    print_results(reports)
    if explain:
        from evalkit.cli.explaining import explain as say

        say(reports.markdown.read_text(encoding="utf-8"))
