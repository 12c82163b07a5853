"""Traces of traffic: what columns may be called, rates and peaks, and what cannot be used."""

import datetime as dt

import pytest

from evalkit.analysis.cost.monthly import Traffic, Unit, Use, project, shape
from evalkit.analysis.cost.servers import DAYS_PER_MONTH
from evalkit.analysis.cost.trace import read_trace
from evalkit.errors import ConfigError
from evalkit.types import Price, PriceTier


@pytest.fixture
def trace(tmp_path):
    def write(text, *window):
        path = tmp_path / "trace.csv"
        path.write_text(text, encoding="utf-8")
        return read_trace(path, *window)

    return write


def test_rates_count_the_gaps_and_peaks_the_busiest_stretch_wherever_it_begins(trace):
    rows = [(0, 1, 1), (95, 10, 2), (100, 20, 3), (105, 30, 4), (1000, 1, 90)]
    found = trace("arrival,input_tokens,output_tokens\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows), 10.5)
    assert (found.requests, found.span_s, found.total_input, found.total_output) == (5, 1000, 62, 100)
    assert found.requests_per_day == pytest.approx(4 / 1000 * 86_400)
    assert found.peak.requests_per_s == pytest.approx(3 / 10.5)
    assert found.peak.input_tokens_per_s == pytest.approx(60 / 10.5)
    assert found.peak.output_tokens_per_s == pytest.approx(90 / 10.5)
    assert found.peak_factor == pytest.approx(90 / 10.5 / (20 * 4 / 1000))


def test_a_stretch_does_not_hold_what_comes_when_it_ends(trace):
    found = trace("time,prompt_tokens,completion_tokens\n0,1,1\n10,1,1\n20,1,1\n", 10.0)
    assert found.peak.requests_per_s == pytest.approx(0.1)


def test_a_window_longer_than_the_trace_is_the_trace(trace):
    found = trace("time,prompt_tokens,completion_tokens\n0,1,1\n10,1,1\n", 60.0)
    assert found.window_s == 10
    assert found.peak_factor == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("header", "times", "span_s"),
    [
        ("TIMESTAMP,ContextTokens,GeneratedTokens", ("2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04.97996"), 1),
        ("started_at,Prompt Tokens,completion_tokens", ("2024-03-31T00:59:59Z", "2024-03-31T01:00:01+00:00"), 2),
        ("arrived_at,num_prefill_tokens,num_decode_tokens", ("0.5", "3.5"), 3),
        ("arrival_time_ms,input_tokens,output_tokens", ("500", "4500"), 4),
        ("\ufeffArrival,request-tokens,Response tokens", ("5", "0"), 5),
    ],
)
def test_columns_go_by_several_names(trace, header, times, span_s):
    found = trace(f"{header}\n" + "".join(f"{moment},2,1\n\n" for moment in times))
    assert found.span_s == pytest.approx(span_s)
    assert (found.total_input, found.total_output) == (4, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1: has no column for the arrival time; its columns are: none"),
        ("time,in,out\n", "1: has no column for the input tokens; its columns are: time, in, out"),
        ("time,input_tokens\n", "has no column for the output tokens"),
        ("time,input_tokens,output_tokens\n1,2,3\nsoon,2,3\n", "trace.csv:3: is no request: 'soon' is no time"),
        ("time,input_tokens,output_tokens\nnan,2,3\n", ":2: is no request: 'nan' is no time"),
        ("time,input_tokens,output_tokens\n1,2\n", ":2: is no request: it has 2 cells, the header 3"),
        ("time,input_tokens,output_tokens\n1,-2,3\n", "'-2' is no number of tokens"),
        ("time,input_tokens,output_tokens\n1,2,many\n", "'many' is no number of tokens"),
        ("time,input_tokens,output_tokens\n1,2,3.5\n", "'3.5' is no number of tokens"),
        ("time,input_tokens,output_tokens\n1,2,3\n1,2,3\n", "no two requests at different times"),
        ("time,input_tokens,output_tokens\n1,2,3\n", "no two requests at different times"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(trace, text, says):
    with pytest.raises(ConfigError) as error:
        trace(text)
    assert says in str(error.value)


def test_a_trace_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")


def test_a_trace_is_priced_request_by_request(trace):
    found = trace("time,input_tokens,output_tokens\n0,1000,10\n1,3000,30\n2,2000,80\n")
    flat = Use("flat", price=Price(1, 10))
    assert shape(flat, Traffic(requests_per_day=1, trace=found), Unit.REQUESTS).usd.value == pytest.approx(
        (6000 + 1200) / 3e6
    )
    tiered = Use("tiered", price=Price(1, 10, tiers=(PriceTier(above=2000, input=2, output=20),)))
    assert shape(tiered, Traffic(requests_per_day=1, trace=found), Unit.REQUESTS).usd.value == pytest.approx(
        (3000 + 900 + 6000 + 600) / 3e6
    )
    assert shape(Use("?"), Traffic(requests_per_day=1, trace=found), Unit.TOKENS).usd is None


def test_a_trace_without_output_has_no_peak_of_it(trace):
    assert trace("time,input_tokens,output_tokens\n0,1,0\n1,1,0\n").peak_factor == 1.0


def test_an_hour_of_a_code_assistant(shared):
    found = read_trace(shared / "traffic" / "azure_llm_code.csv")
    assert (found.requests, found.total_input, found.total_output) == (8819, 18_059_974, 245_896)
    first, last = (dt.datetime.fromisoformat(f"2023-11-16 {at}") for at in ("18:17:03.979960", "19:14:19.928016"))
    assert found.span_s == pytest.approx((last - first).total_seconds(), abs=1e-3)
    use = Use("api", price=Price(2.5, 10))
    month = project(use, Traffic(requests_per_day=found.requests_per_day, trace=found)).usd_per_month.value
    each = (18_059_974 * 2.5 + 245_896 * 10) / 1e6 / 8819
    assert month == pytest.approx(each * 8818 / found.span_s * 86_400 * DAYS_PER_MONTH)
    assert 3 < found.peak_factor < 8
