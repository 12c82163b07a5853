"""The pictures of report.html: axes, marks and names."""

import math
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import store_run

from evalkit.analysis import analyse, load_run
from evalkit.report.html.charts import COST, P95, pass_rate_chart, trade_off_chart, unplaced
from evalkit.report.html.distribution import distributions
from evalkit.report.html.scale import amounts, linear
from evalkit.report.html.svg import colour, picture, shape
from evalkit.runner.manifest import Race, RaceStop

CASES = [f"c{number}" for number in range(20)]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def run_of(tmp_path):
    """A run of models by how many of 20 cases they pass, their cost and their latency."""

    def run_of(**models):
        verdicts = {
            name: {case: at < passed for at, case in enumerate(CASES)} for name, (passed, _, _) in models.items()
        }
        fields = {
            (name, case): {"cost_usd": cost, "latency_ms": ms}
            for name, (_, cost, ms) in models.items()
            for case in CASES
        }
        return analyse(load_run(store_run(tmp_path, verdicts, fields=fields)))

    return run_of


def marks(chart, tag, class_):
    return [one for one in ET.fromstring(chart).iter(f"{SVG}{tag}") if class_ in one.get("class", "").split()]


def titles(chart, class_):
    return [one.find(f"{SVG}title").text for one in marks(chart, "circle", class_)]


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_an_even_axis_holds_what_it_is_made_for(low, span):
    scale = linear(low, low + span, 0, 100)
    assert scale.low <= low + 1e-6
    assert scale.high >= low + span - 1e-6
    assert 2 <= len(scale.ticks) <= 9
    assert scale.at(scale.low) == pytest.approx(0)
    assert scale.at(scale.high) == pytest.approx(100)


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e7)), min_size=1))
def test_amounts_are_in_order_on_their_axis(values):
    scale = amounts(values, 10, 200)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(10 <= place <= 200 for place in places)
    assert scale.ticks
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)


def test_ticks_are_round():
    assert linear(62, 100, 0, 1).ticks == [60, 70, 80, 90, 100]
    assert linear(0, 4.05, 0, 1).ticks == [0, 1, 2, 3, 4, 5]
    scale = amounts([0.4, 900], 0, 1)
    assert scale.log
    assert all(math.log10(tick) % 1 == 0 for tick in scale.ticks)
    assert not amounts([0, 900], 0, 1).log
    assert not amounts([100, 900], 0, 1).log
    assert list(amounts([1, 21], 0, 1).ticks) == [1, 2, 5, 10, 20]


def test_what_is_beyond_an_axis_is_drawn_at_its_end():
    assert linear(0, 10, 0, 100).at(50) == 100


def test_pass_rates_come_highest_first_each_on_its_interval(run_of):
    chart = pass_rate_chart(run_of(low=(5, None, 10.0), high=(19, None, 10.0)))
    assert titles(chart, "dot") == [
        "high: 19/20 (95.0 %), 95 % interval 76.4-99.1",
        "low: 5/20 (25.0 %), 95 % interval 11.2-46.9",
    ]
    for dot, line in zip(marks(chart, "circle", "dot"), marks(chart, "line", "range"), strict=True):
        assert float(line.get("x1")) < float(dot.get("cx")) < float(line.get("x2"))
    high, low = marks(chart, "circle", "dot")
    assert float(high.get("cx")) > float(low.get("cx"))
    # Colours follow the run's order, so that a candidate has the same one everywhere.
    assert ("c1" in high.get("class"), "c0" in low.get("class")) == (True, True)


def test_nothing_measured_has_no_picture(tmp_path):
    run = analyse(load_run(store_run(tmp_path, {"a": dict.fromkeys(CASES, "timeout")})))
    assert pass_rate_chart(run) is None
    assert trade_off_chart(run, P95) is None


def test_quality_against_cost(run_of):
    run = run_of(cheap=(10, 0.001, 10.0), good=(18, 0.004, 10.0), bad=(9, 0.003, 10.0), unknown=(20, None, 10.0))
    chart = trade_off_chart(run, COST)
    assert titles(chart, "dot") == [
        "cheap: 10/20 (50.0 %), USD per 1,000 cases 1.00",
        "good: 18/20 (90.0 %), USD per 1,000 cases 4.00",
        "bad: 9/20 (45.0 %), USD per 1,000 cases 3.00",
    ]
    assert unplaced(run, COST) == ["unknown"]
    cheap, good, bad = [(float(one.get("cx")), float(one.get("cy"))) for one in marks(chart, "circle", "dot")]
    assert cheap[0] < bad[0] < good[0]
    assert good[1] < cheap[1] < bad[1]
    steps = [
        tuple(map(float, place.split(","))) for place in marks(chart, "polyline", "front")[0].get("points").split()
    ]
    assert steps == [cheap, (good[0], cheap[1]), good]


def test_one_that_beats_all_others_is_the_front_alone(run_of):
    chart = trade_off_chart(run_of(a=(10, 0.001, 10.0), b=(9, 0.002, 10.0)), COST)
    assert not marks(chart, "polyline", "front")


def test_a_percentile_that_few_answers_cannot_bound_is_open(run_of):
    chart = trade_off_chart(run_of(a=(10, None, 10.0), b=(9, None, 15.0)), P95)
    across = [one for one in marks(chart, "line", "thin") if one.get("y1") == one.get("y2")]
    assert [one.get("x2") for one in across] == ["452", "452"]


def test_names_do_not_cover_each_other(run_of):
    chart = trade_off_chart(run_of(**{f"model-{at}": (10, 0.001 + at / 1e5, 10.0) for at in range(4)}), COST)
    places = [(one.get("x"), one.get("y")) for one in marks(chart, "text", "name")]
    assert len(set(places)) == 4


def test_a_crowd_is_drawn_thinner_and_whoever_has_no_room_goes_without_a_name(run_of):
    alike = {f"a-model-of-ours-with-a-long-name-{at}": (10, 0.001 + at / 1e7, 10.0) for at in range(15)}
    chart = trade_off_chart(run_of(**alike, best=(20, 0.0001, 10.0)), COST)
    assert all("faint" in one.get("class") for one in marks(chart, "line", "thin"))
    names = [one.text for one in marks(chart, "text", "name")]
    assert (names[0], len(marks(chart, "circle", "dot"))) == ("best", 16)
    assert 1 < len(names) < 16
    assert {len(name) for name in names[1:]} == {16}


def test_no_amount_is_a_bare_0(run_of):
    for amount in (COST, P95):
        chart = trade_off_chart(run_of(a=(10, 0.001, 10.0), b=(9, 0.002, 15.0)), amount)
        assert marks(chart, "text", "tick")[0].text == "0"


def test_pictures_escape_names(run_of):
    chart = pass_rate_chart(run_of(**{"<b>&\x1b" + "x" * 40: (5, None, 10.0)}))
    names = [one.text for one in marks(chart, "text", "name") if one.text]
    assert len(ET.fromstring(chart).findall(f".//{SVG}b")) == 0
    assert marks(chart, "text", "name")[0].find(f"{SVG}title").text.startswith("<b>&\u241b")
    assert all(len(name) <= 24 for name in names)


def test_long_names_keep_both_ends(run_of):
    chart = pass_rate_chart(
        run_of(**{f"a-model-of-ours / prompt-with-{end}": (5, None, 10.0) for end in ("one", "two")})
    )
    names = [one.text or one.find(f"{SVG}title").tail for one in marks(chart, "text", "name")]
    assert [(name[:10], name[-3:], len(name)) for name in names] == [("a-model-of", end, 24) for end in ("one", "two")]


def test_shapes():
    assert [colour(at) for at in (1, 9, 17)] == ["c1", "c1 s1", "c1 s2"]
    text = picture(10, 20.5, 'a "name"', [shape("line", "grid", x1=1.26, stroke_width="2")])
    root = ET.fromstring(text)
    assert (root.get("viewBox"), root.get("aria-label")) == ("0 0 10 20.5", 'a "name"')
    assert root[0].attrib == {"class": "grid", "x1": "1.3", "stroke-width": "2"}


@given(st.lists(st.lists(st.floats(0.001, 1e6), max_size=60), min_size=1, max_size=4))
def test_distributions_rise_from_none_to_all(latencies):
    found = distributions(latencies)
    if not any(latencies):
        assert found is None
        return
    assert found["ms"] == sorted(found["ms"])
    for values, shares in zip(latencies, found["shares"], strict=True):
        if not values:
            assert shares is None
            continue
        assert len(shares) == len(found["ms"])
        assert shares == sorted(shares)
        assert shares[-1] == 1


def test_a_distribution_tells_the_share_that_took_at_most_so_long():
    found = distributions([[4.0, 1.0, 2.0, 3.0], [2.0]])
    assert found == {"ms": [1, 2, 3, 4], "shares": [[0.25, 0.5, 0.75, 1], [0, 1, 1, 1]], "log": False}


def test_many_answers_are_drawn_by_some_of_them():
    found = distributions([[float(ms) for ms in range(1, 100_001)]])
    assert len(found["ms"]) == 800
    assert (found["ms"][0], found["ms"][-1], found["log"]) == (1, 100_000, True)
    assert found["shares"][0][400] == pytest.approx(found["ms"][400] / 100_000, abs=1e-4)


def test_a_single_time_still_has_an_axis():
    assert distributions([[5.0]]) == {"ms": [0, 5], "shares": [[0, 1]], "log": False}


def test_whom_a_race_stopped_is_not_on_the_front(run_of):
    run = run_of(a=(10, 0.001, 10.0), b=(15, 0.002, 10.0), c=(20, 0.003, 10.0))
    stop = RaceStop("b", "p", 15, "worse")
    raced = replace(run, manifest=replace(run.manifest, race=Race(over=True, cases=20, stops=(stop,))))
    fronts = [marks(trade_off_chart(one, COST), "polyline", "front")[0].get("points") for one in (run, raced)]
    assert [len(front.split()) for front in fronts] == [5, 3]
