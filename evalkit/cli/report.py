"""`evalkit report`: write a run's report anew."""

from __future__ import annotations

from pathlib import Path

from evalkit.cli import options


def report(
    run: options.RunToRead,
    explain: options.Explain = False,
    results: options.Results = Path("results"),
) -> None:
    """Write a run's report.md, .html and .json and its tables (models.csv, cases.csv, ...) anew from its journal."""
    from evalkit.analysis import load_run
    from evalkit.analysis.compare.side import resolve_run
    from evalkit.cli.screen import print_results
    from evalkit.report import write_reports

    reports = write_reports(load_run(resolve_run(run, results)))
    print_results(reports)
    if explain:
        from evalkit.cli.explaining import explain as say

        say(reports.markdown.read_text(encoding="utf-8"))
