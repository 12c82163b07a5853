"""Candidates against each other, in report.md, report.json and on a terminal."""

import json
import re

import pytest
from stored import store_run

from evalkit.analysis import analyse, load_run
from evalkit.report import write_reports
from evalkit.report.comparison import terminal_comparison

N = 60


def passing(count, begin=0):
    return {f"c{i:03}": begin <= i < begin + count for i in range(N)}


CLOSE = {"a": passing(50), "b": passing(48, 5), "c": passing(20)}


@pytest.fixture
def reports(tmp_path):
    def reports(verdicts, **options):
        found = write_reports(load_run(store_run(tmp_path, verdicts, **options)))
        return found.markdown.read_text(encoding="utf-8"), json.loads(found.json.read_text(encoding="utf-8"))

    return reports


@pytest.fixture
def printed(tmp_path):
    def printed(verdicts, **options):
        return list(terminal_comparison(analyse(load_run(store_run(tmp_path, verdicts, **options)))))

    return printed


def section(text, title="Differences"):
    found = re.search(rf"^## {title}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return found and found[1]


def rows(text, title=None):
    """The cells of every row of a section's tables, titles and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in {"candidate", "tag"}]


def test_every_pair_has_a_row(reports):
    text = section(reports(CLOSE)[0])
    assert rows(text)[0] == ["b", "a", "cannot be told apart", "-3.3", "-14.1 to +6.9", "3", "5", "60", "0.51"]
    assert [row[:3] for row in rows(text)] == [
        ["b", "a", "cannot be told apart"],
        ["c", "a", "worse"],
        ["c", "b", "worse"],
    ]
    assert "p is adjusted for all 3 pairs, as one of many may differ by chance (Holm)" in text
    alone = section(reports({name: CLOSE[name] for name in "ab"})[0])
    assert "p is the probability of a difference at least as clear if there were none" in alone
    assert "adjusted" not in alone
    assert "error" not in text


def test_errors_in_a_pair_are_told(reports):
    text = section(reports(CLOSE | {"a": passing(50) | {"c000": "timeout"}})[0])
    assert "A case on which either met an error counts as not passed there." in text
    assert [row[8] for row in rows(text)] == ["1", "1", "0"]


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ({"a": passing(50), "b": passing(50)}, "No two of these candidates can be told apart."),
        ({"a": passing(50), "b": passing(20)}, "All candidates are told apart from each other."),
        (CLOSE, "Cannot be told apart: a and b.\n\nTold apart from all others: c."),
    ],
)
def test_groups_in_words(reports, verdicts, words):
    assert words in section(reports(verdicts)[0])


def test_what_this_size_can_show_in_words(reports):
    text = section(reports({"a": passing(50), "b": passing(48, 6)})[0])
    assert "as b and a do not do equally well on 10 of 60 cases, a true difference of 14.5 points" in text
    assert "3 trials of each case would find 8.5 at best" in text
    assert "240 cases would find 7.3." in text
    assert "The 3.3 points seen between them would take about 1,200 cases." in text
    assert "too few of them" in section(reports({"a": passing(50), "b": passing(50)})[0])


def test_of_many_candidates_those_next_to_each_other_are_shown(reports):
    many = {f"m{i}": passing(59 - 8 * i) for i in range(7)}
    text, figures = reports(many)
    shown = {(row[0], row[1]) for row in rows(section(text))}
    assert shown == {(f"m{i}", "m0") for i in range(1, 7)} | {(f"m{i + 1}", f"m{i}") for i in range(6)}
    assert "The other 10 pairs are in report.json." in section(text)
    assert len(figures["comparisons"]) == 21


def test_graded_runs_have_mean_scores_with_intervals(reports):
    text, figures = reports({"a": dict.fromkeys(passing(0), 0.9), "b": dict.fromkeys(passing(0), 0.65)})
    assert re.search(r"^\| a .*\| 0\.900 \[0\.[0-9]+-0\.[0-9]+\]", text, re.MULTILINE)
    assert rows(section(text))[1][:4] == ["b", "a", "worse", "-0.250"]
    assert figures["models"][0]["mean_score"] == pytest.approx(0.9)
    assert figures["comparisons"][0]["score"]["difference"] == pytest.approx(-0.25)
    assert "mean score" not in reports(CLOSE)[0].split("## ")[0]


def test_report_json_holds_pairs_groups_and_reach(reports):
    _, figures = reports(CLOSE)
    first = figures["comparisons"][0]
    assert (first["model"], first["against_model"], first["verdict"]) == ("b", "a", "cannot be told apart")
    assert (first["better"], first["worse"], first["cases"], first["errors"]) == (3, 5, 60, 0)
    assert first["difference_low"] < first["difference"] < first["difference_high"]
    assert figures["groups"] == [
        [{"model": "a", "prompt": "p"}, {"model": "b", "prompt": "p"}],
        [{"model": "c", "prompt": "p"}],
    ]
    assert figures["power"]["cases"] == 60


def test_a_single_candidate_is_compared_with_nobody(reports):
    text, figures = reports({"a": passing(50)})
    assert section(text) is None
    assert "- Differences" not in text
    assert (figures["comparisons"], figures["groups"], figures["tag_comparisons"], figures["power"]) == (
        [],
        [],
        [],
        None,
    )


def tagged(*names):
    return {case: (names[i // 20],) for i, case in enumerate(passing(0)) if i // 20 < len(names)}


def test_tags_tell_where_candidates_differ(reports):
    text = section(reports({"a": passing(60), "b": passing(40, 20)}, tags=tagged("en", "es"))[0], "By tag")
    assert (
        "Compared with a tag by tag, p adjusted for all 2 comparisons (Holm): 1 of them tells a candidate apart" in text
    )
    assert ["en", "b", "worse", "-100.0"] in [row[:4] for row in rows(text)]
    assert ["es", "b", "cannot be told apart", "0.0"] in [row[:4] for row in rows(text)]


def test_tags_of_few_cases_are_named(reports):
    few = {"c000": ("rare",), "c001": ("rare",)}
    text = section(reports(CLOSE, tags=few)[0], "By tag")
    assert "Too few cases to tell candidates apart: rare." in text
    assert "Compared with" not in text


def test_where_no_tag_tells_candidates_apart_that_is_said(reports):
    text = section(reports({"a": passing(50), "b": passing(50)}, tags=tagged("en"))[0], "By tag")
    assert "no candidate is told apart from it on the cases of any tag." in text


def test_of_many_comparisons_by_tag_those_that_tell_are_shown(reports):
    many = {f"m{i}": passing(50) for i in range(8)} | {"low": passing(5)}
    text = section(reports(many, tags=tagged("x", "y", "z"))[0], "By tag")
    assert {row[1] for row in rows(text) if row[0] in "xyz" and len(row) == 9} == {"low"}
    assert "The others are in report.json." in text


def test_tables_of_many_candidates_fit(reports):
    many = {f"m{i}": passing(50 - i) for i in range(8)}
    report = reports(many, tags=tagged("x", "y", "z"))[0]
    by_tag = section(report, "By tag")
    assert re.search(r"^\| candidate \| +x \(20\) \| +y \(20\) \| +z \(20\) \|$", by_tag, re.MULTILINE)
    assert re.search(r"^\| m7 +\| +[\d.]+ % \[\d+\.\d-\d+\.\d\] \|", by_tag, re.MULTILINE)
    assert "<details><summary>13 pairs</summary>" in section(report, "Differences")
    assert "p95 is rough for all 8 candidates: fewer than 72" in report
    assert report.count("95 %], the 5 highest of 8: ") == 1
    few = reports({name: many[name] for name in ("m0", "m7")}, tags=tagged("x", "y", "z"))[0]
    assert "<details><summary>" not in section(few, "Differences")
    assert re.search(r"^\| tag \| cases \| +m0 \| +m7 \|$", section(few, "By tag"), re.MULTILINE)


def test_a_terminal_gets_a_line_for_each_against_the_best(printed):
    assert printed(CLOSE) == [
        "b cannot be told apart from a: -3.3 points (-14.1 to +6.9), better on 3, worse on 5 of 60 cases",
        "c is worse than a: -50.0 points (-62.3 to -37.7), better on 0, worse on 30 of 60 cases",
    ]


def test_a_terminal_gets_so_many_lines_and_no_more(printed):
    lines = printed({f"m{i}": passing(50 - i) for i in range(8)})
    assert len(lines) == 6
    assert lines[-1] == "2 more candidates against it in the report"
    assert printed({"a": passing(50)}) == []


def test_sources_are_named_in_the_method(reports):
    sources = {case: {"doc": f"d{i % 30}"} for i, case in enumerate(passing(0))}
    text, figures = reports(CLOSE, case_vars=sources, cluster="doc")
    assert "clustered by `doc`, which cases share" in text
    assert "Cases of the same `doc` are taken as one source." in text
    assert {pair["method"] for pair in figures["comparisons"]} == {"clustered"}
    plain = reports(CLOSE)[0]
    assert "Tango's score interval; p: McNemar's mid-p" in plain
    assert "doc" not in plain


def test_slow_answers_are_told_as_a_ratio(reports):
    fields = {("a", f"c{i:03}"): {"latency_ms": 100.0 + 10 * i} for i in range(N)}
    text, figures = reports({"a": passing(50)}, fields=fields)
    model = figures["models"][0]
    assert model["latency_p95_to_p50"] == pytest.approx((100 + 10 * 56.05) / (100 + 10 * 29.5))
    assert (model["latency_p95_low_ms"], model["latency_p95_high_ms"]) == (620.0, None)
    assert "Slow answers, p95 / p50 [95 %]: a 1.67 [" in text
    assert "660 ms [620-n/a]" in text


def test_what_one_interval_shows_may_be_chance_among_several(reports, printed):
    several = {"a": passing(50), "b": passing(50), "c": passing(44), "d": passing(44, 2)}
    text, figures = reports(several)
    pair = next(one for one in figures["comparisons"] if (one["model"], one["against_model"]) == ("c", "a"))
    assert pair["p"] < 0.05 < pair["p_holm"]
    assert pair["difference_high"] < 0
    told = "c cannot be told apart from the first, allowing for chance among 6 pairs (-10.0 points, "
    assert told in text
    lines = printed(several)
    assert any(line.startswith("c cannot be told apart from a, allowing for chance among 6 pairs: ") for line in lines)
    assert lines[0].startswith("b cannot be told apart from a: ")


def test_who_was_not_judged_is_said_not_to_be_compared(reports):
    dead = {"a": passing(50), "b": passing(40), "dead": dict.fromkeys(passing(0), "timeout")}
    assert "Not compared, as no answer was judged: dead." in section(reports(dead)[0])


def test_ties_beyond_the_first_are_counted(reports):
    text = reports({name: passing(50) for name in "abcde"})[0]
    assert re.search(r"Highest pass rate: a, .* and b, .* and c, .* and 2 more\.\*\*", text)
