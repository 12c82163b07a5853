"""report.svg, the picture beside report.md."""

from xml.etree import ElementTree as ET

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.report import write_reports

CASES = [f"c{number}" for number in range(20)]
SVG = "{http://www.w3.org/2000/svg}"
LINK = "![Pass rates, and what they cost or how long they take](report.svg)"


@pytest.fixture
def reports_of(tmp_path):
    def reports_of(verdicts, **more):
        return write_reports(load_run(store_run(tmp_path / "run", verdicts, **more)))

    return reports_of


def titles(path):
    return [one.text for one in ET.parse(path).iter(f"{SVG}text") if one.get("class") == "title"]


def test_several_candidates_have_a_picture(reports_of):
    verdicts = {"a": dict.fromkeys(CASES, True), "<b>": dict.fromkeys(CASES, False)}
    fields = {(name, case): {"cost_usd": 0.001} for name in verdicts for case in CASES}
    reports = reports_of(verdicts, fields=fields)
    assert titles(reports.svg) == ["Pass rate with 95 % interval", "Pass rate against USD per 1,000 cases"]
    assert LINK in reports.markdown.read_text()
    text = reports.svg.read_text()
    assert "<b>" not in text
    assert not {"script", "foreignObject", "image", "a"} & {
        one.tag.removeprefix(SVG) for one in ET.parse(reports.svg).iter()
    }
    assert "href" not in text
    light, dark = text.split("prefers-color-scheme: dark")
    assert ("--c: #2563eb" in light, "--c: #6ea8ff" in dark) == (True, True)
    assert "light-dark" not in text


def test_time_stands_in_for_unknown_cost(reports_of):
    reports = reports_of({"a": dict.fromkeys(CASES, True), "b": dict.fromkeys(CASES, False)})
    assert titles(reports.svg)[1:] == ["Pass rate against 95th percentile of latency"]


def test_pass_rates_alone_where_nothing_else_is_known(reports_of):
    verdicts = {"a": dict.fromkeys(CASES, True), "b": dict.fromkeys(CASES, False)}
    reports = reports_of(verdicts, fields={(name, case): {"latency_ms": None} for name in verdicts for case in CASES})
    assert titles(reports.svg) == ["Pass rate with 95 % interval"]


def test_a_single_candidate_has_none(reports_of, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.svg").write_text("of an earlier verdict")
    reports = reports_of({"a": dict.fromkeys(CASES, True), "b": dict.fromkeys(CASES, "timeout")})
    assert reports.svg is None
    assert not (tmp_path / "run" / "report.svg").exists()
    assert "report.svg" not in reports.markdown.read_text()
