"""Times as logs spell them."""

import datetime as dt

import pytest

from evalkit.sampling.moments import moment


@pytest.mark.parametrize(
    "value",
    [
        "2026-05-01T10:00:00Z",
        "2026-05-01 12:00:00+02:00",
        "2026-05-01 10:00:00",
        1777629600,
        "1777629600.0",
        1777629600_000,
        1777629600_000_000_000,
    ],
)
def test_a_time_is_read(value: object) -> None:
    assert moment(value) == dt.datetime(2026, 5, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "value",
    ["", "web", "2024", 17, -1e30, float("nan"), float("inf"), True, None, [], "1e400", "0001-01-01T00:00:00+14:00"],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert moment(value) is None
