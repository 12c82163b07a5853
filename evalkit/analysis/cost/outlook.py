"""All that can be said of what a set of candidates costs at scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.analysis.cost.break_even import BreakEven, break_even
from evalkit.analysis.cost.monthly import Projection, Traffic, Use, project

VOLUMES: Final = (10_000_000.0, 100_000_000.0, 1_000_000_000.0)
"""Tokens a day that every candidate is priced at."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Candidates and traffic, worked out.

    Attributes:
        traffic: as asked; None: none was named.
        kind: what its tokens and peaks are like, whatever its volume.
        projections: one per candidate; empty without traffic.
        at_volumes: per candidate, at each of VOLUMES.
        break_evens: every API against every server.
    """

    traffic: Traffic | None
    kind: Traffic
    projections: tuple[Projection, ...]
    at_volumes: tuple[tuple[Projection, ...], ...]
    break_evens: tuple[BreakEven, ...]


def outlook(uses: Sequence[Use], traffic: Traffic | None, kind: Traffic) -> Outlook:
    """Work out what candidates cost at a volume and at the usual ones, and where they break even."""
    apis = [use for use in uses if not use.server]
    servers = [use for use in uses if use.server]
    return Outlook(
        traffic,
        kind,
        tuple(project(use, traffic) for use in uses) if traffic else (),
        tuple(tuple(project(use, kind.of_tokens(volume)) for volume in VOLUMES) for use in uses),
        tuple(break_even(api, server, kind) for api in apis for server in servers),
    )
