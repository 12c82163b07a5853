"""`evalkit doctor`: what keeps this machine from running evals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def doctor(
    suite: Annotated[
        Path | None,
        typer.Argument(help="Look at this suite's models. Default: all that are configured here.", metavar="SUITE"),
    ] = None,
    models: options.ModelsFile = None,
    online: Annotated[bool, typer.Option("--online", help="Also see whether vendors' APIs can be reached.")] = False,
    out: options.Out = Path("results"),
) -> None:
    """See what keeps this machine from running evals, and what to do about it; exit 2 if something does.

    Looks at versions, the terminal, room on disk, and for each model at its key (never shown), weights or function, its
    server, if it is your own, and that server's clock. Asks no model anything; vendors are not called without --online.
    """
    from evalkit.cli.checkup import examine, print_findings

    findings = examine(suite, models, out, online=online)
    raise typer.Exit(print_findings(findings))
