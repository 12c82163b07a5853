"""Tests that promptfoo asked several times: `--repeat` gives each repetition the number of a test of its own."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Final

from evalkit.imports.gathering import MAX_TRIALS
from evalkit.imports.promptfoo_rows import Row
from evalkit.imports.values import count, mapping
from evalkit.types import Json

_REPEAT: Final = (("evaluateOptions", "repeat"), ("commandLineOptions", "repeat"))


def told_repeat(config: Mapping[str, Json]) -> int | None:
    """How often each test was asked, as the config of an eval says."""
    told = (count(mapping(config.get(block)).get(key)) for block, key in _REPEAT)
    return next((min(times, MAX_TRIALS) for times in told if times), None)


def guessed_repeat(tests: Iterable[tuple[str, int | None]]) -> int:
    """How often each test was asked where nobody says it: as often as it stands there, if that holds for every test.

    Args:
        tests: of each row the test, and its number.
    """
    numbers: dict[str, set[int | None]] = {}
    for test, number in tests:
        numbers.setdefault(test, set()).add(number)
    times = {len(found) for found in numbers.values()}
    return min(MAX_TRIALS, *times) if len(times) == 1 else 1


class Trials:
    """Tells which repetition of its test a row is.

    Args:
        repeat: how often each test was asked.
    """

    def __init__(self, repeat: int) -> None:
        self._repeat = repeat
        self._turns: dict[Hashable, int] = {}
        self._asked: dict[Hashable, int] = {}

    def trial(self, row: Row) -> int:
        """The trial of a row, counted from 1. Of tests that are alike, each is asked as often as the others."""
        if self._repeat == 1:
            return 1
        if row.test_number is None:
            return self._next((row.test, row.head.called, row.head.label)) % self._repeat + 1
        key = (row.test, row.test_number)
        if key not in self._turns:
            self._turns[key] = self._next(row.test)
        return self._turns[key] % self._repeat + 1

    def _next(self, key: Hashable) -> int:
        turn = self._asked.get(key, 0)
        self._asked[key] = turn + 1
        return turn
