"""`evalkit models`: what is configured, what is missing, and weights to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="List the configured models and what is missing to use them; fetch weights.", rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option(
            "--models", help="The models file. Default: models.yaml here, above, or in evals/.", metavar="FILE"
        ),
    ] = None,
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
def pull(
    weights: Annotated[str, typer.Argument(help="smollm2-135m, or hf://ORG/REPO/FILE.gguf.", metavar="WEIGHTS")],
) -> None:
    """Fetch weights for local models into the user's cache, verified."""
    from evalkit.providers.weights import pull as fetch

    typer.echo(f"{weights}: {fetch(weights)}")
