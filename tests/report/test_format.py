import pytest

from evalkit.analysis.summary import PassRate
from evalkit.report import format as fmt
from evalkit.stats import Interval


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "n/a"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (139 / 150, "92.7 %"),
        (0.5, "50.0 %"),
        (99_999 / 100_000, ">99.9 %"),
        (1 / 100_000, "<0.1 %"),
        (0.9994, "99.9 %"),
    ],
)
def test_percent_keeps_none_and_all_for_none_and_all(rate, text):
    assert fmt.percent(rate) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "n/a"),
        (0.0, "0.00 ms"),
        (0.05, "0.05 ms"),
        (4.2, "4.20 ms"),
        (42.04, "42.0 ms"),
        (312.4, "312 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1421, "1.42 s"),
        (12_345, "12.3 s"),
        (121_000, "121 s"),
    ],
)
def test_duration(ms, text):
    assert fmt.duration(ms) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "n/a"),
        (0.0, "0"),
        (0.0000041, "0.0000041"),
        (0.0044, "0.0044"),
        (0.37, "0.37"),
        (4.1, "4.10"),
        (1234.5, "1,234.50"),
    ],
)
def test_usd(amount, text):
    assert fmt.usd(amount) == text


def test_interval():
    assert fmt.interval(Interval(0.874, 0.9591)) == "87.4-95.9"
    assert fmt.interval(None) == "n/a"


def test_passed_is_out_of_what_finished():
    assert fmt.passed(PassRate(139, 6, 5, 50, None)) == "139/150 (92.7 %)"
    assert fmt.passed(PassRate(0, 0, 0, 50, None)) == "n/a"


@pytest.mark.parametrize(("n", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (12345, "12,345 cases")])
def test_counted(n, text):
    assert fmt.counted(n, "case") == text


def test_compact_values_are_as_they_are_or_json():
    assert fmt.compact("né") == "né"
    assert fmt.compact({"né": [1, None]}) == '{"né": [1, null]}'


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (None, "n/a"),
        (0.0, "0.00"),
        (0.05, "0.05"),
        (4.2, "4.20"),
        (19.84, "19.8"),
        (593.0, "593"),
        (12_345.6, "12,346"),
    ],
)
def test_rates(per_second, text):
    assert fmt.rate(per_second) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        (0.0, "0"),
        (1.0, "1"),
        (0.9124, "0.912"),
        (0.00001, "<0.001"),
        (0.99999, ">0.999"),
        (0.5, "0.500"),
    ],
)
def test_score_keeps_the_ends_for_the_ends(value, text):
    assert fmt.score(value) == text


def test_score_interval():
    assert fmt.score_interval(Interval(0.8741, 1.0)) == "0.874-1.000"


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(139, 150, "139/150 (92.7 %)"), (0, 0, "n/a"), (0, 1200, "0/1,200 (0 %)")]
)
def test_share(part, whole, text):
    assert fmt.share(part, whole) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (-0.0133, "-1.3"),
        (0.12, "+12.0"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (0.0004, "0.0"),
        (-0.0004, "0.0"),
        (1.0, "+100.0"),
    ],
)
def test_points(difference, text):
    assert fmt.points(difference) == text


def test_interval_of_a_difference():
    assert fmt.points_interval(Interval(-0.061, 0.033)) == "-6.1 to +3.3"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "1.00"),
        (0.58, "0.58"),
        (0.0999, "0.100"),
        (0.0123, "0.012"),
        (0.001, "0.001"),
        (0.0009, "<0.001"),
        (0, "<0.001"),
    ],
)
def test_p_value(p, text):
    assert fmt.p_value(p) == text


@pytest.mark.parametrize(
    ("ms", "ends", "text"),
    [
        (1420.0, (1200.0, 1900.0), "1.42 s [1.20-1.90]"),
        (980.0, (850.0, 1200.0), "980 ms [850 ms-1.20 s]"),
        (1100.0, (850.0, None), "1.10 s [850 ms-n/a]"),
        (55.0, (None, None), "55.0 ms [n/a-n/a]"),
        (None, (None, None), "n/a"),
    ],
)
def test_percentile_with_its_interval(ms, ends, text):
    assert fmt.percentile(ms, ends) == text


def test_ratio_with_its_interval():
    assert fmt.ratio(1.93, (1.6, 12.34)) == "1.93 [1.60-12.3]"
    assert fmt.ratio(1.93, (None, None)) == "1.93 [n/a-n/a]"
    assert fmt.ratio(None, (None, None)) == "n/a"
