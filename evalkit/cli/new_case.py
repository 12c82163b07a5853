"""`evalkit new-case`: add a case to a suite."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli import options


def new_case(
    suite: options.Suite,
    case_id: Annotated[
        str | None,
        typer.Option("--id", help="What to call the case. Default: its tag, or `case`, and a number.", metavar="ID"),
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option(
            "--var", help="A var of the case, such as message='Where is my parcel?'; repeatable.", metavar="NAME=TEXT"
        ),
    ] = None,
    expected: Annotated[
        str | None,
        typer.Option("--expected", "-e", help="What is right. JSON for lists, objects and numbers.", metavar="TEXT"),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A tag; repeatable.", metavar="TAG")] = None,
    allow_code: options.AllowCode = False,
) -> None:
    """Add a case to a suite: to its `cases:`, or to the .jsonl or .csv file that stands last there.

    At a terminal it asks for what is not given. Comments and layout stay as they are; the suite is loaded again before
    the case is kept, and if something is wrong with it nothing is changed.
    """
    from evalkit.cli.adding import Given, add

    add(suite, Given(case_id, tuple(var or ()), expected, tuple(tag or ())), allow_code=allow_code)
