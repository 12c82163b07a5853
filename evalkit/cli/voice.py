"""How much a command says, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    """How a run is told of.

    Attributes:
        quiet: no progress and no table; what went wrong, and where the report is.
        figures: the run's figures go to standard output as JSON.
        aside: words for people go to standard error, as standard output is for a program.
    """

    quiet: bool = False
    figures: bool = False
    aside: bool = False


ALOUD = Voice()
