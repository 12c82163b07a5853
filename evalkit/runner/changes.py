"""What has changed between a run and the suite that is to go on with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from evalkit.runner.manifest import Load, Manifest, Race
from evalkit.runner.plan import Named, case_fingerprint, fingerprint
from evalkit.types import Case


def changes(earlier: Manifest, earlier_cases: Iterable[Case], now: Manifest, cases: Iterable[Case]) -> list[str]:
    """Say in words what differs, so that a run's answers could mean something else now. Nothing: an empty list.

    More of anything is no change: trials, models, prompts or cases that are chosen beside those of the run say
    themselves what they are. Fewer would take answers out of its report. Prices, limits and descriptions decide no
    answer.
    """
    found = [
        *_altered("model", earlier.models, now.models),
        *_altered("prompt", earlier.prompts, now.prompts),
        *_fewer(earlier, now),
        *_load(earlier.load, now.load),
        *_race(earlier.race, now.race),
    ]
    # The number of cases in the suite is no choice: where it differs, cases were added or removed.
    chosen = dataclasses.replace(earlier.selection, cases_in_suite=now.selection.cases_in_suite)
    chosen_alike = chosen == now.selection
    if earlier.suite.fingerprint == now.suite.fingerprint:
        return found + ([] if chosen_alike else _left_out(earlier_cases, cases))
    found += _cases(earlier_cases, cases) if chosen_alike else ["its cases, or the choice of them"]
    return found or ["its expected values, scorers, parameters, vars or schema"]


def _fewer(earlier: Manifest, now: Manifest) -> Iterator[str]:
    kinds = (("model", earlier.models, now.models), ("prompt", earlier.prompts, now.prompts))
    for what, before, chosen in kinds:
        names = {one.name for one in chosen}
        yield from (f"{what} {one.name!r} is left out" for one in before if one.name not in names)
    if now.trials < earlier.trials:
        yield f"fewer trials are chosen: {now.trials} instead of {earlier.trials}"


def _load(before: Load | None, now: Load | None) -> Iterator[str]:
    if before is None or now is None:
        if before != now:
            yield "whether it is a load run"
        return
    if before.rate_per_s != now.rate_per_s:
        yield f"the rate of a load run: {now.rate_per_s:g}/s instead of {before.rate_per_s:g}/s"
    if before.arrivals != now.arrivals:
        yield f"the arrivals of a load run: {now.arrivals} instead of {before.arrivals}"


def _race(before: Race | None, now: Race | None) -> Iterator[str]:
    """A race may go on without being one: that asks more. A run may not become one, nor a race another one."""
    if now is None or (before is not None and before.rule == now.rule):
        return
    yield "whether it is a race" if before is None else "the rule of its race"


def _left_out(before: Iterable[Case], now: Iterable[Case]) -> list[str]:
    chosen = {case.id for case in now}
    count = sum(case.id not in chosen for case in before)
    return [f"fewer cases are chosen: {count:,} of its cases {'is' if count == 1 else 'are'} left out"] if count else []


def _altered(what: str, before: Sequence[Named], now: Sequence[Named]) -> Iterator[str]:
    known = {one.name: one.fingerprint for one in before}
    return (f"{what} {one.name!r}" for one in now if known.get(one.name, one.fingerprint) != one.fingerprint)


def _cases(before: Iterable[Case], now: Iterable[Case]) -> Iterator[str]:
    old, new = _Prints.of(before), _Prints.of(now)
    added, removed = len(new.ids - old.ids), len(old.ids - new.ids)
    counts = {"added": added, "removed": removed, "altered": len(new.contents - old.contents) - added}
    return (f"{count:,} case{'s' * (count != 1)} {how}" for how, count in counts.items() if count)


class _Prints(NamedTuple):
    """Cases as numbers, which take little room."""

    ids: set[int]
    contents: set[int]

    @classmethod
    def of(cls, cases: Iterable[Case]) -> Self:
        prints = cls(set(), set())
        for case in cases:
            prints.ids.add(int(fingerprint(case.id), 16))
            prints.contents.add(int(case_fingerprint(case), 16))
        return prints
