"""Tables become suites: what each column is for, how cases are judged, and what is said of rows that cannot be read."""

from __future__ import annotations

import csv
import json
import random
import resource
import time

import pytest

from evalkit.errors import ConfigError, EvalkitError
from evalkit.imports.inputs import inputs_of
from evalkit.imports.options import AS_THEY_ARE, ImportOptions
from evalkit.imports.table import read
from evalkit.imports.write import write_suite
from evalkit.suite import load_suite
from evalkit.types import MISSING

INTENTS = "text,category\n" + "".join(f"message {n},{('billing', 'bug', 'no')[n % 3]}\n" for n in range(12))


def table(tmp_path, text, name="t.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, ImportOptions(**options))


def notes(draft):
    return [(note.where.line, note.message, note.lost) for note in draft.notes]


def test_a_few_repeated_values_are_labels(tmp_path):
    draft = table(tmp_path, INTENTS)
    assert draft.scorers == ({"label": {"labels": ["billing", "bug", "no"]}},)
    assert draft.settings == {"params": {"max_tokens": 32}}
    assert len(draft.cases) == 12
    assert (draft.cases[2].vars, draft.cases[2].expected) == ({"text": "message 2"}, "no")
    system, user = draft.prompts[0].messages
    assert "- billing\n- bug\n- no" in system["system"]
    assert user == {"user": "{{ text }}"}
    assert [(share.kind, share.found, share.carried) for share in draft.shares] == [("rows", 12, 12)]
    (note,) = draft.notes
    assert (note.message, note.lost) == ("`category` was taken for what is right", False)
    assert "--expected" in note.remedy


def test_the_suite_that_is_written_is_sound(tmp_path):
    written = write_suite(table(tmp_path, INTENTS), tmp_path / "out")
    assert written.problems == ()
    suite = load_suite(written.suite)
    assert [case.expected for case in suite.cases][:3] == ["billing", "bug", "no"]


@pytest.mark.parametrize(
    ("expected", "scorer"),
    [
        (["Paris", "Rome", "Bonn"], "exact"),
        (["+", "plus one", "plus two"], "exact"),
        (["A long explanation of what is right, over more than forty characters", "y" * 50, "z"], "f1"),
        ([1.5, 2.5, 1000.25], "numeric"),
        ([{"a": 1}, {"a": 2}, {"b": [1]}], "json_equal"),
        ([["Paris", "City of Paris"], ["Rome"], ["Bonn"]], "contains_any"),
        ([["Paris " * 9, "x"], ["Rome"], ["Bonn"]], "f1"),
        ([["Paris"], ["Rome"], ["+"]], "json_equal"),
        ([1, 2, 1, 2], "label"),
        ([True, False, True, False], "label"),
        (["A", "a", "A", "a"], "label"),
    ],
)
def test_a_scorer_fits_what_is_expected(tmp_path, expected, scorer):
    rows = "".join(json.dumps({"question": f"q{n}", "answer": value}) + "\n" for n, value in enumerate(expected))
    draft = table(tmp_path, rows, "t.jsonl")
    (spec,) = draft.scorers
    assert list(spec) == [scorer]
    assert bool(draft.todo) == (scorer != "label")
    written = write_suite(draft, tmp_path / "out")
    assert written.problems == ()
    assert [case.expected for case in load_suite(written.suite).cases] == expected


def test_answers_with_their_places_are_answers(tmp_path):
    row = {"question": "q", "answers": {"text": ["x", "y", "x"], "answer_start": [1, 2, 9]}}
    draft = table(tmp_path, json.dumps(row), "t.jsonl")
    assert draft.cases[0].expected == ["x", "y"]
    assert draft.scorers == ({"contains_any": {"ignore_case": True}},)
    assert draft.cases[0].vars == {"question": "q"}


def test_cells_stay_as_they_were_typed(tmp_path):
    draft = table(tmp_path, "q,expected\n1.10,no\n2024-01-01,0123\n  x ,1e3\n")
    assert [(case.vars["q"], case.expected) for case in draft.cases] == [
        ("1.10", "no"),
        ("2024-01-01", "0123"),
        ("  x ", "1e3"),
    ]
    suite = load_suite(write_suite(draft, tmp_path / "out").suite)
    assert [(case.vars["q"], case.expected) for case in suite.cases] == [
        (case.vars["q"], case.expected) for case in draft.cases
    ]


def test_without_anything_expected_nobody_is_told_what_is_right(tmp_path):
    draft = table(tmp_path, "message\nhello\nhi\n")
    assert draft.scorers == ({"length": {"min_chars": 1}},)
    assert "nothing says what is right" in draft.todo[0]
    assert draft.cases[0].expected is MISSING
    assert write_suite(draft, tmp_path / "out").problems == ()


def test_columns_are_mapped(tmp_path):
    text = "Id,Text of mail,Queue,Language,Secret\na,hello,x,en,s\nb,hi,y,de; x,s\n"
    draft = table(tmp_path, text, columns={"message": "Text of mail", "expected": "Queue"}, tags=("Language",))
    case = draft.cases[1]
    assert (case.id, case.vars, case.expected, case.tags) == ("b", {"message": "hi"}, "y", ("de", "x"))
    assert any("left out: Secret" in message for _, message, _ in notes(draft))


def test_a_column_that_is_mostly_empty_is_not_taken_for_what_is_right(tmp_path):
    draft = table(tmp_path, "q,label\na,\nb,\nc,x\n")
    assert (draft.cases[2].vars, draft.cases[2].expected) == ({"q": "c"}, MISSING)
    assert [note for note in draft.notes if note.lost] == []
    assert any("no column was taken for what is right" in note.message for note in draft.notes)


@pytest.mark.parametrize(
    ("header", "expected", "shown"),
    [
        ("question,answer,category,response", "answer", ["question"]),
        ("text,category,answer", "category", ["text"]),
        ("output,reference,input", "reference", ["input"]),
        ("answer,label", "label", ["answer"]),
        ("class,response", "class", ["response"]),
        ("question,lang,label,answers", "answers", ["question", "lang"]),
        ("text,label,label_text", "label_text", ["text"]),
        ("question,choices,answerKey,explanation", "answerKey", ["question", "choices"]),
        ("question,best_answer,correct_answers,incorrect_answers", "correct_answers", ["question"]),
    ],
)
def test_no_prompt_shows_a_column_that_may_hold_what_is_right(tmp_path, header, expected, shown):
    names = header.split(",")
    draft = table(tmp_path, f"{header}\n{header}\n")
    (case,) = draft.cases
    assert (list(case.vars), case.expected) == (shown, expected)
    withheld = [name for name in names if any(f"`{name}` may hold what" in note.message for note in draft.notes)]
    assert withheld == [name for name in names if name not in {expected, *shown}]
    mapped = table(tmp_path, f"{header}\n{header}\n", columns={"a": names[0], "b": names[1]})
    assert list(mapped.cases[0].vars) == ["a", "b"]


@pytest.mark.parametrize("name", ["ticket_id", "caseId", "Case ID", "Nr.", "#", "Unnamed: 0", "UUID"])
def test_a_column_that_numbers_the_rows_holds_their_ids(tmp_path, name):
    draft = table(tmp_path, f"{name},q\n7,x\n8,y\n")
    assert [(case.id, case.vars) for case in draft.cases] == [("7", {"q": "x"}), ("8", {"q": "y"})]
    assert table(tmp_path, f"{name},q\n7,x\n7,y\n").cases[0].id is None
    assert table(tmp_path, f"{name},expected\n7,x\n8,y\n").cases[0].id is None


def test_a_number_is_no_id_by_its_name(tmp_path):
    assert table(tmp_path, "paid,android,q\n1,2,x\n").cases[0].id is None


@pytest.mark.parametrize("row", ['{"q": "x", "data_policy": "local"}', '{"vars": {"q": "x"}, "data_policy": "local"}'])
def test_data_that_must_stay_here_stay_here(tmp_path, row):
    draft = table(tmp_path, row, "t.jsonl")
    suite = load_suite(write_suite(draft, tmp_path / "out").suite)
    assert [(case.vars, case.data_policy) for case in suite.cases] == [({"q": "x"}, "local")]
    draft = table(tmp_path, row.replace("local", "eu-only"), "u.jsonl")
    assert draft.cases[0].data_policy == "local"
    assert sum("data_policy" in note.message for note in draft.notes) == 1


def test_names_of_columns_become_names_that_templates_can_use(tmp_path):
    draft = table(tmp_path, "Text of mail,2nd,for,true,text_of_mail,a{{b\nx,y,z,t,u,v\n")
    names = list(draft.cases[0].vars)
    assert names == ["text_of_mail", "column_2nd", "for_", "true_", "text_of_mail_2", "a_b"]
    assert write_suite(draft, tmp_path / "out").problems == ()


def test_ids_are_taken_where_each_row_has_its_own(tmp_path):
    draft = table(tmp_path, "id,q\na,x\nb,y\n")
    assert [case.id for case in draft.cases] == ["a", "b"]
    draft = table(tmp_path, "id,q\na,x\na,y\n")
    assert [case.id for case in draft.cases] == [None, None]
    draft = table(tmp_path, "key,q\na,x\na,y\n,z\n", id="key")
    assert [case.id for case in draft.cases] == ["a", None, None]
    assert [(line, lost) for line, _, lost in notes(draft) if line] == [(3, False), (4, False)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("q,expected\nx,y\nz\nv,w\n", 3, "this row has 1 cells, the header 2"),
        ("q,expected\nx,y\n,z\n", 3, "there is no input in this row"),
        ("q,expected\nx,y\n" + "a,b\n" * 9 + "z,\n", 12, "`expected` says nothing of what is right"),
    ],
)
def test_rows_that_cannot_be_cases_are_lost_with_their_lines(tmp_path, text, line, words):
    draft = table(tmp_path, text, expected="expected")
    assert [(where, message) for where, message, lost in notes(draft) if lost] == [(line, words)]
    (share,) = draft.shares
    assert share.found == share.carried + 1


@pytest.mark.parametrize(("broken", "cases"), [('"z,w\n', 1), ('"z" w,v\n"a\nb",c\n', 2)])
def test_what_comes_before_and_after_a_broken_quote_is_kept(tmp_path, broken, cases):
    draft = table(tmp_path, f"q,expected\nx,y\n{broken}")
    assert len(draft.cases) == cases
    assert [line for line, _, lost in notes(draft) if lost] == [3]
    assert (draft.shares[0].found, draft.shares[0].carried) == (cases + 1, cases)


def test_lines_are_counted_from_the_start_of_the_file(tmp_path):
    draft = table(tmp_path, 'sep=;\nq;expected\n"x\ny";z\n\nonly\n')
    assert [case.vars["q"] for case in draft.cases] == ["x\ny"]
    assert [line for line, _, lost in notes(draft) if lost] == [6]


def test_separators_inside_quotes_separate_nothing(tmp_path):
    (case,) = table(tmp_path, '"q; a; b, c",expected\nx,y\n').cases
    assert (case.vars, case.expected) == ({"q_a_b_c": "x"}, "y")


def test_text_of_windows_is_told_by_its_line_and_remedy(tmp_path):
    with pytest.raises(ConfigError, match="neither UTF-8") as caught:
        table(tmp_path, "q,expected\nx,y\nfür,y\n".encode("cp1252"))
    assert (caught.value.where.line, "CSV UTF-8" in caught.value.remedy) == (3, True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("q;expected\nx,1;y\n", "t.csv"),
        ("q\texpected\nx,1\ty\n", "t.tsv"),
        ("q|expected\nx,1|y\n", "t.csv"),
        ('"q";"expected"\r\n"x,1";y\r\n;;\r\n'.replace(";;", ";"), "t.csv"),
        ("\ufeffsep=;\r\nq;expected\r\nx,1;y\r\n", "t.csv"),
        ('\ufeffq,expected\r\n"x,1",y\r\n', "t.csv"),
        ('q,expected\n"x,1",y\n'.encode("utf-16"), "t.csv"),
        ('{"q": "x,1", "expected": "y"}\n', "t.jsonl"),
        ('[{"q": "x,1", "expected": "y"}]', "t.json"),
        ('{"data": [{"q": "x,1", "expected": "y"}], "version": 1}', "t.json"),
        ('{"vars": {"q": "x,1"}, "expected": "y"}\n', "t.jsonl"),
    ],
)
def test_formats(tmp_path, text, name):
    (case,) = table(tmp_path, text, name).cases
    assert (case.vars, case.expected) == ({"q": "x,1"}, "y")


def test_a_dataset_of_the_hub(tmp_path, monkeypatch):
    from evalkit.errors import Location
    from evalkit.suite import tables
    from evalkit.suite.rows import Row

    def rows(url, where, *, named):
        assert named
        assert url == "hf://org/intents?split=test"
        yield Row({"q": "a", "label": "x"}, Location(f"{url} (row 1)"))
        yield ConfigError("a cell holds bytes", where=Location(f"{url} (row 2)"))

    monkeypatch.setattr(tables, "hub_rows", rows)
    draft = read("hf://org/intents?split=test", AS_THEY_ARE)
    assert (draft.name, len(draft.cases)) == ("intents", 1)
    assert [str(note.where) for note in draft.notes if note.lost] == ["hf://org/intents?split=test (row 2)"]


def test_parquet(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"q": ["a", "b"], "label": ["x", None], "when": pandas.to_datetime(["2024-01-01"] * 2)})
    frame.to_parquet(tmp_path / "t.parquet")
    draft = read(tmp_path / "t.parquet", ImportOptions(expected="label"))
    (case,) = draft.cases
    assert (case.vars, case.expected) == ({"q": "a", "when": "2024-01-01T00:00:00"}, "x")
    assert [note.lost for note in draft.notes] == [True]


def test_rows_that_are_cases_already_are_taken_over_whole(tmp_path):
    rows = [
        {"id": "a", "vars": {"m": "x", "h": [{"user": "y"}]}, "expected": "1", "tags": ["t"], "scorers": ["exact"]},
        {"id": "b", "vars": {"m": "z"}, "expected": ["2"], "scorers": [{"contains": "q"}], "turns": [{"user": "w"}]},
    ]
    draft = table(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "t.jsonl")
    first, second = draft.cases
    assert (first.id, first.vars, first.tags, first.scorers) == ("a", rows[0]["vars"], ("t",), ("exact",))
    assert (second.vars, second.turns) == ({"m": "z", "h": ""}, ({"user": "w"},))
    assert draft.scorers == ()


def test_a_time_is_neither_var_nor_tag_nor_shown(tmp_path):
    text = "id,day,q,tags,label\n1,2026-05-01,where,web,a\n2,,why,,b\n3,never,,app,b\n"
    draft = table(tmp_path, text, time="day")
    assert [(str(case.at.where), case.at.value) for case in draft.cases] == [
        (f"{tmp_path / 't.csv'}:2", "2026-05-01"),
        (f"{tmp_path / 't.csv'}:3", ""),
    ]
    assert [(case.vars, case.tags) for case in draft.cases] == [({"q": "where"}, ("web",)), ({"q": "why"}, ())]
    assert draft.prompts[0].messages == ({"user": "{{ q }}"},)
    assert not any("day" in message for _, message, _ in notes(draft))
    assert all(case.at is None for case in table(tmp_path, text).cases)
    with pytest.raises(ConfigError, match="did you mean"):
        table(tmp_path, text, time="dya")


def test_a_column_can_be_a_time_and_more(tmp_path):
    draft = table(tmp_path, "day,q\n2026-05-01,x\n", columns={"day": "day"}, tags=("day",), time="day")
    (case,) = draft.cases
    assert (case.vars, case.tags, case.at.value) == ({"day": "2026-05-01"}, ("2026-05-01",), "2026-05-01")
    assert draft.prompts[0].messages == ({"user": "{{ day }}"},)


def test_of_rows_that_are_cases_a_var_is_the_time(tmp_path):
    rows = [{"vars": {"m": "x", "at": 1777629600}}, {"vars": {"m": "y"}}]
    draft = table(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "t.jsonl", time="at")
    assert [(case.vars, case.at.where.line, case.at.value) for case in draft.cases] == [
        ({"m": "x"}, 1, 1777629600),
        ({"m": "y"}, 2, None),
    ]
    assert draft.prompts[0].messages == ({"user": "{{ m }}"},)


def test_braces_in_labels_and_columns_are_text(tmp_path):
    rows = "".join(f'{{"q {{{{": "x{n}", "c": "y", "label": "{{{{ a }}}}{n % 2}"}}\n' for n in range(8))
    draft = table(tmp_path, rows, "t.jsonl")
    assert write_suite(draft, tmp_path / "out").problems == ()


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "no row can be read"),
        ("q\n", {}, "no row can be read"),
        ("q,a\nx,y\n", {"expected": "b"}, "unknown column"),
        ("q,a\nx,y\n", {"columns": {"my var": "q"}}, "cannot be the name of a var"),
        ("a\n", {}, "no row can be read"),
        ("id,x\na,b\n", {"id": "id", "tags": ("x",)}, "no column is left"),
    ],
)
def test_what_cannot_be_read_at_all(tmp_path, text, options, words):
    with pytest.raises(ConfigError, match=words):
        table(tmp_path, text, **options)


def test_unknown_endings(tmp_path):
    with pytest.raises(ConfigError, match=r"not read from \.xlsx|no row"):
        table(tmp_path, "x", "t.xlsx")


def test_limit(tmp_path):
    assert len(table(tmp_path, INTENTS, limit=3).cases) == 3


def test_inputs_are_texts_with_their_rows(tmp_path):
    (tmp_path / "t.csv").write_text("q,context,expected,tags\nwhere?,here,x,a;b\n")
    ((text, row),) = inputs_of(read(tmp_path / "t.csv", AS_THEY_ARE))
    assert text == "where?\nhere"
    assert row == {"vars": {"q": "where?", "context": "here"}, "expected": "x", "tags": ["a", "b"]}


def test_a_published_table(shared):
    draft = read(shared / "intents" / "banking77.csv", AS_THEY_ARE)
    assert len(draft.cases) == 770
    assert len(draft.scorers[0]["label"]["labels"]) == 77


def _big(path, rows):
    chosen = random.Random(0)
    words = ("card", "refund", "please", "where", "is", "my", "order", "late", "crash", "é")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "message", "lang", "label"])
        for number in range(rows):
            message = " ".join(chosen.choices(words, k=20))
            writer.writerow([number, message, chosen.choice(["en", "de"]), chosen.choice(["billing", "bug", "other"])])


def test_cases_of_a_large_table_are_kept_on_disk(tmp_path):
    _big(tmp_path / "t.csv", 3_000)
    draft = read(tmp_path / "t.csv", AS_THEY_ARE)
    assert (draft.cases[2_999].id, draft.cases[-1].id, len(draft.cases[:2])) == ("2999", "2999", 2)
    written = write_suite(draft, tmp_path / "out")
    assert (written.cases, written.problems) == (3_000, ())


@pytest.mark.slow
def test_a_hundred_thousand_rows(tmp_path):
    _big(tmp_path / "t.csv", 100_000)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    written = write_suite(read(tmp_path / "t.csv", AS_THEY_ARE), tmp_path / "out")
    took = time.process_time() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"100,000 rows: {took:.1f} s of CPU, {grown:.0f} MB more")  # noqa: T201
    assert written.cases == 100_000
    assert took < 15  # 8 s where nothing else runs
    assert grown < 100


def _mutated(content, seed):
    chosen = random.Random(seed)
    raw = bytearray(content)
    for _ in range(chosen.randint(1, 8)):
        at = chosen.randrange(len(raw) or 1)
        match chosen.randrange(4):
            case 0:
                raw[at : at + chosen.randint(0, 20)] = b""
            case 1:
                raw[at:at] = chosen.choice(
                    [b"\x00", b'"', b"\xff", b"{" * 300, b"[", b"NaN", b"\n", b",,,", b"\\ud800"]
                )
            case 2 if raw:
                raw[at % len(raw)] = chosen.randrange(256)
            case _:
                del raw[at:]
    return bytes(raw)


SOUND = {
    "t.csv": INTENTS.encode(),
    "t.tsv": INTENTS.replace(",", "\t").encode(),
    "t.jsonl": b'{"q": "x", "expected": {"a": [1, 2.5, null]}}\n{"q": "y", "expected": "z", "tags": ["a"]}\n',
    "t.json": b'{"rows": [{"id": 1, "q": "x", "label": true}, {"id": 2, "q": ["y"], "label": false}]}',
    "own.jsonl": b'{"id": "a", "vars": {"q": "x"}, "tags": ["t"], "scorers": ["exact"], "turns": [{"user": "u"}]}\n',
}


@pytest.mark.parametrize("name", SOUND)
def test_damaged_tables_never_end_in_a_traceback(tmp_path, name):
    path = tmp_path / name
    for seed in range(30):
        path.write_bytes(_mutated(SOUND[name], seed))
        try:
            draft = read(path, AS_THEY_ARE)
            write_suite(draft, tmp_path / str(seed))
        except EvalkitError:
            continue
