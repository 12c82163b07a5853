"""All commands of `evalkit`."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit import __version__
from evalkit.cli import (
    baseline,
    cascade,
    compact,
    compare,
    completion,
    cost,
    decide,
    doctor,
    export,
    gate,
    import_cmd,
    init,
    judge,
    label,
    lint,
    models,
    new_case,
    prices,
    report,
    run,
    sample,
    schema_cmd,
    score,
    scorers,
    validate,
    view,
)

app = typer.Typer(
    name="evalkit",
    help="Choose a model for your task: run your own cases over every candidate, and trust the numbers.",
    epilog=(
        "Exit codes: 0 ok; 1 gate failed; 2 bad suite, configuration or usage, before any call; 3 incomplete (errors); "
        "4 nothing ran; 130 interrupted."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: half the start-up time, and it reads well in logs and pipes
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print a traceback with every error.")] = False,
) -> None:
    pass


app.command("init", short_help="Write a first suite that runs at once.")(init.init)
app.command("import", short_help="Make a suite or a run of what others wrote.")(import_cmd.import_)
app.command("export", short_help="Write cases or results for others.")(export.export)
app.command("sample", short_help="Choose the inputs that stand for many.")(sample.sample)
app.command("run", short_help="Ask every model every case, and report.")(run.run)
app.command("new-case", short_help="Add a case to a suite.")(new_case.new_case)
app.command("label", short_help="Set what is expected of cases, at the terminal.")(label.label)
app.command("validate", short_help="Find every problem of a suite; ask nobody.")(validate.validate)
app.command("lint", short_help="Find what makes a suite weak; ask nobody.")(lint.lint)
app.command("score", short_help="Judge answers anew, or outputs from elsewhere.")(score.score)
app.command("judge", short_help="Compare judges with people's labels.")(judge.judge)
app.command("decide", short_help="Say which candidate to take, and why.")(decide.decide)
app.command("cascade", short_help="Try a cheap candidate first, a strong one in doubt.")(cascade.cascade)
app.command("cost", short_help="Project what candidates cost a month.")(cost.cost)
app.command("baseline", short_help="Freeze a run's verdicts, to hold later runs against.")(baseline.baseline)
app.command("gate", short_help="Did it get worse? Hold a run against a baseline.")(gate.gate)
app.command("report", short_help="Write a run's report anew.")(report.report)
app.command("compare", short_help="Compare two runs, models or prompts case by case.")(compare.compare)
app.command("compact", short_help="Pack a large run's journals into Parquet.")(compact.compact)
app.command("view", short_help="Look at runs in a browser.")(view.view)
app.command("scorers", short_help="Show the scorers there are, and their options.")(scorers.scorers)
app.command("prices", short_help="Show what tokens cost, and who says so.")(prices.prices)
app.add_typer(models.app, name="models", short_help="List candidates, fetch weights.")
app.command("doctor", short_help="See what keeps this machine from running evals.")(doctor.doctor)
app.command("schema", short_help="Print a JSON Schema, for editors.")(schema_cmd.schema)
app.command("completion", short_help="Print a script for a shell's completion.")(completion.completion)
