"""`evalkit compact`: pack a run's journals into Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compact(
    run: Annotated[Path, typer.Argument(help="The run's folder: results/SUITE/RUN-ID.", metavar="RUN")],
    undo: Annotated[
        bool, typer.Option("--undo", help="Unpack: write the journals anew, so that the run can go on.")
    ] = False,
) -> None:
    """Pack the journals of a finished run into Parquet: a fraction of the size, the same figures.

    records.jsonl becomes records.parquet and scores.jsonl scores.parquet: a row per planned call, in the plan's order.
    Rows that a later one replaced are kept beside them. A journal is removed once what was written has been read back
    and gives every row byte for byte. All commands that read a run read a packed one, with the same figures; before it
    can go on with --resume, unpack it with --undo.
    """
    from evalkit.runner.compact import compact as pack
    from evalkit.runner.compact import unpack

    done = unpack(run) if undo else pack(run)
    for one in done:
        typer.echo(f"{one.before.name}, {_megabytes(one.old_bytes)} -> {one.after}, {_megabytes(one.new_bytes)}")
    if not done:
        typer.echo(f"{run} is {'not packed' if undo else 'packed already'}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
