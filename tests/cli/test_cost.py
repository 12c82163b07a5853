"""`evalkit cost`, through the command line: on stored runs, and without a run."""

from __future__ import annotations

import json
from functools import partial

import pytest
from stored import store_run

from evalkit.types import Gpu, Price, Usage

BARE = ("--price", "2.50/10", "--mix", "1:2")


@pytest.fixture
def cost(in_process):
    return partial(in_process, "cost")


@pytest.fixture
def stored(tmp_path):
    """A run of a priced API, a server of one's own, and a model without a price."""
    cases = [f"c{place}" for place in range(30)]
    fields = {
        (model, case): {
            "usage": Usage(400 + place, output=100 + place),
            "started_at": f"2030-01-01T00:00:{place:02}+00:00",
            "latency_ms": 1000.0,
        }
        for model in ("api", "own", "mystery")
        for place, case in enumerate(cases)
    }
    return store_run(
        tmp_path / "run",
        {model: dict.fromkeys(cases, True) for model in ("api", "own", "mystery")},
        fields=fields,
        models={"api": {"price": Price(2.5, 10)}, "own": {"gpu": Gpu(3.0, 2), "concurrency": 8}},
    )


def rows(out, title):
    """The cells of the table under a title, by the first one."""
    lines = out.split(f"{title}\n", 1)[1].splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("─"))
    table = {}
    for line in lines[start + 1 :]:
        cells = [cell for cell in line.split("  ") if cell.strip()]
        if len(cells) < 2:
            break
        table[cells[0].strip()] = [cell.strip() for cell in cells[1:]]
    return table


def test_ten_million_tokens_a_month(cost):
    out = cost(*BARE, "--tokens-per-month", "10M")
    assert rows(out, "a prompt cache.")["API"] == ["110k", "219k", "75.00", "as given", "900.00"]
    assert "10M a month), 33.3 % of them input" in out


@pytest.mark.parametrize(
    ("options", "usd_per_day"),
    [(("--tokens-per-day", "10M", "--mix", "1:1"), 62.5), (("--tokens-per-day", "10M+5M"), 75.0)],
)
def test_both_readings_of_ten_million_tokens_a_day(cost, options, usd_per_day):
    found = json.loads(cost("--price", "2.50/10", *options, "--json"))
    (api,) = found["candidates"]
    assert api["usd_per_year"]["value"] == pytest.approx(usd_per_day * 365)
    assert found["days_per_month"] == pytest.approx(365 / 12)


def test_a_lease_breaks_even_where_the_arithmetic_says_if_it_can_serve_that(cost):
    lease = (*BARE, "--tokens-per-month", "10M", "--lease", "5000", "--gpus", "2")
    unknown = cost(*lease)
    assert rows(unknown, "Where servers of your own break even")["API / own server"] == [
        "n/a",
        "21.9M",
        "667M",
        "as given",
    ]
    assert "if one of them can serve it: 507 output tokens a second at the peak" in unknown
    assert "one (a lease of $5,000 a month) is $60,000.00 a year" in unknown
    able = cost(*lease, "--throughput", "2000")
    assert "above that volume the servers are cheaper; one serves it" in able
    assert rows(able, "a prompt cache.")["own server"][2:] == ["5,000.00", "as given", "60,000.00"]
    steps = cost(*lease, "--throughput", "1000")
    assert "cheaper, until it is full at 30.2M tokens a day; further ones must fill first" in steps
    assert "from 65.8M tokens a day on (3 servers) they are cheaper at any volume" in steps
    weak = cost(*lease, "--throughput", "500")
    assert rows(weak, "Where servers of your own break even")["API / own server"] == ["never"] * 3
    assert "cost $10.87 per one million tokens; the API asks $7.50" in weak
    assert "peak of 3 times the mean (an assumption, see --peak-factor)" in weak
    flat = cost(*lease, "--throughput", "500", "--peak-factor", "1", "--utilisation", "1")
    assert rows(flat, "Where servers of your own break even")["API / own server"][2] == "667M"


def test_costs_by_volume_stand_with_their_interval(cost, stored):
    table = rows(cost(stored), "$ a month, by volume")
    low, high = (float(end) for end in table["api"][3].removesuffix(" %").split(" to "))
    assert -5 < low < 0 < high < 5
    found = json.loads(cost(stored, "--json"))["volumes"][0]["usd_per_month"]["10000000"]
    assert low == pytest.approx(100 * (found["low"] / found["value"] - 1), abs=0.05)
    assert table["mystery"] == ["n/a"] * 4
    assert "mystery: n/a, as no price is known" in cost(stored)


def test_a_run_s_candidates_are_priced_by_their_own_tokens(cost, stored):
    out = cost(stored, "--requests-per-day", "50k")
    table = rows(out, "measured in the run.")
    usd = (414.5 * 2.5 + 114.5 * 10) / 1e6 * 50_000 * 365 / 12
    assert table["api"][0] == "50k"
    assert table["api"][3] == f"{usd:,.2f}"
    assert "-" in table["api"][4]
    assert table["mystery"][3:] == ["n/a", "n/a", "n/a"]
    assert "mystery: n/a, as no price is known: say --price NAME=INPUT/OUTPUT" in out
    assert "own: 2 GPUs at $3 an hour each; its speed is measured with up to 8 calls in flight." in out
    assert "What a server did in the run is the least that it can do" in out
    assert ">= 11" in rows(out, "Servers of your own")["own"][3]
    assert "api / own" in out
    assert "Each candidate's own tokens" in out


@pytest.mark.parametrize("options", [(), ("--requests-per-day", "50k"), ("--lease", "5000")])
def test_where_nothing_is_known_of_a_cost_what_is_lacking_is_said_once_and_no_table_shown(cost, tmp_path, options):
    verdicts = {"a": True, "b": False}
    fields = {(model, case): {"usage": Usage()} for model in ("m", "n") for case in verdicts}
    run = store_run(tmp_path / "bare", {"m": verdicts, "n": verdicts}, fields=fields)
    found = cost(run, *options).splitlines()
    assert found[0] == "What the traffic costs"
    assert found[1].startswith("m, n: n/a, as how many tokens a request takes was not measured: name the traffic by ")
    assert found[1].endswith("; and no price is known: say --price NAME=INPUT/OUTPUT, in USD per one million tokens.")
    assert not [line for line in found[2:] if not line.startswith("own server: n/a, as how many tokens")]


def test_costs_by_volume_are_not_shown_where_none_is_known(cost, tmp_path):
    run = store_run(tmp_path / "bare", {"m": {"a": True}})
    out = cost(run, "--tokens-per-day", "10M", "--mix", "1:2")
    assert rows(out, "a prompt cache.")["m"] == ["3.33M", "6.67M", "n/a", "n/a", "n/a"]
    assert "m: n/a, as no price is known: say --price" in out
    assert "by volume" not in out


def test_a_price_or_a_speed_may_be_given_for_a_model_of_the_run(cost, stored):
    base = (stored, "--requests-per-day", "1000", "--json")
    found = json.loads(cost(*base, "--price", "mystery=1/2", "--throughput", "own=5000"))
    by_model = {one["model"]: one for one in found["candidates"]}
    assert by_model["mystery"]["usd_per_month"]["value"] == pytest.approx((414.5 + 2 * 114.5) / 1e6 * 1000 * 365 / 12)
    assert by_model["own"]["server"]["output_tokens_per_s_source"] == "given"
    assert (by_model["own"]["servers"], by_model["own"]["gpus"]) == (1, 2)
    assert by_model["own"]["usd_per_month"]["value"] == pytest.approx(6 * 730)
    assert len(found["break_even"]) == 2


def test_a_server_may_be_named_for_a_model_of_the_run(cost, stored):
    found = json.loads(
        cost(
            stored, "--requests-per-day", "1k", "--lease", "900", "--serve", "mystery", "--throughput", "700", "--json"
        )
    )
    by_model = {one["model"]: one for one in found["candidates"]}
    assert by_model["mystery"]["usd_per_month"]["value"] == 900
    assert by_model["own"]["server"]["output_tokens_per_s_source"].startswith("measured")
    assert "own server" not in by_model


def test_an_api_and_a_server_that_were_not_asked_stand_beside_the_run_s(cost, stored):
    out = cost(stored, "--tokens-per-day", "10M", "--mix", "3:1", "--price", "new=1/1", "--gpu-usd-per-hour", "4")
    assert rows(out, "a prompt cache.")["new"][2] == "304.17"
    assert "own server: n/a, as what one server can do is not known" in out
    unmixed = cost(stored, "--tokens-per-day", "10M", "--price", "new=1/1")
    assert "new: n/a, as how many tokens a request takes was not measured" in unmixed


def test_a_trace_says_how_it_is_carried_over_to_a_day(cost, tmp_path):
    lines = [f"{place * 10},1000,{100 if place == 5 else 10}" for place in range(37)]
    (tmp_path / "t.csv").write_text("\n".join(["time,input_tokens,output_tokens", *lines]), encoding="utf-8")
    out = cost("--price", "x=1/1", "--trace", "t.csv", "--peak-window", "20s", "--lease", "1", "--throughput", "99")
    assert "The trace holds 37 requests in 6 minutes: at that rate 8.64k a day, if every hour is like these." in out
    assert "In the busiest 20 seconds: 0.10 requests, 100 input and 5.5 output tokens a second" in out
    assert "(as in the trace)" in out
    scaled = json.loads(cost("--price", "x=1/1", "--trace", "t.csv", "--requests-per-day", "864", "--json"))
    assert scaled["candidates"][0]["requests_per_day"]["value"] == 864
    assert scaled["traffic"]["trace"]["requests_per_day"] == pytest.approx(8640)


def test_without_traffic_the_volumes_alone_are_priced(cost):
    out = cost(*BARE)
    assert "What the traffic costs" not in out
    assert rows(out, "$ a month, by volume")["API"] == ["2,281.25", "22,812.50", "228,125.00", "as given"]


def test_a_narrow_terminal_gets_a_figure_a_line_and_a_file_the_tables(cost, tmp_path):
    narrow = cost(*BARE, "--tokens-per-month", "10M", "--out", "c.md", width=40)
    assert "API\n  input/day: 110k\n  output/day: 219k\n  $ a month: 75.00\n" in narrow
    text = (tmp_path / "c.md").read_text(encoding="utf-8")
    assert text.startswith("# Cost at scale\n\n## What the traffic costs\n\n")
    assert ["API", "110k", "219k", "75.00", "as given", "900.00"] in [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name a RUN, or say what an API or a server costs"),
        (("--price", "1/2"), "say which tokens are input: --mix 1:2"),
        (("--price", "1"), "'1' is not a price"),
        (("--price", "1/-2"), "is not a price"),
        ((*BARE, "--tokens-per-day", "lots"), "'lots' is not an amount"),
        ((*BARE, "--tokens-per-day", "0"), "is not an amount"),
        ((*BARE, "--tokens-per-day", "1M+1M+1M"), "write all tokens as 10M"),
        ((*BARE, "--tokens-per-day", "1M+1M"), "--mix says again"),
        ((*BARE, "--tokens-per-day", "1M", "--tokens-per-month", "1M"), "name the traffic once"),
        ((*BARE, "--requests-per-day", "1M"), "--mix is about tokens"),
        (("--price", "1/2", "--mix", "0:0"), "is not a mix"),
        (("--price", "1/2", "--mix", "1"), "is not a mix"),
        ((*BARE, "--trace", "t.csv"), "a --trace has its own mix"),
        ((*BARE, "--lease", "1", "--gpu-usd-per-hour", "1"), "either by --lease or by --gpu-usd-per-hour"),
        ((*BARE, "--gpus", "2"), "say what it costs by --lease USD"),
        ((*BARE, "--throughput", "0"), "is not a throughput"),
        ((*BARE, "--throughput", "x=fast"), "is not a throughput"),
        ((*BARE, "--throughput", "m=5"), "name a model of a RUN"),
        (
            ("--price", "1/2", "--trace", "none.csv"),
            "none.csv: cannot be read: No such file or directory -> name a CSV file of requests",
        ),
        (("nowhere",), "no run 'nowhere'"),
        (("--price", "nan/1", "--mix", "1:1"), "'nan/1' is not a price"),
        (("--price", "1/inf", "--mix", "1:1"), "'1/inf' is not a price"),
        ((*BARE, "--tokens-per-day", "9" * 400), "is not an amount"),
    ],
)
def test_what_cannot_be_meant_is_said(cost, options, says):
    assert says in " ".join(cost(*options, code=2).split())


def test_an_unknown_model_is_told_with_those_there_are(cost, stored):
    err = cost(stored, "--throughput", "owm=5", code=2)
    assert "the run has no model 'owm'" in err
    assert "it has: api, own, mystery" in err
