"""Labels in the files that hold the cases, all else as it was."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.labelling import writing
from evalkit.labelling.source import open_source
from evalkit.labelling.spans import in_csv, in_json_lines
from evalkit.labelling.writing import write_labels
from evalkit.suite import load_suite
from evalkit.types import MISSING

SUITE = """\
# what the team agreed on
suite: tickets   # a name
prompts:
  - {name: triage, template: "Sort: {{ message }}"}
scorers:
  - label: [billing, bug]
cases:
  # the first one
  - id: one
    vars:
      message: |
        It crashes
        again
    tags: [email]   # from mail

  - {id: two, vars: {message: "Refund, please"}}
  - id: three
    vars: {message: "Hi"}
    expected: bug  # to be checked
  - vars: {message: "Nobody named me"}

# the end
threshold: 0.5
"""
SUITE_AFTER = """\
# what the team agreed on
suite: tickets   # a name
prompts:
  - {name: triage, template: "Sort: {{ message }}"}
scorers:
  - label: [billing, bug]
cases:
  # the first one
  - id: one
    vars:
      message: |
        It crashes
        again
    expected: bug
    tags: [email]   # from mail

  - {id: two, vars: {message: "Refund, please"}, expected: billing}
  - id: three
    vars: {message: "Hi"}
    expected: billing  # to be checked
  - vars: {message: "Nobody named me"}
    expected: bug

# the end
threshold: 0.5
"""


def labels_of(path):
    return {item.case.id: item.expected for item in open_source(path).items}


def write(path, text, **options):
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_suite_keeps_its_comments_and_layout(tmp_path, newline, bom):
    path = write(tmp_path / "tickets.yaml", bom + SUITE.replace("\n", newline))
    unnamed = next(name for name in labels_of(path) if name.startswith("case-"))
    done = write_labels(open_source(path), {"one": "bug", "two": "billing", "three": "billing", unnamed: "bug"})
    assert path.read_bytes().decode() == bom + SUITE_AFTER.replace("\n", newline)
    assert done.in_place == {path: 4}
    assert [case.expected for case in load_suite(path).cases] == ["bug", "billing", "billing", "bug"]


def test_writing_again_changes_nothing(tmp_path):
    path = write(tmp_path / "tickets.yaml", SUITE)
    write_labels(open_source(path), {"one": "bug"})
    before = path.read_bytes()
    done = write_labels(open_source(path), {"one": "bug", "three": "bug"})
    assert (done.in_place, done.beside, done.unchanged) == ({}, None, 2)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "label",
    [
        "yes",
        "no",
        "1.10",
        "a: b",
        "# x",
        "",
        " x ",
        "two\nlines",
        '"quoted"',
        "\x1b[31m",
        "\u2028",
        [1, {"a": None}],
        3,
        2.5,
        True,
    ],
)
@pytest.mark.parametrize("name", ["c.yaml", "c.jsonl", "flow.yaml"])
def test_any_label_is_read_back(tmp_path, name, label):
    texts = {
        "c.yaml": "cases:\n- id: one\n  vars: {a: b}\n- id: two\n  expected: x\n  vars: {a: c}",
        "flow.yaml": "{cases: [{id: one, vars: {a: b}}, {id: two, vars: {a: c}, expected: 'x'}]}",
        "c.jsonl": '{"id": "one", "a": "b"}\n{"id": "two", "expected": "x", "a": "c"}',
    }
    path = write(tmp_path / name, texts[name])
    done = write_labels(open_source(path), {"one": label, "two": label})
    assert done.in_place == {path: 2}
    assert [item.case.expected for item in open_source(path).items] == [label, label]


@pytest.mark.parametrize(
    "cases",
    [
        "- &one {id: one, vars: {a: b}}\n",
        "- id: one\n  vars: {a: b}\n  expected: |\n    several\n    lines\n",
        "- id: one\n  vars: {a: b}\n  expected: [a,\n    b]\n",
        "- {id: one, vars: {a: b},}\n",
        "- {id: one, vars: {a: b} # why\n  }\n",
        "- ? id\n  : one\n  ? vars\n  : {a: b}\n",
        "- id: one\n  vars: &shared {a: b}\n- id: two\n  vars: *shared\n",
        "- id: one\n  vars: {a: b}\n  expected:\n",
        "- id: one\n  vars: {a: b}\n  expected: ''\n",
    ],
)
def test_a_suite_that_is_hard_to_write_to_is_either_right_or_as_it_was(tmp_path, cases):
    path = write(tmp_path / "c.yaml", f"cases:\n{cases}")
    before = path.read_bytes()
    done = write_labels(open_source(path), {"one": "label"})
    if done.beside is None:
        assert labels_of(path)["one"] == "label"
    else:
        assert path.read_bytes() == before
        assert labels_of(done.beside)["one"] == "label"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"id": "one", "a": 1}\n', '{"id": "one", "a": 1, "expected": "x"}\n'),
        ('\ufeff{ "id" : "one" , "a":1 }\r\n\r\n', '\ufeff{ "id" : "one" , "a":1, "expected": "x" }\r\n\r\n'),
        ('{"expected": {"expected": 1}, "id": "one", "a": 1.50}', '{"expected": "x", "id": "one", "a": 1.50}'),
        (
            '{"id":"one","expected":null,"vars":{"expected":"}"}}\n',
            '{"id":"one","expected":"x","vars":{"expected":"}"}}\n',
        ),
    ],
)
def test_a_line_of_json_changes_at_one_place(tmp_path, before, after):
    path = write(tmp_path / "c.jsonl", before)
    write_labels(open_source(path), {"one": "x"})
    assert path.read_bytes().decode() == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("id,text,expected\none,a,\ntwo,b,y\n", "id,text,expected\none,a,x\ntwo,b,y\n"),
        ('id,text\r\none,"a, ""b""\r\nc"\r\ntwo,b\r\n', 'id,text,expected\r\none,"a, ""b""\r\nc",x\r\ntwo,b,\r\n'),
        ("\ufeffid,text\n\none,a\ntwo,b", "\ufeffid,text,expected\n\none,a,x\ntwo,b,"),
        ('"expected",id,text\n"old",one,a\nold,two,b\n', '"expected",id,text\nx,one,a\nold,two,b\n'),
        ("id,text,expected\none,a,\n\n\ntwo,b,", "id,text,expected\none,a,x\n\n\ntwo,b,"),
    ],
)
def test_a_row_of_csv_changes_at_one_place(tmp_path, before, after):
    path = write(tmp_path / "c.csv", before)
    done = write_labels(open_source(path), {"one": "x"})
    assert path.read_bytes().decode() == after
    assert done.in_place == {path: 1}


def test_a_case_file_of_a_suite_is_written_to_by_its_columns(tmp_path):
    rows = write(tmp_path / "rows.csv", "text,category\na,\nb,old\n")
    more = write(tmp_path / "more.jsonl", '{"id": "m", "text": "c"}\n')
    path = write(
        tmp_path / "s.yaml",
        "cases:\n- file: rows.csv\n  columns: {expected: category}\n- file: more.jsonl\n- {id: own, vars: {text: d}}\n",
    )
    names = list(labels_of(path))
    done = write_labels(open_source(path), dict.fromkeys(names, "x, y"))
    assert rows.read_text() == 'text,category\na,"x, y"\nb,"x, y"\n'
    assert more.read_text() == '{"id": "m", "text": "c", "expected": "x, y"}\n'
    assert "expected: x, y" in path.read_text() or 'expected: "x, y"' in path.read_text()
    assert done.in_place == {rows: 2, more: 1, path: 1}


def test_what_no_file_can_take_goes_into_a_new_one(tmp_path):
    write(
        tmp_path / "rows.json",
        '[{"id": "one", "text": "a"}, {"id": "two", "text": "b", "expected": "y"}, {"id": "3", "text": ""}]',
    )
    path = write(tmp_path / "s.yaml", "cases:\n- file: rows.json\n")
    done = write_labels(open_source(path), {"one": "x"})
    assert (done.beside, done.instead_of) == (tmp_path / "s.labels.jsonl", ["rows.json"])
    assert labels_of(done.beside) == {"one": "x", "two": "y", "3": MISSING}
    assert [item.case.vars["text"] for item in open_source(done.beside).items] == ["a", "b", ""]
    with pytest.raises(ConfigError, match="exists already"):
        write_labels(open_source(path), {"one": "z"})


def test_a_file_is_put_back_when_it_does_not_say_what_was_meant(tmp_path, monkeypatch):
    path = write(tmp_path / "c.csv", "id,text\none,a\n")
    monkeypatch.setitem(writing._WRITERS, ".csv", lambda text, labels, name: text.replace("a", "b"))
    done = write_labels(open_source(path), {"one": "x"})
    assert path.read_text() == "id,text\none,a\n"
    assert list(tmp_path.glob(".*.part")) == []
    assert labels_of(done.beside) == {"one": "x"}


def test_a_file_is_put_back_when_it_cannot_be_read_any_more(tmp_path, monkeypatch):
    path = write(tmp_path / "c.jsonl", '{"id": "one"}\n')
    monkeypatch.setitem(writing._WRITERS, ".jsonl", lambda text, labels, name: "{")
    done = write_labels(open_source(path), {"one": "x"})
    assert path.read_text() == '{"id": "one"}\n'
    assert done.in_place == {}


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path, monkeypatch):
    path = write(tmp_path / "c.jsonl", '{"id": "one"}\n')

    def refused(*_):
        raise WriteError("no")

    monkeypatch.setattr(writing, "write_atomically", refused)
    with pytest.raises(WriteError):
        write_labels(open_source(path), {"one": "x"})
    assert path.read_text() == '{"id": "one"}\n'


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    real = write(tmp_path / "real" / "c.jsonl", '{"id": "one"}\n')
    link = tmp_path / "c.jsonl"
    link.symlink_to(real)
    write_labels(open_source(link), {"one": "x"})
    assert link.is_symlink()
    assert labels_of(real) == {"one": "x"}


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


@given(
    table=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    label=CELLS,
    column=st.booleans(),
    all_quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_keeps_its_other_cells(table, label, column, all_quoted, end):
    out = io.StringIO()
    writer = csv.writer(
        out,
        lineterminator=end,
        quoting=csv.QUOTE_ALL
        if any("\r" in cell for cells in table for cell in cells) or all_quoted
        else csv.QUOTE_MINIMAL,
    )
    writer.writerow(["x", "y", "expected"] if column else ["x", "y"])
    for cells in table:
        writer.writerow([*cells, "old"] if column else cells)
    new = in_csv(out.getvalue(), {2: label}, "expected")
    rows = list(csv.reader(io.StringIO(new, newline="")))
    assert rows[0] == ["x", "y", "expected"]
    assert [tuple(row[:2]) for row in rows[1:] if row] == table
    assert [row[2] for row in rows[1:]] == [label, *["old" if column else ""] * (len(table) - 1)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=8,
)


@given(
    row=st.dictionaries(st.text(max_size=4) | st.just("expected"), JSON, max_size=5),
    label=JSON,
    ascii_only=st.booleans(),
)
def test_any_object_keeps_its_other_members(row, label, ascii_only):
    line = json.dumps(row, ensure_ascii=ascii_only)
    new = in_json_lines(line, {1: label}, "expected")
    assert json.loads(new) == {**row, "expected": label}
