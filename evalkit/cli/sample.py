"""`evalkit sample`: choose the inputs that stand for many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample(
    source: Annotated[
        str,
        typer.Argument(
            help="A table, a request log, or anything else that `evalkit import` makes a suite of.", metavar="LOGS"
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="A case file (.jsonl, .csv), or a folder for a small suite.", metavar="FILE|FOLDER"
        ),
    ],
    count: Annotated[int, typer.Option("--number", "-n", help="How many cases to choose.", min=1, metavar="N")] = 150,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            help="A column that the model is shown; with any, the columns that are not named are left out. Repeatable.",
            metavar="COLUMN",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tags", help="A column whose values become tags; their shares are kept. Repeatable.", metavar="COLUMN"
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="The column that says when; no case has it as a var.", metavar="COLUMN")
    ] = None,
    case_id: Annotated[
        str | None, typer.Option("--id", help="The column that holds the ids of cases.", metavar="COLUMN")
    ] = None,
    expected: Annotated[
        str | None,
        typer.Option(
            "--expected",
            "-e",
            help="The column that holds what is right. Without it, cases are to be labelled: evalkit label.",
            metavar="COLUMN",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="What LOGS is, as for `evalkit import`. Default: guessed.", metavar="KIND"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Read only the first so many inputs.", min=1, metavar="N")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another sample.", min=0, metavar="N")] = 0,
    near: Annotated[
        float,
        typer.Option("--near", help="How alike two inputs must be to count as one.", min=0.5, max=1, metavar="SHARE"),
    ] = 0.85,
    mask: Annotated[
        bool, typer.Option("--mask", help="Put placeholders in the place of mail addresses, numbers and keys.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write how well the sample covers all, as markdown.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the coverage as JSON.")] = False,
) -> None:
    """Choose a few inputs that stand for many: some of every kind, none twice, in the shares of tags and languages.

    Repeats and near repeats are left out, rare kinds are kept on purpose, and the same seed chooses the same. The
    coverage report says what was chosen of what. It makes no calls; needs: pip install 'evalkit-cli[sample]'.
    """
    from evalkit.cli.sampling import Wanted, sample_source
    from evalkit.imports.options import ImportOptions

    options = ImportOptions(id=case_id, expected=expected, tags=tuple(tag or ()), time=time, limit=limit)
    wanted = Wanted(source, out, count, options, kind, tuple(text or ()), seed, near, mask)
    raise typer.Exit(sample_source(wanted, report, as_json=as_json))
