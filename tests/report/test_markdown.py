import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from evalkit.analysis import analyse, load_run
from evalkit.report.markdown import markdown
from evalkit.runner.manifest import Client, ManifestModel, ManifestPrompt, ManifestSuite, Selection
from evalkit.types import Case, Completion, Score, ScorerVerdict, Turn

NASTY = "</details>\n\n# pwned | [x](http://evil.example) <script>alert(1)</script> ```\n@octocat `tick` \x1b[31m"


@pytest.fixture
def render(run_folder):
    def render(**options):
        return markdown(analyse(load_run(run_folder.write(**options))))

    return render


def section(text, title):
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else None


def judged(passed):
    """Make a change that passes exactly so many cases per model."""

    def change(record, score):
        right = int(record.case_id.removeprefix("case-")) < passed[record.model]
        verdict = ScorerVerdict("json_fields", Score(float(right), right, "" if right else "order: wrong"))
        return record, replace(score, passed=right, value=float(right), verdicts=(verdict,))

    return change


def headline_of(text):
    return text.split("\n\n")[2]


def test_a_clear_leader(render):
    text = headline_of(render(change=judged({"small": 60, "big_one": 139, "rules": 90})))
    assert "Highest pass rate: big_one, 139/150 (92.7 %, 95 % interval 87.3-95.9)" in text
    assert "rules is worse by 32.7 points (-40.5 to -25.7); small is worse by 52.7 points (-60.5 to -44.7)." in text


def test_overlapping_candidates_are_told_apart_by_their_paired_difference(render):
    text = headline_of(render(change=judged({"small": 130, "big_one": 139, "rules": 137})))
    # The intervals of the rates, 87.3-95.9 and 80.6-91.1, overlap; yet of the cases that differ big_one has all.
    assert "rules cannot be told apart from it (-1.3 points, -4.7 to +1.2); small is worse by 6.0 points" in text


def test_a_tie_names_both(render):
    text = headline_of(render(change=judged({"small": 139, "big_one": 139, "rules": 60})))
    assert "small, 139/150" in text
    assert "and big_one, 139/150" in text
    assert "big_one cannot be told apart from the first (0.0 points, -2.5 to +2.5); rules is worse by" in text


def test_many_candidates_of_a_kind_are_counted(render):
    models = tuple(ManifestModel(f"m{i}", "openai", f"m{i}") for i in range(6))
    passes = {model.name: 9 - index for index, model in enumerate(models)}
    text = headline_of(render(n=10, models=models, change=judged(passes)))
    assert "m1 cannot be told apart from it (-10.0 points, " in text
    assert text.endswith("; nor can 2 more.")
    assert "m4" not in text


def test_candidates_without_a_case_in_common_are_not_compared(render):
    def change(record, score):
        asked = {"small": "case-000", "big_one": "case-001"}.get(record.model)
        return (record, score) if record.case_id == asked else (None, None)

    text = render(n=2, skill={"small": 1, "big_one": 0}, change=change)
    assert headline_of(text).endswith("No other candidate has a verdict on a case in common with it.")
    assert section(text, "Differences") is None


@pytest.mark.parametrize(("passed", "begin"), [(0, "**Pass rate: rules, 0/5"), (4, "**Pass rate: rules, 4/5 (80.0 %,")])
def test_a_single_candidate_leads_nobody(render, run_folder, passed, begin):
    (rules,) = (model for model in run_folder.manifest().models if model.name == "rules")
    assert headline_of(render(n=5, models=(rules,), change=judged({"rules": passed}))).startswith(begin)


def test_no_pass_at_all_has_no_leader(render):
    assert "Nothing passed: none of the 3 candidates" in headline_of(
        render(n=5, change=judged({"small": 0, "big_one": 0, "rules": 0}))
    )


def test_a_model_that_never_answered_is_not_ranked(render, run_folder, error_on):
    models = tuple(model for model in run_folder.manifest().models if model.name != "rules")
    text = render(n=30, models=models, change=error_on("small", kind="connection", message="refused"))
    assert headline_of(text).startswith("**Pass rate: big_one")
    assert "small: **no call was answered**, 30 errors (30 connection): `refused`" in text


def test_a_run_that_was_stopped_at_once(render):
    text = render(n=5, change=lambda record, score: (None, None))
    assert "nothing to compare" in headline_of(text)
    assert "15 of 15 calls without a verdict" in text
    assert "| n/a |" in text


def test_a_complete_run_warns_of_nothing(render):
    text = render()
    assert "WARNING" not in text
    assert "missing" not in text.split("## By tag")[0]
    assert section(text, "Errors") is None


def test_an_incomplete_run_says_so_before_the_table(render, run_folder, error_on):
    fail = error_on("big_one", {"case-003", "case-004"})

    def change(record, score):
        return (None, None) if record.case_id == "case-000" else fail(record, score)

    text = render(change=change)
    warning, rest = text.split("| model ")[:2]
    assert "> [!WARNING]" in warning
    assert "5 of 450 calls without a verdict" in warning
    assert "big_one: 2 errors (2 timeout), 1 call never finished: `no answer within 120 s`" in warning
    assert "small: 1 call never finished" in warning
    assert f"`evalkit run evals/orders.yaml --resume {run_folder.folder}`" in warning
    assert "| missing |" in rest
    assert "big_one: 2 x timeout, e.g. on `case-003`: `no answer within 120 s`" in section(text, "Errors")


def test_the_table(render):
    row = next(
        line
        for line in render(change=judged({"small": 60, "big_one": 139, "rules": 90})).splitlines()
        if "| big" in line
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:4] == ["big_one", "139/150 (92.7 %)", "87.3-95.9", "0"]
    assert cells[6:] == ["0.027", "0.000029"]


def test_several_prompts_are_told_apart(render):
    text = render(n=5, prompts=(ManifestPrompt("zero", "z" * 8), ManifestPrompt("few", "f" * 8)))
    assert re.search(r"^\| model +\| prompt +\| +passed", text, re.MULTILINE)
    assert re.search(r"\| +small / few +\|", text)
    assert "<b>small / " in text


def test_by_tag_shows_counts(render):
    table = section(render(n=30), "By tag")
    assert re.search(r"^\| no-order +\| +\d+ \| +\d+/\d+ \([\d.]+ %\) \[\d+\.\d-\d+\.\d\] \|", table, re.MULTILINE)


def test_many_tags_are_cut(render):
    cases = tuple(Case(f"case-{i:03}", {"x": i}, tags=(f"t{i}",)) for i in range(50))
    assert "10 more tags in report.json." in section(render(cases=cases), "By tag")


def test_no_tags_no_table(render):
    assert section(render(cases=(Case("case-000", {"x": 1}),)), "By tag") is None


def test_failed_cases_show_what_was_got(render):
    block = section(render(n=30, change=judged({"small": 29, "big_one": 30, "rules": 5})), "Failed cases")
    assert "<summary><b>small</b>: 1 failed</summary>" in block
    assert "big_one" not in block
    first = block.split("- **`case-029`**")[1].split("\n\n")[0]
    assert "input: `order A-00029 please`" in first
    assert 'expected: `{"order": "A-00029"}`' in first
    assert "got: `case-029: " in first
    assert "json_fields: `order: wrong`" in first
    assert block.count("- **`case-") == 1 + 20
    assert "... and 5 more in cases.csv." in block


def test_a_case_without_expectation_and_with_several_vars(render):
    cases = (Case("case-000", {"a": 1, "b": "x"}),)

    def change(record, score):
        wrong = (ScorerVerdict("s", Score(0.0, False)),)
        return replace(record, output="", tool_calls=({"name": "f"},)), replace(score, passed=False, verdicts=wrong)

    block = section(render(cases=cases, change=change), "Failed cases")
    assert 'input: `{"a": 1, "b": "x"}`' in block
    assert 'got: `tool calls: [{"name": "f"}]`' in block
    assert "(empty)" not in block
    assert "expected" not in block
    assert "  - s:" not in block


def test_a_failed_case_shows_tool_calls_beside_a_long_answer(render):
    def change(record, score):
        wrong = (ScorerVerdict("s", Score(0.0, False)),)
        called = ({"id": "1", "name": "refund", "arguments": {"order": "A-1"}},)
        return replace(record, output="word," * 200, tool_calls=called), replace(score, passed=False, verdicts=wrong)

    block = section(render(n=1, change=change), "Failed cases")
    assert "  - got: `word,word" in block
    assert 'got: `tool calls: [{"id": "1", "name": "refund", "arguments": {"order": "A-1"}}]`' in block


CALL = {"id": "1", "name": "f", "arguments": {}}


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        (("one", "two"), ["turn 1: `hi`", "got: `one`", "turn 2: `and?`", "got: `two`"]),
        (("zero", "one", "two"), ["got: `zero`", "turn 1: `hi`", "got: `one`", "turn 2: `and?`", "got: `two`"]),
        (("one",), ["turn 1: `hi`", "turn 2: `and?`", "got: `one`"]),
    ],
)
def test_a_conversation_is_shown_turn_by_turn_with_the_tools_called_on_the_way(render, replies, told):
    cases = (Case("case-000", {"x": "q"}, turns=(Turn("hi"), Turn("and?"))),)
    turns = tuple(Completion(reply, tool_calls=(CALL,) if reply == "zero" else ()) for reply in replies)

    def change(record, score):
        wrong = (ScorerVerdict("s", Score(0.0, False)),)
        return replace(record, output=replies[-1], turns=turns), replace(score, passed=False, verdicts=wrong)

    block = section(render(cases=cases, change=change), "Failed cases").split("</details>")[0]
    lines = [line.removeprefix("  - ") for line in block.splitlines() if line.startswith(("  - turn", "  - got"))]
    tools = [line for line in lines if "tool calls" in line]
    assert [line for line in lines if line not in tools] == told
    assert tools == (['got: `tool calls: [{"id": "1", "name": "f", "arguments": {}}]`'] if "zero" in replies else [])


def test_a_scorer_without_a_say_that_was_at_fault_explains_no_failure(render):
    def change(record, score):
        fault = ScorerVerdict("judge", Score(None, False, "no verdict in it", {"error": "no verdict in it"}))
        ungraded = ScorerVerdict("limit", Score(None, False, "too slow"))
        field = ScorerVerdict("fields", Score(0.0, False, "error: wrong", {"error": 0.0}))
        wrong = ScorerVerdict("exact", Score(0.0, False, "expected x"))
        return record, replace(score, passed=False, value=0.0, verdicts=(fault, ungraded, field, wrong))

    block = section(render(n=1, change=change), "Failed cases")
    assert "exact: `expected x`" in block
    assert "limit: `too slow`" in block
    assert "fields: `error: wrong`" in block
    assert "judge" not in block


def test_a_scorer_that_is_reported_only_explains_no_failure(render):
    def change(record, score):
        late = ScorerVerdict("latency_under", Score(0.0, False, "too slow"), weight=0.0)
        wrong = ScorerVerdict("exact", Score(0.0, False, "expected x"))
        return record, replace(score, passed=False, value=0.0, verdicts=(late, wrong))

    text = render(n=1, change=change)
    assert "exact: `expected x`" in section(text, "Failed cases")
    assert "latency" not in section(text, "Failed cases")
    assert "| latency_under (reported only) |" in section(text, "By scorer")


def test_verdicts_that_were_given_anew_are_counted(render):
    assert ", judged anew 2 times, with" in render(n=1, rescored_at=("2030-01-06T00:00:00Z", "2030-01-07T00:00:00Z"))
    assert "judged anew" not in render(n=1)


def test_trials_are_named(render):
    text = render(n=3, trials=2, skill={"small": 0, "big_one": 1, "rules": 1})
    assert "**`case-000`**" in text
    assert ", trial 2 of 2" in text
    assert "clustered by case" in text


def test_how_it_was_measured(render):
    text = section(
        render(
            selection=Selection(900, ("es*",), 150, 7),
            threshold=0.8,
            trials=1,
            resumed_at=("2030-01-06T00:00:00Z",),
            finished_at="2030-01-06T00:01:00Z",
        ),
        "How it was measured",
    )
    for fact in (
        "`20300105-101500-ab12`, started 2030-01-05T10:15:00Z, resumed 1 time, finished 2030-01-06T00:01:00Z",
        "`evals/orders.yaml`, fingerprint `dddddddddddd`",
        "150 of 900, those that match `es*`, a random sample of at most 150 (seed 7)",
        "few-shot (`eeeeeeeeeeee`)",
        "**small**: local `small-1b`; temperature `0`; no unit prices; at most 1 call in flight; license apache-2.0",
        "served as `big-2030-01-01`",
        "USD 0.15 in, 0.6 out per 1M tokens (`https://example.com/prices`, 2030-01-05)",
        "python `rules.py:extract`",
        "data policy local; no network",
        "Wilson score",
        "at a score of 0.8 or more",
        "takes 368 answers",
        "held up for at most 1.30 ms",
        "80.0 % of the input tokens of big_one came from a warm cache",
        "`seed` to big_one",
        "cores 2",
        "python 3.11.7",
        "commit `71f0d94aaaaa`, with uncommitted changes",
    ):
        assert fact in text


def test_facts_that_are_unknown_are_left_out(render):
    text = section(render(n=80, host={}, git=None, client=None, versions={}), "How it was measured")
    for name in ("Host", "Versions", "Git", "Client", "threshold", "resumed"):
        assert name not in text


def test_a_slow_client_is_a_warning(render):
    assert "**the event loop was held up for at most 240 ms at a time" in render(n=2, client=Client(240.0, 0.5, 1.0))


def test_few_answers_make_a_rough_p95(render, error_on):
    text = render(n=80, change=error_on("small", {f"case-{i:03}" for i in range(20)}))
    assert "p95 is rough for small (60 answers): fewer than 72 answers" in text


def test_text_of_others_cannot_become_markup(render, run_folder, error_on):
    cases = tuple(Case(f"case-{i:03}", {"message": NASTY}, NASTY, (NASTY,)) for i in range(3))
    manifest = run_folder.manifest()
    models = tuple(replace(model, model=NASTY, notes=(NASTY,)) for model in manifest.models)

    def change(record, score):
        if record.model == "rules" and record.case_id == "case-001":
            return error_on("rules", message=NASTY)(record, score)
        wrong = (ScorerVerdict(NASTY, Score(0.0, False, NASTY)),)
        return replace(record, output=NASTY, served_model=NASTY), replace(score, passed=False, verdicts=wrong)

    text = render(
        cases=cases,
        models=models,
        change=change,
        suite=ManifestSuite(NASTY, NASTY, NASTY, "d" * 64),
        host={NASTY: NASTY},
    )
    assert "\x1b" not in text
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    outside_code = re.sub(r"<code>.*?</code>", "", rendered, flags=re.DOTALL)
    picture = re.escape('<img src="report.svg" alt="Pass rates, and what they cost or how long they take" />')
    assert not re.search(r"<(script|a|img|pre)\b", re.sub(picture, "", outside_code))
    assert "@octocat" not in outside_code
    assert outside_code.count("<h1>") == 1
    assert outside_code.count("<details>") == outside_code.count("</details>") == 3
    assert {row.count("<td") for row in re.findall(r"<tr>.*?</tr>", outside_code, re.DOTALL)} <= {0, 5, 8, 9, 10}
