"""`evalkit compare`: a new candidate against an old one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli import options


def _margin(text: str) -> float | str:
    """Read a share of 0..1, or `auto`."""
    if text == "auto":
        return text
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < 1:
            return float(text)
    raise typer.BadParameter(f"{text!r} is neither a share such as 0.02 nor `auto`")


_Margin = Annotated[
    Any,
    typer.Option(
        "--margin",
        help="Also say whether B is not worse by more than this share, such as 0.02; `auto`: by more than what an "
        "unchanged candidate would keep to in nine of ten comparisons.",
        metavar="SHARE|auto",
        parser=_margin,
    ),
]


def compare(
    old: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="The old side: RUN, RUN:MODEL, RUN@PROMPT or RUN:MODEL@PROMPT. RUN is a run's folder or id, or a "
            "suite's name or folder for its newest run.",
            show_default=False,
        ),
    ],
    new: Annotated[
        str | None,
        typer.Argument(
            metavar="B",
            help="The new side, named in the same way. Left out where A is a run of exactly two candidates.",
            show_default=False,
        ),
    ] = None,
    margin: _Margin = None,
    limit: Annotated[
        int, typer.Option("--limit", help="Print so many flipped cases of each pair.", min=0, metavar="N")
    ] = 20,
    results: Annotated[
        Path,
        typer.Option("--results", help="The folder for results, where ids and suites are looked up.", metavar="DIR"),
    ] = Path("results"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Also write all of it as markdown, with the answers.", metavar="FILE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    explain: options.Explain = False,
) -> None:
    """Compare B with A, case by case: is it better, worse, or can they not be told apart; and what flipped?

    Only cases that both sides were asked alike are compared; those whose content or expected value has changed are
    left out and named. Nobody is asked anything. To have a check fail, use `evalkit gate`.

    Two runs of one model, to see drift: evalkit compare triage/20260301-101500-ab12 triage/latest

    Two candidates of a run, such as a quantised copy against the full model: evalkit compare triage:qwen-72b
    triage:qwen-72b-awq --margin 0.02

    Two prompts: evalkit compare triage:qwen-72b@short triage:qwen-72b@few-shot
    """
    from evalkit.cli.compare_screen import print_comparison

    print_comparison(old, new, results, margin, limit, out, as_json=as_json, explained=explain)
