"""`evalkit cascade`: a cheap candidate first, a strong one where that looks doubtful."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cascade(
    run: Annotated[
        str,
        typer.Argument(
            help="A run's folder or id, or a suite's name for its newest run.", metavar="RUN", show_default=False
        ),
    ],
    cheap: Annotated[
        str | None,
        typer.Option("--cheap", help="Ask this candidate first. Default: each that is cheaper.", metavar="NAME"),
    ] = None,
    strong: Annotated[
        str | None,
        typer.Option("--strong", help="Escalate to this one. Default: each; printed: the best.", metavar="NAME"),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            help="A scorer whose verdict can be had in production, too, as it needs no expected value; repeatable.",
            metavar="SCORER",
        ),
    ] = None,
    margin: Annotated[
        float,
        typer.Option("--margin", help="How far below the strong one is close enough, as a share.", min=0, max=1),
    ] = 0.02,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the splits.", min=0, metavar="N")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the tables to a markdown file, with every rule.", metavar="FILE"),
    ] = None,
    results: Annotated[Path, typer.Option("--results", help="The folder for results.", metavar="DIR")] = Path(
        "results"
    ),
) -> None:
    """Find out whether a cheap candidate may answer first, and a strong one only where that looks doubtful.

    The signs are those that production has: an error, a refusal, a broken JSON or label, the length, log
    probabilities, or trials that disagree. Rules are chosen on half of the cases and tried on the other half, and held
    against picking by lot. Candidates are also shared out by tag. Nobody is asked, and the run stays as it is.
    """
    from evalkit.analysis import load_run
    from evalkit.analysis.cascade.cascades import cascades
    from evalkit.analysis.cascade.data import portfolio
    from evalkit.analysis.cascade.pairs import foremost, pairs_named
    from evalkit.analysis.cascade.tags import route_by_tag
    from evalkit.analysis.compare.side import resolve_run
    from evalkit.cli.sheet_screen import show
    from evalkit.report.cascade import cascade_sheets, rule_sheets
    from evalkit.report.cascade_json import cascade_json
    from evalkit.report.labels import Labels

    found = portfolio(load_run(resolve_run(run, results)), tuple(check or ()))
    tried = cascades(found, pairs_named(found, cheap, strong), margin=margin, seed=seed)
    routing = route_by_tag(found, margin=margin, seed=seed)
    labels = Labels(found.answers)
    show(
        "Cascades",
        cascade_sheets(foremost(tried) if strong is None and out is None else tried, routing, labels, margin=margin),
        cascade_json(tried, routing, margin=margin, seed=seed),
        out,
        as_json=as_json,
        details=rule_sheets(tried, labels),
    )
