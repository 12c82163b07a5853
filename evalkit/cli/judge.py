"""`evalkit judge`: how far a judge can be trusted, by labels of people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def judge(
    run: Annotated[
        str,
        typer.Argument(
            help="A run's folder or id, or a suite's name for its newest run.", metavar="RUN", show_default=False
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="What people say: .csv or .jsonl with case_id and label (pass or fail, 1 or 0, or a score), and where "
            "needed model, prompt, trial, annotator.",
            metavar="FILE",
        ),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            "--template", help="Write a random sample of answers to this .csv for people to label.", metavar="FILE"
        ),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            help="The scorer that is compared with people; repeatable. Default: all that asked a model.",
            metavar="NAME",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Only answers of this model; repeatable.", metavar="NAME"),
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option("--prompt", "-p", help="Only answers to this prompt; repeatable.", metavar="NAME"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Labels are scores; from this one on an answer passes.", min=0, max=1),
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", help="With --template: how many answers of each candidate.", min=1, metavar="N")
    ] = 50,
    seed: Annotated[int, typer.Option("--seed", help="With --template: seed of the sample.", metavar="N")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write all of it as markdown.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    results: Annotated[Path, typer.Option("--results", help="The folder for results.", metavar="DIR")] = Path(
        "results"
    ),
) -> None:
    """Compare a run's judges with people: agreement, bias, and pass rates corrected by people's labels.

    First let --template draw answers at random, have people fill in the column `label`, then name that file with
    --labels. Nobody is asked anything.
    """
    from evalkit.analysis import load_run
    from evalkit.analysis.compare.side import resolve_run
    from evalkit.cli.judge_screen import print_calibration, write_template

    data = load_run(resolve_run(run, results))
    if template and not labels:
        write_template(data, template, sample, seed, scorer or (), model or (), prompt or ())
    elif labels and not template:
        print_calibration(data, labels, threshold, scorer or (), model or (), prompt or (), out=out, as_json=as_json)
    else:
        raise typer.BadParameter("name either a file of --labels, or a --template to write")
