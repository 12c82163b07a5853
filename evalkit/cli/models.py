"""`evalkit models`: what is configured, what is missing, and weights to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.errors import ExitCode

app = typer.Typer(
    help="List the configured models and what is missing to use them; try them; fetch weights.", rich_markup_mode=None
)

_File = Annotated[
    Path | None,
    typer.Option("--models", help="The models file. Default: models.yaml here, above, or in evals/.", metavar="FILE"),
]


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    file: _File = None,
) -> None:
    """List the configured models and what is missing to use them."""
    if context.invoked_subcommand is not None:
        return
    from evalkit.cli.screen import print_models
    from evalkit.models.config import find_models_file, load_models
    from evalkit.providers.build import Providers

    path = file or find_models_file(Path())
    configured = load_models(path)
    print_models(path, configured, Providers(configured.values()))


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="The models to try. Default: all.", metavar="[NAME]...")
    ] = None,
    file: _File = None,
) -> None:
    """Ask each model for one word, and show what came: key, name, protocol, token counts, streaming, time."""
    from evalkit.cli.named import find_models
    from evalkit.cli.preflight import check_models
    from evalkit.cli.screen import print_probes
    from evalkit.models.config import find_models_file, load_models

    path = file or find_models_file(Path())
    configured = load_models(path)
    probes = check_models(find_models(names or list(configured), configured, path))
    print_probes(probes)
    raise typer.Exit(ExitCode.OK if all(probe.ok for probe in probes) else ExitCode.INCOMPLETE)


@app.command()
def pull(
    weights: Annotated[str, typer.Argument(help="smollm2-135m, or hf://ORG/REPO/FILE.gguf.", metavar="WEIGHTS")],
) -> None:
    """Fetch weights for local models into the user's cache, verified."""
    from evalkit.providers.weights import pull as fetch

    typer.echo(f"{weights}: {fetch(weights)}")
