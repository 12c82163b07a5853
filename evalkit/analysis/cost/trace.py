"""Traffic as it was: arrival times and tokens of requests, read from a CSV file."""

from __future__ import annotations

import csv
import datetime as dt
import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TextIO

from evalkit.analysis.cost.servers import SECONDS_PER_DAY
from evalkit.errors import ConfigError, Location

PEAK_WINDOW_S: Final = 60.0
"""A peak is what came within so many seconds, unless the user says otherwise."""

_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "arrival time": ("timestamp", "arrivaltime", "arrivedat", "arrival", "startedat", "createdat", "time"),
        "input tokens": ("contexttokens", "inputtokens", "prompttokens", "requesttokens", "numprefilltokens"),
        "output tokens": (
            "generatedtokens",
            "outputtokens",
            "completiontokens",
            "responsetokens",
            "numdecodetokens",
        ),
    }
)
"""What a column may be called, small letters and digits alone; the first that is there counts."""


class Peak(NamedTuple):
    """The busiest stretch of a trace, per second; each figure has its own busiest stretch."""

    requests_per_s: float
    input_tokens_per_s: float
    output_tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests that came within a span of time.

    Attributes:
        path: of the file.
        span_s: from the first to the last, seconds; above 0.
        input_tokens, output_tokens: of each request ("q"), in the order of arrival.
        peak: the busiest stretch.
        window_s: how long that stretch is.
    """

    path: str
    span_s: float
    input_tokens: array[int]
    output_tokens: array[int]
    peak: Peak
    window_s: float

    @property
    def requests(self) -> int:
        """How many there are."""
        return len(self.input_tokens)

    @property
    def requests_per_day(self) -> float:
        """The rate of arrivals over the span, for a day: n requests enclose n - 1 gaps."""
        return (self.requests - 1) / self.span_s * SECONDS_PER_DAY

    @property
    def total_input(self) -> int:
        """Input tokens of all requests."""
        return sum(self.input_tokens)

    @property
    def total_output(self) -> int:
        """Output tokens of all requests."""
        return sum(self.output_tokens)

    @property
    def peak_factor(self) -> float:
        """Output tokens per second at the peak, over the mean; at least 1."""
        mean = self.total_output / self.requests * self.requests_per_day / SECONDS_PER_DAY
        return max(1.0, self.peak.output_tokens_per_s / mean) if mean else 1.0


def _peak(at_s: array[float], input_tokens: array[int], output_tokens: array[int], window_s: float) -> Peak:
    """What came in the busiest stretch, wherever it begins."""
    ones = array("q", [1]) * len(at_s)
    return Peak(*(_most_within(at_s, column, window_s) / window_s for column in (ones, input_tokens, output_tokens)))


def _most_within(at_s: Sequence[float], amounts: Sequence[int], window_s: float) -> int:
    """The largest sum of amounts that came less than a window apart."""
    most = total = first = 0
    for last, amount in enumerate(amounts):
        total += amount
        while at_s[last] - at_s[first] >= window_s and first < last:
            total -= amounts[first]
            first += 1
        most = max(most, total)
    return most


def read_trace(path: Path, window_s: float = PEAK_WINDOW_S) -> Trace:
    """Read a trace.

    Its header names the columns, of which three are needed: the arrival time (ISO 8601, or seconds; milliseconds where
    the name ends in `ms`), input tokens, and output tokens. Others are left aside. Rows may come in any order.

    Raises:
        ConfigError: the file cannot be read, lacks a column, holds a row that is none, or too few to give a rate.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = sorted(_rows(file, path))
    except OSError as error:
        remedy = "name a CSV file of requests with --trace"
        raise ConfigError(f"cannot be read: {error.strerror or error}", where=Location(path), remedy=remedy) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"is not CSV in UTF-8: {error}", where=Location(path)) from None
    if len(rows) < 2 or rows[0][0] == rows[-1][0]:
        raise ConfigError(
            "has no two requests at different times, from which a rate could be told",
            where=Location(path),
            remedy="give a trace of an hour or more",
        )
    at_s, read, written = zip(*rows, strict=True)
    moments, input_tokens, output_tokens = array("d", at_s), array("q", read), array("q", written)
    span_s = moments[-1] - moments[0]
    window_s = min(window_s, span_s)
    peak = _peak(moments, input_tokens, output_tokens, window_s)
    return Trace(str(path), span_s, input_tokens, output_tokens, peak, window_s)


def _rows(file: TextIO, path: Path) -> Iterator[tuple[float, int, int]]:
    reader = csv.reader(file)
    header = next(reader, [])
    when, read, written = (_column(header, what, path) for what in _COLUMNS)
    unit_s = 0.001 if _plain(header[when]).endswith("ms") else 1.0
    for row in reader:
        if not row:
            continue
        try:
            yield _moment_s(row[when], unit_s), _tokens(row[read]), _tokens(row[written])
        except (ValueError, IndexError) as error:
            why = error if isinstance(error, ValueError) else f"it has {len(row)} cells, the header {len(header)}"
            raise ConfigError(f"is no request: {why}", where=Location(path, reader.line_num)) from None


def _column(header: Sequence[str], what: str, path: Path) -> int:
    plain = [_plain(name) for name in header]
    for name in _COLUMNS[what]:
        for spelling in (name, f"{name}ms"):
            if spelling in plain:
                return plain.index(spelling)
    raise ConfigError(
        f"has no column for the {what}; its columns are: {', '.join(header) or 'none'}",
        where=Location(path, 1),
        remedy=f"name it as one of: {', '.join(_COLUMNS[what])} (capitals, spaces and _ do not matter)",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _moment_s(text: str, unit_s: float) -> float:
    try:
        moment = float(text) * unit_s
    except ValueError:
        return _iso_s(text)
    if not math.isfinite(moment):
        raise ValueError(f"{text!r} is no time")
    return moment


def _iso_s(text: str) -> float:
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time: write ISO 8601, or seconds") from None
    # A time without a zone is read as UTC, so that no hour is missing or doubled where clocks are changed.
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _tokens(text: str) -> int:
    try:
        count = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number of tokens") from None
    if not (math.isfinite(count) and count >= 0 and count == int(count)):
        raise ValueError(f"{text!r} is no number of tokens")
    return int(count)
