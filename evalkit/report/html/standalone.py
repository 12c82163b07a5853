"""report.svg: a run in one picture, for report.md. It brings its own colours, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from evalkit.analysis import RunSummary
from evalkit.report.html.charts import COST, P95, WIDTH, pass_rate_chart, trade_off_chart
from evalkit.report.html.svg import NAMESPACE, picture, shape

_LIGHT: Final = ["#2563eb", "#c2570c", "#047857", "#8b2fc9", "#be123c", "#0e7490", "#7a5c00", "#4b5563"]
_DARK: Final = ["#6ea8ff", "#ffab5e", "#4ade9f", "#cf9bff", "#ff8fa6", "#45d3ec", "#e6c94a", "#b6c0ce"]
_STYLE: Final = """
svg { --ink: INK0; --quiet: QUIET0; --line: LINE0; font: 12px system-ui, sans-serif; fill: var(--ink); }
.title { font-weight: 600; font-size: 13px; } .grid { stroke: var(--line); } .tick, .axis { fill: var(--quiet); }
.value { font-weight: 600; } .dot { fill: var(--c); } .range { stroke: var(--c); stroke-width: 4; opacity: .45; }
.range { stroke-linecap: round; } .thin { stroke: var(--c); stroke-width: 1.5; opacity: .55; }
.front { fill: none; stroke: var(--quiet); stroke-dasharray: 5 4; }
"""
_TITLE: Final = 28.0
_GAP: Final = 24.0


def has_picture(run: RunSummary) -> bool:
    """Whether there is more than one measured candidate: a single figure needs no picture."""
    return len(run.ranked()) > 1


def run_picture(run: RunSummary) -> str | None:
    """Pass rates, and beside them quality against cost, or against time where no cost is known.

    None where `has_picture` says so.
    """
    rates = pass_rate_chart(run) if has_picture(run) else None
    if rates is None:
        return None
    charts = [("Pass rate with 95 % interval", rates)]
    against = next(((one, chart) for one in (COST, P95) if (chart := trade_off_chart(run, one))), None)
    if against:
        charts.append((f"Pass rate against {against[0].title}", against[1]))
    inner = [(title, _parsed(chart)) for title, chart in charts]
    height = _TITLE + max(_height(chart) for _, chart in inner)
    width = len(inner) * (WIDTH + _GAP) - _GAP
    shapes = [_style(), *(part for at, (title, chart) in enumerate(inner) for part in _placed(at, title, chart))]
    return picture(width, height, "; ".join(title for title, _ in charts), shapes)


def _parsed(chart: str) -> ET.Element:
    """A chart's element, for which it need not be taken apart by a reader of XML from elsewhere: it is our own."""
    root = ET.fromstring(chart)  # noqa: S314
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    return root


def _height(chart: ET.Element) -> float:
    return float((chart.get("viewBox") or "0").split()[-1])


def _placed(at: int, title: str, chart: ET.Element) -> Iterator[ET.Element]:
    left = at * (WIDTH + _GAP)
    yield shape("text", "title", title, x=left + 4, y=16.0)
    for name, value in {"x": left, "y": _TITLE, "width": WIDTH, "height": _height(chart)}.items():
        chart.set(name, f"{value:g}")
    yield chart


def _style() -> ET.Element:
    light = _STYLE.replace("INK0", "#1b1f24").replace("QUIET0", "#5b6470").replace("LINE0", "#dde1e7")
    dark = f"svg {{ --ink: #e4e7ec; --quiet: #9aa4b2; --line: #323945; }} {_colours(_DARK)}"
    text = f"{light}{_colours(_LIGHT)}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"
    style = shape("style")
    style.text = text
    return style


def _colours(colours: list[str]) -> str:
    return " ".join(f".c{at} {{ --c: {colour}; }}" for at, colour in enumerate(colours))
