from __future__ import annotations

import random
from array import array
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published import matrix

from evalkit.analysis.cost.monthly import Shape, Use, exactly
from evalkit.analysis.cost.servers import Throughput, rented
from evalkit.analysis.decide.deciding import decide
from evalkit.analysis.decide.decision import Evidence, Figure, Standing
from evalkit.analysis.decide.requirements import Entrant, cases_needed, judge, rounded
from evalkit.analysis.results import CaseResults, RunResults
from evalkit.stats import wilson
from evalkit.suite.decide_rules import MEASURES, Bound, DecideRules, OneOf

RULES = DecideRules()


def outcome(passes, *, p95=None, cost=None, figures=(), **known):
    """A candidate: P passed, F failed, ? never finished; and what else is known of it."""
    finished = [letter for letter in passes if letter != "?"]
    n, right = len(finished), finished.count("P")
    rate = Figure(right / n, *wilson(right, n), n) if n else Figure()
    all_figures = {name: Figure() for name in MEASURES} | {
        "pass_rate": rate,
        "latency_p95_ms": Figure(p95, n=n),
        "cost_per_1k_usd": Figure(cost, n=n),
    }
    return passes, all_figures | dict(figures), known


def field(**candidates):
    """Entrants and results of candidates by name."""
    entrants = [Entrant((name, "p"), figures, **known) for name, (_, figures, known) in candidates.items()]
    results = [_results(name, passes) for name, (passes, _, _) in candidates.items()]
    cases = len(next(iter(candidates.values()))[0])
    return entrants, RunResults([f"c{i}" for i in range(cases)], [()] * cases, None, tuple(results))


def _results(name, passes):
    passed = array("I", (letter == "P" for letter in passes))
    finished = array("I", (letter != "?" for letter in passes))
    return CaseResults(name, "p", passed, finished, array("I", bytes(4 * len(passes))), array("d", passed))


def who(candidate):
    return candidate and candidate[0]


def answer(rules=RULES, **candidates):
    return who(decide(*field(**candidates), rules).recommended)


BEST = outcome("P" * 93 + "F" * 7, p95=1400, cost=4.1)
CHEAP = outcome("P" * 92 + "F" * 8, p95=1900, cost=0.37)
FAST = outcome("P" * 80 + "F" * 20, p95=300, cost=0.9)


def test_the_cheapest_within_the_margin_is_recommended():
    decision = decide(*field(best=BEST, cheap=CHEAP, fast=FAST), RULES)
    assert who(decision.recommended) == "cheap"
    assert who(decision.best) == "best"
    assert who(decision.runner_up) == "best"
    assert [one.as_good for one in decision.options] == [True, True, False]
    assert [one.on_front for one in decision.options] == [True, True, True]
    gap = decision.option(("cheap", "p")).to_best
    assert (gap.cases, gap.better, gap.worse, round(gap.difference, 9)) == (100, 0, 1, -0.01)


@pytest.mark.parametrize(("margin", "recommended"), [(0, "best"), (0.0099, "best"), (0.01, "cheap"), (0.13, "cheap")])
def test_the_margin_is_how_far_below_the_best_still_counts(margin, recommended):
    assert answer(replace(RULES, margin=margin), best=BEST, cheap=CHEAP, fast=FAST) == recommended


@pytest.mark.parametrize(
    ("prefer", "recommended"),
    [
        (("cost",), "cheap"),
        (("pass_rate",), "best"),
        (("latency_p95_ms",), "fast"),
        (("latency_p50_ms", "cost"), "cheap"),
    ],
)
def test_what_is_preferred_decides_among_those_as_good(prefer, recommended):
    rules = replace(RULES, prefer=prefer, margin=0.13)
    assert answer(rules, best=BEST, cheap=CHEAP, fast=FAST) == recommended


def test_what_the_first_preference_leaves_open_the_next_one_settles():
    one, two = outcome("PPPF", cost=1, p95=500), outcome("PPPF", cost=1, p95=400)
    assert answer(replace(RULES, prefer=("cost", "latency_p95_ms")), one=one, two=two) == "two"
    assert answer(one=outcome("PPPF", cost=1), two=outcome("PPFF", cost=1), margin=outcome("FFFF")) == "one"


def test_requirements_rule_out():
    rules = replace(RULES, require=(Bound("latency_p95_ms", 1500),))
    decision = decide(*field(best=BEST, cheap=CHEAP, fast=FAST), rules)
    assert who(decision.recommended) == "best"
    ruled_out = decision.option(("cheap", "p"))
    assert not ruled_out.eligible
    assert not ruled_out.on_front
    assert [one.requirement.key for one in ruled_out.broken] == ["latency_p95_ms"]


def test_the_best_is_the_best_of_those_that_meet_the_requirements():
    rules = replace(RULES, require=(Bound("cost_per_1k_usd", 1),))
    decision = decide(*field(best=BEST, cheap=CHEAP, fast=FAST), rules)
    assert who(decision.best) == "cheap"


def test_an_unknown_cost_is_never_the_lowest_nor_within_a_limit():
    unknown = outcome("P" * 93 + "F" * 7)
    assert answer(unknown=unknown, dear=BEST) == "dear"
    assert answer(replace(RULES, require=(Bound("cost_per_1k_usd", 100),)), unknown=unknown) is None
    decision = decide(*field(unknown=unknown, dear=BEST), RULES)
    assert all(one.on_front for one in decision.options), "neither is better all over"
    worse = decide(*field(unknown=outcome("P" * 80 + "F" * 20), dear=BEST), RULES)
    assert all(one.on_front for one in worse.options), "it may be cheaper, or faster"


def test_figures_that_nobody_has_are_no_part_of_the_front():
    decision = decide(*field(a=outcome("PPPF"), b=outcome("PPFF")), RULES)
    assert decision.dimensions == ("pass_rate",)
    assert [one.on_front for one in decision.options] == [True, False]
    assert who(decision.recommended) == "a"


def test_nobody_is_recommended_where_nothing_passed():
    decision = decide(*field(a=outcome("FFF", cost=1), b=outcome("FFF", cost=2)), RULES)
    assert decision.recommended is None
    assert decision.runner_up is None
    assert decision.evidence is None
    assert [one.eligible for one in decision.options] == [True, True]
    assert decision.nearest is None


def test_who_was_not_measured_is_not_chosen():
    decision = decide(*field(dead=outcome("???", cost=0), alive=outcome("PFF", cost=9)), RULES)
    assert who(decision.recommended) == "alive"
    assert decision.evidence is Evidence.ALONE
    nothing = decide(*field(dead=outcome("???")), RULES)
    assert (nothing.recommended, nothing.nearest) == (None, None)


def test_a_single_candidate_needs_no_results():
    entrants, _ = field(only=BEST)
    decision = decide(entrants, None, RULES)
    assert who(decision.recommended) == "only"
    assert decision.confidence == 0.95


def test_who_was_stopped_early_is_compared_on_common_cases():
    # On its first four cases, which are easy, the one that was stopped looks better than the other over all of them.
    stopped, kept = outcome("PPPF" + "?" * 8, cost=0.1), outcome("PPPP" + "PF" * 4, cost=1)
    decision = decide(*field(stopped=stopped, kept=kept), RULES)
    assert decision.option(("stopped", "p")).pass_rate.value > decision.option(("kept", "p")).pass_rate.value
    assert who(decision.best) == who(decision.recommended) == "kept"


def test_without_a_common_case_nobody_is_as_good():
    one, two = outcome("PP??", cost=2), outcome("??PP", cost=1)
    decision = decide(*field(one=one, two=two), RULES)
    assert sum(option.as_good for option in decision.options) == 1
    assert decision.option(("one", "p")).to_best is None
    assert (decision.evidence, decision.cases_needed) == (Evidence.ESTIMATE, None)


def test_all_ruled_out_names_the_nearest():
    rules = replace(RULES, require=(Bound("latency_p95_ms", 250), Bound("pass_rate", 0.9)))
    decision = decide(*field(best=BEST, cheap=CHEAP, fast=FAST), rules)
    assert decision.recommended is None
    assert who(decision.nearest) == "best", "one rule broken, and less far than the other's"
    near = replace(RULES, require=(Bound("latency_p95_ms", 250),))
    assert who(decide(*field(best=BEST, cheap=CHEAP, fast=FAST), near).nearest) == "fast"


class TestEvidence:
    def test_by_estimate_says_how_many_cases_would_show_it(self):
        decision = decide(*field(best=BEST, cheap=CHEAP), RULES)
        assert decision.evidence is Evidence.ESTIMATE
        low = decision.option(("cheap", "p")).to_best.interval.low
        assert decision.cases_needed == pytest.approx(100 * ((-0.01 - low) / 0.01) ** 2, rel=0.1)

    def test_shown_where_the_interval_is_within_the_margin(self):
        same = "P" * 900 + "F" * 100
        decision = decide(*field(best=outcome(same, cost=2), cheap=outcome(same, cost=1)), RULES)
        assert who(decision.recommended) == "cheap"
        assert (decision.evidence, decision.cases_needed) == (Evidence.SHOWN, None)

    def test_it_takes_every_other_eligible_candidate(self):
        same, other = "P" * 900 + "F" * 100, "F" * 100 + "P" * 900
        candidates = {"best": outcome(same, cost=2), "cheap": outcome(same, cost=1), "other": outcome(other, cost=3)}
        assert decide(*field(**candidates), RULES).evidence is Evidence.ESTIMATE
        entrants, results = field(**candidates)
        ruled_out = replace(RULES, require=(Bound("cost_per_1k_usd", 2.5),))
        assert decide(entrants, results, ruled_out).evidence is Evidence.SHOWN

    def test_more_candidates_widen_the_intervals(self):
        two = decide(*field(best=BEST, cheap=CHEAP), RULES)
        three = decide(*field(best=BEST, cheap=CHEAP, fast=FAST), RULES)
        assert two.confidence == 0.95
        assert three.confidence == 0.975
        widths = [decision.option(("cheap", "p")).to_best.interval for decision in (two, three)]
        assert widths[1].low < widths[0].low < widths[0].high < widths[1].high

    def test_out_of_reach_is_not_a_number(self):
        rules = replace(RULES, margin=0.0101)
        assert decide(*field(best=BEST, cheap=CHEAP), rules).cases_needed is None


class TestChanges:
    def test_the_smallest_relaxation_that_changes_the_answer(self):
        rules = replace(RULES, require=(Bound("latency_p95_ms", 1500), Bound("pass_rate", 0.5)))
        (change,) = decide(*field(best=BEST, cheap=CHEAP, fast=FAST), rules).changes
        assert (change.key, change.to, who(change.recommended)) == ("latency_p95_ms", 1900, "cheap")

    def test_a_relaxed_bound_lets_the_candidate_in(self):
        strict = replace(RULES, require=(Bound("pass_rate", 0.99),))
        (change,) = decide(*field(best=BEST, cheap=CHEAP), strict).changes
        assert (change.key, change.to, who(change.recommended)) == ("pass_rate", 0.93, "best")
        looser = replace(RULES, require=(Bound("pass_rate", change.to),))
        assert answer(looser, best=BEST, cheap=CHEAP) == "best"

    def test_a_property_is_dropped(self):
        local = {"properties": {"data_policy": "local", "license": None}}
        candidates = {"best": (*BEST[:2], local), "cheap": (*CHEAP[:2], {"properties": {"data_policy": None}})}
        rules = replace(RULES, require=(OneOf("data_policy", ("local",)),))
        decision = decide(*field(**candidates), rules)
        assert who(decision.recommended) == "best"
        (change,) = decision.changes
        assert (change.key, change.to, who(change.recommended)) == ("data_policy", None, "cheap")
        assert decision.option(("cheap", "p")).broken[0].why_unknown == "its row does not say"

    @pytest.mark.parametrize(("margin", "to", "then"), [(0.015, 0.0075, "best"), (0.007, 0.014, "cheap")])
    def test_half_and_double_the_margin(self, margin, to, then):
        (change,) = decide(*field(best=BEST, cheap=CHEAP), replace(RULES, margin=margin)).changes
        assert (change.key, change.to, who(change.recommended)) == ("margin", to, then)

    def test_traffic_at_which_servers_of_ones_own_pay(self):
        candidates = by_traffic(tokens_per_s=10_000)
        at = decide(*field(**candidates), replace(RULES, requests_per_day=1000))
        assert who(at.recommended) == "api"
        assert at.option(("api", "p")).monthly_usd.value == pytest.approx(1000 * 365 / 12 * 0.001)
        (change,) = at.changes
        # $48 a day for the server, a tenth of a cent for a request.
        assert change.key == "requests_per_day"
        assert who(change.recommended) == "own"
        assert 48_000 < change.to <= 49_000
        above = decide(*field(**candidates), replace(RULES, requests_per_day=100_000))
        (back,) = above.changes
        assert (who(above.recommended), who(back.recommended)) == ("own", "api")
        assert 47_000 <= back.to < 48_000

    def test_traffic_for_which_one_server_is_enough(self):
        # The second one is needed from 48,504 requests a day on: just after the first one begins to pay.
        candidates = by_traffic(tokens_per_s=48_504 * 100 * 3 / 86_400 / 0.7)
        narrow = decide(*field(**candidates), replace(RULES, requests_per_day=44_200))
        (change,) = narrow.changes
        assert (who(narrow.recommended), who(change.recommended)) == ("api", "own")
        assert 48_000 < change.to <= 48_504
        wider = by_traffic(tokens_per_s=70_000 * 100 * 3 / 86_400 / 0.7)
        up = decide(*field(**wider), replace(RULES, requests_per_day=60_000)).changes[-1]
        assert (who(up.recommended), up.to) == ("api", 71_000)


def by_traffic(*, tokens_per_s):
    """Two that are alike: one at a tenth of a cent a request, one on servers at $48 a day."""
    shape = Shape(exactly(1), exactly(300), exactly(100), exactly(0.001))
    server = rented(1, 2.0, Throughput(tokens_per_s, "given"))
    api, own = Use("api", "p", shape), Use("own", "p", shape._replace(usd=None), server=server)
    return {"api": (*outcome("PPPF", cost=1)[:2], {"use": api}), "own": (*outcome("PPPF")[:2], {"use": own})}


class TestRequirements:
    @pytest.mark.parametrize(
        ("bound", "low", "value", "high", "standing"),
        [
            (Bound("pass_rate", 0.9), 0.91, 0.95, 0.97, Standing.MET),
            (Bound("pass_rate", 0.9), 0.88, 0.93, 0.96, Standing.MET_BY_ESTIMATE),
            (Bound("pass_rate", 0.9), 0.82, 0.88, 0.93, Standing.MISSED_BY_ESTIMATE),
            (Bound("pass_rate", 0.9), 0.7, 0.8, 0.85, Standing.MISSED),
            (Bound("latency_p95_ms", 900), 700, 800, 850, Standing.MET),
            (Bound("latency_p95_ms", 900), 700, 800, 950, Standing.MET_BY_ESTIMATE),
            (Bound("latency_p95_ms", 900), 700, 800, None, Standing.MET_BY_ESTIMATE),
            (Bound("latency_p95_ms", 900), 700, 950, None, Standing.MISSED_BY_ESTIMATE),
            (Bound("latency_p95_ms", 900), 901, 950, None, Standing.MISSED),
            (Bound("latency_p95_ms", 900), None, 950, None, Standing.MISSED_BY_ESTIMATE),
            (Bound("latency_p95_ms", 900), None, None, None, Standing.UNKNOWN),
        ],
    )
    def test_the_interval_tells_how_sure_a_standing_is(self, bound, low, value, high, standing):
        _, figures, _ = outcome("P", figures={bound.measure: Figure(value, low, high, 100)})
        found = judge(Entrant(("m", "p"), figures), bound)
        assert found.standing is standing
        assert found.standing.holds is (standing in (Standing.MET, Standing.MET_BY_ESTIMATE))
        assert bool(found.why_unknown) is (standing is Standing.UNKNOWN)

    def test_a_tag_has_a_rate_of_its_own(self):
        _, figures, _ = BEST
        one = Entrant(("m", "p"), figures, tags={"refunds": Figure(0.5, 0.4, 0.6, 40)})
        assert judge(one, Bound("pass_rate", 0.9, tag="refunds")).standing is Standing.MISSED
        assert judge(one, Bound("pass_rate", 0.9, tag="x")).standing is Standing.UNKNOWN

    @pytest.mark.parametrize(
        ("value", "near", "bound", "n", "needed"),
        [
            (0.93, 0.87, 0.9, 150, 600),
            (0.93, None, 0.9, 150, None),
            (0.9, 0.85, 0.9, 150, None),
            (0.9001, 0.85, 0.9, 150, None),
            (800, 905, 900, 100, 120),
        ],
    )
    def test_cases_needed(self, value, near, bound, n, needed):
        assert cases_needed(value, near, bound, n) == needed

    @pytest.mark.parametrize(
        ("value", "up", "to"),
        [(1643.2, True, 1700), (0.9333, False, 0.93), (0.29, True, 0.29), (0, True, 0), (7, False, 7)],
    )
    def test_rounded(self, value, up, to):
        assert rounded(value, up=up) == to


@st.composite
def fields(draw):
    """Two to five candidates with verdicts on the same cases, and with every figure known."""
    n = draw(st.integers(3, 30))
    seed = draw(st.integers(0, 10_000))
    rng = random.Random(seed)
    return {
        f"m{i}": outcome(
            "".join(rng.choice("PPPF") for _ in range(n)),
            p95=draw(st.sampled_from([100, 200, 300])),
            cost=draw(st.sampled_from([1, 2, 3])),
        )
        for i in range(draw(st.integers(2, 5)))
    }


rule_sets = st.builds(
    DecideRules,
    require=st.sampled_from(
        [(), (Bound("pass_rate", 0.7),), (Bound("latency_p95_ms", 200), Bound("cost_per_1k_usd", 2))]
    ),
    prefer=st.sampled_from([("cost",), ("pass_rate",), ("latency_p95_ms", "cost")]),
    margin=st.sampled_from([0.0, 0.02, 0.1, 0.5]),
)


@settings(max_examples=60)
@given(fields(), rule_sets)
def test_the_recommended_one_is_on_the_front_and_meets_the_rules(candidates, rules):
    decision = decide(*field(**candidates), rules)
    chosen = decision.option(decision.recommended)
    if chosen is None:
        assert not any(one.eligible and one.pass_rate.value for one in decision.options)
    else:
        assert chosen.eligible
        assert chosen.on_front
        assert chosen.as_good
        assert decision.recommended != decision.runner_up


@settings(max_examples=40)
@given(fields(), rule_sets, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_is_no_matter(candidates, rules, rng):
    names = list(candidates)
    rng.shuffle(names)
    one, other = (
        decide(*field(**{name: candidates[name] for name in order}), rules) for order in (list(candidates), names)
    )
    assert {option.candidate: option for option in one.options} == {
        option.candidate: option for option in other.options
    }
    assert replace(one, options=()) == replace(other, options=())


@settings(max_examples=40)
@given(fields(), rule_sets, st.data())
def test_a_dominated_candidate_changes_nothing(candidates, rules, data):
    name = data.draw(st.sampled_from(list(candidates)))
    passes, figures, _ = candidates[name]
    worse = outcome(
        passes.replace("P", "F", 1),
        p95=figures["latency_p95_ms"].value + 1,
        cost=figures["cost_per_1k_usd"].value + 1,
    )
    before = decide(*field(**candidates), rules)
    after = decide(*field(**candidates, worse=worse), rules)
    assert (after.recommended, after.best) == (before.recommended, before.best)
    fronts = [{one.candidate for one in decision.options if one.on_front} for decision in (before, after)]
    assert fronts[0] == fronts[1]


def test_on_published_verdicts_a_choice_is_made(shared):
    verdicts = matrix("mmlu_pro", shared)
    cases = list(next(iter(verdicts.values())))
    costs = {model: place for place, model in enumerate(verdicts, 1)}
    candidates = {
        model: outcome("".join("P" if passed[case] else "F" for case in cases), cost=costs[model])
        for model, passed in verdicts.items()
    }
    decision = decide(*field(**candidates), replace(RULES, margin=0.05))
    best = max(decision.options, key=lambda one: one.pass_rate.value)
    chosen = decision.option(decision.recommended)
    assert decision.best == best.candidate
    assert chosen.pass_rate.value >= best.pass_rate.value - 0.05
    within = [one for one in decision.options if one.pass_rate.value >= best.pass_rate.value - 0.05]
    assert chosen.cost_per_1k_usd.value == min(one.cost_per_1k_usd.value for one in within)
