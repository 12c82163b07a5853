"""Cascades and routing by tag: signals, rules, held-out figures, and what chance would do."""

import math
from dataclasses import replace

import numpy as np
import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.cascade.cascades import ERRORS_ONLY, Aim, Rule, cascades, choose, folds, halves, says
from evalkit.analysis.cascade.data import pair_agreement, pair_calls, portfolio
from evalkit.analysis.cascade.pairs import foremost, ordered_pairs, pairs_named
from evalkit.analysis.cascade.signals import CUT_OFF, DISAGREES, EMPTY, LONG, REFUSAL, SHORT, UNSURE
from evalkit.analysis.cascade.tags import route_by_tag
from evalkit.analysis.cascade.worth import weighted_p95, worth
from evalkit.errors import ConfigError
from evalkit.runner.journal import SCORES, Journal, decode_score
from evalkit.runner.rows import every
from evalkit.types import Gpu, Score, ScorerVerdict

CASES = [f"c{place:03}" for place in range(120)]


def fields_of(model, usd=None, latency_ms=None, **by_case):
    """What stands in each record of a model; a value may be a function of the case's place."""
    fixed = {"cost_usd": usd, "latency_ms": latency_ms}
    return {
        (model, case): {name: value for name, value in fixed.items() if value is not None}
        | {name: value(place) if callable(value) else value for name, value in by_case.items()}
        for place, case in enumerate(CASES)
    }


def stored(folder, verdicts, fields=None, **more):
    """The answers of candidates on CASES, given as functions of a case's place."""
    by_case = {
        model: {case: of(place) for place, case in enumerate(CASES)} if callable(of) else of
        for model, of in verdicts.items()
    }
    return load_run(store_run(folder, by_case, fields=fields, **more))


def only(run, *checks, margin=0.02, **named):
    found = portfolio(run, checks)
    pairs = pairs_named(found, named.get("cheap"), named.get("strong"))
    return cascades(found, pairs, margin=margin, seed=0)


def choice(cascade, aim):
    return next(one for one in cascade.choices if one.aim is aim)


def rejudge(run, verdicts):
    """Add to every verdict those of further scorers, each made from its case's number."""
    scores = list(every(run.folder / SCORES, decode_score))
    with Journal(run.folder, {}) as journal:
        for place, score in enumerate(scores):
            journal.add_score(replace(score, verdicts=(*score.verdicts, *verdicts(place))))
    return load_run(run.folder)


@pytest.fixture
def cut_off(tmp_path):
    """The cheap one fails every third case, and is cut off there; the strong one fails every tenth."""
    fields = fields_of(
        "small", 0.001, 100.0, finish_reason=lambda place: "length" if place % 3 == 0 else "stop", output="x"
    ) | fields_of("big", 0.01, 400.0)
    return stored(tmp_path / "run", {"big": lambda n: n % 10 != 5, "small": lambda n: n % 3 != 0}, fields)


def test_a_signal_that_knows_gives_the_strong_one_s_quality_for_less(cut_off):
    (found,) = only(cut_off)
    assert (found.pair.cheap.model, found.pair.strong.model, found.cases) == ("small", "big", 120)
    assert found.cheap.rate == pytest.approx(80 / 120)
    assert found.strong.rate == pytest.approx(108 / 120)
    for aim in Aim:
        chosen = choice(found, aim)
        assert chosen.trial.rule == Rule(CUT_OFF, least=1.0)
        held = chosen.held_out
        assert held.escalated == pytest.approx(1 / 3)
        assert held.rate == pytest.approx((80 + 36) / 120)
        assert held.usd_per_1k.value == pytest.approx(1 + 10 / 3)
        assert held.saving.value == pytest.approx(1 - (1 + 10 / 3) / 10)
        assert held.over_chance.low > 0.1
        assert held.p95_ms.value == 500


def test_the_oracle_asks_the_strong_one_only_where_it_alone_passes(cut_off):
    (found,) = only(cut_off)
    assert found.oracle.rate == pytest.approx(116 / 120)
    assert found.oracle.escalated == pytest.approx(36 / 120)
    assert found.oracle.usd_per_1k.value == pytest.approx(84 / 120 * 1 + 36 / 120 * 10)
    assert found.oracle.p95_ms.value == 400


def test_alone_neither_is_over_chance_and_the_strong_one_is_not_charged_for_the_cheap(cut_off):
    (found,) = only(cut_off)
    assert found.strong.usd_per_1k.value == pytest.approx(10)
    assert found.cheap.over_chance.value == pytest.approx(0)
    assert found.strong.over_chance.value == pytest.approx(0)
    assert found.strong.p95_ms.value == 400


def test_over_chance_is_the_height_over_the_line_between_the_two(cut_off):
    (found,) = only(cut_off)
    held = choice(found, Aim.CLOSE).held_out
    share = (held.usd_per_1k.value - 1) / 9
    line = found.cheap.rate + share * (found.strong.rate - found.cheap.rate)
    assert held.over_chance.value == pytest.approx(held.rate - line)


def test_a_policy_dearer_than_the_strong_one_is_held_against_that(cut_off):
    found = portfolio(cut_off)
    pair = pair_calls(found, found.answers[1], found.answers[0])
    everything = worth(pair, np.ones(120))
    assert everything.usd_per_1k.value == pytest.approx(11)
    assert everything.saving.value == pytest.approx(-0.1)
    assert everything.over_chance.value == everything.over_strong.value == pytest.approx(0)


def test_a_signal_that_knows_nothing_is_not_called_better_than_chance(tmp_path):
    rng = np.random.default_rng(3)
    lengths, weak, strong = rng.integers(1, 500, 120), rng.random(120) < 0.6, rng.random(120) < 0.9
    fields = fields_of("small", 0.001, output=lambda n: "x" * int(lengths[n])) | fields_of("big", 0.01)
    verdicts = {"small": lambda n: bool(weak[n]), "big": lambda n: bool(strong[n])}
    (found,) = only(stored(tmp_path, verdicts, fields))
    assert {one.rule.signal for one in found.trials} == {ERRORS_ONLY, LONG, SHORT}
    assert choice(found, Aim.GAIN).held_out.over_chance.low < 0
    assert choice(found, Aim.CLOSE).held_out.over_chance.low < 0


def test_an_error_is_always_escalated_and_costs_nothing(tmp_path):
    verdicts = {"small": lambda n: "timeout" if n % 4 == 0 else True, "big": lambda n: True}
    (found,) = only(stored(tmp_path, verdicts, fields_of("small", 0.001) | fields_of("big", 0.01)))
    assert [one.rule.signal for one in found.trials] == [ERRORS_ONLY]
    held = choice(found, Aim.CLOSE).held_out
    assert (held.rate, held.escalated) == (1.0, 0.25)
    assert held.usd_per_1k.value == pytest.approx(0.75 + 2.5)


def test_an_answer_of_which_a_signal_is_not_known_is_escalated(tmp_path):
    logprobs = {"logprobs": lambda n: None if n < 30 else [["a", -float(n)]]}
    verdicts = {"small": lambda n: "timeout" if n < 12 else True, "big": lambda n: True}
    (found,) = only(
        stored(tmp_path, verdicts, fields_of("small", 0.001, output="x", **logprobs) | fields_of("big", 0.01))
    )
    unsure = [one.held_out.escalated for one in found.trials if one.rule.signal == UNSURE]
    assert len(unsure) == 10
    assert unsure[0] == pytest.approx((30 + 0.05 * 90) / 120, abs=0.02)


def test_a_scorer_that_fails_is_no_sign_that_production_has(tmp_path):
    verdicts = {"small": lambda n: True, "big": lambda n: True}
    run = stored(tmp_path, verdicts, fields_of("small", 0.001, output="x") | fields_of("big", 0.01))
    with Journal(run.folder, {}) as journal:
        for score in list(every(run.folder / SCORES, decode_score))[:10]:
            fault = ScorerVerdict("exact", Score(0.0, False, details={"error": "it broke"}))
            journal.add_score(replace(score, passed=False, value=0.0, verdicts=(fault,)))
    (found,) = only(load_run(run.folder))
    assert found.cheap.rate == pytest.approx(110 / 120)
    assert found.cheap.usd_per_1k.value == pytest.approx(1)
    assert [one.held_out.escalated for one in found.trials if one.rule.signal == ERRORS_ONLY] == [0.0]


def test_thresholds_come_from_the_other_half(tmp_path):
    lengths = np.random.default_rng(2).permutation(120) + 1
    fields = fields_of("small", 0.001, output=lambda n: "x" * int(lengths[n])) | fields_of("big", 0.01)
    (found,) = only(stored(tmp_path, {"small": lambda n: n % 2 == 0, "big": lambda n: True}, fields))
    # From a half itself, a threshold would escalate the same number of it every time.
    per_split = [one.held_out.escalated * 120 * 10 for one in found.trials if one.rule.share == 0.1]
    assert all(abs(total - 120) > 0.5 for total in per_split)
    assert all(60 < total < 240 for total in per_split)
    assert [one.threshold for one in found.trials if one.rule.share == 0.1] == [109.0, -12.0]


def test_the_interval_over_chance_counts_what_costs_vary_by(tmp_path):
    """Against a bootstrap over cases."""
    rng = np.random.default_rng(4)
    long, small, big = rng.random(120), rng.random(120) < 0.5, rng.random(120) < 0.9
    fields = fields_of("small", 0.001) | fields_of(
        "big", usd=None, cost_usd=lambda n: float(0.002 + 0.02 * long[n] ** 3)
    )
    run = stored(tmp_path, {"small": lambda n: bool(small[n]), "big": lambda n: bool(big[n])}, fields)
    found = portfolio(run)
    pair = pair_calls(found, *found.answers)
    escalate = (long > 0.6).astype(float)
    drawn = rng.multinomial(120, np.full(120, 1 / 120), size=4000) / 120
    passed = pair.passed[0] + escalate * (pair.passed[1] - pair.passed[0])
    means = [drawn @ column for column in (passed, *pair.passed, pair.usd[0] + escalate * pair.usd[1], *pair.usd)]
    share = (means[3] - means[4]) / (means[5] - means[4])
    spread = np.std(means[0] - means[1] - share * (means[2] - means[1]))
    gain = worth(pair, escalate).over_chance
    assert gain.high - gain.low == pytest.approx(2 * 1.98 * spread, rel=0.06)


def test_calls_that_never_finished_are_left_out(tmp_path):
    verdicts = {"small": lambda n: None if n < 20 else n % 2 == 0, "big": lambda n: None if n > 100 else True}
    (found,) = only(stored(tmp_path, verdicts, fields_of("small", 0.001) | fields_of("big", 0.01)))
    assert found.cases == 81


def test_without_costs_calls_to_the_strong_one_count(tmp_path):
    fields = fields_of("small", finish_reason=lambda n: "length" if n % 3 == 0 else "stop")
    verdicts = {"big": lambda n: True, "small": lambda n: n % 3 != 0}
    (found,) = only(stored(tmp_path, verdicts, fields))
    assert found.pair.cheap.model == "small"  # it passes less often
    held = choice(found, Aim.CLOSE).held_out
    assert (held.usd_per_1k, held.saving) == (None, None)
    assert held.over_chance.value == pytest.approx(1 - (2 / 3 + 1 / 3 * 1 / 3))


def test_one_s_own_server_costs_the_time_it_was_at_work(tmp_path):
    fields = fields_of(
        "own", latency_ms=1000.0, started_at=lambda n: f"2030-01-01T00:{n // 60:02}:{n % 60:02}+00:00"
    ) | fields_of("big", 0.01)
    run = stored(
        tmp_path, {"own": lambda n: n % 2 == 0, "big": lambda n: True}, fields, models={"own": {"gpu": Gpu(3.6)}}
    )
    (found,) = only(run)
    assert found.pair.cheap.model == "own"
    assert found.cheap.usd_per_1k.value == pytest.approx(1.0)  # a second each at a tenth of a cent


@pytest.mark.parametrize(
    ("fields", "signal", "threshold"),
    [
        ({"output": lambda n: "I'm sorry, but I can't help with that." if n % 3 == 0 else "yes"}, REFUSAL, 1.0),
        ({"output": lambda n: " \n" if n % 3 == 0 else "yes"}, EMPTY, 1.0),
        ({"output": lambda n: "x" * (300 + n if n % 3 == 0 else 100 + n)}, LONG, None),
        ({"output": lambda n: "x" * (100 + n if n % 3 == 0 else 300 + n)}, SHORT, None),
        (
            {
                "output": "x",
                "logprobs": lambda n: [["a", -2 - n / 1e3], ["b", None]] if n % 3 == 0 else [["a", -n / 1e3]],
            },
            UNSURE,
            None,
        ),
    ],
)
def test_every_sign_of_doubt_is_found(tmp_path, fields, signal, threshold):
    both = fields_of("small", 0.001, **fields) | fields_of("big", 0.01)
    (found,) = only(stored(tmp_path, {"small": lambda n: n % 3 != 0, "big": lambda n: True}, both))
    best = choice(found, Aim.GAIN)
    assert best.trial.rule.signal in {signal, LONG, SHORT} if threshold else best.trial.rule.signal == signal
    if threshold:
        assert Rule(signal, least=threshold) in [one.rule for one in found.trials]
    assert best.held_out.over_chance.low > 0


def test_verdicts_that_need_no_expected_value_are_signals(tmp_path):
    run = stored(
        tmp_path,
        {"small": lambda n: n % 3 != 0, "big": lambda n: True},
        fields_of("small", 0.001) | fields_of("big", 0.01),
    )

    def verdicts(place):
        bad = place % 3 == 0
        yield ScorerVerdict("json_schema", Score(float(not bad), not bad))
        yield ScorerVerdict("label", Score(1.0, True, details={"label": None if bad else "a", "expected": "a"}))
        yield ScorerVerdict("my check", Score(float(not bad), not bad))
        yield ScorerVerdict("contains", Score(float(not bad), not bad))

    run = rejudge(run, verdicts)
    (found,) = only(run)
    signals = {one.rule.signal for one in found.trials}
    assert {"failed json_schema", "no label by label"} <= signals
    assert not {"failed exact", "failed my check", "failed contains"} & signals
    (schema,) = [one for one in found.trials if one.rule.signal == "failed json_schema"]
    assert (schema.held_out.rate, schema.held_out.escalated) == (1.0, pytest.approx(1 / 3))
    (more,) = only(run, "my check")
    assert "failed my check" in {one.rule.signal for one in more.trials}


def test_trials_that_disagree_are_a_signal_that_costs_all_of_them(tmp_path):
    texts = {("small", case): {"cost_usd": 0.001, "latency_ms": 50.0} for case in CASES}
    verdicts = {
        "small": {case: [place % 3 != 0, True, True] for place, case in enumerate(CASES)},
        "big": {case: [True] * 3 for case in CASES},
    }
    run = stored(tmp_path, verdicts, texts | fields_of("big", 0.05), trials=3)
    calls, agreement = only(run)
    assert (calls.by_agreement, agreement.by_agreement) == (False, True)
    assert calls.cheap.usd_per_1k.value == pytest.approx(1)
    assert agreement.cheap.usd_per_1k.value == pytest.approx(3)
    assert agreement.cheap.rate == 1.0  # two of three say yes
    assert agreement.cheap.p95_ms.value == 50
    assert {one.rule.signal for one in agreement.trials} == {ERRORS_ONLY, DISAGREES}
    (rule,) = [one for one in agreement.trials if one.rule.signal == DISAGREES]
    assert rule.held_out.escalated == pytest.approx(1 / 3)
    assert says(rule.rule, rule.threshold) == "its trials disagree: 0.333 or more"


def test_errors_among_trials_say_nothing_and_one_trial_gives_no_agreement(tmp_path):
    verdicts = {
        "small": {case: ["timeout", False, True] if place else ["timeout"] * 3 for place, case in enumerate(CASES)},
        "big": {case: [True] * 3 for case in CASES},
    }
    found = portfolio(stored(tmp_path / "a", verdicts, fields_of("small", 0.001) | fields_of("big", 0.05), trials=3))
    pair = pair_agreement(found, *found.answers)
    assert pair.passed[0].tolist() == [0.0] * 120
    assert pair.failed.tolist() == [True] + [False] * 119
    assert pair.signals[DISAGREES][:2].tolist() == [1.0, pytest.approx(2 / 3)]
    once = portfolio(stored(tmp_path / "b", {"small": lambda n: True, "big": lambda n: True}))
    assert pair_agreement(once, *once.answers) is None


def test_intervals_are_by_case_however_often_it_was_asked(tmp_path):
    def run(folder, trials):
        verdicts = {
            "small": {case: [place % 3 != 0] * trials for place, case in enumerate(CASES)},
            "big": {case: [place % 10 != 5] * trials for place, case in enumerate(CASES)},
        }
        fields = fields_of("small", 0.001) | fields_of("big", 0.01)
        return only(stored(folder, verdicts, fields, trials=trials))[0]

    once, thrice = run(tmp_path / "once", 1), run(tmp_path / "thrice", 3)
    assert thrice.cheap.interval == pytest.approx(once.cheap.interval, abs=1e-9)
    assert thrice.cheap.over_strong == pytest.approx(once.cheap.over_strong, abs=1e-9)


def test_choosing_by_close_takes_the_cheapest_that_is_near_enough(cut_off):
    found = portfolio(cut_off)
    pair = pair_calls(found, found.answers[1], found.answers[0])
    everything = np.ones(120, dtype=bool)
    cut = np.array([place % 3 == 0 for place in range(120)], dtype=float)
    some = cut * (np.arange(120) < 90)
    rules = np.stack([np.zeros(120), np.ones(120), cut, some])
    assert choose(pair, rules, everything, Aim.CLOSE, 0.02) == 3
    assert choose(pair, rules, everything, Aim.CLOSE, 0.5) == 0
    assert choose(pair, rules, everything, Aim.GAIN, 0.02) == 2
    hopeless = np.stack([np.zeros(120), some * (np.arange(120) < 30), np.zeros(120)])
    assert choose(pair, hopeless, everything, Aim.CLOSE, 0.02) == 1


def test_halves_keep_groups_together_and_halve_every_kind_of_tags():
    groups = np.repeat(np.arange(60), 2)
    tags = [("a",) if group < 20 else ("b", "c") for group in groups]
    for half in halves(groups, tags, seed=1):
        assert (half[::2] == half[1::2]).all()
        assert half.sum() == 60
        assert 18 <= half[:40].sum() <= 22
    assert not all(np.array_equal(*pair) for pair in zip(halves(groups, tags, 1), halves(groups, tags, 2), strict=True))
    parts = next(iter(folds(groups, tags, 5, 0, 1)))
    assert np.bincount(parts).tolist() == [24] * 5


def test_the_same_seed_gives_the_same_figures(cut_off):
    assert [one.choices for one in only(cut_off)] == [one.choices for one in only(cut_off)]


@pytest.mark.parametrize(
    ("rule", "threshold", "words"),
    [
        (Rule(ERRORS_ONLY), None, "errors of the cheap one, and nothing else"),
        (Rule(REFUSAL, least=1.0), 1.0, "refusal"),
        (Rule(LONG, 0.1), 812.0, "answer of 812 characters or more"),
        (Rule(SHORT, 0.1), -12.0, "answer of 12 characters or fewer"),
        (Rule(UNSURE, 0.1), 0.5, "mean logprob -0.5 or lower"),
    ],
)
def test_rules_in_words(rule, threshold, words):
    assert says(rule, threshold) == words


def test_p95_of_weighted_times_is_that_of_the_sample_they_stand_for():
    times = np.arange(1.0, 201.0)
    whole = weighted_p95(times, np.ones(200))
    assert whole.value == pytest.approx(np.quantile(times, 0.95))
    assert whole.low < whole.value < whole.high
    assert weighted_p95(np.repeat(times, 2), np.full(400, 0.5)).value == pytest.approx(whole.value, abs=1)
    assert weighted_p95(np.array([5.0]), np.array([0.2])) == (5.0, None, None)


# Which pairs.


def test_pairs_go_from_cheap_to_dear(tmp_path):
    verdicts = dict.fromkeys(("mid", "dear", "cheap"), lambda n: n % 2 == 0)
    fields = fields_of("cheap", 0.001) | fields_of("mid", 0.002) | fields_of("dear", 0.003)
    found = portfolio(stored(tmp_path, verdicts, fields))
    names = [(one.model, other.model) for one, other in ordered_pairs(found)]
    assert names == [("cheap", "mid"), ("cheap", "dear"), ("mid", "dear")]
    assert [(a.model, b.model) for a, b in pairs_named(found, "dear", "cheap")] == [("dear", "cheap")]
    assert [(a.model, b.model) for a, b in pairs_named(found, "mid", None)] == [("mid", "dear")]
    assert [(a.model, b.model) for a, b in pairs_named(found, None, "mid / p")] == [("cheap", "mid")]
    with pytest.raises(ConfigError, match="no candidate 'none'"):
        pairs_named(found, "none", None)
    with pytest.raises(ConfigError, match="cannot hand on to itself"):
        pairs_named(found, "mid", "mid")


def test_the_foremost_hand_on_to_the_best(tmp_path):
    verdicts = {"a": lambda n: n % 2 == 0, "b": lambda n: n % 8 != 0, "c": lambda n: n % 3 == 0}
    found = only(stored(tmp_path, verdicts, fields_of("a", 0.001) | fields_of("b", 0.002) | fields_of("c", 0.003)))
    assert len(found) == 3
    assert [(one.pair.cheap.model, one.pair.strong.model) for one in foremost(found)] == [("a", "b")]
    assert foremost([]) == []


def test_candidates_that_cost_the_same_are_no_pair(tmp_path):
    fields = fields_of("a", 0.001) | fields_of("b", 0.001)
    assert only(stored(tmp_path, {"a": lambda n: True, "b": lambda n: False}, fields)) == []


# Routing by tag.


def tagged(folder, tags, verdicts, fields):
    found = portfolio(stored(folder, verdicts, fields, tags={case: tags(place) for place, case in enumerate(CASES)}))
    return route_by_tag(found, margin=0.02, seed=0)


COSTS = fields_of("small", 0.001, 100.0) | fields_of("big", 0.01, 400.0)


def test_each_kind_goes_to_the_cheapest_that_does_for_it(tmp_path):
    found = tagged(
        tmp_path,
        lambda n: ("hard", "x") if n % 3 == 0 else ("easy", "x"),
        {"small": lambda n: n % 3 != 0, "big": lambda n: True},
        COSTS,
    )
    assert {kind: to.model for kind, to in found.routes.items()} == {("easy", "x"): "small", ("hard", "x"): "big"}
    assert (found.default.model, found.cases) == ("big", 120)
    assert (found.by_tag.rate, found.single.rate) == (1.0, 1.0)
    assert found.by_tag.usd_per_1k.value == pytest.approx(2 / 3 * 1 + 1 / 3 * 10)
    assert found.single.usd_per_1k.value == pytest.approx(10)
    assert found.oracle.usd_per_1k.value == pytest.approx(4)
    assert found.by_tag.p95_ms.value == 400
    assert found.over_single.low <= 0 <= found.over_single.high


def test_tags_that_say_nothing_gain_nothing(tmp_path):
    rng = np.random.default_rng(5)
    luck = rng.random((2, 120)) < 0.7
    found = tagged(
        tmp_path,
        lambda n: (f"t{n % 6}",),
        {"small": lambda n: bool(luck[0, n]), "big": lambda n: bool(luck[1, n])},
        COSTS,
    )
    assert found.over_single.low < 0
    assert found.oracle.rate >= max(found.by_tag.rate, found.single.rate)


def test_routes_are_tried_on_cases_they_were_not_chosen_by(tmp_path):
    luck = np.random.default_rng(6).random((2, 120)) < 0.7
    found = tagged(
        tmp_path,
        lambda n: (f"t{n % 2}",),
        {"small": lambda n: bool(luck[0, n]), "big": lambda n: bool(luck[1, n])},
        fields_of("small", 0.001) | fields_of("big", 0.001),
    )
    by_kind = luck.reshape(2, 60, 2).mean(axis=1)
    assert found.by_tag.rate < by_kind.max(axis=0).mean()


def test_small_kinds_go_with_all_others(tmp_path):
    found = tagged(
        tmp_path,
        lambda n: ("rare",) if n < 4 else ("a",) if n % 2 else ("b",),
        {"small": lambda n: n >= 4, "big": lambda n: True},
        COSTS,
    )
    assert sorted(found.routes) == [("a",), ("b",)]


def test_where_all_tags_tell_every_case_apart_the_first_one_counts(tmp_path):
    found = tagged(
        tmp_path,
        lambda n: ("a" if n % 2 else "b", f"zz{n}"),
        {"small": lambda n: True, "big": lambda n: True},
        COSTS,
    )
    assert sorted(found.routes) == [("a",), ("b",)]


@pytest.mark.parametrize("tags", [lambda n: (), lambda n: (f"t{n}",)])
def test_without_kinds_there_is_no_routing(tmp_path, tags):
    assert tagged(tmp_path, tags, {"small": lambda n: True, "big": lambda n: True}, COSTS) is None


def test_without_costs_the_one_that_passes_most_is_routed_to(tmp_path):
    found = tagged(
        tmp_path,
        lambda n: ("a",) if n % 2 else ("b",),
        {"x": lambda n: n % 2 == 1, "y": lambda n: n % 2 == 0},
        None,
    )
    assert {kind: to.model for kind, to in found.routes.items()} == {("a",): "x", ("b",): "y"}
    assert found.by_tag.usd_per_1k is None
    assert found.over_single.low > 0.3


def test_too_few_common_cases_give_no_routing(tmp_path):
    verdicts = {"small": lambda n: None if n > 15 else True, "big": lambda n: True}
    assert tagged(tmp_path, lambda n: ("a",) if n % 2 else ("b",), verdicts, COSTS) is None


# By simulation.


@pytest.mark.slow
def test_a_signal_without_worth_is_called_better_than_chance_no_more_often_than_said(tmp_path):
    rng = np.random.default_rng(7)
    found = portfolio(stored(tmp_path, {"small": lambda n: True, "big": lambda n: True}, COSTS))
    called = dict.fromkeys(Aim, 0)
    runs = 100
    for _ in range(runs):
        small = replace(
            found.answers[0],
            passed=(rng.random(120) < 0.65).astype(float),
            signals={LONG: rng.random(120), UNSURE: rng.random(120)},
        )
        big = replace(found.answers[1], passed=(rng.random(120) < 0.85).astype(float))
        (cascade,) = cascades(found, [(small, big)], margin=0.02, seed=0)
        for aim in Aim:
            called[aim] += choice(cascade, aim).held_out.over_chance.low > 0
    assert all(times / runs <= 0.05 for times in called.values())


@pytest.mark.slow
def test_the_interval_of_a_chosen_rule_covers_what_choosing_is_worth(tmp_path):
    """The truth is the mean of the held-out pass rate over very many runs of the same kind."""
    rng = np.random.default_rng(8)
    found = portfolio(stored(tmp_path, {"small": lambda n: True, "big": lambda n: True}, COSTS))
    rates, intervals = [], []
    for _ in range(200):
        hard = rng.random(120)
        small = replace(
            found.answers[0],
            passed=(rng.random(120) > hard).astype(float),
            signals={LONG: hard + rng.normal(0, 0.2, 120)},
        )
        big = replace(found.answers[1], passed=(rng.random(120) > hard * 0.2).astype(float))
        (cascade,) = cascades(found, [(small, big)], margin=0.05, seed=0)
        held = choice(cascade, Aim.CLOSE).held_out
        rates.append(held.rate)
        intervals.append(held.interval)
    truth = math.fsum(rates) / len(rates)
    covered = sum(one.low <= truth <= one.high for one in intervals) / len(intervals)
    assert covered >= 0.92
