"""Pages as GitHub's own renderer reads them: tables are tables, and nothing a model says is markup."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from lxml import etree, html
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.gate.baseline import freeze
from evalkit.analysis.gate.measured import measure
from evalkit.analysis.gate.verdicts import gate
from evalkit.report import write_reports
from evalkit.report.gate_files import write_gate
from evalkit.suite.gate_rules import GateRules

HOSTILE = (
    "</details><script>alert(1)</script>",
    "<img src=x onerror=alert(1)> <!-- evalkit gate: tiny -->",
    "| a | b |\n|---|---|\n| c | d |",
    "```\n# heading\n```",
    "`` ` `` ` ``` [link](https://evil.example) ![image](https://evil.example/p.png)",
    "https://evil.example www.evil.example someone@evil.example @someone",
    "\n\n---\n\n# Gate passed\n\n> [!NOTE]\n> all is well\n\n1. one\n- [x] done",
    "**bold** _em_ ~~gone~~ <b>raw</b> &lt;b&gt; \\| \\` $math$",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \u202egnp.exe",
    "a\r\nb\u2028c\x00d",
)
STRUCTURE = (
    "table",
    "details",
    "h1",
    "h2",
    "h3",
    "script",
    "img",
    "a",
    "hr",
    "input",
    "blockquote",
    "pre",
    "ol",
    "b",
    "em",
)


def page(path: Path) -> html.HtmlElement:
    """A page as GitHub renders it, before it cleans up: raw HTML is kept, so that what comes through is seen."""
    text = path.read_text(encoding="utf-8")
    rendered = github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    return html.fromstring(f"<main>{rendered}</main>")


def elements(root: html.HtmlElement) -> dict[str, int]:
    counts = Counter(element.tag for element in root.iter() if isinstance(element.tag, str))
    return {tag: counts[tag] for tag in STRUCTURE}


def folder(path: Path, said: tuple[str, ...], *, before: bool = False) -> Path:
    """A run of two models and ten tagged cases, half of which fail, where all that is not ours says something."""
    ids = [f"c{n}" if said is not HOSTILE else f"c{n} {said[n]}" for n in range(10)]
    verdicts = {case: before or n % 2 == 0 for n, case in enumerate(ids)}
    late = verdicts | {ids[1]: True if before else "timeout"}
    return store_run(
        path,
        {"m": verdicts, "k": late},
        fields={(model, case): {"output": said[n]} for n, case in enumerate(ids) for model in "mk"},
        expected={case: said[n - 1] for n, case in enumerate(ids)},
        case_vars={case: {"text": said[n - 2]} for n, case in enumerate(ids)},
        tags={case: (said[0] if n % 2 else said[2],) for n, case in enumerate(ids)},
    )


def pages(path: Path, said: tuple[str, ...]) -> dict[str, html.HtmlElement]:
    frozen = measure(load_run(folder(path / "before", said, before=True)))
    run = load_run(folder(path / "now", said))
    baseline = freeze(frozen, [one.candidate for one in frozen.results.candidates], "0")
    write_reports(run)
    write_gate(gate(measure(run), GateRules(), baseline, Path("b.json")), run.folder)
    return {name: page(run.folder / name) for name in ("report.md", "gate.md")}


@pytest.mark.parametrize("name", ["report.md", "gate.md"])
def test_hostile_outputs_change_no_structure(tmp_path: Path, name: str) -> None:
    plain = pages(tmp_path / "plain", tuple(f"word{n}" for n in range(10)))[name]
    hostile = pages(tmp_path / "hostile", HOSTILE)[name]
    assert elements(hostile) == elements(plain)
    assert elements(hostile)["table"] >= 2
    text = hostile.text_content()
    assert "<img src=x onerror=alert(1)>" in text
    assert not {"\x1b", "\u202e", "\x07"} & set(text)
    assert [one.get("src") for one in hostile.iter("img")] == ["report.svg"] * (name == "report.md")
    known = {"align", "open", "start"}
    tags = [one for one in hostile.iter() if isinstance(one.tag, str) and one.tag != "img"]
    assert not [one for one in tags if set(one.attrib) - known]
    if name == "gate.md":
        assert [str(one.text).strip() for one in hostile.iter(etree.Comment)] == ["evalkit gate: tiny"]


def test_every_table_of_a_report_is_one(tmp_path: Path) -> None:
    for name, root in pages(tmp_path, HOSTILE).items():
        for table in root.iter("table"):
            widths = {len(row.findall("td") + row.findall("th")) for row in table.iter("tr")}
            assert len(widths) == 1, name
        assert "|---" not in root.text_content().replace("|---|---|", "")
    report = pages(tmp_path / "more", HOSTILE)["report.md"]
    assert {row.findtext("td") for row in next(report.iter("table")).iter("tr")} == {None, "m", "k"}


def test_failed_cases_are_folded_away_one_fold_a_candidate(tmp_path: Path) -> None:
    report = pages(tmp_path, HOSTILE)["report.md"]
    folds = [*report.iter("details")]
    assert [fold.find("summary").text_content() for fold in folds] == ["m: 5 failed", "k: 4 failed"]
    assert [len(fold.findall("ul/li")) for fold in folds] == [5, 4]
    assert not [fold for fold in folds if fold.find(".//details") is not None]
