"""Races over results that others published: what they keep, and what they save."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from published import matrix
from scipy import stats as scipy_stats

from evalkit.runner.race_plan import blocks_of, race_order
from evalkit.stats.race import Race

ORDERS = 200
NAMES = ("ifeval", "mmlu_pro", "zeroeval", "dcrouter")


@pytest.fixture(scope="module")
def saved() -> dict[str, float]:
    """What each of the tests below saved."""
    return {}


def values_of(name: str, shared: Path) -> np.ndarray:
    by_model = matrix(name, shared)
    cases = next(iter(by_model.values()))
    return np.array([[float(results[case]) for results in by_model.values()] for case in cases])


def raced(values: np.ndarray, seed: int) -> tuple[int, int]:
    """Race the candidates; return the one that is kept, and the calls made when nobody is asked a block less.

    Every candidate that runs is also asked the block after the one that decides on it, as a run may do.
    """
    cases, candidates = values.shape
    race, calls = Race(candidates, keep=1, margin=0.02), 0
    ordered = values[race_order(cases, seed)]
    blocks = list(blocks_of(cases))
    asked = [0] * candidates
    for number, block in enumerate(blocks):
        ahead = blocks[min(number + 1, len(blocks) - 1)].stop
        for at in race.running:
            asked[at] = ahead
        race.after_block(ordered[block.start : block.stop])
        if race.over:
            break
    calls = sum(asked)
    sums = ordered[: race.cases].sum(axis=0)
    return max(race.running, key=lambda at: sums[at]), calls


def p_against(best: np.ndarray, kept: np.ndarray) -> float:
    """Two-sided and exact for passes (McNemar), by the paired t-test for graded scores."""
    differences = best - kept
    if not differences.any():
        return 1.0
    if set(np.unique(differences)) <= {-1.0, 0.0, 1.0}:
        better, worse = int((differences > 0).sum()), int((differences < 0).sum())
        return float(scipy_stats.binomtest(better, better + worse).pvalue)
    return float(scipy_stats.ttest_rel(best, kept).pvalue)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_kept_one_is_as_good_as_the_best_of_the_whole(name: str, shared: Path, saved: dict[str, float]) -> None:
    values = values_of(name, shared)
    best = int(values.mean(axis=0).argmax())
    outcomes = [raced(values, seed) for seed in range(ORDERS)]
    good = [p_against(values[:, best], values[:, kept]) >= 0.05 for kept, _ in outcomes]
    saved[name] = 1 - np.mean([calls for _, calls in outcomes]) / values.size
    same = np.mean([kept == best for kept, _ in outcomes])
    print(f"\n{name}: kept one as good in {np.mean(good):.1%}, the very best in {same:.1%}; {saved[name]:.1%} saved")  # noqa: T201
    assert np.mean(good) >= 0.95


@pytest.mark.slow
def test_a_third_of_the_calls_is_saved(shared: Path, saved: dict[str, float]) -> None:
    for name in NAMES:
        if name not in saved:  # alone, or in another process
            values = values_of(name, shared)
            saved[name] = 1 - np.mean([raced(values, seed)[1] for seed in range(20)]) / values.size
    print(f"\non average over the four: {np.mean([saved[name] for name in NAMES]):.1%} of the calls saved")  # noqa: T201
    assert np.mean([saved[name] for name in NAMES]) >= 0.35
