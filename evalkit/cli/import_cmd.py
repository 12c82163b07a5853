"""`evalkit import`: make a suite or a run of what another tool wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    kind: Annotated[
        str | None, typer.Argument(help="What SOURCE is; left out, it is guessed from it.", metavar="KIND")
    ] = None,
    source: Annotated[
        str | None,
        typer.Argument(help="A file; for some kinds a folder, or hf://org/name?split=test.", metavar="SOURCE"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write: the suite's folder, by default its name; or a run's results folder, by default "
            "results.",
            metavar="FOLDER",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the suite.", metavar="NAME")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Call a column by another name, such as message=text; once one is, the others fill no prompt. "
            "Also id=, expected= and tags=. Repeatable.",
            metavar="NAME=COLUMN",
        ),
    ] = None,
    case_id: Annotated[
        str | None, typer.Option("--id", help="The column that holds the ids of cases.", metavar="COLUMN")
    ] = None,
    expected: Annotated[
        str | None,
        typer.Option(
            "--expected", "-e", help="The column that holds what is right. Default: guessed.", metavar="COLUMN"
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tags", help="A column whose values become tags; repeatable.", metavar="COLUMN"),
    ] = None,
    expected_from_output: Annotated[
        bool,
        typer.Option("--expected-from-output", help="Of logs: take what the model answered then for what is right."),
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A candidate for the suite, as PROVIDER:MODEL; of a run, the model that its source does not name. "
            "Repeatable.",
            metavar="MODEL",
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", help="What to call a prompt that the source does not name.", metavar="NAME"),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            "--scorer",
            help="Of results with several scorers or metrics: the one that tells whether an answer passed. Default: "
            "the first.",
            metavar="NAME",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", help="Only the first so many cases or answers.", min=1, metavar="N")
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Write what can be carried over, with TODO where something is lost.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be imported; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found and written as JSON.")] = False,
) -> None:
    """Make a suite, or a run, of what another tool wrote: configs, results, tables of cases, request logs.

    Without KIND and SOURCE it lists the kinds. Nothing of the source is executed, and no file that is there is
    changed. If something cannot be carried over, it says what and where, writes nothing and exits with 2, unless
    --allow-partial is given. An imported run can be reported, compared, judged and gated like one of evalkit's own.
    """
    from evalkit.cli.importing import Wanted, columns_of, import_source
    from evalkit.imports.options import ImportOptions

    options = ImportOptions(
        name=name,
        columns=columns_of(column or ()),
        id=case_id,
        expected=expected,
        tags=tuple(tag or ()),
        limit=limit,
        models=tuple(model or ()),
        prompt=prompt,
        scorer=scorer,
        expected_from_output=expected_from_output,
    )
    wanted = Wanted(kind, source, out, options, allow_partial=allow_partial, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(import_source(wanted))
