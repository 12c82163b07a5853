"""What `evalkit judge` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.analysis import RunData
from evalkit.analysis.calibration.calibrate import Calibration, calibrate
from evalkit.analysis.calibration.human_labels import read_labels
from evalkit.analysis.calibration.sample import answers_to_label
from evalkit.analysis.run_data import Candidate
from evalkit.cli.printed import Printed
from evalkit.cli.screen import Console
from evalkit.errors import ConfigError
from evalkit.files import write_atomically
from evalkit.report import calibration as words
from evalkit.report.format import counted
from evalkit.report.label_sheet import label_sheet
from evalkit.report.labels import Labels
from evalkit.report.markup import one_line
from evalkit.scorers.options import unknown_name

_SHOWN: Final = ("candidate", "scorer passes", "labels", "corrected", "95 % interval", "to halve")
"""The columns that fit 80 characters; the others are in the document and in the JSON."""


def print_calibration(
    run: RunData,
    labels: Path,
    threshold: float | None,
    scorers: Sequence[str],
    models: Sequence[str],
    prompts: Sequence[str],
    *,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare scorers with people, and print what comes of it."""
    chosen = _candidates(run, models, prompts)
    found = calibrate(run, read_labels(labels, threshold), scorers, chosen)
    if out:
        write_atomically(out, words.calibration_markdown(found, run.manifest.suite.name))
    if as_json:
        printed = Printed()
        printed.write(json.dumps(words.calibration_json(found), indent=2, ensure_ascii=False) + "\n")
        printed.close()
        return
    _print(found)


def write_template(
    run: RunData,
    path: Path,
    each: int,
    seed: int,
    scorers: Sequence[str],
    models: Sequence[str],
    prompts: Sequence[str],
) -> None:
    """Write a sample of answers for people to label; a file that is there already stays as it is."""
    if path.exists():
        raise ConfigError(f"{path} is there already", remedy="name another file: this one may hold people's labels")
    if path.suffix.lower() != ".csv":
        raise ConfigError(f"--template {path}: a sheet of answers is a .csv file", remedy="give it that ending")
    rows = answers_to_label(run, each, seed, scorers, _candidates(run, models, prompts))
    write_atomically(path, label_sheet(rows))
    console = Console()
    console.print(Text(f"{path}: {counted(len(rows), 'answer')}, drawn at random with seed {seed}"), soft_wrap=True)
    console.print(
        Text(f"fill in the column `label` (pass or fail), then: evalkit judge {run.folder} --labels {path}"),
        soft_wrap=True,
    )


def _candidates(run: RunData, models: Sequence[str], prompts: Sequence[str]) -> list[Candidate]:
    """The candidates that are meant.

    Raises:
        ConfigError: the run has no such model or prompt.
    """
    known = list(run.groups)
    for kind, given, names in (
        ("model", models, dict.fromkeys(model for model, _ in known)),
        ("prompt", prompts, dict.fromkeys(prompt for _, prompt in known)),
    ):
        for name in given:
            if name not in names:
                raise unknown_name(kind, name, names)
    return [
        (model, prompt)
        for model, prompt in known
        if (not models or model in models) and (not prompts or prompt in prompts)
    ]


def _print(found: Calibration) -> None:
    console = Console()
    for line in words.notes(found):
        console.print(Text(one_line(line)))
    for one in found.scorers:
        labels = Labels(one.candidates)
        console.print()
        for line in words.verdict_lines(one, found.people, labels):
            console.print(Text(one_line(line)))
        console.print()
        if one.agreement:
            console.print(_table(words.confusion_columns(one.agreement)))
            console.print()
        columns = words.candidate_columns(one, labels)
        console.print(_table({title: columns[title] for title in _SHOWN}))
    if found.positions:
        console.print("\nOrder of two texts:", Text())
        console.print(_table(words.position_columns(found)))
    console.print()
    console.print(Text(words.ASSUMES, style="dim"))


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    for index, title in enumerate(columns):
        table.add_column(title, justify="right" if index else "left", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table
