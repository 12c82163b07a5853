"""The pages: what they say of runs, whatever these hold."""

import json
import os
import re
from html.parser import HTMLParser

import pytest

from evalkit.runner.manifest import Imported

pytest.importorskip("starlette", reason="needs the extra `view`")
pytest.importorskip("uvicorn", reason="needs the extra `view`")

CASES = [f"c{number}" for number in range(20)]
NASTY = "</script></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'><!-- {{ 7 * 7 }} \u2028 &lt; \ud800"
RUN = "/runs/tiny/20300101-101500-ab01"


def quiet(folder):
    """Let it be long since anything was written."""
    for path in folder.iterdir():
        os.utime(path, (1, 1))


class Read(HTMLParser):
    """A page taken apart: its elements, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.text += " "

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(self.text.split())


@pytest.fixture
def read(client):
    """Get a page, which must be well, and take it apart."""

    def read(path, status=200, **params):
        answer = client.get(path, params=params)
        assert answer.status_code == status, answer.text
        return Read(answer.text)

    return read


def test_an_empty_folder(read):
    assert "no runs here yet" in read("/").words
    assert {one["value"] for one in read("/compare").all("option")} == {""}
    read("/suites/tiny", 404)


def test_the_list(read, store):
    store(1)
    store(2, {"m": dict.fromkeys(CASES, None)}, reported=False, finished_at=None)
    words = read("/").words
    assert words.index("20300102-101500-ab02") < words.index("20300101-101500-ab01")
    assert "2030-01-02 10:15 20300102-101500-ab02 under way m n/a n/a n/a n/a" in words
    assert re.search(r"complete large 20/20 \(100 %\) 83\.9-100\.0 100 ms \[\S+\] 2\.00", words)
    links = [one["href"] for one in read("/").all("a")]
    assert {"/suites/tiny", RUN, "/compare"} <= set(links)


def test_many_runs_are_cut(read, store, monkeypatch):
    monkeypatch.setattr("evalkit.view.app.MOST_RUNS", 1)
    store(1)
    store(2)
    for page in (read("/"), read("/suites/tiny")):
        assert "1 older run" in page.words
        assert "ab01" not in page.words


def test_the_list_holds_what_it_is_searched_and_sorted_by(read, store):
    store(1)
    store(2, {"m": dict.fromkeys(CASES, None)}, reported=False, finished_at=None)
    under_way, complete = read("/").all("tbody")
    assert (under_way["data-state"], under_way["data-rate"], under_way["data-p95"]) == ("under way", "", "")
    assert (float(complete["data-rate"]), float(complete["data-p95"])) == (1.0, 100.0)
    for word in ("tiny", "20300101-101500-ab01", "2030-01-01 10:15", "complete", "small", "large-v1"):
        assert word in complete["data-words"]


def test_many_candidates_are_cut_in_the_list_alone(read, store):
    store(1, {f"model-{number:02}": {"c1": number < 9} for number in range(10)})
    assert "and 4 more" in read("/").words
    assert "model-09" in read("/").all("tbody")[0]["data-words"]
    assert "model-09" in read(RUN).words


def test_a_fault_of_the_app_is_told_without_a_traceback(store, client, monkeypatch):
    from starlette.testclient import TestClient

    def fail(*_):
        raise TypeError("<b>no such type")

    store(1)
    monkeypatch.setattr("evalkit.view.app.suite_history", fail)
    answer = TestClient(client.app, client.base_url, raise_server_exceptions=False, cookies=client.cookies).get(
        "/suites/tiny"
    )
    assert answer.status_code == 500
    assert "TypeError: &lt;b&gt;no such type" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_suite_over_time(read, store):
    for day in (1, 2, 3):
        served = {("large", case): {"served_model": f"large-{'new' if day == 3 else 'old'}"} for case in CASES}
        store(day, fields=served)
    page = read("/suites/tiny")
    assert len(page.all("svg")) == 3
    dots = [one for one in page.all("circle") if one["class"].startswith("dot")]
    assert len(dots) == 2 * 3 * 3
    assert len([one for one in page.all("circle") if one["class"].startswith("changed")]) == 1
    dotted = [one for one in page.all("line") if "open" in one["class"].split()]
    assert {abs(float(one["y2"]) - float(one["y1"])) for one in dotted} == {14.0}  # as far, whatever the axis
    assert "2030-01-03 10:15:00 UTC, large: answered by large-new; before, by large-old." in page.words
    assert "small: answered by" not in page.words
    assert "large, 2030-01-01 10:15:00 UTC: 100 %, 95 % interval 83.9-100.0" in page.words
    assert page.all("a").count({"href": RUN}) == 2 * 3 + 1


def test_what_is_unknown_is_in_no_chart(read, store):
    unknown = {(model, case): {"cost_usd": None} for model in ("large", "small") for case in CASES}
    store(1, fields=unknown)
    store(2, {"large": dict.fromkeys(CASES, "timeout")})
    page = read("/suites/tiny")
    assert "USD per 1,000 cases" not in page.text.replace("$ per 1k cases", "")
    assert len(page.all("svg")) == 2
    store(3, {"large": dict.fromkeys(CASES, None)}, suite="void", reported=False, finished_at=None)
    assert read("/suites/void").all("svg") == []


def test_a_run_leads_to_its_report(read, client, store):
    store(1)
    links = [one["href"] for one in read(RUN).all("a")]
    assert {f"{RUN}/report.html", f"{RUN}/cases.csv", f"{RUN}/report.json"} <= set(links)
    store(2)
    before = read("/runs/tiny/20300102-101500-ab02").all("a")
    assert f"/compare?a={RUN[6:]}&b=tiny/20300102-101500-ab02" in [one["href"] for one in before]
    assert "Compare with the run before" not in read(RUN).words
    report = client.get(f"{RUN}/report.html")
    assert report.headers["content-type"].startswith("text/html")
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert "unsafe" not in policy
    assert "default-src 'none'; script-src 'sha256-" in policy
    table = client.get(f"{RUN}/cases.csv")
    assert "attachment" in table.headers["content-disposition"]
    assert client.get(f"{RUN}/junit.xml").headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "content", ["<script>1</script>", "", '<meta http-equiv="Content-Security-Policy" content="*">']
)
def test_what_only_calls_itself_a_report_runs_no_script(client, store, content):
    (store(1) / "report.html").write_text(content)
    policy = client.get(f"{RUN}/report.html").headers["content-security-policy"]
    assert "script-src 'none'; style-src 'none'" in policy


def test_a_run_without_a_report_says_so(read, store):
    quiet(store(1, reported=False))
    assert "has no report.html. Write it: evalkit report" in read(RUN).words


@pytest.mark.parametrize(
    "path",
    [
        "/runs/tiny/nothing",
        "/runs/nothing/x",
        "/runs/%2e%2e/x",
        "/runs/tiny/latest",
        f"{RUN}/records.jsonl",
        f"{RUN}/manifest.json",
        f"{RUN}/.lock",
        f"{RUN}/%2e%2e%2fx",
        f"{RUN}/..%2f..%2fsecret.csv",
        f"{RUN}/load.csv",
        "/assets/app.py",
        "/assets/..%2fapp.py",
        "/assets/layout.html.j2",
        "/elsewhere",
        "/%00",
    ],
)
def test_nothing_else_is_served(read, store, results, path):
    store(1)
    (results.parent / "secret.csv").write_text("secret")
    page = read(path, 404)
    assert "secret" not in page.text


def test_a_run_under_way(read, client, store):
    folder = store(1, {"m": {"c1": True, "c2": None, "c3": "timeout"}}, reported=False, finished_at=None)
    page = read(RUN)
    assert page.all("progress")[0]["value"] == "2"
    assert page.all("section")[0]["data-address"] == f"{RUN}/progress.json"
    found = client.get(f"{RUN}/progress.json").json()
    assert (found["state"], found["done"], found["planned"]) == ("under way", 2, 3)
    assert found["rows"] == [["m", "2 of 3", "1", "1/2 (50.0 %)", "9.5-90.5"]]
    assert "2 of 3 calls done; the last row came" in found["words"]
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"finished_at": "2030-01-01T11:00:00+00:00"}))
    assert client.get(f"{RUN}/progress.json").json()["state"] == "under way"  # its report is being written
    quiet(folder)
    found = client.get(f"{RUN}/progress.json").json()
    assert (found["state"], found["words"]) == ("no report", "2 of 3 calls done. The run has ended.")
    (folder / "manifest.json").write_text("{}")
    assert client.get(f"{RUN}/progress.json").status_code == 404
    assert "is not a manifest" in read(RUN).words


def test_a_race_under_way_may_do_without_what_is_planned(client, store, damage):
    from evalkit.runner.manifest import Race

    store(1, {"m": {"c1": True, "c2": None}}, reported=False, finished_at=None, race=Race())
    found = client.get(f"{RUN}/progress.json").json()
    assert found["words"].startswith("1 of up to 2 calls done")
    assert found["rows"][0][1] == "1 of up to 2"


def test_a_run_that_was_cut_short(read, store):
    quiet(store(1, {"m": {"c1": True, "c2": None}}, reported=False, finished_at=None))
    assert "1 of 2 calls done. Nobody is at work on this run" in read(RUN).words


def test_comparing_two_runs(read, store):
    store(1)
    worse = {"large": {case: case not in {"c1", "c2", "c3", "c4", "c5", "c6", "c7"} for case in CASES}}
    store(2, worse, fields={("large", "c1"): {"output": "unmistakable"}})
    page = read("/compare", a="tiny/20300101-101500-ab01", b="tiny/20300102-101500-ab02")
    assert "WORSE: B is 35.0 points worse than A" in page.words
    assert "better on 0, worse on 7 of 20 cases" in page.words
    assert "Only in A, and not compared: small@p" in page.words
    assert "Newly failing: 7 cases" in page.words
    assert "unmistakable" in page.text
    chosen = [one["value"] for one in page.all("option") if "selected" in one]
    assert chosen == ["tiny/20300101-101500-ab01", "tiny/20300102-101500-ab02"]


def test_comparing_candidates(read, store):
    store(1)
    one = "tiny/20300101-101500-ab01"
    assert "small against large" in read("/compare", a=one, b=one).words
    assert "large against small" in read("/compare", a=one, b=one, a_candidate="1", b_candidate="0").words
    assert "A and B are the same." in read("/compare", a=one, b=one, a_candidate="1", b_candidate="1").words
    assert json.loads(read("/compare").all("option")[1]["data-candidates"]) == ["large", "small"]
    for odd in ("9", "-1", "x", "\u0663", "9" * 5000):
        assert "small against large" in read("/compare", a=one, b=one, a_candidate=odd).words


def test_what_flipped_cases_are_told_of(read, store, monkeypatch):
    monkeypatch.setattr("evalkit.view.comparing._SHOWN", 4)
    fields = {
        ("m", "c1"): {"output": "", "tool_calls": ({"name": "look_up"},)},
        ("m", "c2"): {"output": ""},
        ("m", "c3"): {"output": "long" * 5000},
    }
    asked = {"prompts": {"p": {"template": (("user", "Sort it."),), "fingerprint": "one"}}}
    store(1, {"m": dict.fromkeys(CASES, True)}, **asked)
    asked["prompts"]["p"] |= {"template": (("user", "Do not sort it."),), "fingerprint": "two"}
    worse = {case: False if case in {"c1", "c2", "c3", "c4"} else "timeout" if case == "c0" else True for case in CASES}
    store(2, {"m": worse}, fields=fields, **asked)
    page = read("/compare", a="tiny/20300101-101500-ab01", b="tiny/20300102-101500-ab02")
    assert "Newly failing: 5 cases" in page.words
    assert "and 1 more; evalkit compare --out FILE writes them all." in page.words
    told = page.text
    assert len(page.all("details")) == 4
    assert sum(text in told for text in ("timeout!", "(empty)", "look_up", "(20,000 characters)")) == 4
    assert {"ins", "del"} <= {tag for tag, _ in page.elements}
    assert "Do not sort it." in page.words


def test_what_cannot_be_compared_is_explained(read, store, results, damage):
    store(1, {"m": {"c1": True}})
    store(2, {"m": {"d1": True}})
    (store(3) / "records.jsonl").write_text("{}\n")
    one, two, three = (f"tiny/2030010{day}-101500-ab0{day}" for day in (1, 2, 3))
    assert "have no case in common" in read("/compare", a=one, b=two).words
    assert "is not a journal row" in read("/compare", a=three, b=three).words
    damage(results / one / "manifest.json", trials=None)
    assert "cannot be compared: manifest.json is damaged: trials is None" in read("/compare", a=one, b=two).words
    damage(results / one / "manifest.json", trials=1)
    for odd in ("..", "tiny", "tiny/..", "/etc/passwd", "tiny/latest"):
        page = read("/compare", a=odd, b=one)
        assert f"There is no run {odd} here." in page.words
        assert not page.all("section")


def test_nothing_of_a_run_becomes_markup(read, client, store, results):
    name = "<b>&\"'{{ 1 }} #?%"
    verdicts = {NASTY: {NASTY: True, "c2": True}, name: {NASTY: True, "c2": False}}
    output = {(NASTY, NASTY): {"output": NASTY, "served_model": NASTY}}
    for day in (1, 2):
        changed = {key: value | {NASTY: day == 1} for key, value in verdicts.items()}
        more = {"expected": {NASTY: NASTY}, "tags": {NASTY: (NASTY,)}}
        store(day, changed, suite=name, fields=output if day == 2 else {}, **more)
    store(3, verdicts, suite=name, reported=False, finished_at=None)
    from evalkit.view.pages import address, suite_address
    from evalkit.view.store import Store

    runs = Store(results).runs()
    pages = [read("/"), read(suite_address(name)), *(read(address(run)) for run in runs)]
    pages.append(read("/compare", a=runs[1].name, b=runs[2].name))
    assert "Newly" in pages[-1].words
    for page in pages:
        assert not page.all("b")
        assert not page.all("img")
        assert [one.get("src") for one in page.all("script")] == [
            f"/assets/{name}.js" for name in ("dom", "theme", "runs", "compare", "view")
        ]
        assert not any(key.startswith("on") or key == "style" for _, attributes in page.elements for key in attributes)
        assert "49" not in re.findall(r"<!-- (\d+)", page.text)
    assert "alert(1)" in pages[-1].text
    assert client.get(f"{address(runs[0])}/progress.json").json()["rows"][0][0] == NASTY


def test_reading_changes_nothing(read, client, store, results):
    store(1)
    store(2, {"m": {"c1": True, "c2": None}}, reported=False, finished_at=None)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    read("/")
    read("/suites/tiny")
    read("/runs/tiny/20300102-101500-ab02")
    read("/compare", a="tiny/20300101-101500-ab01", b="tiny/20300101-101500-ab01")
    client.get(f"{RUN}/report.html")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_an_imported_run_says_where_it_comes_from(client, store):
    store(1, imported=Imported("promptfoo 1.0", "<b>out.json", "ab" * 32))
    assert "Imported from &lt;b&gt;out.json, results of promptfoo 1.0" in client.get(RUN).text
