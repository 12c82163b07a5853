"""`evalkit view`: look at runs in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    results: Annotated[Path, typer.Argument(help="The folder for results.", metavar="RESULTS")] = Path("results"),
    port: Annotated[
        int, typer.Option("--port", help="The port to serve on. 0: any free one.", min=0, max=65535, metavar="N")
    ] = 0,
    browser: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Look at runs in a browser: all of them, a suite over time, any two side by side, one under way.

    Serves this machine alone, at an address with a secret in it, and writes nothing. Ctrl-C ends it.

    Needs the extra: pip install 'evalkit-cli[view]'
    """
    from evalkit.view.serve import serve

    def listening(address: str) -> None:
        typer.echo(f"{results} at {address}\nCtrl-C ends it.")
        if browser:
            import webbrowser

            webbrowser.open(address)

    serve(results, port, listening)
