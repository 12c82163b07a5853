"""`evalkit decide`, and what reports say of decisions."""

from __future__ import annotations

import json
import random
import re

import pytest
from stored import store_run
from workspace import Workspace

from evalkit.analysis import load_run
from evalkit.cli import main
from evalkit.report import write_reports
from evalkit.types import Gpu, Usage

CASES = [f"c{i:03}" for i in range(150)]
PASSED = {"gpt": 139, "qwen": 137, "small": 120, "cloud": 139}
MS = {"gpt": 600, "qwen": 480, "small": 200, "cloud": 900}
USD = {"gpt": 0.0041, "qwen": 0.00037, "small": 0.0001, "cloud": 0.005}
MODELS = {
    "gpt": {"data_policy": "zero-retention", "context_window": 128_000},
    "qwen": {"base_url": "http://127.0.0.1:8000/v1", "license": "Apache-2.0", "context_window": 32_000},
    "small": {"data_policy": "local", "license": "mit"},
    "cloud": {"region": "eu-west-1"},
}
TAGS = {case: ("refunds",) if number % 3 == 0 else () for number, case in enumerate(CASES)}


def verdicts(**passed):
    """So many passes of each model, spread over the cases by a seed of its own."""
    found = {}
    for seed, (model, count) in enumerate(passed.items()):
        right = set(random.Random(seed).sample(CASES, count))
        found[model] = {case: case in right for case in CASES}
    return found


def fields(usd=USD):
    rng = random.Random(1)
    return {
        (model, case): {"latency_ms": MS[model] * rng.lognormvariate(0, 0.3)}
        | ({"cost_usd": usd[model] * rng.lognormvariate(0, 0.2)} if model in usd else {})
        for model in PASSED
        for case in CASES
    }


def store(folder, decide=None, *, usd=USD, models=MODELS, **passed):
    return store_run(
        folder,
        verdicts(**(passed or PASSED)),
        fields=fields(usd),
        models=models,
        tags=TAGS,
        decide=decide or {},
    )


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """Store the usual run, once for all tests that only look at it."""
    return store(tmp_path_factory.mktemp("usual") / "run")


@pytest.fixture
def decide(tmp_path, capsys, monkeypatch, usual):
    """Run the command on a stored run; returns what it prints, or its error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    folder = usual

    def run(*arguments, code=0, at=None, **stored):
        nonlocal folder
        folder = at or folder
        if stored:
            folder = store(tmp_path / "run", **stored)
        with pytest.raises(SystemExit) as ended:
            main(["decide", str(folder), *arguments])
        assert (ended.value.code or 0) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def figures(text):
    return json.loads(text)


def test_the_front_is_explained(decide):
    assert "Front: no other candidate that meets the rules is at least as good in pass rate, p95 and cost" in decide()
    assert "What the words mean" not in decide()
    assert "front: The candidates to choose from" in decide("--explain")


def test_figures_for_a_program_stay_alone_when_words_are_explained(decide):
    assert figures(decide("--json", "--explain"))["recommended"]["model"] == "qwen"


def test_the_default_rule(decide):
    text = decide()
    assert text.startswith("Recommended: qwen.\n")
    assert re.search(
        r"By estimate not worse than the best \(gpt\) by more than 2 points: -1.3 points \(-.* to \+", text
    )
    assert "A larger drop is not ruled out; about" in text
    assert re.search(
        r"It is the cheapest of the 3 that are as good, 11 x cheaper than gpt: USD 0\.3\d against 4\.\d\d per 1k", text
    )
    assert "95 % for all 3 together" in text


def test_the_table_tells_how_each_candidate_stands(decide):
    rows = {line.split()[0]: line for line in decide().splitlines() if line.split()[0] in PASSED}
    assert "as good" in rows["gpt"]
    assert "recommended" in rows["qwen"]
    assert "more than 2 points below  " in rows["small"]
    assert "91.3 %, 85.7-94.9" in rows["qwen"]
    assert re.search(r"-1\.3 \(-\d", rows["qwen"])


def test_rules_of_the_run_hold_and_options_change_them(decide):
    block = {"require": {"latency_p95_ms": "<= 700", "pass_rate": ">= 0.75"}, "margin": 0.02}
    text = decide(decide=block)
    assert text.startswith("Recommended: small.")
    assert "No other candidate meets the rules." in text
    assert "Ruled out: gpt (latency_p95_ms), qwen (latency_p95_ms), cloud (latency_p95_ms)." in text
    assert re.search(r"gpt is ruled out: latency_p95_ms at most 700 \(\d+ ms|1\.\d+ s \[", text)
    assert re.search(r"If latency_p95_ms could be \d{3,4}, qwen would be recommended\.", text)
    assert decide("--without", "latency_p95_ms").startswith("Recommended: qwen.")
    assert decide("-r", "latency_p95_ms<=1500").startswith("Recommended: qwen.")
    assert decide("-r", "latency_p95_ms<=1500", "--prefer", "pass_rate").startswith(
        ("Recommended: gpt.", "Recommended: cloud.")
    )


def test_rules_of_a_file_replace_the_runs(decide, tmp_path):
    (tmp_path / "s.yaml").write_text("suite: tiny\ndecide: {require: {license: mit}}\n")
    text = decide("--suite", "s.yaml", decide={"require": {"pass_rate": ">= 0.99"}})
    assert text.startswith("Recommended: small.")
    assert "gpt is ruled out: license: mit (unknown: its row does not say)." in text
    assert "qwen is ruled out: license: mit (it is Apache-2.0)." in text


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ("data_policy=local", {"qwen", "small"}),
        ("license=apache-2.0", {"qwen"}),
        ("region=eu", {"cloud"}),
        ("context_window>=100000", {"gpt"}),
        ("tags.refunds>=0", {"gpt", "qwen", "small", "cloud"}),
        ("error_rate<=0", {"gpt", "qwen", "small", "cloud"}),
        ("pass_hat_k>=0.1", set()),
        ("ttft_p95_ms<=9999", set()),
        ("cost_per_1k_usd<=1", {"qwen", "small"}),
    ],
)
def test_every_kind_of_requirement(decide, rule, who):
    found = figures(decide("--require", rule, "--json"))
    assert {one["model"] for one in found["candidates"] if one["eligible"]} == who


def test_json_tells_all(decide):
    found = figures(decide("--require", "pass_rate>=0.9", "--json"))
    assert found["recommended"] == {"model": "qwen", "prompt": "p"}
    assert found["evidence"] == "by estimate"
    assert found["rules"] == {
        "require": [{"key": "pass_rate", "at_least": 0.9}],
        "prefer": ["cost"],
        "margin": 0.02,
        "requests_per_day": None,
        "stated": True,
    }
    qwen = found["candidates"][1]
    assert qwen["pass_rate"]["value"] == 137 / 150
    low, high = qwen["cost_per_1k_usd"]["low"], qwen["cost_per_1k_usd"]["high"]
    assert low < qwen["cost_per_1k_usd"]["value"] < high
    assert qwen["requirements"][0]["standing"] == "met by estimate"
    assert qwen["to_best"]["difference"] == pytest.approx(-2 / 150)
    assert qwen["to_best"]["interval"][0] < -2 / 150 < qwen["to_best"]["interval"][1]


def test_a_requirement_that_the_interval_straddles_is_said_to_be_met_by_estimate(decide):
    text = decide("--require", "pass_rate>=0.9")
    assert re.search(
        r"pass_rate at least 0.9 is met by estimate only \(91.3 %, 85.7-94.9\); about .* cases would show it", text
    )


def test_costs_are_those_of_the_traffic(decide):
    found = figures(decide("--requests-per-day", "50000", "--json"))
    qwen = found["candidates"][1]
    assert qwen["monthly_usd"]["value"] == pytest.approx(qwen["cost_per_1k_usd"]["value"] * 50 * 365 / 12)
    text = decide("--requests-per-day", "50000")
    assert "a month" in text
    assert "Costs are those of 50,000 requests a day." in text


def test_all_ruled_out_says_who_came_nearest(decide):
    text = decide("--require", "pass_rate>=0.99")
    assert text.startswith("No candidate meets the rules.\n")
    assert re.search(r"Nearest to it: (gpt|cloud), which misses pass_rate at least 0.99 \(92.7 %, 87.3-95.9\)\.", text)
    assert re.search(r"If pass_rate could be 0.92, (gpt|cloud|qwen) would be recommended", text)


def test_unknown_costs_are_said_to_be_unknown(decide):
    text = decide(usd={"gpt": 0.004})
    assert text.startswith("Recommended: gpt.")
    assert "What qwen, cloud would cost is not known, so they were not compared by cost." in text
    assert "qwen is ruled out: cost_per_1k_usd at most 1 (unknown: its row has no price" in decide(
        "-r", "cost_per_1k_usd<=1"
    )


def test_nothing_passed(decide):
    text = decide(usd=USD, gpt=0, qwen=0)
    assert text.startswith("Nothing to recommend: no candidate that meets the rules passed a single case.")


def test_a_single_candidate(decide):
    text = decide(gpt=100)
    assert "It is the only candidate" in text
    assert "together" not in text


def test_prompts_are_candidates_too(tmp_path, capsys):
    found = verdicts(a=140, b=100)
    store_run(tmp_path / "run", {("m", "terse"): found["a"], ("m", "wordy"): found["b"]})
    with pytest.raises(SystemExit):
        main(["decide", str(tmp_path / "run")])
    assert "Recommended: m / terse." in capsys.readouterr().out


def test_a_document_is_written_and_the_run_stays_as_it_is(decide, tmp_path, usual):
    before = {path.name: path.read_bytes() for path in usual.iterdir()}
    decide("--out", "d.md", "--require", "license=mit|<b>")
    text = (tmp_path / "d.md").read_text()
    assert text.startswith("# Decision: tiny\n\n## No candidate meets the rules.")
    assert "<b>" not in text
    assert {path.name: path.read_bytes() for path in usual.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--require", "pass_rate=0.9"], "`decide.require.pass_rate` is required to be at least something"),
        (["--without", "pass_rate"], "--without pass_rate: there is no such requirement"),
        (["--prefer", "costs"], "did you mean `cost`?"),
        (["--margin", "3"], "`decide.margin` must be a number"),
        (["--suite", "none.yaml"], "there is no such file"),
    ],
)
def test_bad_options_end_with_2(decide, arguments, message):
    assert message in decide(*arguments, code=2)


def test_an_unknown_run_ends_with_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["decide", "nowhere"])
    assert ended.value.code == 2
    assert "no run 'nowhere'" in capsys.readouterr().err


def test_rows_stand_below_each_other_on_a_narrow_terminal(decide, monkeypatch):
    decide()
    monkeypatch.setenv("COLUMNS", "60")
    assert "  verdict: recommended\n" in decide()


class TestReport:
    @pytest.fixture
    def report(self, tmp_path):
        def write(decide=None, **stored):
            reports = write_reports(load_run(store(tmp_path / "run", decide, **stored)))
            return reports.markdown.read_text(), json.loads(reports.json.read_text())["decision"]

        return write

    def test_the_recommendation_stands_on_top(self, report):
        text, decision = report({"require": {"pass_rate": ">= 0.85"}})
        assert text.split("\n\n")[1].startswith("**Recommended: qwen.** By estimate not worse than the best (gpt)")
        assert "Ruled out: small (pass\\_rate)." in text or "Ruled out: small (pass_rate)." in text
        assert text.count("\n## Decision\n") == 1
        assert decision["recommended"]["model"] == "qwen"
        assert decision["rules"]["stated"] is True

    def test_without_rules_the_default_ones_are_said_to_be_that(self, report):
        text, decision = report()
        assert "The suite has no decide: block" in text
        assert decision["rules"]["stated"] is False

    def test_without_rules_and_with_unknown_costs_nothing_is_recommended(self, report):
        text, decision = report(usd={"gpt": 0.004})
        assert "Recommended" not in text
        assert "## Decision" not in text
        assert decision is None

    def test_a_server_of_ones_own_is_paid_for_its_time(self, report):
        rows = {**MODELS, "qwen": {"gpu": Gpu(1.0)}}
        _, decision = report({"margin": 0.05}, models=rows)
        qwen = decision["candidates"][1]
        assert qwen["cost_per_1k_usd"]["low"] is None

    def test_names_cannot_break_out(self, tmp_path):
        nasty = "x|<script>`*"
        found = verdicts(a=100, b=90)
        folder = store_run(
            tmp_path / "run",
            {nasty: found["a"], "b": found["b"]},
            decide={"require": {"tags": {"<i>": ">= 0.5"}, "license": "<u>"}},
        )
        text = write_reports(load_run(folder)).markdown.read_text()
        said = text.split("\n\n")[1] + text[text.index("## Decision") : text.index("## Differences")]
        assert "script" in said
        assert not re.search(r"<(script|i|u)>", said)


def test_pass_hat_k_is_judged_where_cases_were_asked_several_times(tmp_path, capsys):
    often = {case: [True, True, number % 10 > 0] for number, case in enumerate(CASES)}
    store_run(tmp_path / "run", {"m": often}, trials=3, fields={("m", c): {"usage": Usage(1, output=1)} for c in CASES})
    with pytest.raises(SystemExit):
        main(["decide", str(tmp_path / "run"), "--require", "pass_hat_k>=0.95", "--json"])
    (one,) = json.loads(capsys.readouterr().out)["candidates"]
    assert one["requirements"][0]["figure"]["value"] == pytest.approx(0.9)
    assert one["requirements"][0]["standing"] in ("missed", "missed by estimate")


SUITE = {
    "suite": "tiny",
    "prompts": [{"name": "p", "template": "{{ q }}"}],
    "models": ["yes", "api"],
    "scorers": ["exact"],
    "cases": [{"vars": {"q": str(i)}, "expected": "yes"} for i in range(4)],
    "decide": {"require": {"cost_per_1k_usd": "<= 1"}},
}
CONFIGURED = """
models:
  yes: {provider: python, function: "m.py:yes"}
  no: {provider: python, function: "m.py:no"}
  api: {provider: openai, model: brand-new, base_url: "https://api.openai.com/v1"}
"""


@pytest.mark.e2e
def test_an_unpriced_model_under_a_cost_rule_is_found_before_any_call(workspace: Workspace):
    workspace.write("suite.yaml", SUITE)
    workspace.write("models.yaml", CONFIGURED)
    workspace.write("m.py", "def yes(vars):\n    return 'yes'\n\n\ndef no(vars):\n    return 'no'\n")
    done = workspace.run("run", "suite.yaml", OPENAI_API_KEY="none")
    assert done.code == 2
    assert "`decide.require.cost_per_1k_usd` needs the price of model 'api'" in done.err
    assert not (workspace.path / "results").exists()


@pytest.mark.e2e
def test_a_run_ends_with_its_decision(workspace: Workspace):
    rules = {"require": {"pass_rate": ">= 0.5"}, "prefer": "pass_rate"}
    workspace.write("suite.yaml", {**SUITE, "models": ["yes", "no"], "decide": rules})
    workspace.write("models.yaml", CONFIGURED)
    workspace.write("m.py", "def yes(vars):\n    return 'yes'\n\n\ndef no(vars):\n    return 'no'\n")
    done = workspace.run("run", "suite.yaml")
    assert done.code == 0, done.err
    assert "Recommended: yes. No other candidate meets the rules. Ruled out: no (pass_rate)." in done.out
    again = workspace.run("decide", str(workspace.folder("tiny")), "--without", "pass_rate", "--margin", "0")
    assert again.out.startswith("Recommended: yes.")


@pytest.fixture
def said(tmp_path, capsys):
    """Run the command on verdicts and costs; returns what it prints."""

    def run(found, *arguments, usd=None, **more):
        costs = {(model, case): {"cost_usd": (usd or {}).get(model)} for model in found for case in CASES}
        store_run(tmp_path / "run", found, fields=costs, **more)
        with pytest.raises(SystemExit) as ended:
            main(["decide", str(tmp_path / "run"), *arguments])
        assert not ended.value.code
        return capsys.readouterr().out

    return run


def alike(*models, fewer=0):
    """Make verdicts that differ by nothing but `fewer` passes of all but the first."""
    return {
        model: {case: n < 140 - (fewer if place else 0) for n, case in enumerate(CASES)}
        for place, model in enumerate(models)
    }


def test_what_is_shown_is_said_to_be_shown(said):
    text = said(alike("a", "b", fewer=1), "--margin", "0.1", usd={"a": 2.0, "b": 1.0})
    assert "Shown not to be worse than the best (a) by more than 10 points: -0.7 points (" in text
    assert "2 x cheaper than a: USD 1,000.00 against 2,000.00 per 1k cases" in text
    assert "estimate not" not in text


def test_the_best_may_be_shown_too(said):
    text = said(alike("a", "b", fewer=3), "--margin", "0.1", usd={"a": 1.0, "b": 2.0})
    assert (
        "It has the highest pass rate of the 2 that meet the rules, and is shown not to be worse than b by more" in text
    )


def test_calls_without_an_answer_are_told(decide, tmp_path):
    half = {case: None if place % 2 else True for place, case in enumerate(CASES)}
    store_run(tmp_path / "half", {"m": half, "n": dict.fromkeys(CASES, True), "o": dict.fromkeys(CASES, "timeout")})
    found = json.loads(decide("--json", at=tmp_path / "half"))
    assert [(one["calls"], one["missing"], one["errors"]) for one in found["candidates"]] == [
        (150, 75, 0),
        (150, 0, 0),
        (150, 0, 150),
    ]
    out = decide(at=tmp_path / "half")
    assert "WARNING: of 150 calls of m 75 never finished and are left out." in out
    assert "WARNING: of 150 calls of o 150 ended in an error and count as not passed." in out
    assert "Two candidates are compared on the cases that both finished." in out


def test_where_nothing_passed_nobody_is_within_a_margin(decide, tmp_path):
    store_run(tmp_path / "none", {name: dict.fromkeys(CASES, False) for name in "mn"})
    out = decide(at=tmp_path / "none")
    assert out.count("passed nothing") == 2
    assert "worse than the margin" not in out


def test_a_percentile_of_one_answer_has_an_unknown_interval(decide, tmp_path):
    store_run(tmp_path / "one", {"m": {"x": True}})
    assert "100 ms [n/a-n/a]" in decide(at=tmp_path / "one")


def test_traffic_is_written_as_for_costs(decide):
    assert json.loads(decide("--requests-per-day", "50k", "--json"))["rules"]["requests_per_day"] == 50_000


def test_several_rivals_are_counted(said):
    text = said(alike("a", "b", "c", fewer=3), "--margin", "0", "--prefer", "pass_rate")
    assert "but one of the 2 others may be better by more than 0 points" in text
    assert "95 % for both together" in text


def test_what_costs_nothing_is_not_so_many_times_cheaper(said):
    text = said(alike("a", "b"), usd={"a": 0.0, "b": 1.0})
    assert "It is the cheapest of the 2 that are as good: USD 0 against 1,000.00 per 1k cases." in text


def test_another_preference_is_named(said):
    text = said(alike("a", "b"), "--prefer", "latency_p95_ms")
    assert "It is the one with the lowest p95 of the 2 that are as good." in text


def test_traffic_at_which_the_answer_turns_is_told(tmp_path, capsys):
    answer = {"latency_ms": 1000.0, "usage": Usage(100, output=50)}
    records = {("api", case): answer | {"cost_usd": 0.001} for case in CASES} | {
        ("own", case): answer | {"started_at": f"2030-01-01T00:00:0{n % 9}+00:00"} for n, case in enumerate(CASES)
    }
    rows = {"own": {"gpu": Gpu(2.0), "concurrency": 32}}
    store_run(tmp_path / "run", alike("api", "own"), fields=records, models=rows)
    with pytest.raises(SystemExit):
        main(["decide", str(tmp_path / "run"), "--requests-per-day", "1000"])
    text = capsys.readouterr().out
    assert text.startswith("Recommended: api.")
    # A GPU at $48 a day against a tenth of a cent for a request.
    assert "At 49,000 requests a day, own would be recommended." in text


def test_nothing_measured(said):
    found = {"a": dict.fromkeys(CASES, None)}
    assert said(found).startswith("Nothing to recommend: nothing was measured.")
