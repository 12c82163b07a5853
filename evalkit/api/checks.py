"""What the command line would not let in: refused here too, in words, before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, one_or_many

AUTO: Final = "auto"


class _Bounds(NamedTuple):
    """Which numbers an option may be: `low` is the least, or with `above` just too little."""

    low: float
    high: float | None = None
    whole: bool = False
    above: bool = False
    auto: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        most = f" and at most {self.high:g}" if self.high is not None else ""
        other = f", or {AUTO!r}" if self.auto else ""
        return f"{kind} {'above' if self.above else 'of at least'} {self.low:g}{most}{other}"


_NUMBERS: Final[Mapping[str, _Bounds]] = {
    "limit": _Bounds(1, whole=True),
    "trials": _Bounds(1, whole=True),
    "concurrency": _Bounds(1, whole=True, auto=True),
    "warmup": _Bounds(0, whole=True),
    "max_cost": _Bounds(0),
    "max_time": _Bounds(0, above=True),
    "max_errors": _Bounds(0, whole=True),
    "rate": _Bounds(0, above=True),
    "keep": _Bounds(1, whole=True),
    "margin": _Bounds(0, 0.5),
}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "arrivals": ("constant", "poisson"),
    "race_by": ("pass_rate", "score"),
}


def check_options(given: Mapping[str, object]) -> None:
    """Refuse options of a run that cannot be meant; one that is None is not given.

    Raises:
        ConfigError: what is wrong, all of it.
    """
    wrong = [
        f"{name} is {given[name]!r}, and must be {bounds}"
        for name, bounds in _NUMBERS.items()
        if not _fits(given[name], bounds)
    ]
    wrong += [
        f"{name} is {given[name]!r}, and must be {' or '.join(map(repr, words))}"
        for name, words in _WORDS.items()
        if given[name] not in (None, *words)
    ]
    if wrong:
        raise one_or_many([ConfigError(one) for one in wrong])


def check_margin(margin: object) -> None:
    """Refuse a margin of a comparison that is neither a share nor `auto`.

    Raises:
        ConfigError: it is neither.
    """
    bounds = _Bounds(0, 1, auto=True)
    if not _fits(margin, bounds):
        raise ConfigError(f"margin is {margin!r}, and must be {bounds}")


def several(given: str | Iterable[str]) -> tuple[str, ...]:
    """One text, or several, as several: a lone text is not taken apart."""
    return (given,) if isinstance(given, str) else tuple(given)


def _fits(value: object, bounds: _Bounds) -> bool:
    if value is None or (bounds.auto and value == AUTO):
        return True
    if isinstance(value, bool) or not isinstance(value, (int,) if bounds.whole else (int, float)):
        return False
    enough = value > bounds.low if bounds.above else value >= bounds.low
    return enough and (bounds.high is None or value <= bounds.high)
