"""From tokens and traffic to dollars a month, and the volumes at which servers of one's own break even."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.cost.break_even import break_even
from evalkit.analysis.cost.monthly import Doubt, Figure, Shape, Traffic, Unit, Use, exactly, monthly_cost, project
from evalkit.analysis.cost.outlook import VOLUMES, outlook
from evalkit.analysis.cost.servers import DAYS_PER_MONTH, SECONDS_PER_DAY, Throughput, fleet, leased, rented
from evalkit.analysis.cost.usage import ratio, run_uses
from evalkit.runner.manifest import Load
from evalkit.types import Gpu, Price, PriceTier, Usage

GPT = Price(2.5, 10)
API = Use("api", price=GPT)
MIX = 1 / 3


def lease(throughput=None, usd=5000.0):
    return Use("lease", server=leased(2, usd, throughput and Throughput(throughput, "given")))


def measured(tokens_in, tokens_out, usd=None, **more):
    """A candidate whose requests are all alike."""
    total = tokens_in + tokens_out
    parts = (1.0, tokens_in, tokens_out, usd)
    per_request, per_token = (
        Shape(*(None if part is None else exactly(part / by) for part in parts)) for by in (1, total)
    )
    return Use("m", "p", per_request=per_request, per_token=per_token, **more)


def test_a_month_of_ten_million_tokens_at_one_to_two():
    found = project(API, Traffic(tokens_per_day=10e6 / DAYS_PER_MONTH, input_share=MIX))
    assert found.usd_per_month == pytest.approx((75, 75, 75), abs=1e-9)
    assert found.usd_per_year.value == pytest.approx(900)


@pytest.mark.parametrize(("tokens", "share", "usd_per_day"), [(10e6, 0.5, 62.5), (15e6, 2 / 3, 75.0)])
def test_both_readings_of_ten_million_tokens_a_day(tokens, share, usd_per_day):
    month = monthly_cost(API, Traffic(tokens_per_day=tokens, input_share=share))
    assert month.value / DAYS_PER_MONTH == pytest.approx(usd_per_day)
    assert month.value * 12 == pytest.approx(usd_per_day * 365)


def test_requests_and_tokens_of_a_measured_candidate_agree():
    use = measured(300, 100, usd=0.002)
    by_requests = project(use, Traffic(requests_per_day=1000))
    by_tokens = project(use, Traffic(tokens_per_day=400_000))
    assert by_requests.usd_per_month == pytest.approx(by_tokens.usd_per_month)
    assert by_requests.usd_per_month.value == pytest.approx(2 * DAYS_PER_MONTH)
    assert by_tokens.per_day.requests.value == pytest.approx(1000)
    assert by_tokens.per_day.output_tokens.value == pytest.approx(100_000)


def test_tiers_do_not_hold_for_a_mix_of_tokens_whose_lengths_nobody_knows():
    tiered = replace(GPT, tiers=(PriceTier(above=100, input=100, output=100),))
    traffic = Traffic(tokens_per_day=1e9, input_share=MIX)
    assert monthly_cost(Use("t", price=tiered), traffic) == monthly_cost(API, traffic)


def test_output_of_a_candidate_that_thinks_has_its_own_price():
    dear = Use("t", price=replace(GPT, thinking_output=40.0), thinks=True)
    day = Traffic(tokens_per_day=1e6, input_share=0.0)
    assert monthly_cost(dear, day).value == pytest.approx(4 * monthly_cost(API, day).value)


@pytest.mark.parametrize(
    ("use", "doubt"),
    [
        (Use("nothing known"), Doubt.TOKENS),
        (measured(1, 1), Doubt.PRICE),
        (measured(1, 1, server=leased(1, 10)), Doubt.THROUGHPUT),
        (Use("l", server=leased(1, 10)), Doubt.TOKENS),
        (Use("u", "p", per_request=Shape(exactly(1), None, None, None)), Doubt.TOKENS),
    ],
)
def test_unknown_stays_unknown(use, doubt):
    found = project(use, Traffic(requests_per_day=10))
    assert (found.usd_per_month, found.usd_per_year, found.fleet, found.doubt) == (None, None, None, doubt)


def test_what_the_provider_billed_needs_no_tokens():
    billed = Use("b", "p", per_request=Shape(exactly(1), None, None, Figure(0.1, 0.09, 0.11)))
    found = project(billed, Traffic(requests_per_day=10))
    assert found.usd_per_month == pytest.approx((DAYS_PER_MONTH, 0.9 * DAYS_PER_MONTH, 1.1 * DAYS_PER_MONTH))


@pytest.mark.parametrize(
    "given",
    [{}, {"requests_per_day": 1, "tokens_per_day": 1}, {"requests_per_day": 1, "input_share": 0.5}],
)
def test_traffic_is_one_thing(given):
    with pytest.raises(ValueError, match="requests"):
        Traffic(**given)


@pytest.mark.parametrize(
    ("peak", "servers"), [(0, 1), (69, 1), (70, 1), (71, 2), (140, 2), (141, 3), (70 * 7 * (1 + 1e-15), 7)]
)
def test_a_fleet_is_sized_for_its_peak(peak, servers):
    speed = Throughput(100, "given")
    found = fleet(rented(4, 2.0, speed), speed, mean_per_s=35, peak_per_s=peak, target=0.7)
    assert (found.servers, found.gpus) == (servers, 4 * servers)
    assert found.utilisation == pytest.approx(0.35 / servers)
    assert found.usd_per_month == pytest.approx(servers * 8 * 730)


def test_a_lease_is_paid_whether_used_or_not_and_its_interval_is_that_of_the_servers_needed():
    use = replace(lease(100), per_request=Shape(exactly(1), exactly(10), Figure(10, 8, 15), None))
    a_day = 70 / 3 * SECONDS_PER_DAY / 10  # what one server takes at a peak of three times the mean
    assert monthly_cost(use, Traffic(requests_per_day=a_day / 100)) == (5000, 5000, 5000)
    assert monthly_cost(use, Traffic(requests_per_day=a_day)) == (5000, 5000, 10_000)
    assert monthly_cost(use, Traffic(requests_per_day=a_day * 1.1)) == (10_000, 5000, 10_000)
    assert monthly_cost(use, Traffic(requests_per_day=a_day * 1.1, peak_factor=1)) == (5000, 5000, 5000)
    assert project(use, Traffic(requests_per_day=1)).usd_per_year.value == 60_000


def test_break_even_is_where_the_arithmetic_says():
    found = break_even(API, lease(), Traffic(tokens_per_day=1, input_share=MIX))
    first = found.crossover.first
    assert first.value * DAYS_PER_MONTH == pytest.approx(5000 / 7.5 * 1e6)
    assert (found.unit, found.capacity_known, found.crossover.until) == (Unit.TOKENS, False, None)
    assert found.peak_output_per_s == pytest.approx(3 * first.value * 2 / 3 / SECONDS_PER_DAY)


def test_break_even_only_counts_if_the_servers_can_serve_it():
    def even(throughput, **more):
        return break_even(API, lease(throughput), Traffic(tokens_per_day=1, input_share=MIX, **more))

    flat = {"peak_factor": 1, "target_utilisation": 1}
    assert even(500, **flat).crossover.first.value * DAYS_PER_MONTH == pytest.approx(666.7e6, rel=1e-4)
    assert even(500, **flat).crossover.until is None
    never = even(500)  # 460 million a month fill a server that is to have room for peaks
    assert never.known
    assert never.crossover is None
    assert never.floor_usd * 1e6 == pytest.approx(5000 / 459.9, rel=1e-3)
    twice = even(1000).crossover
    assert twice.servers == 3  # a full one costs 0.725 of the API: 4 x 0.725 <= 3
    assert twice.first.value < twice.until < twice.for_good
    assert twice.for_good == pytest.approx(3 * twice.first.value)


def test_an_api_that_costs_nothing_is_never_dearer_and_an_unknown_one_is_not_compared():
    traffic = Traffic(tokens_per_day=1, input_share=MIX)
    free = break_even(Use("free", price=Price(0, 0)), lease(), traffic)
    assert (free.known, free.crossover) == (True, None)
    unknown = break_even(Use("?"), lease(), traffic)
    assert (unknown.known, unknown.crossover) == (False, None)


def test_break_even_has_the_interval_of_the_api_s_cost():
    api = Use("a", "p", per_request=Shape(exactly(1), exactly(50), exactly(50), Figure(0.01, 0.008, 0.02)))
    found = break_even(api, lease(), Traffic(requests_per_day=1)).crossover.first
    day = 5000 / DAYS_PER_MONTH
    assert found == pytest.approx((day / 0.01, day / 0.02, day / 0.008))
    full = day / 0.009  # one server takes so many requests: at the API's lowest price it is never worth it
    speed = full * 50 * 3 / SECONDS_PER_DAY / 0.7
    tight = break_even(api, lease(speed), Traffic(requests_per_day=1)).crossover.first
    assert tight.value == pytest.approx(day / 0.01)
    assert math.isinf(tight.high)


@settings(max_examples=200)
@given(
    price=st.floats(0.1, 100),
    usd=st.floats(100, 20_000),
    speed=st.floats(1, 5000),
    peak=st.floats(1, 10),
    share=st.floats(0, 0.99),
)
def test_on_each_side_of_a_crossover_the_costs_are_as_it_says(price, usd, speed, peak, share):
    api, own = Use("a", price=Price(price, price)), lease(speed, usd)
    kind = Traffic(tokens_per_day=1, input_share=share, peak_factor=peak)

    def cheaper(volume):
        """By how much servers are cheaper at a volume."""
        traffic = kind.of_tokens(volume)
        return monthly_cost(api, traffic).value - monthly_cost(own, traffic).value

    found = break_even(api, own, kind).crossover
    full = speed * 0.7 / (peak * (1 - share)) * SECONDS_PER_DAY
    if found is None:
        assert all(cheaper(full * k) <= 1e-6 * usd * k for k in (0.5, 1, 2, 3, 10, 1000))
        return
    assert cheaper(found.first.value * 0.999) < 0
    if found.servers > 500:  # steps this small are lost in rounding
        return
    assert cheaper(min(found.first.value * 1.001, full)) >= -1e-6 * usd
    assert all(cheaper(found.for_good * factor) > -1e-6 * usd * found.servers for factor in (1.0001, 1.01, 1.5, 2, 7.3))
    if found.until is not None:
        assert found.until == pytest.approx(full)
        assert cheaper(found.until * 1.0001) < 1e-6 * usd


def test_an_outlook_holds_every_api_against_every_server():
    found = outlook([API, replace(API, model="other"), lease(500)], None, Traffic(tokens_per_day=1, input_share=MIX))
    assert found.projections == ()
    assert [[one.usd_per_month.value for one in row] for row in found.at_volumes[:1]] == [
        [pytest.approx(7.5 * volume / 1e6 * DAYS_PER_MONTH) for volume in VOLUMES]
    ]
    assert [(one.api.model, one.server.model) for one in found.break_evens] == [("api", "lease"), ("other", "lease")]


# From runs.


def answers(usages):
    return {("m", f"c{place}"): {"usage": usage} for place, usage in enumerate(usages)}


def stored(folder, usages, models=None, **more):
    return load_run(
        store_run(
            folder,
            {"m": {f"c{place}": True for place in range(len(usages))}},
            fields=answers(usages),
            models={"m": models or {}},
            **more,
        )
    )


def test_a_run_gives_means_with_student_s_interval(tmp_path):
    usages = [Usage(100 + place, output=10 * place) for place in range(20)]
    (use,) = run_uses(stored(tmp_path, usages, {"price": GPT}))
    usd = np.array([(2.5 * (100 + place) + 100 * place) / 1e6 for place in range(20)])
    half = 2.093024 * usd.std(ddof=1) / math.sqrt(20)
    assert use.per_request.usd == pytest.approx((usd.mean(), usd.mean() - half, usd.mean() + half), rel=1e-6)
    assert use.per_request.requests == (1, 1, 1)
    assert use.per_token.usd.value == pytest.approx(usd.sum() / sum(one.input + one.output for one in usages))
    assert use.per_token.usd.low < use.per_token.usd.value < use.per_token.usd.high
    assert monthly_cost(use, Traffic(requests_per_day=1000)).value == pytest.approx(usd.mean() * 1000 * 365 / 12)


def test_repeating_a_deterministic_candidate_changes_nothing(tmp_path):
    usages = [Usage(100, output=10 * place) for place in range(10)]
    (once,) = run_uses(stored(tmp_path / "once", usages, {"price": GPT}))
    (thrice,) = run_uses(
        load_run(
            store_run(
                tmp_path / "thrice",
                {"m": {f"c{place}": [True] * 3 for place in range(10)}},
                trials=3,
                fields=answers(usages),
                models={"m": {"price": GPT}},
            )
        )
    )
    assert thrice.per_request.usd == pytest.approx(once.per_request.usd)


def test_cases_of_one_cluster_count_together(tmp_path):
    usages = [Usage(10, output=10 * (place % 5)) for place in range(20)]
    sources = {f"c{place}": {"source": place % 5} for place in range(20)}
    (alone,) = run_uses(stored(tmp_path / "a", usages))
    (together,) = run_uses(stored(tmp_path / "b", usages, case_vars=sources, cluster="source"))
    assert together.per_request.output_tokens.value == alone.per_request.output_tokens.value
    widths = [use.per_request.output_tokens.high - use.per_request.output_tokens.low for use in (alone, together)]
    assert widths[1] > 2 * widths[0]


def test_another_price_may_be_asked_about(tmp_path):
    run = stored(tmp_path, [Usage(1_000_000, output=1_000_000)] * 3, {"price": GPT})
    (use,) = run_uses(run, {"m": Price(1, 2)})
    assert use.per_request.usd.value == pytest.approx(3)
    assert use.price == Price(1, 2)


def test_one_answer_without_tokens_makes_the_mean_unknown(tmp_path):
    (use,) = run_uses(stored(tmp_path, [Usage(10, output=1), Usage(10)], {"price": GPT}))
    assert use.per_request.input_tokens.value == 10
    assert (use.per_request.output_tokens, use.per_request.usd, use.per_token) == (None, None, None)


def test_one_case_has_no_interval(tmp_path):
    (use,) = run_uses(stored(tmp_path, [Usage(10, output=1)], {"price": GPT}))
    assert use.per_request.input_tokens == (10, None, None)
    assert monthly_cost(use, Traffic(requests_per_day=1))[1:] == (None, None)


def test_a_run_without_answers_says_nothing(tmp_path):
    (use,) = run_uses(load_run(store_run(tmp_path, {"m": {"a": "timeout", "b": None}})))
    assert (use.per_request, use.per_token) == (None, None)


def gpu_run(folder, concurrency=4, **more):
    """Ten answers of 50 tokens, two at a time, within five seconds."""
    fields = {
        ("m", f"c{place}"): {
            "usage": Usage(10, output=50),
            "latency_ms": 1000.0,
            "started_at": f"2030-01-01T00:00:0{place // 2}+00:00",
        }
        for place in range(10)
    }
    model = {"gpu": Gpu(3.0, 2), "concurrency": concurrency}
    verdicts = {"m": {f"c{place}": True for place in range(10)}}
    return load_run(store_run(folder, verdicts, fields=fields, models={"m": model}, **more))


def test_a_server_s_speed_is_what_it_gave_while_it_was_at_work(tmp_path):
    (use,) = run_uses(gpu_run(tmp_path))
    assert use.server.usd_per_month == pytest.approx(6 * 730)
    assert use.server.throughput == Throughput(100.0, "measured with up to 4 calls in flight", at_least=True)
    assert use.per_request.usd is None
    assert monthly_cost(use, Traffic(requests_per_day=1)).value == pytest.approx(6 * 730)


def test_one_call_at_a_time_tells_nothing_of_what_a_server_can_do(tmp_path):
    (use,) = run_uses(gpu_run(tmp_path, concurrency=1))
    assert use.server.throughput is None
    assert project(use, Traffic(requests_per_day=1)).doubt is Doubt.THROUGHPUT


def test_under_load_the_speed_is_that_of_the_load_run(tmp_path):
    (use,) = run_uses(gpu_run(tmp_path, concurrency=1, load=Load(2.0)))
    assert use.server.throughput.source == "measured at 2 calls a second"
    assert use.server.throughput.tokens_per_s == pytest.approx(100)
    (resumed,) = run_uses(gpu_run(tmp_path / "r", load=Load(2.0), resumed_at=("2030-01-02",)))
    assert resumed.server.throughput is None


def test_a_server_may_be_named_for_a_model_of_the_run(tmp_path):
    run = stored(tmp_path, [Usage(10, output=5)] * 2, {"price": GPT})
    (use,) = run_uses(run, servers={"m": leased(1, 99, Throughput(7, "given"))})
    assert (use.server.usd_per_month, use.server.throughput.tokens_per_s) == (99, 7)
    assert monthly_cost(use, Traffic(requests_per_day=1)).value == 99


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [([], [], None), ([1.0], [0.0], None), ([3.0], [2.0], (1.5, None, None)), ([2, 4], [1, 2], (2, 2, 2))],
)
def test_ratios_at_their_limits(above, below, expected):
    assert ratio(above, below) == expected


def test_the_interval_of_a_ratio_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        sizes = rng.integers(1, 5, 40).astype(float)
        sums = sizes * rng.gamma(3.0, 1.0, 40)
        found = ratio(sums.tolist(), sizes.tolist())
        covered += found.low <= 3.0 <= found.high
    assert 0.91 <= covered / 400 <= 0.98
