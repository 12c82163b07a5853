from __future__ import annotations

import pytest

from evalkit.models.prices import cost_usd
from evalkit.types import Price, Usage

GPT_4O = Price(input=2.50, output=10.00, cached_input=1.25)


@pytest.mark.parametrize(
    ("usage", "price", "dollars"),
    [
        (Usage(input=3_330_000, output=6_670_000), GPT_4O, 8.325 + 66.70),
        (Usage(input=10_000_000, output=5_000_000), GPT_4O, 75.00),
        (Usage(input=1_000_000, output=0), GPT_4O, 2.50),
        (Usage(input=0, output=0), GPT_4O, 0.0),
        (Usage(input=1_000_000, cached_input=400_000, output=0), GPT_4O, 0.6 * 2.50 + 0.4 * 1.25),
        (Usage(input=1_000_000, cached_input=1_000_000, output=0), GPT_4O, 1.25),
        (Usage(input=1_000_000, cached_input=400_000, output=0), Price(2.0, 8.0), 2.0),
        (Usage(input=1_000_000, cache_write=1_000_000, output=0), Price(4.0, 8.0, cache_write=5.0), 5.0),
        (Usage(input=1_000_000, cache_write=1_000_000, output=0), Price(4.0, 8.0), 4.0),
        (
            Usage(input=1_000_000, cached_input=500_000, cache_write=250_000, output=100_000),
            Price(4.0, 8.0, cached_input=1.0, cache_write=5.0),
            0.25 * 4.0 + 0.5 * 1.0 + 0.25 * 5.0 + 0.1 * 8.0,
        ),
        (Usage(input=0, output=1_000_000, reasoning=900_000), GPT_4O, 10.0),
        (Usage(input=5, output=5), Price(0.0, 0.0), 0.0),
        (Usage(input=1_000_000, cached_input=1_000_000, output=0), Price(2.0, 8.0, cached_input=0.0), 0.0),
    ],
)
def test_tokens_times_prices(usage, price, dollars):
    assert cost_usd(usage, price) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (Usage(input=1, output=1), None),
        (Usage(), GPT_4O),
        (Usage(input=1), GPT_4O),
        (Usage(output=1), GPT_4O),
        (Usage(input=10, cached_input=11, output=1), GPT_4O),  # the parts are more than the whole
        (Usage(input=10, cached_input=6, cache_write=6, output=1), GPT_4O),
    ],
)
def test_unknown_is_not_zero(usage, price):
    assert cost_usd(usage, price) is None
