"""`evalkit compare`: sides by name, what is printed where, and what is refused."""

from __future__ import annotations

import json

import pytest
from published import drift_run
from stored import store_run

from evalkit.cli import main


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Run the command in a folder with results; returns its output, or its error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments, code=0, columns=100):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main(["compare", *arguments])
        assert (ended.value.code or 0) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def cases(n, passed):
    return {f"c{i:03}": i < passed for i in range(n)}


@pytest.fixture
def runs(tmp_path):
    """Two runs: one of two models and one prompt, and a newer one in which the first has got worse."""
    home = tmp_path / "results" / "tiny"
    old = {("m:1", "old"): cases(60, 55), ("n/2", "old"): cases(60, 54)}
    new = {("m:1", "new"): cases(60, 30), ("n/2", "new"): cases(60, 54)}
    texts = {name: {"template": (("user", f"Say {word}."),)} for name, word in (("old", "yes"), ("new", "no"))}
    store_run(home / "20300101-000000-aaaa", old, prompts=texts, run_id="20300101-000000-aaaa")
    store_run(home / "20300202-000000-bbbb", new, prompts=texts, run_id="20300202-000000-bbbb")


@pytest.mark.usefixtures("runs")
def test_two_runs_are_compared_model_by_model(compare):
    out = compare("20300101-000000-aaaa", "tiny")
    assert "All pairs" in out
    assert out.count("B: ") >= 2
    assert "WORSE: B is 41.7 points worse than A" in out
    assert "CANNOT BE TOLD APART" in out
    assert "-Say yes." in out
    assert "+Say no." in out


@pytest.mark.usefixtures("runs")
def test_two_models_of_a_run_are_compared(compare):
    both = compare("tiny:m:1", "tiny:n/2", "--margin", "auto")
    assert "BETTER: B is 40.0 points better than A" in both
    assert "NOT WORSE at a margin of" in both
    assert both == compare("tiny", "--margin", "auto")
    assert "NOT WORSE at a margin of 5.0 points" in compare("tiny", "--margin", "0.05")


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_flipped_cases_stand_side_by_side_newly_failing_first(compare, columns):
    out = compare("20300101-000000-aaaa:m:1", "tiny:m:1", "--limit", "3", columns=columns)
    assert out.index("Newly failing: 25 cases") < out.index("c030: passed 1/1 -> 0/1; expected: yes")
    assert any(line.startswith("A: yes") and " B: no" in line for line in out.splitlines())
    assert "... and 22 more; see --limit and --out" in out
    assert "c033" not in out
    assert "\x1b" not in out


def test_too_few_cases_are_not_said_to_show_anything(compare, tmp_path):
    store_run(tmp_path / "r", {"a": {"x": True}, "b": {"x": False}})
    out = compare("r", columns=400)
    assert "That does not show that they are equal: by 1 case, B - A may lie anywhere in -100.0 to +58.7 points." in out
    assert "4 of 5 comparisons" not in out


def test_agreement_on_every_case_is_no_proof_of_equality(compare, tmp_path):
    store_run(tmp_path / "r", {"a": cases(30, 30), "b": cases(30, 30)})
    out = compare("r", "--margin", "auto", columns=400)
    assert "by 30 cases, B - A may lie anywhere in -11.4 to +11.4 points." in out
    assert "That margin is wide" in out
    assert "That margin is wide" not in compare("r", "--margin", "0.1", columns=400)


def test_trials_of_one_case_are_not_taken_for_as_many_latencies(compare, tmp_path):
    five = {f"c{i}": [True] * 5 for i in range(30)}
    fields = {(model, case): {"latency_ms": 100.0 + 10 * i} for model in "ab" for i, case in enumerate(five)}
    store_run(tmp_path / "r", {"a": five, "b": five}, trials=5, fields=fields)
    (pair,) = json.loads(compare("r", "--json"))["pairs"]
    assert pair["latency"]["a"]["p95"] == {"value": 380.0, "low": 350.0, "high": None}
    assert pair["latency"]["a"]["p50"] == {"value": 245.0, "low": 190.0, "high": 300.0}


def test_what_is_better_is_not_said_to_be_perhaps_worse(compare, tmp_path):
    store_run(tmp_path / "r", {"a": cases(60, 30), "b": cases(60, 60)})
    assert "NOT WORSE at a margin of 2.0 points: B is not worse at all." in compare("r", "--margin", "0.02")


def test_the_limit_goes_on_with_newly_passing_cases(compare, tmp_path):
    store_run(tmp_path / "r", {"a": {"x": True, "y": False, "z": False}, "b": {"x": False, "y": True, "z": True}})
    out = compare("r", "--limit", "2")
    assert [name in out for name in ("\nx: ", "\ny: ", "\nz: ")] == [True, True, False]
    assert "... and 1 more" in out
    assert "x: passed" not in compare("r", "--limit", "0")


def test_what_was_said_is_clipped_and_harmless(compare, tmp_path):
    said = {
        ("a", "x"): {"output": "begin" + "-" * 2000 + "end", "tool_calls": ({"name": "refund"},)},
        ("b", "x"): {"output": "\x1b[31mred [bold]and[/bold]"},
        ("b", "w"): {"output": ""},
    }
    verdicts = {"a": {"x": True, "y": True, "w": True}, "b": {"x": False, "y": "timeout", "w": False}}
    store_run(
        tmp_path / "r", verdicts, fields=said, tags={"x": ("es",)}, expected={"x": "\x1b[2J", "y": "yes", "w": "w"}
    )
    out = compare("r")
    assert "begin---" in out
    assert "[...]" in out
    assert "--end" in out.replace("\n", "").replace(" ", "")
    assert "-" * 500 not in out.replace("\n", "").replace(" ", "")
    assert "\x1b" not in out
    assert "[bold]and[/bold]" in out
    assert "x (es): passed 1/1 -> 0/1" in out
    assert "B: timeout: timeout!" in out
    assert "B: (empty)" in out
    assert "tool calls:" in out


def test_a_long_diff_is_cut_short_on_a_terminal(compare, tmp_path):
    texts = {name: {"template": (("user", "\n".join(f"{name} {i}" for i in range(99))),)} for name in ("p", "q")}
    store_run(tmp_path / "r", {("m", "p"): cases(3, 3), ("m", "q"): cases(3, 3)}, prompts=texts)
    out = compare("r@p", "r@q")
    assert "... and 142 lines more; all are in a file by --out" in out


@pytest.mark.usefixtures("runs")
def test_all_of_it_goes_into_a_file(compare, tmp_path):
    out = compare("20300101-000000-aaaa:m:1", "tiny:m:1", "--limit", "1", "-o", "drift.md")
    assert out.rstrip().endswith("report: drift.md")
    text = (tmp_path / "drift.md").read_text()
    assert text.startswith("# m:1@\u200bnew against m:1@\u200bold\n")
    assert "WORSE: B is 41.7 points worse than A" in text
    assert "**`c054`**" in text


@pytest.mark.usefixtures("runs")
def test_figures_can_be_had_as_json(compare):
    found = json.loads(compare("20300101-000000-aaaa:m:1", "tiny:m:1", "--json"))
    (pair,) = found["pairs"]
    assert (pair["standing"], pair["pass_rate"]["worse"], len(pair["flips"])) == ("worse", 25, 25)
    assert pair["prompt_diff"][-1] == "+Say no."


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "no run 'nope'; the runs in results are: tiny/20300202-000000-bbbb, tiny/20300101-000000-aaaa"),
        (("tiny:zzz", "tiny"), "no candidate ':zzz'; its models are: m:1, n/2; its prompts: new"),
        (("tiny", "tiny"), "nothing to compare: A is :m:1@new, :n/2@new of results/tiny/20300202-000000-bbbb, B is"),
        (("tiny:m:1",), "has 1 candidate to compare: :m:1@new"),
        (("tiny", "--margin", "5"), "'5' is neither a share such as 0.02 nor `auto`"),
        (("tiny", "--margin", "some"), "'some' is neither"),
        (("tiny", "--results", "elsewhere"), "there are no runs in elsewhere"),
    ],
)
def test_what_cannot_be_compared_is_refused(compare, arguments, message):
    assert message in " ".join(compare(*arguments, code=2, columns=400).replace("│", " ").split())


def test_a_file_that_cannot_be_written_is_an_error(compare, tmp_path):
    store_run(tmp_path / "r", {"a": {"x": True}, "b": {"x": True}})
    assert "cannot write" in compare("r", "-o", "missing/drift.md", code=3)


def test_drift_is_found_by_name(compare, shared, tmp_path):
    for month in ("march", "june"):
        drift_run(tmp_path / "results" / "prime" / month, shared, "prime", month)
    out = compare("prime/march:gpt-4", "prime/june:gpt-4", "--limit", "1")
    assert "WORSE: B is 39.2 points worse than A (-50" in out
    assert "served model  gpt-4-0314  gpt-4-0613" in out
    assert "Newly failing: 61 cases" in out
    assert "BETTER: B is 24.8 points better than A" in compare("march:gpt-3.5-turbo", "june:gpt-3.5-turbo")
