"""The options that make a run a race."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.errors import ConfigError
from evalkit.runner.manifest import Race


@dataclass(frozen=True, slots=True)
class RaceChoice:
    """What the user asked for. None leaves it to the run that is resumed, or to the default.

    `on` says whether to race, `keep` how many candidates are wanted, `margin` which lead is no reason to go on, and
    `metric` what they race by.
    """

    on: bool | None = None
    keep: int | None = None
    margin: float | None = None
    metric: str | None = None

    @property
    def details(self) -> dict[str, int | float | str]:
        """What was said of the rule."""
        parts = {"keep": self.keep, "margin": self.margin, "metric": self.metric}
        return {name: value for name, value in parts.items() if value is not None}


NO_RACE = RaceChoice()


def race_of(choice: RaceChoice, earlier: Race | None) -> Race | None:
    """The rule in force, with what came of it so far where a race is resumed; None: all candidates are asked all."""
    on = earlier is not None if choice.on is None else choice.on
    if not on:
        return None
    race = dataclasses.replace(earlier or Race(), **choice.details)  # type: ignore[arg-type]
    return race if earlier and race.rule == earlier.rule else race.rule


def race_problems(choice: RaceChoice, race: Race | None, candidates: int, *, load: bool) -> Iterator[ConfigError]:
    """Find what keeps a run from being a race."""
    if race is None:
        if choice.details:
            yield ConfigError("--keep, --margin and --race-by are the rule of a race", remedy="add --race")
        return
    if load:
        yield ConfigError(
            "--race stops candidates early, and --rate sends every call when it is due: choose one",
            remedy="leave out --race to see all models under load",
        )
    if candidates <= race.keep:
        yield ConfigError(
            f"nothing to race: {candidates} candidate{'s' * (candidates != 1)} (models x prompts), {race.keep} to keep",
            remedy="add models or prompts, or leave out --race",
        )
