"""Adding a case: all else stays as it was, and what does not fit is not kept."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.suite import load_suite
from evalkit.suite.newcase import NewCase, add_case
from evalkit.types import MISSING

HEAD = "prompts: [{name: p, template: '{{ m }}'}]\nscorers: [exact]\n"
NEW = NewCase("new", {"m": "hi: #1 \"there\"\n'x'"}, "no", ("a", "b c"))


def contents(suite):
    return [(case.id, dict(case.vars), case.expected, case.tags) for case in suite.cases]


@pytest.mark.parametrize(
    ("cases", "added"),
    [
        ("cases:\n- {id: a, vars: {m: x}, expected: y}\n", "- id"),
        ("cases:\n  - id: a\n    vars: {m: x}\n    expected: y   # why\n", "  - id"),
        ("cases:\n  - id: a\n    vars: {m: x}\n    expected: y\n\n# the rules\ngate: {max_error_rate: 0}\n", "  - id"),
        ("cases:\n    - id: a\n      expected: y\n      vars:\n        m: |\n          x\n          z\n", "    - id"),
        ("cases:\n  - id: a\n    expected: y\n    vars:\n      m: >-\n        x\n\n# end\n", "  - id"),
        ("cases:\n  - id: a\n    expected: y\n    vars:\n      m: x", "  - id"),
        ("cases:\n  -\n    id: a\n    expected: y\n    vars: {m: x,\n      n: z}\n", "  - id"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_case_is_added_below_the_last_one_and_nothing_else_changes(tmp_path, cases, added, newline):
    path = tmp_path / "s.yaml"
    text = (HEAD + "# kept\n" + cases).replace("\n", newline)
    path.write_text(text, encoding="utf-8", newline="")
    before = contents(load_suite(path))
    done = add_case(path, NEW)
    after = path.read_bytes().decode()
    assert (done.path, done.cases) == (path, 2)
    assert contents(load_suite(path)) == [*before, ("new", dict(NEW.vars), "no", ("a", "b c"))]
    old, lines = text.splitlines(), after.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{added}: new"))
    assert lines[:start] + lines[start + 4 :] == old
    assert "\r\n" in after if newline == "\r\n" else "\r" not in after


def test_a_blank_line_between_cases_is_a_custom_that_is_kept(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + "cases:\n  - {id: a, vars: {m: x}, expected: y}\n\n  - {id: b, vars: {m: z}, expected: y}\n")
    add_case(path, NEW)
    assert "expected: y}\n\n  - id: new\n    vars:" in path.read_text()


@pytest.mark.parametrize(
    ("name", "content", "entry", "line"),
    [
        (
            "c.jsonl",
            '{"id": "a", "m": "x", "expected": "y"}\n',
            "",
            '{"id": "new", "m": "M", "expected": "no", "tags": ["t", "u"]}\n',
        ),
        (
            "c.jsonl",
            '{"id": "a", "vars": {"m": "x"}, "expected": "y"}',
            "",
            '{"id": "new", "vars": {"m": "M"}, "expected": "no", "tags": ["t", "u"]}\n',
        ),
        (
            "c.jsonl",
            '{"id": "a", "text": "x", "expected": "y"}\n',
            ", columns: {m: text}",
            '{"id": "new", "text": "M", "expected": "no", "tags": ["t", "u"]}\n',
        ),
        ("c.csv", "id,m,expected,tags\na,x,y,\n", "", "new,M,no,t; u\n"),
        ("c.csv", "sep=;\nid;m;expected;tags\na;1,5;y;\n", "", 'new;M;no;"t; u"\n'),
        ("c.csv", "\ufeffid,tags,label,m\r\na,,y,x", ", columns: {expected: label}", "new,t; u,no,M\r\n"),
    ],
)
def test_a_case_goes_into_the_file_that_stands_last(tmp_path, name, content, entry, line):
    path, file = tmp_path / "s.yaml", tmp_path / name
    path.write_text(HEAD + f"cases:\n  - {{file: {name}{entry}}}\n")
    file.write_bytes(content.encode())
    suite = path.read_bytes()
    done = add_case(path, NewCase("new", {"m": "M"}, "no", ("t", "u")))
    assert done.path == file
    assert path.read_bytes() == suite
    newline = "\r\n" if "\r" in content else "\n"
    assert file.read_bytes().decode() == content + (newline if content[-1] != "\n" else "") + line
    assert contents(load_suite(path))[1] == ("new", {"m": "M"}, "no", ("t", "u"))


def test_what_is_no_text_is_text_in_a_csv_file(tmp_path):
    path, file = tmp_path / "s.yaml", tmp_path / "c.csv"
    path.write_text(HEAD + "cases:\n  - file: c.csv\n")
    file.write_text("id,m,n,expected\na,x,,1\n")
    add_case(path, NewCase("b", {"m": "x"}, 5))
    add_case(path, NewCase("c", {"m": "x"}))
    assert contents(load_suite(path))[1:] == [("b", {"m": "x", "n": ""}, "5", ()), ("c", {"m": "x", "n": ""}, "", ())]


@pytest.mark.parametrize(
    ("cases", "case", "message"),
    [
        ("cases:\n- {id: a, vars: {m: x}, expected: y}\n", NewCase("a", {"m": "x"}, "y"), 'the case id "a" is taken'),
        ("cases:\n- {id: a, vars: {m: x}, expected: y}\n", NewCase("b", {"k": "x"}, "y"), "`m` is undefined"),
        ("cases:\n- {id: a, vars: {m: x}, expected: y}\n", NewCase("b", {"m": "x"}), "expected"),
        ("cases: [{id: a, vars: {m: x}, expected: y}]\n", NewCase("b", {"m": "x"}, "y"), "lines of its own"),
        ("cases:\n- {id: a, vars: {m: x}, expected: y}\n", NewCase("b", {"m": "\x07"}, "y"), ""),
        ("cases:\n- file: c.json\n", NewCase("b", {"m": "x"}, "y"), "no case can be added to c.json"),
        ("cases:\n- file: c.csv\n", NewCase("b", {"m": "x", "k": "z"}, "y"), "no column for k"),
        ("cases:\n- {id: a, vars: {m: x}}\n", NewCase("b", {"m": "x"}, "y"), "expected"),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path, cases, case, message):
    (tmp_path / "c.json").write_text('[{"id": "a", "m": "x", "expected": "y"}]')
    (tmp_path / "c.csv").write_text("id,m,expected\na,x,y\n")
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + cases)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    if message:
        with pytest.raises(ConfigError, match=message):
            add_case(path, case)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    else:
        add_case(path, case)
        assert contents(load_suite(path))[1][1] == case.vars


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(min_size=1).filter(lambda text: max(text) < "\ud800" or max(text) > "\udfff"),
    tag=st.text("ab:#-[ ", min_size=1),
)
def test_any_text_is_read_as_it_was_given_or_not_kept(tmp_path, text, tag):
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + "cases:\n  - {id: a, vars: {m: x}, expected: y}\n# end\n", encoding="utf-8")
    before = path.read_bytes()
    try:
        add_case(path, NewCase("b", {"m": text}, text, (tag,)))
    except ConfigError:
        assert path.read_bytes() == before
    else:
        assert contents(load_suite(path))[1] == ("b", {"m": text}, text, (tag,))


def test_without_an_expected_value_there_is_none(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(HEAD.replace("exact", "contains: x") + "cases:\n  - {id: a, vars: {m: x}}\n")
    add_case(path, NewCase("b", {"m": "y"}))
    assert load_suite(path).cases[1].expected is MISSING
