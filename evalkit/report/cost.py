"""What traffic costs, and where servers of one's own break even: sheets for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from evalkit.analysis.cost.break_even import BreakEven, Crossover
from evalkit.analysis.cost.monthly import Doubt, Figure, Projection, Traffic, Use
from evalkit.analysis.cost.outlook import VOLUMES, Outlook
from evalkit.analysis.cost.servers import DAYS_PER_MONTH, HOURS_PER_MONTH, Fleet
from evalkit.analysis.cost.trace import Trace
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.sheets import Sheet

_OWN_TOKENS: Final = (
    "Each candidate's own tokens: one that says the same in more of them serves fewer requests with as many. "
    "--requests-per-day compares for equal work."
)
_SPEED: Final = "The speed counts output tokens, and holds for inputs about as long as those it was measured with."
_AT_LEAST: Final = (
    "What a server did in the run is the least that it can do, so it costs at most this; --throughput says better."
)
_SIZES: Final = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_DOUBTS: Final[Mapping[Doubt, str]] = MappingProxyType(
    {
        Doubt.TOKENS: "how many tokens a request takes was not measured: name the traffic by --tokens-per-day and "
        "--mix IN:OUT instead, or give a --trace",
        Doubt.PRICE: "no price is known: say --price NAME=INPUT/OUTPUT, in USD per one million tokens",
        Doubt.THROUGHPUT: "what one server can do is not known: say --throughput [NAME=]TOKENS-PER-SECOND of output",
    }
)


def cost_sheets(outlook: Outlook) -> list[Sheet]:
    """All that people need to know, the traffic's cost first. Tables without a row, or a figure, are left out."""
    name = Names([row[0].use for row in outlook.at_volumes])
    if not _anything_known(outlook):
        asked = outlook.projections or [row[0] for row in outlook.at_volumes]
        return [Sheet("What the traffic costs", after=tuple(_doubts(asked, name)))]
    sheets = [
        _traffic_sheet(outlook, name),
        _server_sheet(outlook.projections, name),
        _even_sheet(outlook, name),
        _volume_sheet(outlook, name),
    ]
    return [sheet for sheet in sheets if sheet.rows]


def _anything_known(outlook: Outlook) -> bool:
    """Whether there is a figure for any candidate."""
    projections = [*outlook.projections, *(one for row in outlook.at_volumes for one in row)]
    tokens = any(one.per_day and one.per_day.output_tokens for one in outlook.projections)
    even = any(one.known for one in outlook.break_evens)
    return tokens or even or any(one.usd_per_month or one.fleet for one in projections)


class Names:
    """What candidates are called, asked or not."""

    def __init__(self, uses: Sequence[Use]) -> None:
        self._labels = Labels([use for use in uses if use.prompt])

    def of(self, use: Use) -> str:
        """Its model, and its prompt where a run compares several."""
        return self._labels.of(use) if use.prompt else use.model


def amount(value: float | None) -> str:
    """A large number to three digits: 950, 12.3k, 10M, 1.33B."""
    if value is None:
        return fmt.UNKNOWN
    for size, letter in _SIZES:
        if value >= size * 0.9995:
            return f"{value / size:.3g}{letter}" if value < size * 1000 else f"{value / size:,.0f}{letter}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _traffic_sheet(outlook: Outlook, name: Names) -> Sheet:
    header = ("candidate", "requests/day", "input/day", "output/day", "$ a month", "95 %", "$ a year")
    rows = [_traffic_row(one, name) for one in outlook.projections]
    shown = [index for index in range(len(header)) if index != 1 or any(row[1] != fmt.UNKNOWN for row in rows)]
    return Sheet(
        "What the traffic costs",
        tuple(header[index] for index in shown),
        tuple(tuple(row[index] for index in shown) for row in rows),
        before=tuple(_traffic_words(outlook.traffic)) if outlook.traffic else (),
        after=(*_doubts(outlook.projections, name), *_method(outlook)),
    )


def _traffic_row(one: Projection, name: Names) -> tuple[str, ...]:
    day = one.per_day
    counts = (day.requests, day.input_tokens, day.output_tokens) if day else (None, None, None)
    usd, year = one.usd_per_month, one.usd_per_year
    return (
        name.of(one.use),
        *(amount(figure.value if figure else None) for figure in counts),
        fmt.usd(usd.value if usd else None),
        _ends(usd),
        fmt.usd(year.value if year else None),
    )


def _doubts(projections: Iterable[Projection], name: Names) -> Iterator[str]:
    """Why costs are not known, and what to say to have them; candidates of one reason together."""
    reasons: dict[str, list[str]] = {}
    for one in projections:
        if one.doubt:
            reasons.setdefault(_doubt(one), []).append(name.of(one.use))
    return (f"{', '.join(names)}: n/a, as {reason}." for reason, names in reasons.items())


def _doubt(one: Projection) -> str:
    words = _DOUBTS[one.doubt or Doubt.PRICE]
    server = one.use.server
    if one.doubt is Doubt.TOKENS and one.use.price is None and server is None:
        return f"{words}; and {_DOUBTS[Doubt.PRICE]}"
    if one.doubt is not Doubt.THROUGHPUT or server is None:
        return words
    return f"{words}; one ({server.rent}) is ${fmt.usd(server.usd_per_month * 12)} a year"


def _ends(figure: Figure | None) -> str:
    """The interval of dollars; a figure that follows from what was given has none."""
    if figure is None or figure.low is None or figure.high is None:
        return fmt.UNKNOWN
    if figure.low == figure.high:
        return "as given"
    return f"{fmt.usd(figure.low)}-{fmt.usd(figure.high)}"


def _traffic_words(traffic: Traffic) -> Iterator[str]:
    volume = f"{amount(traffic.per_day)} {traffic.unit} a day"
    month = f"{amount(traffic.per_day * DAYS_PER_MONTH)} a month"
    if traffic.input_share is not None:
        mix = f"{fmt.percent(traffic.input_share)} of them input"
        yield f"{volume} ({month}), {mix}, at the prices of short inputs without a prompt cache."
    elif traffic.trace:
        yield f"{volume} ({month}), with the tokens of {traffic.trace.path}, whoever answered there."
    else:
        yield f"{volume} ({month}), with the tokens measured in the run."
    if traffic.trace:
        yield _trace_words(traffic.trace)


def _trace_words(trace: Trace) -> str:
    peak = trace.peak
    return (
        f"The trace holds {fmt.count(trace.requests)} requests in {_span(trace.span_s)}: at that rate "
        f"{amount(trace.requests_per_day)} a day, if every hour is like these. In the busiest {_span(trace.window_s)}: "
        f"{fmt.rate(peak.requests_per_s)} requests, {amount(peak.input_tokens_per_s)} input and "
        f"{amount(peak.output_tokens_per_s)} output tokens a second, {trace.peak_factor:.1f} times the mean."
    )


def _span(seconds: float) -> str:
    for unit_s, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.3g} {name}"
    return f"{seconds:.3g} seconds"


def _method(outlook: Outlook) -> Iterator[str]:
    if any(one.usd_per_month and one.usd_per_month.low != one.usd_per_month.high for one in outlook.projections):
        yield (
            "The interval is about which cases were asked, taken for the traffic to come; not about later prices, "
            "nor about a prompt cache that is warmer or colder than in the run."
        )
    yield f"A month is {HOURS_PER_MONTH:.0f} hours, a year 365 days."


def _server_sheet(projections: Sequence[Projection], name: Names) -> Sheet:
    fleets = [(one.use, one.fleet) for one in projections if one.fleet]
    speeds = [
        (name.of(use), use.server.rent, use.server.throughput)
        for use, _ in fleets
        if use.server and use.server.throughput
    ]
    return Sheet(
        "Servers of your own",
        ("candidate", "servers", "GPUs", "used on average", "tokens/s each", "$ a month"),
        tuple(_server_row(use, fleet, name) for use, fleet in fleets),
        after=(
            *(f"{who}: {rent}; its speed is {speed.source}." for who, rent, speed in speeds),
            _SPEED,
            *([_AT_LEAST] if any(speed.at_least for _, _, speed in speeds) else []),
        ),
    )


def _server_row(use: Use, fleet: Fleet, name: Names) -> tuple[str, ...]:
    throughput = use.server.throughput if use.server else None
    speed = f"{'>= ' * throughput.at_least}{amount(throughput.tokens_per_s)}" if throughput else fmt.UNKNOWN
    counts = (fmt.count(fleet.servers), fmt.count(fleet.gpus), fmt.percent(fleet.utilisation))
    return (name.of(use), *counts, speed, fmt.usd(fleet.usd_per_month))


def _even_sheet(outlook: Outlook, name: Names) -> Sheet:
    header = ("API / servers", "requests/day", "tokens/day", "tokens/month", "95 %, tokens/day")
    evens = outlook.break_evens
    return Sheet(
        "Where servers of your own break even",
        header,
        tuple(_even_row(one, name) for one in evens),
        after=tuple(sentence for one in evens for sentence in _even_words(one, name)) + _sizing(outlook.kind, evens),
    )


def _even_row(one: BreakEven, name: Names) -> tuple[str, ...]:
    pair = f"{name.of(one.api)} / {name.of(one.server)}"
    if one.crossover is None:
        return (pair, *["never" if one.known else fmt.UNKNOWN] * 3, "")
    first, tokens = one.crossover.first, one.tokens_per_unit
    ends = [None if end is None or tokens is None else end * tokens for end in (first.low, first.high)]
    return (
        pair,
        amount(one.requests(first.value)),
        amount(None if tokens is None else first.value * tokens),
        amount(None if tokens is None else first.value * tokens * DAYS_PER_MONTH),
        "as given" if first.low == first.high else f"{_volume(ends[0])}-{_volume(ends[1])}",
    )


def _volume(value: float | None) -> str:
    return "never" if value is not None and math.isinf(value) else amount(value)


def _even_words(one: BreakEven, name: Names) -> Iterator[str]:
    pair = f"{name.of(one.api)} against {name.of(one.server)}"
    if not one.known:
        yield f"{pair}: n/a, as the API's price, or the tokens of a request, are not known."
    elif one.crossover is None:
        yield f"{pair}: never. {_floor(one)}"
    else:
        yield f"{pair}: {_crossed(one, one.crossover)}"


def _floor(one: BreakEven) -> str:
    asked, tokens = one.per_unit.usd if one.per_unit else None, one.tokens_per_unit
    if one.floor_usd is None or asked is None or not tokens:
        return "The API costs nothing."
    million = 1_000_000 / tokens
    return (
        f"Even servers as full as planned cost ${fmt.usd(one.floor_usd * million)} per one million tokens; "
        f"the API asks ${fmt.usd(asked.value * million)}."
    )


def _crossed(one: BreakEven, crossover: Crossover) -> str:
    peak = f"{amount(one.peak_output_per_s)} output tokens a second at the peak"
    if not one.capacity_known:
        return f"above that volume the servers are cheaper, if one of them can serve it: {peak}."
    if crossover.until is None:
        return f"above that volume the servers are cheaper; one serves it ({peak})."
    return (
        f"above that volume one server is cheaper, until it is full at {_units(one, crossover.until)}; further ones "
        f"must fill first, and from {_units(one, crossover.for_good)} on ({crossover.servers} servers) they "
        "are cheaper at any volume."
    )


def _units(one: BreakEven, volume: float) -> str:
    tokens = one.tokens_per_unit
    return f"{amount(volume)} {one.unit} a day" if tokens is None else f"{amount(volume * tokens)} tokens a day"


def _sizing(kind: Traffic, evens: Sequence[BreakEven]) -> tuple[str, ...]:
    if not any(one.capacity_known for one in evens):
        return ()
    whence = "as in the trace" if kind.trace else "an assumption, see --peak-factor"
    used = f"{fmt.percent(kind.target_utilisation)} of what they can do is used"
    return (f"Servers are sized for a peak of {kind.peak:.3g} times the mean ({whence}), at which {used}.",)


def _volume_sheet(outlook: Outlook, name: Names) -> Sheet:
    header = ("candidate", *(f"{amount(volume)} tokens/day" for volume in VOLUMES), "95 %")
    rows = tuple(
        (
            name.of(row[0].use),
            *(fmt.usd(one.usd_per_month.value if one.usd_per_month else None) for one in row),
            _spread([one.usd_per_month for one in row]),
        )
        for row in outlook.at_volumes
    )
    if not any(one.usd_per_month for row in outlook.at_volumes for one in row):
        rows = ()
    own = outlook.kind.input_share is None and outlook.kind.trace is None and len(rows) > 1
    doubts = () if outlook.traffic else tuple(_doubts((row[0] for row in outlook.at_volumes), name))
    return Sheet("$ a month, by volume", header, rows, after=(*doubts, *([_OWN_TOKENS] if own else [])))


def _spread(figures: Sequence[Figure | None]) -> str:
    """How far the intervals of some costs reach below and above them, at the widest."""
    parts = [
        (one.low / one.value, one.high / one.value)
        for one in figures
        if one and one.value and one.low is not None and one.high is not None
    ]
    if not parts or len(parts) < len(figures):
        free = all(one and one.value == one.low == one.high for one in figures)
        return "as given" if free else fmt.UNKNOWN
    low, high = min(low for low, _ in parts), max(high for _, high in parts)
    return "as given" if low == high else f"{fmt.points(low - 1)} to {fmt.points(high - 1)} %"
