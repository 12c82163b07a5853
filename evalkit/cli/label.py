"""`evalkit label`: people set the expected output of cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def label(
    source: Annotated[
        Path,
        typer.Argument(
            help="A suite, or a case file: .jsonl, .csv, .json or .parquet.", metavar="SUITE|FILE", show_default=False
        ),
    ],
    annotator: Annotated[
        str | None,
        typer.Option(
            "--annotator",
            "-a",
            help="Who labels. Each person's labels are kept apart and hidden from the others, as is what the file "
            "expects.",
            metavar="NAME",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            "-l",
            help="The labels to choose from. Default: those that the suite's scorers know, else those named the "
            "last time, else those that the file uses.",
            metavar="A,B,C",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--as-json", help="What is expected is JSON. Default: where the file or suite says so.")
    ] = False,
    answers: Annotated[
        str | None,
        typer.Option(
            "--answers",
            help="A run whose answers can be looked at case by case, on a key pressed twice; it is kept "
            "that they were.",
            metavar="RUN[:MODEL]",
        ),
    ] = None,
    only_unlabelled: Annotated[
        bool, typer.Option("--only-unlabelled", "-u", help="Leave out cases that have their label.")
    ] = False,
    case_filter: options.CaseFilter = None,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Go through the cases in random order.")] = False,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of the order; with the same one it stays the same.", metavar="N")
    ] = 0,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Print how far annotators agree, and on which cases they do not.")
    ] = False,
    adjudicate: Annotated[
        bool, typer.Option("--adjudicate", help="Settle the cases on which annotators differ; no others are shown.")
    ] = False,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Write the labels into the case file or suite: those adjudicated, and those nobody contests. With "
            "--annotator: that person's.",
        ),
    ] = False,
    as_figures: Annotated[bool, typer.Option("--json", help="With --agreement: print it as JSON.")] = False,
    results: Annotated[Path, typer.Option("--results", help="The folder for results.", metavar="DIR")] = Path(
        "results"
    ),
) -> None:
    """Set the expected output of each case at the terminal: one key per label, undo, resume.

    Labels are kept at once in FILE.labels/NAME.jsonl, so that nothing is lost however it ends; --write puts them into
    the file, whose comments and layout stay as they are.

    Needs the extra: pip install 'evalkit-cli[label]'
    """
    if sum((agreement, adjudicate, write)) > 1:
        raise typer.BadParameter("choose one of --agreement, --adjudicate and --write")
    if as_figures and not agreement:
        raise typer.BadParameter("--json goes with --agreement")
    if agreement or write:
        from evalkit.cli.label_screen import print_agreement, write_out

        if agreement:
            print_agreement(source, as_json=as_figures)
        else:
            write_out(source, annotator)
        return
    from evalkit.cli.labelling import Wanted, label_cases

    named = tuple(one.strip() for one in (labels or "").split(",") if one.strip())
    label_cases(
        source,
        Wanted(
            annotator, named, as_json, answers, only_unlabelled, tuple(case_filter or ()), shuffle, seed, adjudicate
        ),
        results,
    )
