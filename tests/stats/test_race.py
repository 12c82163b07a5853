"""Races: who is stopped, who never is, and how often the best one is lost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.stats.race import ERROR_RATE, Race
from evalkit.stats.sequential import BoundedEProcess

LOOKS = (10, 20, 30, 40, 50, 62, 78, 98, 122, 150)


def blocks(values: np.ndarray, ends: tuple[int, ...] = LOOKS) -> list[np.ndarray]:
    return np.split(values, [end for end in ends if end < len(values)])


def ran(race: Race, values: np.ndarray) -> Race:
    for block in blocks(values):
        if not race.over:
            race.after_block(block)
    return race


@pytest.mark.parametrize(("candidates", "keep"), [(1, 1), (3, 3), (3, 0)])
def test_there_must_be_something_to_race(candidates, keep) -> None:
    with pytest.raises(ValueError, match="keep must be"):
        Race(candidates, keep=keep)


def test_a_clear_loser_goes_early_and_the_race_ends_with_the_winner() -> None:
    race = Race(3)
    values = np.array([[1.0, 0.0, 1.0 if case % 2 else 0.0] for case in range(150)])
    assert [out.candidate for out in race.after_block(values[:10])] == [1]
    assert not race.over
    for block in blocks(values)[1:]:
        if not race.over:
            race.after_block(block)
    assert race.running == (0,)
    first, second = race.outs
    assert (first.candidate, first.cases, first.ahead, first.worse) == (1, 10, 0, True)
    assert second.candidate == 2
    assert 10 < second.cases < 50
    assert 0 < first.p <= ERROR_RATE
    assert second.p <= ERROR_RATE


def test_the_p_value_is_that_of_the_mean_of_the_rivals_wealth() -> None:
    values = np.random.default_rng(3).random((30, 4)) * [1.0, 0.9, 0.5, 0.1]
    race = Race(4, margin=0.0)
    outs = race.after_block(values)
    wealth = [BoundedEProcess(0.0).update((values[:, i] - values[:, 3])[:, None])[0] for i in range(3)]
    assert outs[0].candidate == 3
    assert outs[0].p == pytest.approx(1 / np.mean(wealth))


def test_what_comes_of_those_who_are_out_is_of_no_account() -> None:
    values = np.random.default_rng(2).random((60, 3)) * [1.0, 0.9, 0.0]
    clean, dirty = Race(3, margin=0.0), Race(3, margin=0.0)
    for race in (clean, dirty):
        assert [out.candidate for out in race.after_block(values[:20])] == [2]
    junk = np.add(values[20:], [0.0, 0.0, 7.0])
    assert clean.after_block(values[20:]) == dirty.after_block(junk)
    assert dirty.running


def test_keeping_two_takes_two_better_ones_to_stop_a_third() -> None:
    two_good = np.tile([1.0, 1.0, 0.0], (150, 1))
    one_good = np.tile([1.0, 0.0, 0.0], (150, 1))
    assert ran(Race(3, keep=2), two_good).running == (0, 1)
    alike = ran(Race(3, keep=2, margin=0.0), one_good)
    assert alike.running == (0, 1, 2)
    assert alike.cases == 150
    assert ran(Race(3, keep=1, margin=0.0), one_good).running == (0,)


def test_a_draw_ends_by_the_margin_alone() -> None:
    draw = np.ones((500, 2))
    undecided = ran(Race(2, margin=0.0), draw)
    assert undecided.running == (0, 1)
    race = Race(2, margin=0.05)
    for at in range(0, 500, 10):
        if not race.over:
            race.after_block(draw[at : at + 10])
    assert race.running == (0,)  # of equals, the last listed goes
    (out,) = race.outs
    assert not out.worse
    assert out.ahead == 0


def test_who_cannot_be_asked_leaves_without_a_verdict_and_counts_for_nobody() -> None:
    race = Race(3)
    values = np.tile([1.0, 0.0, 1.0], (10, 1))
    values[4, 0] = math.nan
    outs = race.after_block(values)
    assert outs[0] == (0, 10, None, False, None)
    assert race.outs[0].p is None
    assert 0 not in race.running
    later = np.tile([math.nan, 0.0, 1.0], (10, 1))
    race.after_block(later)
    assert race.running == (2,)
    assert race.outs[-1].ahead == 2


def test_all_may_be_lost_to_their_servers_but_not_to_each_other() -> None:
    gone = Race(2)
    gone.after_block(np.full((10, 2), math.nan))
    assert gone.running == ()
    assert gone.over
    race = Race(4, keep=2)
    outs = race.after_block(np.tile([1.0, 0.9, 0.1, 0.0], (150, 1)))
    assert [out.candidate for out in outs] == [3, 2]
    even = Race(3, margin=0.2)
    assert [out.candidate for out in even.after_block(np.ones((150, 3)))] == [2, 1]  # all are shown to be no better
    assert even.running == (0,)


def test_values_out_of_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="within"):
        Race(2).after_block([[3.0, 0.0]])


def test_a_long_losing_streak_overflows_nothing() -> None:
    race = Race(2, margin=0.0)
    race.after_block(np.tile([0.0, 1.0], (40_000, 1)))
    assert race.running == (1,)
    assert race.outs[0].p == 0.0


def lost(draw, *, races: int, margin: float, best: int = 0) -> float:
    """The share of races that lose the best one, with a look after every tenth case."""
    rng = np.random.default_rng(11)
    losses = 0
    for _ in range(races):
        values = draw(rng)
        race = Race(values.shape[1], margin=margin)
        for at in range(0, len(values), 10):
            race.after_block(values[at : at + 10])
            if race.over or best not in race.running:
                break
        losses += best not in race.running
    return losses / races


def passes(rates, cases, hardness):
    """Draw passes; `hardness` is the share of cases that all candidates meet alike."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        own, shared = rng.random((cases, len(rates))), rng.random((cases, 1))
        return (np.where(rng.random((cases, 1)) < hardness, shared, own) < rates).astype(float)

    return draw


@pytest.mark.slow
@pytest.mark.parametrize("hardness", [0.0, 0.7])
@pytest.mark.parametrize(
    ("rates", "margin"),
    [
        ((0.80, 0.80), 0.0),  # a tie: the hardest case there is
        ((0.55, 0.54, 0.54, 0.54, 0.54, 0.54), 0.0),
        ((0.92, 0.90, 0.90, 0.90), 0.02),  # ahead by just the margin
        ((0.92, 0.90, 0.50, 0.10), 0.02),
        ((0.97, 0.93, 0.93, 0.93), 0.02),
    ],
)
def test_the_truly_best_is_lost_in_few_races(rates, margin, hardness) -> None:
    share = lost(passes(rates, 150, hardness), races=300, margin=margin)
    print(f"{rates}, margin {margin}, hardness {hardness}: lost in {share:.1%}")  # noqa: T201
    assert share <= ERROR_RATE


@pytest.mark.slow
def test_nor_is_it_with_graded_scores() -> None:
    means = np.array([0.52, 0.5, 0.5, 0.3])
    share = lost(lambda rng: rng.beta(2 * means, 2 * (1 - means), (150, 4)), races=300, margin=0.02)
    print(f"graded: lost in {share:.1%}")  # noqa: T201
    assert share <= ERROR_RATE


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0, 1, 4])
def test_nor_on_the_same_cases_in_random_orders(gap) -> None:
    """Ahead by so many of 150 cases on the whole: the orders in which that does not show are few."""
    rng = np.random.default_rng(5)
    base = (rng.random((150, 4)) < 0.8).astype(float)
    base[:, 1:] = base[:, [0]]
    for rival in range(1, 4):
        won = rng.choice(np.flatnonzero(base[:, 0] == 1), 10 + gap, replace=False)
        lost_ones = rng.choice(np.flatnonzero(base[:, 0] == 0), 10, replace=False)
        base[won, rival], base[lost_ones, rival] = 0, 1
    share = lost(lambda order: base[order.permutation(150)], races=300, margin=0.0)
    print(f"ahead by {gap} of 150 cases: lost in {share:.1%}")  # noqa: T201
    assert share <= ERROR_RATE
