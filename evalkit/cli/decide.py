"""`evalkit decide`: which candidate of a run to take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli import options
from evalkit.cli.cost_options import amount

_Traffic = Annotated[
    Any,
    typer.Option(
        "--requests-per-day",
        help="Go by what this traffic, such as 50k, costs in a month.",
        metavar="N",
        parser=amount,
    ),
]


def decide(
    run: options.RunToRead,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            "-r",
            help="A requirement on top of the rules, or in place of one of the same key: 'pass_rate>=0.9', "
            "'latency_p95_ms<=1500', 'tags.refunds>=0.95', data_policy=local, license=mit,apache-2.0; repeatable.",
            metavar="RULE",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="Leave out the requirement of this key; repeatable.", metavar="KEY"),
    ] = None,
    prefer: Annotated[
        list[str] | None,
        typer.Option(
            "--prefer",
            help="What to choose by among those as good as the best: cost, pass_rate, latency_p50_ms, "
            "latency_p95_ms or ttft_p95_ms; repeatable, the most important first.",
            metavar="KEY",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option("--margin", help="How far below the best pass rate still counts as as good: 0.02 is 2 points."),
    ] = None,
    requests_per_day: _Traffic = None,
    suite: Annotated[
        Path | None,
        typer.Option("--suite", help="Take the `decide:` block of this suite file, not the run's.", metavar="SUITE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the decision here, as markdown.", metavar="FILE")
    ] = None,
    explain: options.Explain = False,
    results: options.Results = Path("results"),
) -> None:
    """Choose among a run's candidates by its suite's `decide:` rules, or by others. Asks nobody and changes no run.

    Of the candidates that meet all requirements, those whose pass rate is, by estimate, at most the margin below the
    best one's are as good; of these the preferred one, by default the cheapest, is recommended. Says how sure that is,
    who is ruled out by which rule, and what would change the answer.
    """
    from evalkit.analysis import load_run
    from evalkit.analysis.compare.side import resolve_run
    from evalkit.analysis.decide.deciding import decided
    from evalkit.cli.sheet_screen import show
    from evalkit.report.decision import decision_json, decision_sheets
    from evalkit.report.labels import Labels
    from evalkit.suite.decide_block import block_of, revised

    data = load_run(resolve_run(run, results))
    rules = revised(
        block_of(suite) if suite else data.manifest.decide,
        require=require or (),
        without=without or (),
        prefer=prefer or (),
        margin=margin,
        requests_per_day=requests_per_day,
    )
    decision = decided(data, rules)
    labels = Labels(decision.options)
    title = f"Decision: {data.manifest.suite.name}"
    sheets = decision_sheets(decision, labels)
    show(title, sheets, decision_json(decision), out, as_json=as_json)
    if explain:
        from evalkit.cli.explaining import explain as say
        from evalkit.report.sheets import sheets_markdown

        say(sheets_markdown(title, sheets), aside=as_json)
