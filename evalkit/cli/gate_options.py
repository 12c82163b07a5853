"""Options of `evalkit gate`: the rules of a suite's `gate:` block, as a command line spells them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli import quantities


class MetricName(StrEnum):
    """What is compared with the baseline."""

    PASS_RATE = "pass_rate"  # noqa: S105 - no password
    SCORE = "score"


class UndecidedName(StrEnum):
    """What becomes of an INCONCLUSIVE verdict; as in suite.gate_rules, which is not for `--help` to import."""

    ESTIMATE = "estimate"
    FAIL = "fail"
    PASS = "pass"  # noqa: S105 - no password
    MORE_TRIALS = "more-trials"


Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        help="The file to compare with. Default: what `gate:` names, else results/baselines/SUITE.json.",
        metavar="FILE",
    ),
]
Suite = Annotated[
    Path | None,
    typer.Option(
        "--suite", help="Take the `gate:` rules from this suite file, not from when the run was made.", metavar="FILE"
    ),
]
Margin = Annotated[
    Any,
    typer.Option(
        "--margin",
        "--max-drop",
        help="How much worse than the baseline is still as good: 0.02 for 2 points, or `auto`, the smallest that lets "
        "an unchanged candidate through as NOT WORSE in 9 of 10 runs. Both names are one option.",
        metavar="SHARE|auto",
        parser=quantities.margin,
    ),
]
Metric = Annotated[
    MetricName | None, typer.Option("--metric", help="Compare how often cases pass, or their mean score.")
]
Undecided = Annotated[
    UndecidedName | None,
    typer.Option(
        "--undecided",
        help="What becomes of an INCONCLUSIVE verdict. estimate: it fails if the measured drop is beyond the margin; "
        "more-trials: `evalkit run --gate` asks again.",
    ),
]
MinPassRate = Annotated[
    float | None, typer.Option("--min-pass-rate", help="The lowest pass rate.", min=0, max=1, metavar="SHARE")
]
MaxP95 = Annotated[
    Any,
    typer.Option(
        "--max-p95", help="The highest p95 of the latency: 1.5s, 800ms.", metavar="TIME", parser=quantities.latency
    ),
]
MaxCostPerCase = Annotated[
    float | None, typer.Option("--max-cost-per-case", help="The highest mean cost of a call.", min=0, metavar="USD")
]
MaxErrorRate = Annotated[
    float | None,
    typer.Option("--max-error-rate", help="The highest share of errors.", min=0, max=1, metavar="SHARE"),
]
MustPass = Annotated[
    list[str] | None,
    typer.Option("--must-pass", help="Cases of this tag or id must pass, every trial; repeatable.", metavar="TAG"),
]
MinPasses = Annotated[
    list[str] | None,
    typer.Option(
        "--min-passes",
        help="Each case, or each of this tag or id, must pass at least K of its trials; repeatable.",
        metavar="[TAG=]K",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
