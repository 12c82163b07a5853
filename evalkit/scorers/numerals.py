r"""Numbers read out of free text, exactly and in linear time.

Each of these is one number: `1,234,567.89`, `1 234`, `1'234`, `-5`, `$1.50`, `USD42`, `12%` (read as 12), `3/4`,
`2 1/2`, `\frac{3}{4}`, `.5`, `1e-3`, `1.2 x 10^5`. The decimal mark is the point. Digits inside a word (`Q3`, `A10293`)
are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

# Beyond these a number is not compared: as an exact fraction 1e999999999 would fill the memory.
_MAX_CHARS: Final = 1_000
_MAX_EXPONENT: Final = 400

_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_MINUS: Final = "-\u2212\u2013"  # hyphen, minus, en dash
_SIGN: Final = "[+\\-\u2212\u2013]"
_ONE_DASH: Final = str.maketrans("\u2212\u2013", "--")

# No part can match the same text in two ways and every start is anchored by a look-behind, hence linear.
_NUMBER: Final = re.compile(
    rf"""
      (?P<word> (?! (?:USD|EUR|GBP|JPY|CNY|INR|CHF|CAD|AUD|Rs) \d )
        (?<! [A-Za-z_\\] ) _* [A-Za-z] [A-Za-z_]* \d \w* (?: \.\d+ )* )
    | (?P<sign> (?<! [A-Za-z\d)\]}}%] ) {_SIGN} )?
      (?: [$€£¥₹] [ ]? (?P<inner_sign> {_SIGN} )? )?
      (?:
        \\[dt]?frac \{{ (?P<frac_top> \d+ ) \}} \{{ (?P<frac_bottom> \d+ ) \}}
      | (?: (?P<whole> \d+ ) [ ] )? (?<! [/\d] ) (?P<top> \d+ ) [/\u2044] (?P<bottom> \d+ ) (?! [\d/] )
      | (?: (?: (?P<grouped> [1-9] \d{{0,2}}
                    (?P<gap> [,' _\u00a0\u2009\u202f\u2019] | \{{,\}} | \\, ) \d{{3}} (?: (?P=gap) \d{{3}} )* ) (?! \d )
              | (?P<plain> \d+ ) )
            (?P<decimals> \. \d+ )?
          | (?<! [\w.] ) (?P<point> \. \d+ ) )
        (?: [eE] (?P<e> {_SIGN}? \d+ ) (?! \w )
          | [ ]? (?: [x\u00d7*] | \\times ) [ ]? 10
            (?: (?: \^ | \*\* ) \{{? (?P<power> {_SIGN}? \d+ ) \}}? | (?P<superscript> [⁻⁺]? [⁰¹²³⁴⁵⁶⁷⁸⁹]+ ) ) )?
      )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number as written; its value is worked out on demand, as most numbers of an answer are passed over."""

    match: re.Match[str]

    @property
    def text(self) -> str:
        """The number as written, with its sign and currency."""
        return self.match[0].strip()

    @property
    def value(self) -> Fraction | None:
        """The exact value, or None where it cannot be compared: too large, too long, or over zero."""
        if len(self.match[0]) > _MAX_CHARS:
            return None
        part = self.match.groupdict("")
        size = _ratio(part) if part["top"] or part["frac_top"] else _decimal(part)
        negative = (part["sign"] or part["inner_sign"] or "+") in _MINUS
        return -size if size is not None and negative else size


def numerals(text: str) -> Iterator[Numeral]:
    """Yield the numbers in a text, in order."""
    return (Numeral(match) for match in _NUMBER.finditer(text) if match["word"] is None)


def _ratio(part: dict[str, str]) -> Fraction | None:
    bottom = int(part["bottom"] or part["frac_bottom"])
    top = int(part["top"] or part["frac_top"])
    return int(part["whole"] or 0) + Fraction(top, bottom) if bottom else None


def _decimal(part: dict[str, str]) -> Fraction | None:
    digits = part["plain"] or part["grouped"].replace(part["gap"] or ",", "")
    exponent = (part["e"] or part["power"] or part["superscript"].translate(_SUPERSCRIPTS) or "0").translate(_ONE_DASH)
    if abs(int(exponent)) > _MAX_EXPONENT:
        return None
    return Fraction(f"{digits or 0}{part['decimals'] or part['point']}") * Fraction(10) ** int(exponent)
