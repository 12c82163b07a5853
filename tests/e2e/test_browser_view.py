"""`evalkit view` in a real Chromium: what a reader can do with it, and what it must not do."""

import random
import signal
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from browser import CHROMIUM, browser
from stored import store_run
from workspace import Workspace, wait_until

from evalkit.analysis import load_run
from evalkit.report import write_reports
from evalkit.runner.journal import Journal
from evalkit.runner.manifest import read_cases, read_manifest, write_manifest
from evalkit.runner.plan import planned_calls
from evalkit.types import CallScore, Record, Usage

pytest.importorskip("starlette", reason="needs the extra `view`")
pytest.importorskip("uvicorn", reason="needs the extra `view`")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)"),
]

CASES = [f"ticket-{number:03}" for number in range(60)]
HOSTILE = '<img src=x onerror="window.pwned=1"></script><script>window.pwned=2</script><b>bold</b> \u2028 ${1} {{ 1 }}'
SUITE = "triage <b>&%2f#"
"""A name that markup and addresses could trip over, as far as a folder can have it."""
FIRST, LAST = "20300101-101500-ab01", "20300104-101500-ab04"


def store(results, day, *, suite=SUITE):
    rng = random.Random(day)
    verdicts = {
        model: {case: rng.random() < share for case in CASES}
        for model, share in (("large", 0.95 if day < 4 else 0.5), ("small", 0.7))
    }
    verdicts["large"]["ticket-003"] = day < 4
    fields = {
        (model, case): {
            "output": HOSTILE if case == "ticket-003" else "billing",
            "latency_ms": rng.uniform(50, 900),
            "cost_usd": 0.001,
            "usage": Usage(20, output=5),
            "served_model": f"{model}-v{1 + (day == 4)}",
        }
        for model in verdicts
        for case in CASES
    }
    run_id, began = f"2030010{day}-101500-ab0{day}", f"2030-01-0{day}T10:15:00+00:00"
    folder = store_run(results / suite / run_id, verdicts, suite=suite, fields=fields, run_id=run_id, created_at=began)
    write_reports(load_run(folder))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view") / "results"
    for day in (1, 2, 3, 4):
        store(folder, day)
    return folder


@contextmanager
def served(results):
    """Serve a folder by the installed command; give the address that it prints, and see that it ends well."""
    process = Workspace(results.parent).start("view", str(results), PYTHONUNBUFFERED="1")
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (130, "")


@pytest.fixture(scope="module")
def address(results):
    with served(results) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium, address):
    """The list of runs, opened by the printed address; at its end nothing was said, and nobody else asked."""
    base = address.partition("?")[0]
    with chromium.page() as opened:
        opened.resize(1300, 900)
        opened.open(address)
        yield opened
        assert opened.said == []
        assert all(asked.startswith(base) for asked in opened.asked)
        assert opened.run("window.pwned === undefined")


def follow(page, selector, path):
    """Click on a link and wait for where it leads."""
    page.click(selector)
    wait_until(lambda: page.run("decodeURIComponent(location.pathname) + document.readyState") == path + "complete")


def test_the_token_leaves_the_address(page, address):
    assert page.run("location.href") == address.partition("?")[0]
    assert page.run("document.cookie") == ""


def test_runs_lead_to_their_suite_and_the_suite_to_its_runs(page):
    assert page.texts(".runs small") == [LAST, *(f"2030010{n}-101500-ab0{n}" for n in (3, 2, 1))]
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(document.querySelector('.scroll'))")
    follow(page, "a.chip", f"/suites/{SUITE}")
    assert page.text("h1") == SUITE
    assert page.run("document.querySelectorAll('figure svg').length") == 3
    assert page.run("document.querySelectorAll('circle.changed').length") == 2
    assert "large: answered by large-v2; before, by large-v1." in page.text(".changes")
    follow(page, "figure svg a circle", f"/runs/{SUITE}/{FIRST}")
    assert page.text("h1") == SUITE


def test_the_report_of_a_run_works_in_its_cage(page):
    follow(page, f"a[href$='{LAST}']", f"/runs/{SUITE}/{LAST}")
    follow(page, "a.open", f"/runs/{SUITE}/{LAST}/report.html")
    assert page.text("#count") == "60 of 60 cases"
    page.run("location.hash = '#case=ticket-003'")
    assert page.run("window.origin") == "null"
    page.until("document.querySelectorAll('#latency canvas').length == 1")


def test_a_link_within_a_report_leads_on_by_a_click(chromium, address):
    with chromium.page() as page:
        page.open(address)
        follow(page, f"a[href$='{LAST}']", f"/runs/{SUITE}/{LAST}")
        follow(page, "a.open", f"/runs/{SUITE}/{LAST}/report.html")
        follow(page, "a[href='report.json']", f"/runs/{SUITE}/{LAST}/report.json")
        assert "go on" in page.text("body")
        page.click("#again")
        wait_until(lambda: page.run("document.body?.innerText.includes('\"format\"')"))


def test_comparing_two_runs(page):
    follow(page, "nav a[href='/compare']", "/compare")
    page.choose("#a", f"{SUITE}/{FIRST}")
    page.choose("#b", f"{SUITE}/{LAST}")
    assert page.run("[...byId('a_candidate').options].map((one) => one.text)") == ["all", "large", "small"]
    page.choose("#a_candidate", "0")
    page.choose("#b_candidate", "0")
    page.run("document.querySelector('form').requestSubmit()")
    wait_until(
        lambda: page.run("document.querySelectorAll('.comparison').length == 1 && !!document.querySelector('.flip')")
    )
    assert "WORSE: B is" in page.text(".comparison")
    which = "[...document.querySelectorAll('.flip')].find((one) => one.textContent.includes('ticket-003'))"
    page.run(f"{which}.open = true")
    assert "<b>bold</b>" in page.run(f"{which}.innerText")
    assert page.run("document.querySelectorAll('main b, main img, main script').length") == 0


def shown(page):
    return page.run("[...document.querySelectorAll('.runs tbody:not(.left-out) small')].map((one) => one.innerText)")


def test_the_list_is_searched_filtered_and_sorted_and_stays_so(page):
    page.click("#search")
    page.type("LARGE-v1 2030")
    assert page.text("#count") == "3 of 4 runs"
    assert LAST not in shown(page)
    page.click("th[data-sort=began] button")
    assert shown(page) == [FIRST, *(f"2030010{n}-101500-ab0{n}" for n in (2, 3))]
    follow(page, f"tbody[data-name$='{FIRST}'] .run a", f"/runs/{SUITE}/{FIRST}")
    page.run("history.back()")
    wait_until(lambda: page.run("location.pathname == '/' && document.querySelector('#count')?.innerText != ''"))
    assert (page.text("#count"), shown(page)[0]) == ("3 of 4 runs", FIRST)
    assert page.run("document.querySelector('th[data-sort=began]').ariaSort") == "ascending"
    page.run("byId('search').value = 'no such thing'; byId('search').dispatchEvent(new Event('input'))")
    assert shown(page) == []
    assert page.text("#none") == "No run matches."


def test_two_runs_of_the_list_are_compared(page):
    for run in (LAST, FIRST):
        page.click(f"tbody[data-name$='{run}'] input")
    assert f"A: {SUITE}/{FIRST}, B: {SUITE}/{LAST}" == page.text("#pair-words")
    follow(page, "#pair-link", "/compare")
    assert len(page.texts(".comparison")) == 2
    assert [page.run(f"byId('{side}').value") for side in "ab"] == [f"{SUITE}/{run}" for run in (FIRST, LAST)]


def test_a_candidate_of_the_history_alone(page):
    follow(page, "a.chip", f"/suites/{SUITE}")
    page.click(".legend button:last-child")
    dim = "[...document.querySelectorAll('.line.dim')].map((one) => one.dataset.line)"
    assert set(page.run(dim)) == {"0"}
    page.click(".legend button:last-child")
    assert page.run(dim) == []


def test_the_theme_stays_from_page_to_page(page):
    page.click("#theme")
    page.click("#theme")
    assert page.text("#theme") == "Theme: dark"
    follow(page, "nav a[href='/compare']", "/compare")
    assert page.text("#theme") == "Theme: dark"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    page.click("#theme")


def test_no_other_site_and_no_stranger_sees_anything(chromium, address):
    with chromium.page() as page:
        page.open(address.partition("?")[0].replace("127.0.0.1", "localhost"))
        assert "needs the address" in page.text("body")
        page.open(address.partition("?")[0].replace("127.0.0.1", "127.0.0.2.nip.invalid"))
        assert "triage" not in page.text("body")


def test_a_run_under_way_is_followed_to_its_end(chromium, tmp_path):
    results = tmp_path / "results"
    verdicts = {"m": dict.fromkeys(("c1", "c2"))}
    folder = store_run(results / "tiny" / "r1", verdicts, run_id="r1", finished_at=None)
    manifest = read_manifest(folder)
    calls = list(planned_calls(manifest, list(read_cases(folder))))
    with served(results) as address, chromium.page() as page:
        page.open(address)
        follow(page, "a[href$='r1']", "/runs/tiny/r1")
        assert "0 of 2 calls done" in page.text("#live-words")
        with Journal(folder, {}) as journal:
            journal.add_record(Record(calls[0].call_id, "m", "p", "c1", 1, output=HOSTILE))
            journal.add_score(CallScore(calls[0].call_id, True, 1.0, ()))
        page.until("document.querySelector('#live-words').innerText.startsWith('1 of 2 calls done')")
        assert page.texts("#live-table td")[1:4] == ["1 of 2", "0", "1/1 (100 %)"]
        assert page.run("document.querySelector('#live-bar').value") == 1
        with Journal(folder, {}) as journal:
            journal.add_record(Record(calls[1].call_id, "m", "p", "c2", 1, output="yes"))
            journal.add_score(CallScore(calls[1].call_id, True, 1.0, ()))
        finished = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        write_manifest(folder, replace(manifest, finished_at=finished))
        write_reports(load_run(folder))
        wait_until(
            lambda: page.run("!document.querySelector('#live') && document.body?.innerText.includes('2/2 (100 %)')")
        )
        assert page.said == []
