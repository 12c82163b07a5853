"""What a comparison says in words, in its document and to machines."""

import json
from dataclasses import replace

import pytest
from stored import store_run

from evalkit.analysis.compare.compared import compare_sides
from evalkit.analysis.compare.pairing import pair_up
from evalkit.analysis.compare.side import load_side, resolve_side
from evalkit.report.compare import differences, headline, overview, pair_name, pair_sheets, warnings
from evalkit.report.compare_files import comparison_json, comparison_markdown
from evalkit.report.compare_words import p_value, points, signed, some
from evalkit.runner.manifest import ManifestSuite
from evalkit.types import Usage


def cases(n, passed):
    return {f"c{i:03}": i < passed for i in range(n)}


@pytest.fixture
def compare(tmp_path):
    """Compare two runs; each is what `store_run` takes, or the name of candidates in the run before."""

    def compared(old, new, margin=None, **more):
        for name, verdicts in (("old", old), ("new", new)):
            kept = {key: pair[name == "new"] for key, pair in more.items()}
            store_run(tmp_path / name, verdicts, **kept)
        sides = [resolve_side(str(tmp_path / name), tmp_path) for name in ("old", "new")]
        return compare_sides(*map(load_side, sides), pair_up(*sides), margin)

    return compared


def said(comparison):
    (pair,) = comparison.pairs
    return [line for sheet in pair_sheets(comparison, pair) for line in (*sheet.before, *sheet.after)]


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (
            70,
            "WORSE: B is 20.0 points worse than A (-28.9 to -13.3), better on 0, worse on 20 of 100 cases, p <0.001.",
        ),
        (
            100,
            "BETTER: B is 10.0 points better than A (+5.5 to +17.4), better on 10, worse on 0 of 100 cases, p <0.001.",
        ),
        (
            89,
            "CANNOT BE TOLD APART: B - A is -1.0 points (-5.4 to +2.7), better on 0, worse on 1 of 100 cases, p",
        ),
    ],
)
def test_the_verdict_is_a_sentence(compare, passed, words):
    comparison = compare({"m": cases(100, 90)}, {"m": cases(100, passed)})
    assert headline(comparison.pairs[0]).startswith(words)


def test_not_told_apart_is_not_equal(compare):
    lines = said(compare({"m": cases(100, 90)}, {"m": cases(100, 86)}))
    assert any(
        line.startswith("That does not show that they are equal:") and "points in 4 of 5" in line for line in lines
    )
    lines = said(compare({"m": cases(100, 90)}, {"m": cases(100, 60)}))
    assert not any("equal" in line for line in lines)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (90, "NOT WORSE at a margin of 5.0 points: if B is worse at all, it is by less."),
        (86, "INCONCLUSIVE at a margin of 5.0 points: B may be worse by more, or not worse at all; these cases do not"),
        (60, "REGRESSED at a margin of 5.0 points: B is worse, and it may be by more."),
    ],
)
def test_the_verdict_by_margin_is_explained(compare, passed, words):
    lines = said(compare({"m": cases(100, 90)}, {"m": cases(100, passed) | {"c099": True}}, 0.05))
    assert any(line.startswith(words) for line in lines)
    assert not any("margin" in line for line in said(compare({"m": cases(9, 9)}, {"m": cases(9, 9)})))


def test_what_is_left_out_is_named(compare):
    both = dict.fromkeys("abcdefgh", True)
    lines = said(
        compare(
            {"m": both | {"gone": True}},
            {"m": both | {"h": None, "fresh": True}},
            case_vars=({}, {"a": {"n": "2"}}),
            expected=({}, {"b": "no"}),
        )
    )
    assert (
        "Compared on 5 common cases. Left out: 1 were not finished on both sides; 1 are only in A (gone); "
        "1 are only in B (fresh); 1 ask something else now (a); 1 expect something else now (b)."
    ) in lines


def test_nothing_left_out_is_not_mentioned(compare):
    assert not any("Left out" in line for line in said(compare({"m": cases(9, 5)}, {"m": cases(9, 5)})))


def test_doubts_come_first(compare):
    shared = {("m", name): {"output": "same"} for name in ("a", "b")}
    comparison = compare(
        {"m": {"a": True, "b": True, "c": True}},
        {"m": {"a": False, "b": True, "c": "timeout"}},
        fields=(shared, shared),
        suite=("tiny", "tiny"),
        threshold=(None, 0.5),
    )
    (pair,) = comparison.pairs
    found = list(warnings(comparison, pair))
    assert found[0] == "B is incomplete: of 3 calls 1 ended in an error and count as not passed."
    assert found[1].startswith("A and B were not judged alike (threshold changed). Judge both by one suite")
    assert found[2].startswith("1 case got the same answer on both sides and another verdict (a).")
    before = pair_sheets(comparison, pair)[0].before
    assert [line.startswith("WARNING: ") for line in before[:6]] == [False, False, True, True, True, False]


def test_calls_that_never_finished_are_told(compare):
    comparison = compare({"m": {"a": True, "b": None}}, {"m": {"a": True, "b": True}})
    assert list(warnings(comparison, comparison.pairs[0])) == [
        "A is incomplete: of 2 calls 1 never finished and are left out."
    ]


def test_runs_of_other_suites_are_doubtful(compare):
    suite = ManifestSuite("other", "other.yaml", "", "o" * 64)
    comparison = compare({"m": {"a": True}}, {"m": {"a": True}}, suite=("tiny", "tiny"))
    assert list(warnings(comparison, comparison.pairs[0])) == []
    comparison = compare({"m": {"a": True}}, {"m": {"a": True}}, suite=("tiny", suite.name))
    assert list(warnings(comparison, comparison.pairs[0])) == ["A is of the suite tiny, B of other."]
    assert any(line.startswith("The suite has changed between the runs") for line in said(comparison))


def test_verdicts_of_other_scorers_cannot_be_compared(compare):
    comparison = compare({"m": {"a": True}}, {"m": {"a": True}})
    (pair,) = comparison.pairs
    other = replace(pair, old_answers=replace(pair.old_answers, scorers=frozenset({"contains", "numeric"})))
    (found,) = warnings(comparison, other)
    assert found.startswith("A was judged by contains, numeric, B by exact: these verdicts cannot be compared. Judge")


def test_a_cost_that_is_known_in_part_says_so(compare):
    fields = {("m", one): {"cost_usd": 0.1} for one in ("c000", "c001")}
    lines = said(compare({"m": cases(9, 5)}, {"m": cases(9, 5)}, fields=(fields, fields)))
    assert "The cost is known on both sides for 2 cases only." in lines


def test_what_differs_is_a_table_of_both_sides(compare):
    facts = [
        {("m", name): {"served_model": served, "finish_reason": why} for name in ("a", "b")}
        for served, why in (("m-1", "stop"), ("m-2", "length"))
    ]
    comparison = compare(
        {"m": {"a": True, "b": True}},
        {"m": {"a": True, "b": True}},
        fields=tuple(facts),
        models=({"m": {"params": {"temperature": 0}}}, {"m": {"params": {"temperature": 1}, "license": "mit"}}),
        evalkit=("0.1.0", "0.2.0"),
    )
    assert differences(comparison, comparison.pairs[0]).rows == (
        ("served model", "m-1", "m-2"),
        ("finish reasons", "stop 2", "length 2"),
        ("params.temperature", "0", "1"),
        ("license", "-", "mit"),
        ("evalkit", "0.1.0", "0.2.0"),
    )


def test_that_nothing_differs_is_said(compare):
    comparison = compare({"m": {"a": True}}, {"m": {"a": True}})
    sheet = differences(comparison, comparison.pairs[0])
    assert sheet.rows == ()
    assert sheet.after == (
        "Nothing in the models' rows, in who answered, or in the runs' settings.",
        "The prompts are the same.",
    )


def test_an_unknown_server_is_unknown(compare):
    comparison = compare({"m": {"a": 1}}, {"m": {"a": 1}}, fields=({}, {("m", "a"): {"served_model": "x"}}))
    assert differences(comparison, comparison.pairs[0]).rows == (("served model", "n/a", "x"),)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ((0.0041, 0.00037), ("$/1k cases", "4.10", "0.37", "-3.73 (-3.73 to ")),
        ((None, 0.1), ("$/1k cases", "n/a", "n/a", "n/a")),
    ],
)
def test_cost_is_per_thousand_cases(compare, cost, expected):
    ids = [f"c{i:03}" for i in range(30)]
    fields = tuple({("m", one): {"cost_usd": each} for one in ids} for each in cost)
    comparison = compare({"m": cases(30, 20)}, {"m": cases(30, 20)}, fields=fields)
    row = pair_sheets(comparison, comparison.pairs[0])[0].rows[-1]
    assert row[:3] == expected[:3]
    assert row[3][:6] == expected[3][:6]


def test_figures_are_in_a_table(compare):
    fields = tuple(
        {
            ("m", one): {"latency_ms": ms * (1 + i / 100), "usage": Usage(output=tokens + i % 3)}
            for i, one in enumerate(cases(80, 0))
        }
        for ms, tokens in ((400, 300), (1200, 20))
    )
    comparison = compare({"m": cases(80, 60)}, {"m": cases(80, 0) | {"c000": 0.7}}, fields=fields)
    sheet = pair_sheets(comparison, comparison.pairs[0])[0]
    rows = {row[0]: row[1:] for row in sheet.rows}
    assert rows["passed"][0] == "75.0 % (64.5-83.2)"
    assert rows["passed"][2].startswith("-73.8 (-8")
    assert rows["mean score"][:2] == ("0.750", "0.009")
    assert rows["p50"][0].startswith("558 ms (5")
    assert rows["p50"][1].startswith("1.67 s (1.")
    assert rows["latency"] == ("", "", "x 3.00 (3.00-3.00)")
    assert rows["tokens out"] == ("301", "21", "-280 (-280 to -280)")
    assert any("geometric mean of 80 cases, p <0.001" in line for line in sheet.after)


def test_tags_have_a_table_of_their_own(compare):
    tags = {one: ("es",) if i < 20 else ("en", "rare") if i < 25 else ("en",) for i, one in enumerate(cases(60, 0))}
    new = {one: i >= 12 for i, one in enumerate(cases(60, 0))}
    comparison = compare({"m": cases(60, 60)}, {"m": new}, tags=(tags, tags))
    (sheet,) = [one for one in pair_sheets(comparison, comparison.pairs[0]) if one.title == "By tag"]
    assert [(row[0], row[1], row[3], row[4], row[5]) for row in sheet.rows] == [
        ("en", "40", "0/0", "1.00", "not told apart"),
        ("es", "20", "0/12", "<0.001", "worse"),
    ]
    assert sheet.after == ("p-values are adjusted for 2 tags.", "Too few cases to say anything: rare.")


def test_several_pairs_have_an_overview(compare):
    comparison = compare(
        {"a": cases(40, 40), "b": cases(40, 40), "gone": cases(40, 1), "dead": cases(40, 1)},
        {"a": cases(40, 34), "b": cases(40, 20), "fresh": cases(40, 1), "dead": dict.fromkeys(cases(40, 0))},
    )
    (sheet,) = overview(comparison)
    assert [(row[0], row[1], row[4]) for row in sheet.rows] == [
        ("a@p", "-15.0 points", "WORSE"),
        ("b@p", "-50.0 points", "WORSE"),
    ]
    assert sheet.after == (
        "Only in A, and not compared: gone@p.",
        "Only in B, and not compared: fresh@p.",
        "dead@p against dead@p: not one case was finished on both sides.",
        "p-values are adjusted for 2 comparisons.",
    )
    assert "p = 0.016 (0.016 adjusted" not in headline(comparison.pairs[1])
    assert headline(comparison.pairs[1]).endswith("p <0.001 (<0.001 adjusted for the other comparisons).")


def test_one_pair_needs_none(compare):
    assert overview(compare({"m": cases(9, 9)}, {"m": cases(9, 9)})) == []


def within(run, old, new):
    sides = [resolve_side(f"{run}{side}", run) for side in (old, new)]
    return compare_sides(*map(load_side, sides), pair_up(*sides), None)


def test_pairs_are_named_by_what_tells_them_apart(tmp_path):
    both = {(model, prompt): cases(9, 5) for model in "ab" for prompt in ("short", "long")}
    run = store_run(tmp_path, both)
    for sides, names in {
        (":a@short", ":b@short"): ["b against a"],
        (":a@short", ":a@long"): ["a@long against a@short"],
        (":a", ":b"): ["b@short against a@short", "b@long against a@long"],
    }.items():
        comparison = within(run, *sides)
        assert [pair_name(comparison, pair) for pair in comparison.pairs] == names


PROMPTS = {
    "old": {"template": (("user", "Say ``` it"),)},
    "new": {"template": (("user", "Say ``` it\n````\x1b[31m@team"),)},
}


def test_the_document_holds_the_diff_and_both_answers(tmp_path):
    hostile = "<script>alert(1)</script> | `x` @team\nsecond line"
    run = store_run(
        tmp_path,
        {("m", "old"): {"a": True, "b": False, "c": True}, ("m", "new"): {"a": False, "b": True, "c": "timeout"}},
        prompts=PROMPTS,
        tags={"a": ("x|y",)},
        expected={"a": {"k": 1}},
        fields={("m", "a"): {"output": hostile}, ("m", "b"): {"output": "", "tool_calls": ({"name": "refund"},)}},
    )
    text = comparison_markdown(within(run, "@old", "@new"))
    assert text.startswith("# m@\u200bnew against m@\u200bold\n")
    assert "`````diff\n--- A\n+++ B\n" in text
    assert "\x1b" not in text
    assert "## Newly failing: 2 cases" in text
    assert "## Newly passing: 1 case\n" in text
    assert '- **`a`** (x&#124;y): passed 1/1 -> 0/1\n  - expected: `{"k": 1}`\n  - A: ``<script>' in text
    assert "\n<script>" not in text
    assert "  - B: `timeout: timeout!`" in text
    assert 'tool calls: [{"name": "refund"}]' in text
    assert "`exact: expected yes, got no`" in text
    assert text.index("## What differs") < text.index("## Prompts") < text.index("## Newly failing")


def test_the_document_of_several_pairs_has_a_part_for_each(compare, monkeypatch):
    monkeypatch.setattr("evalkit.analysis.compare.flips.MOST_SHOWN", 3)
    text = comparison_markdown(
        compare({"a": cases(40, 40), "b": cases(40, 40)}, {"a": cases(40, 34), "b": cases(40, 20)})
    )
    assert text.startswith("# B against A\n\n## All pairs\n")
    assert "\n# a@\u200bp\n" in text
    assert "\n# b@\u200bp\n" in text
    assert "\n- ... and 17 more\n" in text


def test_a_prompt_whose_text_was_not_kept_has_no_diff(tmp_path):
    run = store_run(tmp_path, {("m", "old"): cases(3, 1), ("m", "new"): cases(3, 1)})
    text = comparison_markdown(within(run, "@old", "@new"))
    assert "The prompts differ; these runs did not keep their texts." in text
    assert "```" not in text


def test_machines_get_all_figures_unrounded(compare):
    fields = tuple({("m", one): {"cost_usd": cost} for one in cases(40, 0)} for cost in (0.1, 0.2))
    comparison = compare({"m": cases(40, 40)}, {"m": cases(40, 30)}, 0.02, fields=fields)
    found = json.loads(json.dumps(comparison_json(comparison)))
    (pair,) = found["pairs"]
    assert found["cases"]["common"] == 40
    assert (pair["standing"], pair["verdict"], pair["margin"]) == ("worse", "REGRESSED", 0.02)
    assert pair["pass_rate"]["difference"] == -0.25
    assert pair["pass_rate"]["interval"] == list(comparison.pairs[0].difference.interval)
    assert pair["pass_rate"]["worse"] == 10
    assert pair["score"] is None
    assert pair["cost_usd_per_case"]["difference"] == pytest.approx(0.1)
    assert pair["latency"]["ratio"] == 1
    assert pair["a"]["pass_rate"] == 1
    assert [flip["case_id"] for flip in pair["flips"]] == [f"c{i:03}" for i in range(30, 40)]
    unknown = comparison_json(
        compare({"m": {"a": 0.7}}, {"m": {"a": 0.6}}, fields=({("m", "a"): {"latency_ms": None}},) * 2)
    )
    assert (unknown["pairs"][0]["cost_usd_per_case"], unknown["pairs"][0]["latency"]) == (None, None)
    assert unknown["pairs"][0]["score"]["difference"] == pytest.approx(-0.1)
    assert unknown["pairs"][0]["verdict"] is None


@pytest.mark.parametrize(
    ("p", "text"), [(None, "n/a"), (0.0004, "<0.001"), (0.012, "0.012"), (0.1, "0.10"), (0.584, "0.58"), (1.0, "1.00")]
)
def test_a_p_value_has_two_digits_that_matter(p, text):
    assert p_value(p) == text


def test_differences_have_a_sign_and_nothing_has_none():
    assert (signed(-1234.56, 1), signed(0.04, 2), signed(-0.004, 2), signed(0, 1)) == (
        "-1,234.6",
        "+0.04",
        "0.00",
        "0.0",
    )
    assert points(0.0333) == "+3.3 points"


def test_long_lists_are_cut_short():
    assert some(["a", "b"]) == "a, b"
    assert some([str(i) for i in range(8)]) == "0, 1, 2, 3, 4 and 3 more"
