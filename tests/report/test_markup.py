import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evalkit.report.markup import code, html, plain, table

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOSTILE = [
    "a|b",
    "a\\|b",
    "`x`",
    "```\nrm -rf\n```",
    "</details><script>alert(1)</script>",
    "<!-- gone",
    "[click](http://evil.example)",
    "![img](x.png)",
    "<http://evil.example>",
    "**bold** _it_ __init__ ~~no~~ snake_case *",
    "# heading",
    "- item",
    "1. item",
    "1)",
    "> quote",
    "---",
    "===",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "line one\nline two\r\nthree\u2028four",
    "&lt;b&gt; &amp; &#124;",
    "$x$ and $$y$$",
    "end\\",
    "[ref]: http://evil.example",
    "    indented",
    "",
    " ",
    "`",
    " padded ",
]


def text_of(markup):
    return unescape(re.sub("<[^>]*>", "", markup)).strip("\n")


def flat(text):
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_plain_text_is_one_paragraph_without_markup(text):
    rendered = MARKDOWN.render(f"{plain(text)}\n")
    assert re.sub(r"</?p>", "", rendered).count("<") == 0
    assert flat(text_of(rendered)) == flat(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_plain_text_stays_in_its_cell(text):
    rendered = MARKDOWN.render("\n".join(table(["a", "b"], [[plain(text), "last"]])))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", rendered, re.DOTALL)
    assert len(cells) == 2
    assert flat(unescape(cells[0])) == flat(text)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_code_is_one_code_span(text):
    rendered = MARKDOWN.render(f"- {code(text)}\n")
    assert re.findall(r"<(\w+)", rendered) == ["ul", "li", "code"]
    assert flat(text_of(rendered).replace("\u23ce", "\n")) == flat(text)


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_one_code_span_on_one_line(text):
    span = code(text)
    assert len(span.splitlines()) == 1
    assert re.findall(r"<(\w+)", MARKDOWN.render(f"x {span}")) == ["p", "code"]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_one_cell(text):
    (_, _, row) = table(["a", "b"], [[plain(text), "last"]])
    assert len(row.splitlines()) == 1
    assert MARKDOWN.render("\n".join(table(["a", "b"], [[plain(text), "last"]]))).count("<td") == 2


@pytest.mark.parametrize("escape", [plain, html])
def test_nobody_is_notified(escape):
    assert "@octocat" not in escape("thanks @octocat")
    assert escape("thanks @octocat").replace("\u200b", "") == "thanks @octocat"


@pytest.mark.parametrize("escape", [plain, html, code])
@pytest.mark.parametrize("char", ["\x1b", "\x00", "\x9b", "\u202e", "\ud800", "\x7f"])
def test_control_characters_do_not_reach_the_terminal(escape, char):
    assert char not in escape(f"a{char}b")


def test_links_do_not_link():
    assert "https://" not in plain("see https://evil.example")
    assert "www." not in plain("see www.evil.example")


def test_html_text_is_escaped():
    assert html('<b title="x">&') == "&lt;b title=&quot;x&quot;&gt;&amp;"


def test_code_is_cut_and_says_so():
    assert code("x" * 10, 10) == f"`{'x' * 10}`"
    assert code("x" * 1200, 3) == "`xxx` ... (1,200 characters)"


def test_nothing_is_shown_as_such():
    assert code("") == "(empty)"


def test_ordinary_names_are_left_alone():
    for name in ("gpt-4o-mini", "snake_case", "v0.1.0", "2030-01-05T10:15:00Z", "claude@2030".replace("@", "-")):
        assert plain(name) == name


def test_tables_are_aligned_also_for_wide_characters():
    lines = table(["name", "n"], [["注文", "1"], ["plain", "1,000"], ["e\u0301t\u00e9", "2"]])
    assert lines == [
        "| name  |     n |",
        "| ----- | ----: |",
        "| 注文  |     1 |",
        "| plain | 1,000 |",
        "| e\u0301t\u00e9   |     2 |",
    ]
