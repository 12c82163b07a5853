"""report.svg: a run in one picture, for report.md. It brings its own colours, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from evalkit.analysis import RunSummary
from evalkit.report.html.charts import COST, P95, WIDTH, pass_rate_chart, trade_off_chart
from evalkit.report.html.svg import NAMESPACE, picture, shape

_PAGE: Final = Path(__file__).parent / "assets" / "page.css"
_SCHEMED: Final = re.compile(r"light-dark\((#\w+), (#\w+)\)")
_COLOUR: Final = re.compile(r"^\.c\d \{.*\}$|^ *--(?:ink|quiet|line|page): .*;$", re.MULTILINE)
_STYLE: Final = """
svg { font: 12px system-ui, sans-serif; fill: var(--ink); }
.title { font-weight: 600; font-size: 13px; } .grid { stroke: var(--line); } .tick, .axis { fill: var(--quiet); }
.value { font-weight: 600; } .dot { fill: var(--c); }
.s1.dot { fill: var(--page); stroke: var(--c); stroke-width: 2.5; }
.s2.dot { stroke: var(--ink); stroke-width: 2; } .range { stroke: var(--c); stroke-width: 4; opacity: .45; }
.range { stroke-linecap: round; } .thin { stroke: var(--c); stroke-width: 1.5; opacity: .55; } .faint { opacity: .2; }
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
    chart.set("overflow", "visible")
    yield chart


def _style() -> ET.Element:
    """The page's colours, in words that the sanitisers and viewers of pictures know too."""
    page = _COLOUR.findall(_PAGE.read_text(encoding="utf-8"))
    rules = "\n".join(line if line.startswith(".") else f"svg {{ {line.strip()} }}" for line in page)
    light, dark = (_SCHEMED.sub(rf"\{scheme}", rules) for scheme in (1, 2))
    style = shape("style")
    style.text = f"{light}{_STYLE}@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    return style
