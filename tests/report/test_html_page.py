"""report.html as text: what it says, and that nothing of a run can become markup or script in it."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.report import write_reports
from evalkit.report.html.page import _embedded
from evalkit.runner.manifest import ManifestModel, Race, RaceStop, Selection
from evalkit.types import Price, Usage

NASTY = "</script></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'><!-- {{ 7 * 7 }} \u2028 &lt;"
CASES = [f"c{number}" for number in range(20)]


class Read(HTMLParser):
    """A page as a browser would take it apart: its elements, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.inside, self.texts = [], [], []
        self.raw = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.raw = [tag, dict(attrs), ""]

    def handle_endtag(self, tag):
        if self.raw and tag == self.raw[0]:
            self.inside.append(self.raw)
            self.raw = None

    def handle_data(self, data):
        if self.raw:
            self.raw[2] += data
        elif data.strip():
            self.texts.append(" ".join(data.split()))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def data(self):
        return next(json.loads(text) for tag, attributes, text in self.inside if attributes.get("id") == "data")


@pytest.fixture
def page_of(tmp_path):
    """Store a run, write its reports, and read the page."""

    def page_of(verdicts, **more):
        reports = write_reports(load_run(store_run(tmp_path / "run", verdicts, **more)))
        return Read(reports.html.read_text(encoding="utf-8"))

    return page_of


def fields(names, **more):
    return {(name, case): more for name in names for case in CASES}


def test_only_its_own_scripts_and_styles_may_run(page_of):
    page = page_of({"a": dict.fromkeys(CASES, True)})
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    rules = {name: values for name, *values in (rule.split() for rule in policy.split("; "))}
    hashes = {"script": set(), "style": set()}
    for tag, attributes, text in page.inside:
        if "id" not in attributes:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            hashes[tag].add(f"'sha256-{digest}'")
    assert set(rules["script-src"]) == hashes["script"]
    assert set(rules["style-src"]) == hashes["style"]
    assert (rules["default-src"], rules["base-uri"], rules["form-action"]) == (["'none'"],) * 3
    assert rules["require-trusted-types-for"] == ["'script'"]
    assert "unsafe" not in policy
    # Whatever comes before the policy is not bound by it.
    assert [tag for tag, _ in page.elements].index("meta") < [tag for tag, _ in page.elements].index("style")


def test_the_page_asks_for_nothing(page_of):
    page = page_of({"a": dict.fromkeys(CASES, True), "b": dict.fromkeys(CASES, False)})
    for _, attributes in page.elements:
        assert not {"style", "src", "srcset", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        target = attributes.get("href", "#")
        assert target.startswith("#") or target in {"report.md", "report.json", "cases.csv"}
    assert not re.search(
        r"@import|url\(|\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write|XMLHttp", str(page.inside)
    )


def test_what_a_run_holds_is_data(page_of):
    page = page_of(
        {f"m{NASTY}": dict.fromkeys([*CASES, NASTY], False), "b": dict.fromkeys([*CASES, NASTY], True)},
        tags={NASTY: (NASTY,)},
        case_vars={NASTY: {NASTY: NASTY}},
        expected={NASTY: {"a": NASTY}},
        fields={(f"m{NASTY}", NASTY): {"output": NASTY, "served_model": NASTY, "tool_calls": ({"name": NASTY},)}},
        models={f"m{NASTY}": {"model": NASTY, "base_url": f"http://{NASTY}", "params": {"stop": NASTY}}},
        prompts={"p": {"template": (("user", NASTY),)}},
    )
    assert len(page.all("script")) == 4
    assert not page.all("img")
    assert any(text.startswith(f"m{NASTY[:30]}") for text in page.texts)
    held = next(one for one in page.data["cases"] if one["id"] == NASTY)
    assert (held["tags"], held["vars"]) == ([NASTY], [[NASTY, NASTY]])
    assert json.loads(held["expected"]) == {"a": NASTY}
    call = next(one for one in page.data["calls"] if one["case"] == page.data["cases"].index(held) and one["of"] == 0)
    assert (call["output"], call["served"]) == (NASTY, NASTY)
    assert page.data["candidates"][0]["name"] == f"m{NASTY}"
    assert page.data["prompts"] == {"p": [["user", NASTY]]}


def test_json_in_a_page_has_nothing_that_html_knows():
    text = _embedded({"a": "</script><!--&\u2028\u2029", "b": "\ud800 \x00"})
    assert not set("<>&\u2028\u2029\x00") & set(text)
    assert json.loads(text) == {"a": "</script><!--&\u2028\u2029", "b": "\ud800 \x00"}


def test_half_a_surrogate_pair_does_not_lose_the_page(page_of):
    page = page_of({"a": dict.fromkeys(CASES, False)}, fields={("a", "c3"): {"output": "bad \ud83d text"}})
    assert page.data["calls"][3]["output"] == "bad \ud83d text"


def test_the_figures_are_those_of_the_report(page_of, tmp_path):
    costs = {**fields(["a"], cost_usd=0.002, latency_ms=1500.0), **fields(["b"], cost_usd=0.001, latency_ms=20.0)}
    page = page_of(
        {"a": {case: at > 4 for at, case in enumerate(CASES)}, "b": {case: at > 9 for at, case in enumerate(CASES)}},
        fields=costs,
        tags={"c0": ("de",), "c19": ("de",)},
    )
    markdown = (tmp_path / "run" / "report.md").read_text().splitlines()
    for name, *told in (("a", "15/20 (75.0 %)", "2.00", "0.0027"), ("b", "10/20 (50.0 %)", "1.00", "0.0020")):
        row = next(line for line in markdown if re.match(rf"\| {name} +\| \d+/20", line))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        at = next(at for at, text in enumerate(page.texts) if text == name and told[0] in page.texts[at : at + 4])
        shown = page.texts[at : at + 12]
        assert set(told) <= set(cells)
        assert {cell.replace("\\", "") for cell in cells} <= set(shown) | {"0"}
    assert "Recommended: a." in page.texts
    assert "1/2 (50.0 %)" in page.texts
    pair = page.data["pairs"][0]
    assert (pair["first"], pair["second"]) == (1, 0)
    assert "b - a: -25.0 points" in pair["words"]
    assert "better on 0, worse on 5 of 20 cases" in pair["words"]


def test_the_headline_of_several_candidates_without_a_decision(page_of):
    page = page_of({"a": {case: case != "c1" for case in CASES}, "b": dict.fromkeys(CASES, True)})
    assert "Highest pass rate: b, 20/20 (100 %), 95 % interval 83.9-100.0." in page.texts
    assert any(text.startswith("a cannot be told apart from b: -5.0 points") for text in page.texts)


def test_a_single_candidate(page_of):
    page = page_of({"a": {case: case != "c1" for case in CASES}})
    assert "Pass rate 19/20 (95.0 %), 95 % interval 76.4-99.1." in page.texts
    assert "Two candidates, case by case" not in page.texts
    assert "By tag" not in page.texts
    assert page.data["pairs"] == []


def test_nothing_judged(page_of):
    page = page_of({"a": dict.fromkeys(CASES, "timeout"), "b": dict.fromkeys(CASES, None)})
    assert "No answer was judged: there is nothing to compare." in page.texts
    assert (
        "Incomplete: 40 of 40 calls without a verdict. An error counts as not passed; a missing call counts as nothing."
        in page.texts
    )
    assert page.data["latency"] is None
    assert {call["error"] for call in page.data["calls"]} == {"timeout: timeout!"}


def test_what_a_reader_must_know(page_of):
    page = page_of(
        {"a": {case: None if case == "c1" else "timeout" if case == "c2" else True for case in CASES}},
        stopped="--max-cost was used up",
        selection=Selection(40),
    )
    text = "\n".join(page.texts)
    assert "Stopped early: --max-cost was used up" in text
    assert "a: 1 error (timeout), e.g. case c2: timeout!" in text
    assert "20 of 40" in text


def test_graded_scores_trials_and_races(page_of):
    verdicts = {"a": dict.fromkeys(CASES, (0.75, True)), "b": dict.fromkeys(CASES, (0.25, False))}
    page = page_of(verdicts, trials=2, race=Race(over=True, cases=20))
    text = "\n".join(page.texts)
    assert "mean score" in text
    assert "0.875 [" in text
    assert "Race: 2 of 2 candidates are left" in text
    assert "20 of 20, 2 trials each" in text
    assert page.data["cases"][0]["outcomes"] == "ppff"
    scores = {(call["of"], call["trial"]): call["score"] for call in page.data["calls"] if call["case"] == 0}
    assert scores == {(0, 1): 0.75, (0, 2): 1, (1, 1): 0.25, (1, 2): 0}
    assert page.data["graded"] is True


def test_calls_that_a_race_did_without(page_of):
    stop = RaceStop("b", "p", 1, "worse", ("a", "p"), 0.01)
    verdicts = {"a": {"c0": True, "c1": True}, "b": {"c0": False, "c1": None}}
    page = page_of(verdicts, race=Race(over=True, cases=2, stops=(stop,)), selection=Selection(2, seed=1))
    assert "not asked" in page.texts
    assert [one["outcomes"] for one in page.data["cases"]] == ["pf", "pn"]
    assert "missing" not in page.texts


def test_how_it_was_measured(page_of):
    page = page_of(
        {"a": dict.fromkeys(CASES, True), "b": {case: "timeout" if case == "c3" else True for case in CASES}},
        models={"a": {"base_url": "http://127.0.0.1:9000/v1", "params": {"temperature": 0}, "price": Price(0.15, 0.6)}},
        judges=(ManifestModel("strict", "openai", "s", model="judge-1"),),
        git={"commit": "71f0d94" + "a" * 33, "modified": True},
        host={"cores": 2, "cpus": None},
        finished_at="soon",
    )
    facts = dict(pairwise(page.texts))
    assert facts["Model a"] == (
        "openai a; http://127.0.0.1:9000/v1; temperature 0; USD 0.15 in, 0.6 out per 1M tokens; "
        "at most 1 call in flight"
    )
    assert facts["Judge strict"] == "openai judge-1; at most 1 call in flight"
    assert facts["Git"] == "71f0d94aaaaa, modified"
    assert facts["Host"] == "cores 2"
    assert facts["Time"] == "2030-01-01 00:00:00 UTC to soon"
    assert "of 20 cases, 1 of these with errors" in page.data["pairs"][0]["words"]


def test_prompts_are_told_apart(page_of):
    verdicts = {("a", "short"): dict.fromkeys(CASES, True), ("a", "long"): dict.fromkeys(CASES, False)}
    page = page_of(verdicts, prompts={"short": {"template": (("user", "{{ n }}"),)}})
    assert page.data["candidates"] == [{"name": "a / short", "prompt": "short"}, {"name": "a / long", "prompt": "long"}]
    assert page.data["prompts"] == {"short": [["user", "{{ n }}"]], "long": []}


def test_a_call_tells_all_that_is_known_of_it(page_of):
    told = {
        "latency_ms": 12.34567,
        "ttft_ms": 4.0,
        "queue_ms": 1.0,
        "retry_ms": 2.0,
        "attempts": 2,
        "usage": Usage(7, output=3),
        "cost_usd": 0.25,
        "finish_reason": "length",
        "tool_calls": ({"name": "look"},),
    }
    call = page_of({"a": dict.fromkeys(CASES, False)}, fields={("a", "c0"): told}).data["calls"][0]
    assert (call["latency_ms"], call["ttft_ms"], call["queue_ms"], call["retry_ms"]) == (12.346, 4.0, 1.0, 2.0)
    assert (call["retries"], call["input_tokens"], call["output_tokens"], call["cost_usd"]) == (1, 7, 3, 0.25)
    assert (call["finish"], call["tools"]) == ("length", '[{"name": "look"}]')
    assert call["verdicts"] == [["exact", False, 0.0, "expected yes, got no", 1.0]]


def test_the_page_is_the_same_when_written_again(tmp_path):
    folder = store_run(tmp_path / "run", {"a": dict.fromkeys(CASES, True), "b": dict.fromkeys(CASES, False)})
    first = write_reports(load_run(folder)).html.read_bytes()
    assert write_reports(load_run(folder)).html.read_bytes() == first


def test_licences_travel_with_the_libraries(page_of):
    text = "\n".join(page_of({"a": {"c": True}}).texts)
    assert "Copyright (c) 2022 Leon Sorokin" in text
    assert "Kevin Decker" in text


def test_the_suite_s_runs_over_time_are_drawn_and_lead_to_each_other(tmp_path):
    home = tmp_path / "triage"
    for number, (name, passed) in enumerate((("20300101-a", 12), ("20300102-b <i>", 15), ("20300103-c", 9))):
        verdicts = {model: {case: place < passed for place, case in enumerate(CASES)} for model in ("one", "two")}
        day = f"2030-01-0{number + 1}T00:00:00+00:00"
        write_reports(load_run(store_run(home / name, verdicts, suite="triage", created_at=day, run_id=name)))
    write_reports(load_run(store_run(home / "20300102-other", verdicts, suite="another")))
    (home / "20300102-damaged").mkdir()
    (home / "20300102-damaged" / "report.json").write_text("{")
    first, last = ((home / name / "report.html").read_text() for name in ("20300101-a", "20300103-c"))
    assert "Over time" not in first
    links = [
        attrs["href"] for tag, attrs in Read(last).elements if tag == "a" and "report.html" in attrs.get("href", "")
    ]
    assert set(links) == {"../20300101-a/report.html", "../20300102-b%20%3Ci%3E/report.html", "report.html"}
    assert "one, 2030-01-02 00:00:00 UTC: 75.0 %" in last
