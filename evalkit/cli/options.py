"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli import quantities
from evalkit.cli.completing import model_names


class Arrival(StrEnum):
    """How the calls of a load test are spaced."""

    CONSTANT = "constant"
    POISSON = "poisson"


class Executor(StrEnum):
    """What carries out the calls of a run."""

    LOCAL = "local"
    RAY = "ray"


class RaceMetric(StrEnum):
    """What candidates race by."""

    PASS_RATE = "pass_rate"  # noqa: S105 - no password
    SCORE = "score"


def _meant(suite: Path) -> Path:
    """See that a suite is there.

    Raises:
        ConfigError: it is not, but one with nearly that name is, here or in evals.
    """
    if not suite.exists() and (near := _near(suite)):
        from evalkit.errors import ConfigError, Location

        raise ConfigError("there is no such file", where=Location(suite), remedy=f"did you mean {near}?")
    return suite


def _near(suite: Path) -> Path | None:
    import difflib

    places = (Path(), suite.parent, Path("evals"))
    files = {file.stem.replace("_", "-"): file for place in places for file in sorted(place.glob("*.yaml"))}
    files.pop("models", None)
    close = difflib.get_close_matches(suite.stem.replace("_", "-"), files, n=1)
    return files[close[0]] if close else None


Suite = Annotated[Path, typer.Argument(help="The suite file.", metavar="SUITE", show_default=False, callback=_meant)]
ModelsFile = Annotated[
    Path | None,
    typer.Option(
        "--models", help="The models file. Default: models.yaml beside the suite or above it.", metavar="FILE"
    ),
]
ModelNames = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="Ask this model instead of the suite's; repeatable.",
        metavar="NAME",
        autocompletion=model_names,
    ),
]
PromptNames = Annotated[
    list[str] | None,
    typer.Option("--prompt", "-p", help="Ask with this prompt only: a name or a file; repeatable.", metavar="PROMPT"),
]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Let scorers run code: your own functions, and programs that models wrote.")
]
CaseFilter = Annotated[
    list[str] | None,
    typer.Option("--filter", "-f", help="Only cases whose id or tag matches this glob; repeatable.", metavar="GLOB"),
]
Limit = Annotated[
    int | None, typer.Option("--limit", "-n", help="Only a random sample of this many cases.", min=1, metavar="N")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the sample, and of random arrivals.", metavar="N")]
Trials = Annotated[
    int | None, typer.Option("--trials", help="Ask each case this often. Default: the suite's.", min=1, metavar="N")
]
Concurrency = Annotated[
    Any,
    typer.Option(
        "--concurrency",
        "-c",
        help="Calls in flight per model; `auto`: more until the server throttles or the client is busy. "
        "Default: the model's.",
        metavar="N|auto",
        parser=quantities.concurrency,
    ),
]
Warmup = Annotated[
    int | None,
    typer.Option("--warmup", help="Calls per model that are made first and not counted.", min=0, metavar="N"),
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", help="Stop before the run costs more than this.", min=0, metavar="USD")
]
MaxTime = Annotated[
    Any,
    typer.Option(
        "--max-time",
        help="Make no more calls after this long: 90s, 10m, 1h.",
        metavar="TIME",
        parser=quantities.duration_s,
    ),
]
MaxErrors = Annotated[
    int | None, typer.Option("--max-errors", help="Stop when more calls than this have failed.", min=0, metavar="N")
]
Gate = Annotated[
    bool,
    typer.Option("--gate", help="Hold the run against its baseline and its suite's `gate:` rules; exit 1 if it fails."),
]
RunBaseline = Annotated[
    Path | None, typer.Option("--baseline", help="With --gate: the baseline to compare with.", metavar="FILE")
]
Explain = Annotated[bool, typer.Option("--explain", help="Say in plain words what the statistics mean.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print where the report is and what went wrong, nothing else.")
]
RunJson = Annotated[
    bool,
    typer.Option("--json", help="Print the figures as JSON, with --gate its verdicts; all else to standard error."),
]
Rate = Annotated[
    Any,
    typer.Option(
        "--rate",
        help="Load test: send so many calls a second to each model, answered or not, such as 20/s.",
        metavar="RATE",
        parser=quantities.rate_per_s,
    ),
]
Arrivals = Annotated[
    Arrival | None,
    typer.Option("--arrivals", help="With --rate: evenly spaced, or at random as from many users. Default: constant."),
]
Race = Annotated[
    bool | None,
    typer.Option(
        "--race/--no-race",
        help="Stop asking candidates that are shown worse than the best, block by block of shared cases.",
        show_default=False,
    ),
]
RaceKeep = Annotated[
    int | None, typer.Option("--keep", help="With --race: end it with so many left. Default: 1.", min=1, metavar="N")
]
RaceMargin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        help="With --race: whoever is not ahead of the best by more than this may be stopped. Default: 0.02.",
        min=0,
        max=0.5,
        metavar="SHARE",
    ),
]
RaceBy = Annotated[
    RaceMetric | None,
    typer.Option("--race-by", help="With --race: compare pass rates, or mean scores. Default: pass_rate."),
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Ask the other models although one of them fails its first small call.")
]
RunToRead = Annotated[
    str,
    typer.Argument(
        help="A run's folder or id, or a suite's name or folder for its newest run.", metavar="RUN", show_default=False
    ),
]
Results = Annotated[Path, typer.Option("--results", help="The folder in which runs are looked for.", metavar="DIR")]
AcceptChanges = Annotated[
    bool,
    typer.Option("--accept-changes", help="With --resume: go on although the suite or a model has changed since."),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder for results.", metavar="DIR")]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        help="Go on with a run, asking only what is missing or failed. RUN: an id or a folder; else the latest.",
        metavar="[RUN]",
    ),
]
PriceFile = Annotated[
    Path | None,
    typer.Option("--prices", help="A price file in litellm's JSON format, for models without a price.", metavar="FILE"),
]
NoStream = Annotated[
    bool, typer.Option("--no-stream", help="Ask for whole answers: no time to first token, a little less work.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print calls, estimated tokens and cost per model; ask nobody.")
]
RunExecutor = Annotated[
    Executor,
    typer.Option("--executor", help="Make the calls from this machine, or from the workers of a Ray cluster."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="With --executor ray: the cluster, such as auto or HOST:6379. Default: RAY_ADDRESS, else one on this "
        "machine.",
        metavar="ADDRESS",
    ),
]
RayWorkers = Annotated[
    int | None,
    typer.Option(
        "--ray-workers",
        help="With --executor ray: how many workers. Default: one for each processor.",
        min=1,
        metavar="N",
    ),
]
RayStorage = Annotated[
    str | None,
    typer.Option(
        "--ray-storage",
        help="With --executor ray: where workers write, as fsspec URL such as s3://bucket/runs. Default: --out, which "
        "all nodes must then share.",
        metavar="URL",
    ),
]
