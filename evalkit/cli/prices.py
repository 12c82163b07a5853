"""`evalkit prices`: what tokens cost, who says so, and when it was read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.models.price_table import Prices
    from evalkit.types import Gpu, Price


def prices(
    model: Annotated[
        str | None,
        typer.Argument(help="A name of models.yaml, or PROVIDER/MODEL-ID.", metavar="[MODEL]", show_default=False),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            "--models", help="The models file. Default: models.yaml here, above, or in evals/.", metavar="FILE"
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--prices", help="A price file in litellm's JSON format; it comes first.", metavar="FILE"),
    ] = None,
) -> None:
    """Print the price table, or the price in force for one model: USD per one million tokens, source and date."""
    from evalkit.cli.price_screen import print_price, print_price_table
    from evalkit.models.litellm import litellm_prices
    from evalkit.models.price_table import Prices, price_rows

    today = dt.datetime.now(dt.UTC).date()
    given = litellm_prices(file) if file else None
    if model is None:
        print_price_table([row for row in price_rows() if row.stands(today)], today)
        return
    for name, price, gpu in _prices_of(model, models, Prices(given), today):
        print_price(name, price, gpu, today)


def _prices_of(
    name: str, file: Path | None, prices: Prices, on: dt.date
) -> Iterator[tuple[str, Price | None, Gpu | None]]:
    """The prices of the configured models of that name, or else of the model of that id at a provider.

    Raises:
        ConfigError: there is neither; or the models file is wrong.
    """
    from evalkit.cli.named import find_models
    from evalkit.errors import ConfigError
    from evalkit.models.config import load_models
    from evalkit.models.matrix import members
    from evalkit.models.table import provider_table

    path = file or _models_file()
    configured = load_models(path) if path else {}
    provider, _, model = name.partition("/")
    if model and provider in provider_table() and not (name in configured or members(name, configured)):
        yield name, prices.at_vendor(provider, model, on), None
    elif path is None:
        raise ConfigError(
            f"there is no models.yaml here that could have {name!r}",
            remedy="name the file with --models, or a model as PROVIDER/MODEL-ID, such as openai/gpt-4o",
        )
    else:
        for found in find_models([name], configured, path):
            yield found.name, prices.find(found, on), found.gpu


def _models_file() -> Path | None:
    from evalkit.errors import ConfigError
    from evalkit.models.config import find_models_file

    try:
        return find_models_file(Path())
    except ConfigError:
        return None
