"""The options of `evalkit cost`: volumes, mixes and prices as people write them on a command line."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from evalkit.cli import quantities

_SIZES: Final = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9}
_AMOUNT: Final = re.compile(r"(\d[\d_,]*(?:\.\d+)?)\s*([kmbg]?)", re.IGNORECASE)


class Tokens(NamedTuple):
    """So many tokens, and which part of them is input; None where that was not said."""

    total: float
    input_share: float | None


class Named(NamedTuple):
    """A value, and whose it is; None where that was not said."""

    name: str | None
    values: tuple[float, ...]


def amount(text: str) -> float:
    """Read `50000`, `50k`, `10M` or `1.5B`.

    Raises:
        BadParameter: it is none of these, or zero.
    """
    match = _AMOUNT.fullmatch(text.strip())
    value = float(match[1].replace("_", "").replace(",", "")) * _SIZES[match[2].lower()] if match else 0.0
    if not 0 < value < math.inf:
        raise typer.BadParameter(f"{text!r} is not an amount; write 50000, 50k, 10M or 1.5B")
    return value


def tokens(text: str) -> Tokens:
    """Read `10M`, or `10M+5M` for input and output apart.

    Raises:
        BadParameter: it is neither.
    """
    parts = [amount(part) for part in text.split("+")]
    if len(parts) > 2:
        raise typer.BadParameter(f"{text!r}: write all tokens as 10M, or input and output as 10M+5M")
    return Tokens(sum(parts), parts[0] / sum(parts) if len(parts) == 2 else None)


def mix(text: str) -> float:
    """Read `1:2`, input to output, as the share of input.

    Raises:
        BadParameter: it is not two numbers, or both are zero.
    """
    try:
        read, written = (float(part) for part in text.split(":"))
    except ValueError:
        read = written = 0.0
    if min(read, written) < 0 or not 0 < read + written < math.inf:
        raise typer.BadParameter(f"{text!r} is not a mix; write input to output, such as 1:2")
    return read / (read + written)


def price(text: str) -> Named:
    """Read `2.50/10`, or `NAME=2.50/10`: USD per one million tokens of input and of output.

    Raises:
        BadParameter: it is neither.
    """
    named = _named(text, "/")
    if named is None or len(named.values) != 2 or not all(0 <= usd < math.inf for usd in named.values):
        raise typer.BadParameter(f"{text!r} is not a price; write NAME=INPUT/OUTPUT, such as gpt-4o=2.50/10")
    return named


def throughput(text: str) -> Named:
    """Read `500`, or `NAME=500`: output tokens per second of one server.

    Raises:
        BadParameter: it is neither, or zero.
    """
    named = _named(text, None)
    if named is None or not 0 < named.values[0] < math.inf:
        raise typer.BadParameter(f"{text!r} is not a throughput; write NAME=TOKENS-PER-SECOND, such as qwen-72b=500")
    return named


def _named(text: str, separator: str | None) -> Named | None:
    name, _, value = text.rpartition("=")
    try:
        return Named(name or None, tuple(float(part) for part in (value.split(separator) if separator else [value])))
    except ValueError:
        return None


Run = Annotated[
    str | None,
    typer.Argument(
        help="A run's folder or id, or a suite's name for its newest run: its candidates and tokens count.",
        metavar="RUN",
        show_default=False,
    ),
]
RequestsPerDay = Annotated[
    Any, typer.Option("--requests-per-day", help="The traffic, such as 50k.", metavar="N", parser=amount)
]
TokensPerDay = Annotated[
    Any,
    typer.Option(
        "--tokens-per-day",
        help="The traffic in tokens: 10M of both kinds, or 10M+5M of input and output.",
        metavar="N",
        parser=tokens,
    ),
]
TokensPerMonth = Annotated[
    Any,
    typer.Option("--tokens-per-month", help="The same for a month (365/12 days).", metavar="N", parser=tokens),
]
Mix = Annotated[
    Any,
    typer.Option(
        "--mix", help="Input to output tokens, such as 1:2. Default: as measured in the run.", metavar="A:B", parser=mix
    ),
]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", help="A CSV file of requests: arrival time, input and output tokens.", metavar="FILE"),
]
PeakWindow = Annotated[
    Any,
    typer.Option(
        "--peak-window",
        help="The stretch of a trace that a peak is counted in. Default: 60s.",
        metavar="TIME",
        parser=quantities.duration_s,
    ),
]
PeakFactor = Annotated[
    float | None,
    typer.Option(
        "--peak-factor", help="The peak over the mean. Default: as in the trace, or 3 without one.", min=1, metavar="X"
    ),
]
Utilisation = Annotated[
    float,
    typer.Option(
        "--utilisation", help="How much of what servers can do is used at the peak.", min=0.01, max=1, metavar="SHARE"
    ),
]
Prices = Annotated[
    list[Any] | None,
    typer.Option(
        "--price",
        help="USD per 1M tokens of a model of the run, or of an API that was not asked; repeatable.",
        metavar="[NAME=]IN/OUT",
        parser=price,
    ),
]
Lease = Annotated[
    float | None, typer.Option("--lease", help="USD a month for a server of your own.", min=0, metavar="USD")
]
GpuHour = Annotated[
    float | None,
    typer.Option("--gpu-usd-per-hour", help="Or USD an hour for each of its GPUs.", min=0, metavar="USD"),
]
Gpus = Annotated[int | None, typer.Option("--gpus", help="How many GPUs it has. Default: 1.", min=1, metavar="N")]
Serve = Annotated[
    str | None, typer.Option("--serve", help="Which model of the run that server answers for.", metavar="MODEL")
]
Throughputs = Annotated[
    list[Any] | None,
    typer.Option(
        "--throughput",
        help="Output tokens a second of one server: of the one above, or of a model of the run; repeatable.",
        metavar="[NAME=]N",
        parser=throughput,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Results = Annotated[Path, typer.Option("--results", help="The folder for results.", metavar="DIR")]
OutFile = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write the tables to a markdown file, too.", metavar="FILE")
]
