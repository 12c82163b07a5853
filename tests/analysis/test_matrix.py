"""Every candidate of a run against every other one."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from array import array
from itertools import combinations

import numpy as np
import pytest
from stored import store_run

from evalkit.analysis import analyse, load_run
from evalkit.analysis.differences import Standing
from evalkit.analysis.matrix import MOST_TAGS, _groups, compare_candidates
from evalkit.analysis.results import CaseResults, RunResults
from evalkit.stats.multiple import holm
from evalkit.stats.paired import Pairs, clustered_difference, mcnemar_mid_p, tango_interval

N = 60


def passing(*ranges):
    """The verdicts on N cases, of which those in the ranges pass."""
    return {f"c{i:03}": any(i in one for one in ranges) for i in range(N)}


@pytest.fixture
def compared(tmp_path):
    def compared(verdicts, **options):
        return analyse(load_run(store_run(tmp_path, verdicts, **options))).comparisons

    return compared


def pair_of(found, first, second):
    (pair,) = (one for one in found.pairs if (one.first[0], one.second[0]) == (first, second))
    return pair


def test_every_pair_is_compared_the_lower_ranked_with_the_higher(compared):
    found = compared({"low": passing(range(20)), "high": passing(range(55)), "mid": passing(range(10, 50))})
    assert [name for name, _ in found.ranked] == ["high", "mid", "low"]
    assert [(one.first[0], one.second[0]) for one in found.pairs] == [("mid", "high"), ("low", "high"), ("low", "mid")]
    assert [one.first[0] for one in found.against_best()] == ["mid", "low"]


def test_a_pair_has_the_figures_of_its_cases(compared):
    found = compared({"a": passing(range(50)), "b": passing(range(5, 52))})
    (pair,) = found.pairs
    counts = Pairs(45, 2, 5, 8)  # b alone, a alone
    assert (pair.first, pair.second) == (("b", "p"), ("a", "p"))
    assert (pair.cases, pair.passes.better, pair.passes.worse, pair.method) == (60, 2, 5, "Tango")
    assert pair.passes.difference == pytest.approx(-3 / 60)
    assert pair.passes.interval == tango_interval(counts)
    assert pair.passes.p == pair.passes.p_holm == mcnemar_mid_p(counts)
    assert pair.score is None


def test_p_values_are_adjusted_over_all_pairs(compared):
    skills = {"a": 55, "b": 45, "c": 35, "d": 34}
    found = compared({name: passing(range(n)) for name, n in skills.items()})
    assert len(found.pairs) == 6
    assert [one.passes.p_holm for one in found.pairs] == holm([one.passes.p for one in found.pairs])
    assert pair_of(found, "d", "c").passes.standing is Standing.EVEN
    assert pair_of(found, "b", "a").passes.standing is Standing.WORSE


def test_a_difference_that_is_sure_alone_may_be_chance_among_many(compared):
    close = {"a": passing(range(50)), "b": passing(range(44))}  # 6 of 6: p = 0.016
    assert compared(close).pairs[0].passes.standing is Standing.WORSE
    many = close | {f"x{i}": passing(range(20 + i)) for i in range(4)}
    pair = pair_of(compared(many), "b", "a")
    assert pair.passes.p < 0.05 <= pair.passes.p_holm
    assert pair.passes.standing is Standing.EVEN


def test_an_error_is_no_pass_and_a_missing_call_no_case(compared):
    a = passing(range(50)) | {"c000": "timeout", "c001": None}
    found = compared({"a": a, "b": passing(range(2, 50))})
    (pair,) = found.pairs
    assert (pair.cases, pair.errors) == (59, 1)
    assert pair.passes.difference == 0


def test_the_one_with_the_higher_rate_may_be_worse_on_the_common_cases(compared):
    few = {case: (verdict if i < 30 else None) for i, (case, verdict) in enumerate(passing(range(27)).items())}
    found = compared({"few": few, "all": passing(range(30), range(30, 52))})
    (pair,) = found.pairs
    assert (pair.first[0], pair.second[0], pair.cases) == ("all", "few", 30)
    assert pair.passes.difference == pytest.approx(0.1)


def test_a_model_that_never_answered_is_not_compared(compared):
    dead = dict.fromkeys(passing(), "connection")
    assert compared({"a": passing(range(50)), "dead": dead}) is None
    found = compared({"a": passing(range(50)), "b": passing(range(40)), "dead": dead})
    assert [name for name, _ in found.ranked] == ["a", "b"]


def test_nothing_in_common_is_no_comparison(compared):
    cases = list(passing())
    halves = [{case: True if (i < 30) is first else None for i, case in enumerate(cases)} for first in (True, False)]
    assert compared({"a": halves[0], "b": halves[1]}) is None


def test_trials_are_compared_by_their_share(compared):
    a = {case: [True, True, i % 2 == 0] for i, case in enumerate(passing())}
    b = {case: [i % 3 == 0] * 3 for i, case in enumerate(passing())}
    (pair,) = compared({"a": a, "b": b}, trials=3).pairs
    differences = [(i % 3 == 0) - (2 + (i % 2 == 0)) / 3 for i in range(N)]
    expected = clustered_difference(np.array(differences))
    assert pair.method == "clustered"
    assert pair.passes.interval == pytest.approx(expected.interval)
    assert pair.passes.p == pytest.approx(expected.p)
    assert pair.p_exact is None


def test_cases_of_one_source_count_less(compared):
    verdicts = {"a": passing(range(50)), "b": passing(range(30))}
    shared = {case: {"doc": i // 10} for i, case in enumerate(passing())}
    alone = compared(verdicts, case_vars=shared).pairs[0]
    together = compared(verdicts, case_vars=shared, cluster="doc").pairs[0]
    assert (alone.method, together.method) == ("Tango", "clustered")
    assert together.passes.difference == alone.passes.difference
    width = [pair.passes.interval.high - pair.passes.interval.low for pair in (alone, together)]
    assert width[1] > 2 * width[0]


def test_mean_scores_are_compared_where_they_say_more_than_pass_or_fail(compared):
    a = dict.fromkeys(passing(), 0.9)
    b = {case: 0.6 + 0.1 * (i % 2) for i, case in enumerate(passing())}
    (pair,) = compared({"a": a, "b": b}).pairs
    assert pair.passes.difference == 0
    assert pair.passes.standing is Standing.EVEN
    assert pair.score.difference == pytest.approx(-0.25)
    assert pair.score.standing is Standing.WORSE
    assert (pair.score.better, pair.score.worse) == (0, 60)


# ------------------------------------------------------------------------------------------------------------- groups


def together(groups):
    return {frozenset(pair) for group in groups for pair in combinations(group, 2)}


def test_groups_in_words_of_a_small_run(compared):
    found = compared({"a": passing(range(56)), "b": passing(range(52)), "c": passing(range(48)), "d": passing()})
    names = [[name for name, _ in group] for group in found.groups]
    assert names == [["a", "b"], ["b", "c"], ["d"]]


@pytest.mark.parametrize("seed", range(20))
def test_two_are_in_one_group_if_and_only_if_they_are_even(seed):
    rng = random.Random(seed)
    ranked = [(f"m{i}", "p") for i in range(9)]
    apart = {frozenset(pair) for pair in combinations(ranked, 2) if rng.random() < 0.4}
    pairs = [_Told(first, second, frozenset((first, second)) in apart) for second, first in combinations(ranked, 2)]
    groups = _groups(ranked, pairs)
    assert together(groups) == {frozenset(pair) for pair in combinations(ranked, 2)} - apart
    assert {one for group in groups for one in group} == set(ranked)
    assert not any(set(one) < set(other) for one, other in combinations(groups, 2))


class _Told:
    """A comparison as far as groups look at it."""

    def __init__(self, first, second, apart):
        self.first, self.second = first, second
        self.passes = self
        self.standing = Standing.WORSE if apart else Standing.EVEN


# --------------------------------------------------------------------------------------------------------------- tags


def tagged(*sizes):
    """Tags t0, t1, ... of so many cases each, one after the other."""
    names = [f"t{tag}" for tag, size in enumerate(sizes) for _ in range(size)]
    return {case: (name,) for case, name in zip(passing(), names, strict=False)}


def test_tags_are_compared_with_the_best_candidate_of_the_run(compared):
    verdicts = {"a": passing(range(50)), "b": passing(range(10, 40))}
    found = compared(verdicts, tags=tagged(30, 20, 4)).tags
    assert [(one.tag, one.first[0], one.second[0], one.cases) for one in found] == [
        ("t0", "b", "a", 30),
        ("t1", "b", "a", 20),
        ("t2", "b", "a", 4),
    ]
    assert [one.passes.difference for one in found] == pytest.approx([-1 / 3, -1 / 2, 0])
    assert [one.too_few for one in found] == [False, False, True]
    telling = [one.passes.p for one in found[:2]]
    assert [one.passes.p_holm for one in found] == [*holm(telling), None]


def test_how_many_cases_a_tag_needs_depends_on_how_many_are_compared(compared):
    def too_few(*sizes):
        found = compared({"a": passing(range(50)), "b": passing(range(40))}, tags=tagged(*sizes)).tags
        return [one.too_few for one in found]

    assert too_few(5) == [False]  # 2^-5 = 0.031
    assert too_few(4) == [True]
    assert too_few(20, 5) == [False, True]  # 2 * 0.031
    assert too_few(20, 6) == [False, False]


def test_a_tag_of_few_sources_is_too_few(compared):
    sources = {case: {"doc": i // 10} for i, case in enumerate(passing())}
    verdicts = {"a": passing(range(50)), "b": passing(range(40))}
    assert compared(verdicts, tags=tagged(30), case_vars=sources, cluster="doc").tags[0].too_few


def test_cases_of_one_source_count_less_at_a_tag_too(compared):
    sources = {case: {"doc": i // 6} for i, case in enumerate(passing())}
    verdicts = {"a": passing(range(50)), "b": passing(range(30))}
    (tag,) = compared(verdicts, tags=tagged(60), case_vars=sources, cluster="doc").tags
    (pair,) = compared(verdicts, case_vars=sources, cluster="doc").pairs
    assert tag.passes.interval == pair.passes.interval


def test_only_so_many_tags_are_compared(compared):
    tags = {case: (f"t{i % 50:02}", "all") for i, case in enumerate(passing())}
    found = compared({"a": passing(range(50)), "b": passing(range(40))}, tags=tags)
    assert len(found.tags) == MOST_TAGS
    assert found.tags[0].tag == "all"


# -------------------------------------------------------------------------------------------------------------- reach


def test_what_the_size_can_show(compared):
    reach = compared({"a": passing(range(50)), "b": passing(range(6, 54))}).reach
    assert (reach.cases, reach.disagree, reach.trials, reach.at_best, reach.more_cases) == (60, 10, 3, True, 240)
    assert (reach.detectable, reach.with_trials) == pytest.approx((0.1448, 0.0847), abs=1e-4)
    assert reach.with_more_cases == pytest.approx(reach.detectable / 2, rel=0.02)
    assert reach.cases_to_settle > 60


def test_a_settled_difference_needs_no_more_cases(compared):
    assert compared({"a": passing(range(50)), "b": passing(range(20))}).reach.cases_to_settle is None
    # 6 of 6, which so few cases would not show in every run: yet this run did.
    assert compared({"a": passing(range(50)), "b": passing(range(44))}).reach.cases_to_settle is None
    assert compared({"a": passing(range(50)), "b": passing(range(10, 60))}).reach.cases_to_settle is None


def test_where_there_are_cases_enough_but_many_candidates_no_number_is_told(compared):
    found = compared({"a": passing(range(50))} | {f"b{i}": passing(range(41)) for i in range(7)})
    assert found.pairs[0].passes.standing is Standing.EVEN  # 9 of 9, but one of 28 pairs
    assert found.reach.cases_to_settle is None


@pytest.mark.parametrize("other", [passing(range(50)), passing(range(54))])
def test_few_disagreements_promise_nothing(compared, other):
    assert compared({"a": passing(range(50)), "b": other}).reach is None


def test_few_cases_promise_nothing(compared):
    cases = list(passing())[:19]
    verdicts = {"a": dict.fromkeys(cases, True), "b": dict.fromkeys(cases, False)}
    assert compared(verdicts).reach is None


def test_few_sources_promise_nothing(compared):
    sources = {case: {"doc": i % 19} for i, case in enumerate(passing())}
    verdicts = {"a": passing(range(50)), "b": passing(range(20))}
    assert compared(verdicts, case_vars=sources, cluster="doc").reach is None


def test_trials_tell_what_further_ones_are_worth(compared):
    rng = random.Random(3)
    noisy = {name: {case: [rng.random() < 0.8, rng.random() < 0.8] for case in passing()} for name in "ab"}
    reach = compared(noisy, trials=2).reach
    assert (reach.trials, reach.at_best) == (4, False)
    assert reach.with_trials < 0.85 * reach.detectable  # all of it is chance: as good as twice the cases
    steady = {name: {case: [rng.random() < 0.8] * 2 for case in passing()} for name in "ab"}
    reach = compared(steady, trials=2).reach
    assert reach.with_trials == pytest.approx(reach.detectable)  # none of it is: nothing is gained


def test_trials_of_which_one_finished_tell_nothing_of_chance(compared):
    rng = random.Random(3)
    once = {name: {case: [rng.random() < 0.6, None] for case in passing()} for name in "ab"}
    reach = compared(once, trials=2).reach
    assert (reach.trials, reach.at_best) == (3, True)
    for verdicts in once.values():
        verdicts["c000"] = [True, True]  # a single case with two trials has no spread from case to case
    reach = compared(once, trials=2).reach
    assert (reach.trials, reach.at_best) == (6, True)


# --------------------------------------------------------------------------------------------------------------- size


def results_of(candidates, cases, seed=0):
    rng = np.random.default_rng(seed)
    ones, zeros = array("I", [1]) * cases, array("I", [0]) * cases

    def one(name):
        passed = rng.random(cases) < 0.8
        passes = array("I", passed.astype(np.uint32).tobytes())
        return CaseResults(name, "p", passes, ones, zeros, array("d", passed.astype(float).tobytes()))

    ids = [str(i) for i in range(cases)]
    return RunResults(ids, [()] * cases, None, tuple(one(f"m{i}") for i in range(candidates)))


@pytest.mark.parametrize(("candidates", "cases"), [(40, 150), (5, 100_000)])
def test_many_candidates_and_many_cases_take_seconds(candidates, cases):
    results = results_of(candidates, cases)
    start = time.process_time()
    found = compare_candidates(results, [one.candidate for one in results.candidates], graded=False)
    assert time.process_time() - start < 30
    assert len(found.pairs) == candidates * (candidates - 1) // 2


@pytest.mark.parametrize(("names", "loaded"), [(["a"], False), (["a", "b"], True)])
def test_a_single_candidate_does_without_numpy(tmp_path, names, loaded):
    store_run(tmp_path, {name: passing(range(50)) for name in names})
    program = (
        "import sys; from pathlib import Path; from evalkit.analysis import load_run;"
        "from evalkit.report import write_reports; write_reports(load_run(Path(sys.argv[1])));"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(loaded)
