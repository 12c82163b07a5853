"""report.html in a real Chromium: what a reader can do with it, and what it must not do."""

import json
import random
from itertools import pairwise

import pytest
from browser import CHROMIUM, browser
from stored import store_run

from evalkit.analysis import load_run
from evalkit.report import write_reports
from evalkit.types import Completion, Usage

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)"),
]

MODELS = ("large", "small", "fine tune", "rules", "broken")
CASES = [f"ticket-{number:03}" for number in range(200)]
HOSTILE = '<img src=x onerror="window.pwned=1"></script><script>window.pwned=2</script><b>bold</b> \u2028 ${1} {{ 1 }}'


def write(folder, cases, models, **more):
    """Write a run in which the models differ in quality, and its page."""
    rng = random.Random(11)
    verdicts = {
        name: {case: "timeout" if name == "broken" and at % 50 == 0 else rng.random() < 0.9 - at_model * 0.15
               for at, case in enumerate(cases)}
        for at_model, name in enumerate(models)
    }  # fmt: skip
    fields = {
        (name, case): {"latency_ms": rng.uniform(50, 900), "cost_usd": 0.001 * (at + 1), "usage": Usage(20, output=5)}
        for at, name in enumerate(models)
        for case in cases
    }
    for key, changed in more.pop("fields", {}).items():
        fields[key] |= changed
    for key, changed in more.pop("verdicts", {}).items():
        verdicts[key[0]][key[1]] = changed
    folder = store_run(folder, verdicts, fields=fields, **more)
    return write_reports(load_run(folder)).html


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A page of 200 cases and five candidates, one answer of which is full of markup."""
    return write(
        tmp_path_factory.mktemp("report") / "run",
        [*CASES[:-1], HOSTILE],
        MODELS,
        tags={case: ("de" if at % 4 == 0 else "en", HOSTILE if at == 5 else "short") for at, case in enumerate(CASES)},
        case_vars={case: {"message": f"please help with {case}"} for case in CASES} | {HOSTILE: {HOSTILE: HOSTILE}},
        expected={"ticket-003": '{"queue": "billing", "urgent": true}', HOSTILE: HOSTILE},
        prompts={"p": {"template": (("system", "Sort it."), ("user", "Message: {{ message }}!"))}},
        verdicts={("large", "ticket-003"): False, ("large", HOSTILE): False, ("small", "ticket-007"): True},
        fields={
            ("large", "ticket-003"): {"output": '{"queue": "shipping", "urgent": true}', "served_model": "large-v2"},
            ("small", "ticket-007"): {"output": "unmistakable", "tool_calls": ({"name": "look_up"},)},
            ("large", HOSTILE): {"output": HOSTILE},
            ("rules", "ticket-009"): {
                "output": "so be it",
                "turns": (Completion("first reply"), Completion("so be it")),
            },
        },
    )


@pytest.fixture
def page(chromium, report):
    """The page, opened; at its end it must have said nothing on its console, and asked for nothing but itself."""
    with chromium.page() as opened:
        opened.resize(1300, 900)
        opened.open(report.as_uri())
        yield opened
        assert opened.said == []
        assert {address.partition("#")[0] for address in opened.asked} == {report.as_uri()}


def shown(page):
    return page.texts("#case-table tbody tr:not(.spacer) th")


def opened_case(page):
    return page.run("document.querySelector('dialog').open && document.querySelector('#detail-title').innerText")


def until_open(page, case):
    page.until(
        f"document.querySelector('dialog').open && document.querySelector('#detail-title').innerText == '{case}'"
    )


def test_it_opens_within_a_second(chromium, report):
    times = []
    for _ in range(3):
        with chromium.page() as page:
            page.open(report.as_uri())
            times.append(page.run("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    assert 0 < min(times) < 1000


def test_what_is_there_at_first(page):
    assert page.text("#count") == "200 of 200 cases"
    assert shown(page)[:3] == CASES[:3]
    assert len(page.texts("#candidates tbody tr")) == 5
    assert page.run("document.querySelectorAll('figure svg .dot').length") == 15
    assert page.run("document.querySelectorAll('#latency canvas').length") == 1
    assert len(page.texts("#latency .u-series")) == 6
    # Far fewer rows than cases are in the document.
    assert page.run("document.querySelectorAll('#case-table tr').length") < 60


def test_sorting(page):
    by_case = "#case-table thead th:nth-child(1) button"
    page.click(by_case)
    page.click(by_case)
    assert shown(page)[:2] == ["ticket-198", "ticket-197"]
    assert page.run("document.querySelector('#case-table th').ariaSort") == "descending"
    page.click(by_case)
    assert shown(page)[:2] == CASES[:2]
    page.click("#case-table thead th:nth-child(4) button")
    shares = [int(text.split("/")[0]) for text in page.texts("#case-table tbody td:nth-child(4)")]
    assert shares == sorted(shares)


def test_figures_in_the_cells_and_sorting_by_them(page):
    page.choose("#metric", "latency_ms")
    page.click("#case-table thead th:nth-child(5) button")
    times = [float(text.split()[0]) for text in page.texts("#case-table tbody td:nth-child(5)")]
    assert times == sorted(times)
    assert page.texts("#case-table tbody td:nth-child(5)")[0].endswith(" ms")
    page.choose("#metric", "cost_usd")
    assert page.texts("#case-table tbody td:nth-child(6)")[0] == "$0.002"


def test_searching(page):
    page.press("/")
    page.type("UNMISTAKABLE")
    page.until("document.querySelector('#count').innerText == '1 of 200 cases'")
    assert shown(page) == ["ticket-007"]
    page.press("Enter")
    page.press("Enter")
    until_open(page, "ticket-007")
    assert "look_up" in page.text("dialog")
    page.press("Escape")
    page.click("#reset")
    assert page.text("#count") == "200 of 200 cases"
    page.click("#search")
    page.type("nowhere to be found")
    page.until("document.querySelector('#count').innerText == '0 of 200 cases'")
    assert "No case matches." in page.text("#case-table")


def test_filtering(page):
    page.choose("#tag", "de")
    assert page.text("#count") == "50 of 200 cases"
    page.choose("#outcome", "error")
    page.choose("#whose", "4")
    assert shown(page) == ["ticket-000", "ticket-100"]
    page.click("#reset")
    page.choose("#outcome", "differ")
    assert all(0 < int(text.split("/")[0]) < 5 for text in page.texts("#case-table tbody td:nth-child(4)"))
    counts = []
    for outcome in ("all", "not"):
        page.choose("#outcome", outcome)
        counts.append(int(page.text("#count").split()[0]))
    assert sum(counts) == 200


def test_a_case_side_by_side(page):
    page.run("location.hash = '#case=ticket-003'")
    page.until("document.querySelector('dialog').open")
    assert page.texts(".answer h3") == list(MODELS)
    assert page.texts(".answer:first-child del, .answer:first-child ins") == ["billing", "shipping"]
    text = page.text("dialog")
    assert "please help with ticket-003" in text
    assert "served as large-v2" in text
    assert "exact: expected yes, got no" in text
    page.click(".messages summary")
    assert "Messages sent" in page.text(".messages")
    assert "Message: please help with ticket-003!" in page.text(".messages")
    page.click("#compare")
    assert page.run("document.querySelectorAll('dialog ins').length") == 0
    assert '"queue": "shipping"' in page.text(".answer:first-child")


def test_replies_of_a_conversation(page):
    page.run("location.hash = '#case=ticket-009'")
    page.until("document.querySelector('dialog').open")
    assert page.texts(".answer:nth-child(4) .turn") == ["first reply"]


def test_links_to_a_case(chromium, report):
    with chromium.page() as page:
        page.open(f"{report.as_uri()}#case=ticket-042")
        assert opened_case(page) == "ticket-042"
    with chromium.page() as page:
        page.open(f"{report.as_uri()}#case=%E0%A4%A")
        assert opened_case(page) is False
        assert page.said == []


def test_the_keyboard(page):
    for key in "jjk":
        page.press(key)
    page.press("Enter")
    until_open(page, CASES[1])
    assert page.run("location.hash") == f"#case={CASES[1]}"
    entries = page.run("history.length")
    page.press("j")
    until_open(page, CASES[2])
    assert (page.run("location.hash"), page.run("history.length")) == (f"#case={CASES[2]}", entries)
    page.click("[title='Next case (j)']")
    until_open(page, CASES[3])
    assert page.run("document.activeElement.title") == "Next case (j)"
    page.press("k")
    until_open(page, CASES[2])
    page.press("Escape")
    page.until("!document.querySelector('dialog').open && location.hash === '#cases'")
    page.press("k")
    page.press("Enter")
    until_open(page, CASES[1])


def test_moving_down_follows_the_selection(page):
    page.run("document.querySelector('#viewport').focus()")
    for _ in range(40):
        page.press("ArrowDown")
    assert page.text("tr.selected th") == CASES[40]
    ends = "[document.querySelector({}).getBoundingClientRect()].map((box) => [box.top, box.bottom])[0]"
    (top, bottom), (upper, lower) = (page.run(ends.format(f"'{name}'")) for name in ("tr.selected", "#viewport"))
    assert upper <= top < bottom <= lower


def test_a_click_opens_a_case(page):
    page.click("#case-table tbody tr:nth-child(4) td.input")
    until_open(page, CASES[2])


def test_two_candidates(page):
    page.choose("#pair-first", "1")
    page.choose("#pair-second", "0")
    assert page.text("#pair-words").startswith("small - large: ")
    lists = [page.texts(f"#pair-{name} a") for name in ("gained", "lost")]
    words = page.text("#pair-words")
    assert f"better on {len(lists[0])}, worse on {len(lists[1])} of 200 cases" in words
    page.click("#pair-filter")
    assert page.text("#count") == f"{len(lists[0]) + len(lists[1])} of 200 cases, where small and large differ"
    page.choose("#pair-second", "1")
    assert page.text("#pair-words") == "Choose two different candidates."


def test_colours(page):
    background = "getComputedStyle(document.body).backgroundColor"
    page.prefer("light")
    light = page.run(background)
    page.prefer("dark")
    dark = page.run(background)
    assert light != dark
    assert page.text("#theme") == "Theme: system"
    page.click("#theme")
    assert (page.text("#theme"), page.run(background)) == ("Theme: light", light)
    page.prefer("light")
    page.click("#theme")
    assert (page.text("#theme"), page.run(background)) == ("Theme: dark", dark)
    page.click("#theme")
    assert page.run(background) == light
    assert page.run("document.querySelectorAll('#latency canvas').length") == 1


def test_what_is_hostile_shows_as_text(page):
    page.press("/")
    page.type("onerror")
    page.until("document.querySelector('#count').innerText == '2 of 200 cases'")
    page.run(f"location.hash = '#case=' + encodeURIComponent({json.dumps(HOSTILE)})")
    page.until("document.querySelector('dialog').open")
    assert "<b>bold</b>" in page.text(".answer:first-child")
    assert page.run("document.querySelector('#detail-title').textContent") == HOSTILE
    assert page.run("document.querySelectorAll('img, dialog b, dialog script').length") == 0
    assert page.run("window.pwned") is None


def test_the_policy_is_in_force(chromium, report):
    with chromium.page() as page:
        page.open(report.as_uri())
        assert "TrustedHTML" in page.run(
            "(() => { try { document.body.innerHTML = '<b>x</b>'; } catch (error) { return String(error); } })()"
        )
        page.run(
            "const style = document.createElement('style'); style.textContent = 'body {display: none}';"
            "document.head.append(style)"
        )
        page.run(
            "const script = document.createElement('script'); try { script.text = 'window.pwned = 3'; } catch {}"
            "document.head.append(script)"
        )
        assert page.run("getComputedStyle(document.body).display") == "block"
        assert page.run("window.pwned") is None
        page.run("fetch('http://127.0.0.1:1/').catch(() => null)")
        assert any("Content Security Policy" in line for line in page.said)


def test_on_paper_all_cases_are_there(page):
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert len(shown(page)) == 200
    page.run("dispatchEvent(new Event('afterprint'))")
    assert len(shown(page)) < 60
    assert page.printed().startswith(b"%PDF")
    page.run("location.hash = '#case=ticket-003'")
    page.until("document.querySelector('dialog').open")
    assert page.printed().count(b"/Type /Page\n") <= 2


def test_a_narrow_window_does_not_scroll_sideways(page):
    page.resize(360, 700)
    assert page.run("document.documentElement.scrollWidth") == 360
    page.run("location.hash = '#case=ticket-003'")
    page.until("document.querySelector('dialog').open")
    assert page.run("document.querySelector('dialog').scrollWidth <= 360")
    page.press("Escape")
    # What a reader looks for is in sight: the case, and what became of it.
    ends = "document.querySelector('#case-table td.result').getBoundingClientRect().right"
    assert page.run(ends) < 360


def test_nothing_to_show(chromium, tmp_path):
    report = write_reports(load_run(store_run(tmp_path, {"a": {"x": None, "y": None}}))).html
    with chromium.page() as page:
        page.open(report.as_uri())
        assert page.text("#count") == "2 of 2 cases"
        assert page.texts("#case-table td.result") == ["\u2026", "\u2026"]
        assert "No answer was timed." in page.text("#latency")
        assert page.said == []


def test_trials_each_have_their_sign_and_card(chromium, tmp_path):
    verdicts = {"a": {"x": (True, False, "timeout")}, "b": {"x": (True, True, None)}}
    report = write_reports(load_run(store_run(tmp_path, verdicts, trials=3))).html
    with chromium.page() as page:
        page.open(f"{report.as_uri()}#case=x")
        assert [" ".join(text.split()) for text in page.texts(".badge")] == [
            "\u2713 passed",
            "\u2717 failed",
            "! error",
            "\u2713 passed",
            "\u2713 passed",
            "\u2026 never finished",
        ]
        assert page.texts("#case-table td.result") == ["\u2713\u2717!", "\u2713\u2713\u2026"]
        assert page.said == []


@pytest.mark.slow
def test_twenty_thousand_calls_stay_usable(chromium, tmp_path):
    report = write(tmp_path / "run", [f"case-{number:05}" for number in range(4200)], MODELS)
    assert report.stat().st_size < 12_000_000
    with chromium.page() as page:
        page.open(report.as_uri())
        assert page.run("performance.getEntriesByType('navigation')[0].loadEventEnd") < 3000
        assert "1,000 finished calls" in page.text("#cases .note")
        page.press("/")
        page.type("case-0400")
        page.until("document.querySelector('#count').innerText.startsWith('10 of')")
        page.click("#reset")
        page.run("document.querySelector('#viewport').scrollTop = 1e7")
        page.until("document.querySelector('#case-table tbody tr:nth-last-child(2) th').innerText > 'case-04'")
        assert page.run("document.querySelectorAll('#case-table tr').length") < 60
        click = "document.querySelector('#case-table thead button').click()"
        took = page.run(f"(() => {{ const from = performance.now(); {click}; return performance.now() - from; }})()")
        assert took < 1000
        ids = shown(page)
        assert all(first < second for first, second in pairwise(ids))
        assert page.said == []
