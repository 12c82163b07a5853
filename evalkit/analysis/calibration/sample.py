"""A random sample of answers for people to label."""

from __future__ import annotations

import random
from array import array
from collections.abc import Collection

from evalkit.analysis.calibration.calibrate import chosen_scorers, is_judgement, verdicts_of
from evalkit.analysis.rows import CallRow
from evalkit.analysis.run_data import Candidate, RunData


def answers_to_label(
    run: RunData,
    each: int,
    seed: int = 0,
    scorers: Collection[str] = (),
    candidates: Collection[Candidate] | None = None,
) -> list[CallRow]:
    """Draw answers at random, in random order.

    Args:
        run: whose answers.
        each: how many of every candidate, or all where it has fewer.
        seed: the same seed draws the same.
        scorers: only answers that one of these judged; empty: that a model judged.
        candidates: those whose answers are drawn; None: all.

    Raises:
        ConfigError: a row of the run is damaged, there is no such scorer, or none that asked a model.
    """
    judged: dict[Candidate, array[int]] = {}
    asks: dict[str, bool] = {}
    for place, row in enumerate(run.rows):
        candidate = row.call.model, row.call.prompt
        for name, score in verdicts_of(row) if candidates is None or candidate in candidates else ():
            asked = is_judgement(score)
            asks[name] = asks.get(name, False) or asked
            places = judged.setdefault(candidate, array("Q"))
            if (name in scorers if scorers else asked) and (not places or places[-1] != place):
                places.append(place)
    chosen_scorers(asks, scorers, run)
    chance = random.Random(seed)
    drawn = {place for places in judged.values() for place in chance.sample(places, min(each, len(places)))}
    rows = [row for place, row in enumerate(run.rows) if place in drawn]
    chance.shuffle(rows)
    return rows
