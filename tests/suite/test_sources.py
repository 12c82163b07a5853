from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.errors import ConfigError
from evalkit.suite import check_suite
from evalkit.suite.casefiles import csv_rows, jsonl_rows
from evalkit.types import MISSING

HEAD = "prompts: [{name: p, template: 'Q'}]\nscorers: [regex: x]\ncases:\n"


@pytest.fixture
def cases(check, write):
    """Load the cases of one file: the cases or (), and the problems."""

    def cases(name: str, content: str | bytes, columns: str = ""):
        write(name, content)
        suite, errors = check(f"{HEAD}- {{file: {name}{columns}}}\n")
        return (suite.cases if suite else ()), errors

    return cases


def test_jsonl(cases):
    content = (
        '\ufeff{"id": 7, "vars": {"m": "a\u2028b"}, "expected": null, "tags": ["x", 3], "scorers": ["exact"]}\r\n'
        '\n{"m": 1.10, "expected": "y", "tags": "a; b,c", "scorers": 3}\n{"id": null, "m": {"n": []}, "tags": null}'
    )
    (first, second, third), _ = cases("c.jsonl", content)
    assert (first.id, first.vars, first.expected, first.tags) == ("7", {"m": "a\u2028b"}, None, ("x", "3"))
    assert [entry.name for entry in first.scorers] == ["exact"]
    assert (second.vars, second.expected, second.tags) == ({"m": 1.1, "scorers": 3}, "y", ("a", "b", "c"))
    assert (third.vars, third.expected, third.tags) == ({"m": {"n": []}}, MISSING, ())
    assert [str(case.where) for case in (first, second, third)] == ["c.jsonl:1", "c.jsonl:3", "c.jsonl:4"]


def test_bad_lines_are_all_reported(cases):
    content = b'{"a": 1}\n{bad}\n[1]\n{"vars": {}, "m": 1}\n{"a": NaN}\n\xff\n{"a": 1, "a": 2}\n{"vars": 3}\n'
    _, errors = cases("c.jsonl", content)
    assert [error.partition(": ")[0] for error in errors] == [f"c.jsonl:{n}" for n in ("2:2", 3, 4, 5, 6, 7, 8)]
    assert "not UTF-8" in errors[4]


def test_json(cases):
    found, _ = cases("c.json", '[{"id": "a", "m": 1}, {"vars": {"m": 2}}]')
    assert [case.vars for case in found] == [{"m": 1}, {"m": 2}]
    assert str(found[1].where) == "c.json (entry 2)"
    assert cases("c.json", "{}")[1] == ["c.json:1: a .json case file holds a list of cases"]


def test_csv(cases):
    content = (
        '\ufeffid, m ,expected,tags\r\n,hello,no,a;b\r\n0123,"two\r\nlines, ""quoted""",,\r\n\r\nz,1.10,12:30,\r\n'
    )
    found, _ = cases("c.csv", content)
    assert [(case.vars["m"], case.expected, case.tags, str(case.where)) for case in found] == [
        ("hello", "no", ("a", "b"), "c.csv:2"),
        ('two\r\nlines, "quoted"', "", (), "c.csv:3"),
        ("1.10", "12:30", (), "c.csv:6"),
    ]
    assert found[0].id.startswith("case-")
    assert [case.id for case in found[1:]] == ["0123", "z"]


@pytest.mark.parametrize(
    "content",
    [
        'id;price;m\n1;3,50;"a;b, ""c"""\n',
        '\ufeffid;price;m\r\n1;3,50;"a;b, ""c"""\r\n',
        '\n"id";"price";"m"\r\n"1";"3,50";"a;b, ""c"""\r\n',
        'id\tprice\tm\n1\t3,50\t"a;b, ""c"""\n',
        'id|price|m\n1|3,50|"a;b, ""c"""\n',
        'id,price,m\n1,"3,50","a;b, ""c"""\n',
        '\ufeffsep=;\r\nid;price;m\r\n1;3,50;"a;b, ""c"""\r\n',
        'SEP=:\nid:price:m\n1:3,50:"a;b, ""c"""\n',
    ],
)
def test_csv_of_spreadsheets_elsewhere(cases, content):
    (case,), _ = cases("c.csv", content)
    assert (case.id, case.vars) == ("1", {"price": "3,50", "m": 'a;b, "c"'})
    assert case.where.line == content.count("\n")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("m\na;b\nc|d\n", [{"m": "a;b"}, {"m": "c|d"}]),
        ("m,n;o;p\n1,x;y\n", [{"m": "1", "n;o;p": "x;y"}]),
        ("a;b,c\n1,5;2,5\n", [{"a": "1,5", "b,c": "2,5"}]),
        ("sep=;\na;b,c\n1,5;2\n", [{"a": "1,5", "b,c": "2"}]),
        ('"a;b"\n"1;2"\n', [{"a;b": "1;2"}]),
        ('a;b\n"x\ny;z";2\n', [{"a": "x\ny;z", "b": "2"}]),
        ("a,b,c (x|y)\n1,2,x|y\n", [{"a": "1", "b": "2", "c (x|y)": "x|y"}]),
        ("Is it true (yes|no)?\nA whale is a fish\n", [{"Is it true (yes|no)?": "A whale is a fish"}]),
    ],
)
def test_what_separates_cells_is_what_fits_header_and_rows(cases, content, expected):
    found, _ = cases("c.csv", content)
    assert [case.vars for case in found] == expected


def test_where_it_fits_neither_the_remedy_says_how_to_tell(check, write):
    write("c.csv", "m;note\nhello, you;a;b\nfine;x\n")
    _, (error,) = check_suite(write("s.yaml", f"{HEAD}- {{file: c.csv}}\n"))
    assert str(error) == "c.csv:2: this row has 3 cells, the header 2"
    assert "contains a semicolon" in error.remedy
    assert "a line before the header, such as `sep=;`" in error.remedy


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.csv", "", "s.yaml:4:10: no cases in c.csv"),
        ("c.csv", "id;m\n", "s.yaml:4:10: no cases in c.csv"),
        ("c.csv", "a;b,c\n1,5;2\n", "c.csv:1: it cannot be told whether `,` or `;` separates the cells"),
        ("c.csv", "a,b (x|y|z)\n1,x|y|z\n", "c.csv:1: it cannot be told whether `,` or `|` separates the cells"),
        ("c.csv", "id,a; b; c\n1,2,3\n2,3\n", "c.csv:2: this row has 3 cells, the header 2"),
        ("c.csv", "m;n\n1;2;3\n", "c.csv:2: this row has 3 cells, the header 2"),
        ("c.csv", f"m;n\n{'x' * 200_000};1\n", "c.csv:2: this is not CSV: field larger"),
        ("c.csv", "m;m\n1;2\n", 'c.csv:1: two columns are called "m"'),
        ("c.csv", '"m"x;n\n1;2\n', "c.csv:1: this is not CSV"),
        ("c.csv", 'm;n\n1;"2\n3', "c.csv:2: this is not CSV"),
        ("c.csv", "id,m\n", "s.yaml:4:10: no cases in c.csv"),
        ("c.jsonl", "\n\n", "s.yaml:4:10: no cases in c.jsonl"),
        ("c.json", "[]", "s.yaml:4:10: no cases in c.json"),
        ("c.csv", "\nid,\n1,2\n", "c.csv:2: column 2 has no name"),
        ("c.csv", "m,m\n1,2\n", 'c.csv:1: two columns are called "m"'),
        ("c.csv", "m,n\n1,2\n1\n", "c.csv:3: this row has 1 cells, the header 2"),
        ("c.csv", "m,n\n1,2,3\n", "c.csv:2: this row has 3 cells, the header 2"),
        ("c.csv", 'm\n1\n"2\n3', "c.csv:3: this is not CSV"),
        ("c.csv", 'm\n"1"2\n', "c.csv:2: this is not CSV"),
        ("c.csv", f"m\n{'x' * 200_000}\n", "c.csv:2: this is not CSV: field larger"),
        ("c.csv", b"m\n\xe9\n", "c.csv:2: the byte 0xe9 is not UTF-8"),
        ("c.csv", "id,m\na,1\na,2\n", 'c.csv:3: the case id "a" is taken by the case at c.csv:2'),
    ],
)
def test_bad_files(cases, name, content, message):
    _, (error,) = cases(name, content)
    assert error.startswith(message)


def test_columns_are_renamed(cases):
    (case,), _ = cases("c.csv", "text,label,x\na,b,c\n", ", columns: {m: text, expected: label}")
    assert (case.vars, case.expected) == ({"m": "a", "x": "c"}, "b")


def test_an_unknown_column_gives_the_file_up(cases):
    _, errors = cases("c.csv", "text\n1\n2\n", ", columns: {m: txt}")
    assert errors == ['c.csv:2: unknown column "txt"; did you mean `text`?']


@pytest.mark.parametrize("reader", [jsonl_rows, csv_rows])
def test_a_file_that_cannot_be_opened(write, monkeypatch, reader):
    write("c.txt", "{}")
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr("pathlib.Path.open", lambda *_, **__: (_ for _ in ()).throw(denied))
    with pytest.raises(ConfigError, match=r"c\.txt: the file cannot be read: Permission denied") as caught:
        list(reader(Path("c.txt")))
    assert caught.value.remedy == "check its permissions"


def test_rows_before_a_bad_byte_are_checked_too(cases):
    rows = b"".join(b"c%d,x\n" % n for n in range(5_000))
    _, errors = cases("c.csv", b"id,m\nc0\n" + rows + b"z,\xe9\n")
    assert errors == ["c.csv:2: this row has 1 cells, the header 2", "c.csv:5003: the byte 0xe9 is not UTF-8"]


def test_a_byte_that_is_cut_off_at_the_end(cases):
    assert cases("c.csv", b"m\n1\n\xc3")[1] == ["c.csv:3: the byte 0xc3 is not UTF-8"]


def test_csv_lines_may_end_in_a_carriage_return(cases):
    found, _ = cases("c.csv", "id,m\ra,1\rb,2\r")
    assert [(case.id, case.vars, str(case.where)) for case in found] == [
        ("a", {"m": "1"}, "c.csv:2"),
        ("b", {"m": "2"}, "c.csv:3"),
    ]


def test_rows_are_read_as_they_are_wanted(write):
    write("c.csv", b"m\n" + b"x\n" * 100_000 + b"\xff\n")
    write("c.jsonl", b'{"m": 1}\n' * 10 + b"\xff\n")
    assert next(csv_rows(Path("c.csv"))).data == {"m": "x"}
    assert next(jsonl_rows(Path("c.jsonl"))).data == {"m": 1}


def test_ids_made_from_content_survive_reordering(cases):
    lines = ['{"m": 1, "n": 2}', '{"m": 2}', '{"m": 3, "expected": null}']
    first, _ = cases("c.jsonl", "\n".join(lines))
    second, _ = cases("c.jsonl", "\n".join([lines[2], lines[1], '{"n": 2, "m": 1}']))
    assert [case.id for case in first] == [case.id for case in reversed(second)]
    assert len({case.id for case in first}) == 3


def test_equal_cases_get_different_ids(cases):
    found, _ = cases("c.jsonl", '{"m": 1}\n{"m": 1}\n{"m": 1}')
    stem = found[0].id
    assert [case.id for case in found] == [stem, f"{stem}-2", f"{stem}-3"]
    found, _ = cases("c.jsonl", f'{{"m": 1}}\n{{"m": 2, "id": "{stem}"}}')
    assert [case.id for case in found] == [f"{stem}-2", stem]


def test_inline_cases_and_files_mix_in_order(check, write):
    write("c.jsonl", '{"id": "b"}\n')
    suite, _ = check(HEAD + "- {id: a}\n- file: c.jsonl\n- {id: 3}\n- {id: 1.10}\n")
    assert [case.id for case in suite.cases] == ["a", "b", "3", "1.10"]


def test_a_very_long_or_multi_line_id(cases):
    for bad in ("x" * 201, "a\\nb"):
        _, (error,) = cases("c.jsonl", f'{{"id": "{bad}"}}')
        assert error.startswith("c.jsonl:1: `id` of a case must be one line of text")


def test_an_id_made_from_content_stays_when_the_expected_answer_is_mended(cases):
    (wrong,), _ = cases("c.jsonl", '{"m": 1, "expected": "a"}')
    (right,), _ = cases("c.jsonl", '{"m": 1, "expected": "b"}')
    assert wrong.id == right.id
