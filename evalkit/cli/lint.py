"""`evalkit lint`: find what makes a suite weak."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options


def lint(
    suite: options.Suite,
    results: Annotated[
        Path, typer.Option("--results", help="The folder in which the suite's runs are looked for.", metavar="DIR")
    ] = Path("results"),
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="Look for this only; repeatable.", metavar="NAME")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="Do not look for this; repeatable.", metavar="NAME")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    allow_code: options.AllowCode = False,
) -> None:
    """Find what makes a suite weak: repeats, leaks, scorers that pass an empty answer, too few cases. Asks nobody.

    Cases are compared with each other and with the suite's stored runs; its scorers judge made-up answers. Exits with 1
    if there is an error, with --strict on warnings too; hints never fail. A suite that cannot be run is for: evalkit
    validate
    """
    from evalkit.cli.linting import lint_suite

    raise typer.Exit(
        lint_suite(
            suite,
            results,
            tuple(rule or ()),
            tuple(ignore or ()),
            strict=strict,
            as_json=as_json,
            allow_code=allow_code,
        )
    )
