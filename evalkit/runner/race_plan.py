"""In which order a race asks its cases, where it pauses to decide, and which calls it does without."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from evalkit.runner.manifest import Manifest

_FIRST: Final = 10
"""Cases per block. Fewer can hardly tell anything; a quarter of what was asked before keeps a long race fast."""
_GROWTH: Final = 0.25

Needed: TypeAlias = Callable[[str, str, int], bool]
"""Tells of a model, a prompt and the place of a case whether the run needs that answer."""


def race_order(cases: int, seed: int) -> array[int]:
    """The places of the cases in the order in which they are raced: at random, and the same for the same seed."""
    order = array("I", range(cases))
    random.Random(f"race {seed}").shuffle(order)
    return order


def blocks_of(cases: int) -> Iterator[range]:
    """The blocks as ranges of positions in the race's order. After each of them candidates may be stopped."""
    begin = 0
    while begin < cases:
        end = min(cases, begin + max(_FIRST, round(begin * _GROWTH)))
        yield range(begin, end)
        begin = end


def needed_cases(manifest: Manifest, cases: int) -> Callable[[str, str], int]:
    """Find out of how many cases a run needs a model's answers by a prompt: all, but for those its race did without."""
    race = manifest.race
    if race is None:
        return lambda _model, _prompt: cases
    asked = {(stop.model, stop.prompt): stop.cases for stop in race.stops}
    others = race.cases if race.over else cases
    return lambda model, prompt: asked.get((model, prompt), others)


def needed_calls(manifest: Manifest, cases: int) -> Needed:
    """Find out which answers a run needs: all, but for those that its race, as far as it got, ended without."""
    if manifest.race is None:
        return lambda _model, _prompt, _place: True
    order = race_order(cases, manifest.selection.seed)
    positions = array("I", bytes(4 * cases))
    for position, place in enumerate(order):
        positions[place] = position
    needed = needed_cases(manifest, cases)
    return lambda model, prompt, place: positions[place] < needed(model, prompt)
