"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evalkit.errors import Location


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    ERROR = "error"
    """Figures of this suite are wrong."""
    WARNING = "warning"
    """Figures may mislead."""
    HINT = "hint"
    """The suite could tell more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A weakness of a suite.

    Attributes:
        severity: how much it matters.
        message: what is so, in one sentence without its full stop.
        why: why it matters, likewise.
        remedy: what to do about it, likewise.
        where: the place in the user's files.
        cases: the ids of the cases it is about; empty where it is about the suite.
        rule: the name of the check, which is known to who runs it.
    """

    severity: Severity
    message: str
    why: str
    remedy: str
    where: Location | None = None
    cases: tuple[str, ...] = ()
    rule: str = ""
