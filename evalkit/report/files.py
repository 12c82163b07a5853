"""The report files of a run folder, each written whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from evalkit.analysis import Analysis, RunData, RunSummary
from evalkit.analysis.decide.deciding import decide_run
from evalkit.files import write_atomically
from evalkit.report.html import CaseSample, html_report, run_picture
from evalkit.report.junit import JUnit
from evalkit.report.markdown import markdown
from evalkit.report.past import past_runs
from evalkit.report.tables import cases_csv, labels_csv, load_csv, models_csv, report_json, scorers_csv


class Reports(NamedTuple):
    """What a run comes to, and where that is written.

    `svg` is None unless there are several candidates to picture, `load_csv` unless it was a load run, `labels_csv`
    unless a scorer told labels.
    """

    summary: RunSummary
    markdown: Path
    models_csv: Path
    cases_csv: Path
    scorers_csv: Path
    json: Path
    html: Path
    svg: Path | None
    junit: Path
    load_csv: Path | None
    labels_csv: Path | None


def write_reports(run: RunData) -> Reports:
    """Write report.md, .html and .json, junit.xml, models.csv, cases.csv and scorers.csv, however far the run got.

    A run of several candidates gets a report.svg as well, a load run a load.csv, and one with verdicts on labels a
    labels.csv.

    Raises:
        ConfigError: one of the run's files is damaged.
        WriteError: a report cannot be written.
    """
    folder, analysis = run.folder, Analysis(run)
    sample = CaseSample(run)
    with JUnit(run.manifest, len(run.rows)) as junit:
        write_atomically(folder / "cases.csv", cases_csv(junit.watch(sample.watch(analysis.rows()))))
        write_atomically(folder / "junit.xml", junit.xml())
    summary = analysis.summary()
    summary = replace(summary, decision=decide_run(run, summary, analysis.results))
    reports = Reports(
        summary,
        markdown=folder / "report.md",
        models_csv=folder / "models.csv",
        cases_csv=folder / "cases.csv",
        scorers_csv=folder / "scorers.csv",
        json=folder / "report.json",
        html=folder / "report.html",
        svg=folder / "report.svg" if (picture := run_picture(summary)) else None,
        junit=folder / "junit.xml",
        load_csv=folder / "load.csv" if run.manifest.load else None,
        labels_csv=folder / "labels.csv" if summary.labels else None,
    )
    write_atomically(reports.models_csv, models_csv(summary))
    write_atomically(reports.scorers_csv, scorers_csv(summary))
    if reports.load_csv:
        write_atomically(reports.load_csv, load_csv(summary))
    if reports.labels_csv:
        write_atomically(reports.labels_csv, labels_csv(summary))
    else:
        (folder / "labels.csv").unlink(missing_ok=True)  # of a suite that judged these answers before
    write_atomically(reports.json, report_json(summary))
    write_atomically(reports.html, html_report(summary, sample, past_runs(folder)))
    if reports.svg and picture:
        write_atomically(reports.svg, picture)
    else:
        (folder / "report.svg").unlink(missing_ok=True)  # of answers that could be judged before
    write_atomically(reports.markdown, markdown(summary))
    return reports
