"""Pictures as SVG: escaped by the standard library's writer, coloured by classes alone so that pages can theme them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree as ET

from evalkit.report.markup import one_line

COLOURS: Final = 8
"""Classes c0, c1, ... that tell candidates apart."""
STYLES: Final = 3
"""Ways to draw a colour: the next candidates have the same colours again, with a class s1 and then s2 beside them."""
NAMESPACE: Final = "http://www.w3.org/2000/svg"


def colour(candidate: int) -> str:
    """The classes of the candidate of this number."""
    again, of = divmod(candidate, COLOURS)
    style = again % STYLES
    return f"c{of} s{style}" if style else f"c{of}"


def shape(tag: str, class_: str = "", text: str | None = None, /, **attributes: float | str) -> ET.Element:
    """An element; places are rounded to a tenth of a pixel."""
    values = {
        name.replace("_", "-"): f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        for name, value in attributes.items()
    }
    element = ET.Element(tag, {"class": class_, **values} if class_ else values)
    element.text = None if text is None else one_line(text)
    return element


def titled(element: ET.Element, title: str) -> ET.Element:
    """The element with a text that shows when a pointer rests on it."""
    element.insert(0, shape("title", "", title))
    return element


def picture(width: float, height: float, name: str, shapes: Iterable[ET.Element]) -> str:
    """A whole picture. `name` is read to those who do not see it."""
    root = shape("svg", "chart", viewBox=f"0 0 {width:g} {height:g}", role="img", xmlns=NAMESPACE)
    root.set("aria-label", one_line(name))
    root.extend(shapes)
    return ET.tostring(root, encoding="unicode")
