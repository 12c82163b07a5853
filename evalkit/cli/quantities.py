"""Times and rates as people write them on a command line."""

from __future__ import annotations

import contextlib
import re
from typing import Final

import typer

_SECONDS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:(\d+(?:\.\d+)?)\s*h)?\s*(?:(\d+(?:\.\d+)?)\s*m(?:in)?)?\s*(?:(\d+(?:\.\d+)?)\s*s?)?")
_LATENCY: Final = re.compile(r"\s*[0-9]+(\.[0-9]+)?\s*(ms|s)\s*")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/\s*(s|m|min|h))?")


def duration_s(text: str) -> float:
    """Read `90`, `90s`, `10m` or `1h30m` as seconds.

    Raises:
        BadParameter: it is none of these, or zero.
    """
    match = _DURATION.fullmatch(text.strip())
    parts = match.groups() if match else ()
    total = sum(float(part or 0) * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if total <= 0:
        raise typer.BadParameter(f"{text!r} is not a time; write 90s, 10m or 1h30m")
    return total


def rate_per_s(text: str) -> float:
    """Read `20`, `20/s`, `600/min` or `1000/h` as calls per second.

    Raises:
        BadParameter: it is none of these, or zero.
    """
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) / _SECONDS[match[2] or "s"] if match else 0.0
    if rate <= 0:
        raise typer.BadParameter(f"{text!r} is not a rate; write 20/s or 600/min")
    return rate


def concurrency(text: str) -> int | str:
    """Read a number of calls in flight, or `auto`.

    Raises:
        BadParameter: it is neither.
    """
    if text == AUTO:
        return AUTO
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither a number of calls nor `auto`")
    return int(text)


AUTO: Final = "auto"


def margin(text: str) -> float | str:
    """Read a share of 0..1, or `auto`.

    Raises:
        BadParameter: it is neither.
    """
    if text == AUTO:
        return AUTO
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise typer.BadParameter(f"{text!r} is neither a share such as 0.02 (for 2 points) nor `auto`")


def latency(text: str) -> str:
    """Check that this is a time such as `1.5s` or `800ms`.

    Raises:
        BadParameter: it is not.
    """
    if not _LATENCY.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not a time with its unit; write 1.5s or 800ms")
    return text


def min_passes(text: str) -> tuple[str, int]:
    """Read `2` or `TAG=2`: a glob, and how many trials must pass.

    Raises:
        BadParameter: it is neither.
    """
    pattern, _, number = text.rpartition("=")
    if not (number.isascii() and number.isdigit() and int(number)):
        raise typer.BadParameter(f"{text!r} is no number of trials; write 2, or TAG=2")
    return pattern or "*", int(number)
