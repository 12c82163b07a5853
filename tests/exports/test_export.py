"""What is refused, what is told, and what is never overwritten."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from evalkit.errors import ConfigError
from evalkit.exports import write
from evalkit.exports.export import export_to, source_of
from evalkit.exports.formats import FORMATS
from evalkit.exports.options import ExportOptions
from evalkit.files import WriteError
from evalkit.suite import load_suite


def cases(*more, **first):
    return [{"id": "a", "vars": {"text": "t"}, "expected": "yes"} | first, *more]


def told(done, *, lost):
    return [note.message for note in done.notes if note.lost is lost]


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_what_a_table_has_no_column_for_is_lost_and_named(name, suite_of, exported):
    suite = suite_of(
        [
            {"id": "a", "vars": {"text": "t"}, "expected": "x", "turns": [{"user": "u"}], "scorers": ["exact"]},
            {"id": "b", "vars": {"text": "t", "id": "7"}, "expected": "x", "turns": [{"user": "u"}]},
        ]
    )
    done = exported(suite, name)
    assert done.files == ()
    assert sorted(told(done, lost=True)) == [
        """a case's own scorers have no column (case "a")""",
        """no column can be called 'id': the var stands in the column var_id (case "b")""",
        """the turns of a conversation have no column (case "a" and 1 more)""",
    ]
    assert {note.where.line for note in done.notes if note.lost} == {1, 2}
    written = exported(suite, name, allow_partial=True)
    assert len(written.files) == 1
    assert written.lost == 3


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_vars_whose_names_will_not_do_take_no_others_column(name, suite_of, exported):
    given = {"text": "t", " a": "1", "a ": "2", "var_a": "3", "id": "4"}
    file = exported(suite_of(cases(vars=given)), name, allow_partial=True).files[0]
    table = pd.read_csv(file, dtype="string") if name == "csv" else pd.read_parquet(file)
    (row,) = table.drop(columns=["id", "expected"]).to_dict("records")
    assert row == {"text": "t", "var_a_2": "1", "var_a_3": "2", "var_a": "3", "var_id": "4"}


def test_values_that_csv_makes_texts_of_are_named(suite_of, exported):
    suite = suite_of(
        [
            {"id": "a", "vars": {"text": 1.5, "only": "x"}, "expected": "no", "tags": ["a"]},
            {"id": "b", "vars": {"text": None}},
            {"id": "c", "vars": {"text": [1]}, "expected": {"k": 1}, "data_policy": "local"},
        ],
        scorers=[{"length": {"min_chars": 0}}],
    )
    done = exported(suite, "csv")
    assert told(done, lost=True) == []
    assert told(done, lost=False) == [
        'the var text is a number, and becomes text (case "a")',
        'the var text is null, and becomes text (case "b")',
        'a case without the var only gets an empty one (case "b" and 1 more)',
        'a case that expects nothing gets an empty `expected` (case "b")',
        'the var text is a list, and becomes text (case "c")',
        '`expected` is a mapping, and becomes text (case "c")',
    ]
    assert done.files[0].read_text() == (
        'id,text,only,expected,tags,data_policy\na,1.5,x,no,a,\nb,,,,,\nc,[1],,"{""k"": 1}",,local\n'
    )


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("=cmd|' /C calc'!A0", True),
        ("@SUM(1)", True),
        ("-2+3", True),
        ("\t=1", True),
        ("-1.5e3", False),
        ("a=1", False),
    ],
)
def test_texts_that_a_spreadsheet_would_run_are_kept_and_told(text, formula, suite_of, exported):
    done = exported(suite_of(cases(vars={"text": text})), "csv")
    assert [note.kind for note in done.notes] == ["formula"] * formula
    assert text in done.files[0].read_text()


def test_a_tag_with_a_separator_is_lost_in_csv_and_kept_in_parquet(suite_of, exported):
    suite = suite_of(cases(tags=["a;b"]))
    assert exported(suite, "csv").files == ()
    assert exported(suite, "parquet").notes == []


def test_pictures_are_said_to_stay(suite_of, exported, tmp_path):
    picture = tmp_path / "suite0" / "p.png"
    picture.parent.mkdir()
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    picture.parent.rename(tmp_path / "kept")
    content = {
        "prompts": [{"name": "p", "messages": [{"user": [{"text": "?"}, {"image": "{{ text }}"}]}]}],
        "scorers": ["exact"],
        "cases": cases(vars={"text": "p.png"}),
    }
    (tmp_path / "kept" / "pictures.yaml").write_text(json.dumps(content))
    suite = load_suite(tmp_path / "kept" / "pictures.yaml")
    assert "pictures stay where they are" in told(exported(suite, "jsonl"), lost=False)[0]
    row = json.loads(exported(suite, "inspect").files[0].read_text())
    assert row["input"][0]["content"][1]["image"].startswith("data:image/png;base64,")
    assert "shows pictures" in told(exported(suite, "promptfoo"), lost=True)[0]


def test_what_is_there_is_never_overwritten(suite_of, tmp_path):
    suite = suite_of(cases())
    (tmp_path / "x.csv").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "promptfooconfig.yaml").symlink_to("nowhere")
    for out, name in (("x.csv", "csv"), ("folder", "promptfoo"), ("x.csv", "promptfoo"), ("folder", "jsonl")):
        with pytest.raises(ConfigError, match="there already"):
            export_to(suite, tmp_path / out, name, ExportOptions())
    assert (tmp_path / "x.csv").read_text() == "mine"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["promptfooconfig.yaml"]


def test_a_folder_may_hold_other_files(suite_of, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    done = export_to(suite_of(cases()), tmp_path / "folder", "promptfoo", ExportOptions())
    assert [path.name for path in done.files] == ["promptfooconfig.yaml", "p.json"]
    assert not list(tmp_path.glob(".*.part"))


def test_a_file_that_comes_while_writing_is_left_alone(tmp_path):
    def racing(raw):
        (tmp_path / "two").write_text("theirs")
        raw.write(b"ours")

    with pytest.raises(ConfigError, match="there already"):
        write.write_new({"one": ["1"], "two": racing}, tmp_path, lambda: True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two"]
    assert (tmp_path / "two").read_text() == "theirs"


def test_a_disk_that_is_full_leaves_nothing(tmp_path):
    def full(_raw):
        raise OSError(28, "No space left on device")

    with pytest.raises(WriteError, match="No space left"):
        write.write_new({"one": ["1"], "two": full}, tmp_path / "out", lambda: True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        (None, "x.txt", "cannot be told from the name 'x.txt'"),
        ("cvs", "x", "unknown format"),
        ("csv", "x", None),
        (None, "x.PARQUET", None),
    ],
)
def test_a_format_is_named_or_told_from_the_ending(name, file, words, suite_of, tmp_path):
    suite = suite_of(cases())
    if words is None:
        assert export_to(suite, tmp_path / file, name, ExportOptions()).files
        return
    with pytest.raises(ConfigError, match=words):
        export_to(suite, tmp_path / file, name, ExportOptions())


def test_a_source_is_a_suite_or_a_run(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        source_of("missing.yaml", tmp_path)
    with pytest.raises(ConfigError, match="no run 'missing'"):
        source_of("missing", tmp_path)


def test_every_format_has_a_maker():
    for formats in FORMATS.values():
        assert all(callable(one.load()) for one in formats.values())


TWO = [{"name": name, "template": name + " {{ text }}"} for name in ("one", "two")]


@pytest.mark.parametrize("name", ["inspect", "openai-evals"])
def test_of_several_prompts_one_is_chosen(name, suite_of, exported):
    suite = suite_of(cases(), prompts=TWO)
    with pytest.raises(ConfigError, match="the suite has 2 prompts") as error:
        exported(suite, name)
    assert error.value.remedy == "choose: --prompt one"
    with pytest.raises(ConfigError, match="unknown prompt"):
        exported(suite, name, prompt="onne")
    assert "two t" in exported(suite, name, prompt="two").files[-1].read_text()


def test_multiple_choice_questions_have_their_choices_in_inspect(suite_of, exported):
    choices = ["Bern", "Paris", "Rome"]
    suite = suite_of(
        [
            {"id": "index", "vars": {"text": "?", "choices": choices}, "expected": 1},
            {"id": "letter", "vars": {"text": "?", "choices": choices}, "expected": "C"},
        ],
        scorers=[{"choice": 3}],
    )
    rows = list(map(json.loads, exported(suite, "inspect").files[0].read_text().splitlines()))
    assert [(row["choices"], row["target"]) for row in rows] == [(choices, "B"), (choices, "C")]


@pytest.mark.parametrize(
    ("scorer", "kind", "lost"),
    [
        ("starts_with", "match:Match", []),
        ({"contains_any": {"ignore_case": True}}, "includes:Includes", []),
        ({"label": ["yes", "no"]}, "match:Match", ["scorer"]),
        ({"starts_with": {"ignore_case": True}}, "match:Match", ["scorer"]),
    ],
    ids=str,
)
def test_a_class_of_openais_evals_judges_alike_or_the_scorer_is_lost(scorer, kind, lost, suite_of, exported):
    done = exported(suite_of(cases(), scorers=[scorer]), "openai-evals", allow_partial=True)
    assert f"class: evals.elsuite.basic.{kind}\n" in done.files[0].read_text()
    assert [note.kind for note in done.notes if note.lost] == lost


def test_json_is_compared_as_json_by_openais_evals(suite_of, exported):
    suite = suite_of(cases(expected={"a": [1]}), scorers=[{"json_equal": {"strict": True}}])
    done = exported(suite, "openai-evals")
    assert json.loads(done.files[1].read_text())["ideal"] == '{"a": [1]}'
    assert "JsonMatch" in done.files[0].read_text()


def test_cases_of_a_suite_that_keeps_its_data_at_home_say_so_themselves(suite_of, exported):
    suite = suite_of(cases(), data_policy="local", vars={"shared": 1})
    for name in ("jsonl", "csv", "parquet"):
        done = exported(suite, name)
        assert b"data_policy" in done.files[0].read_bytes()
        assert told(done, lost=False) == ["vars that all cases share stay in the suite: shared"]
    for name in ("inspect", "openai-evals", "promptfoo"):
        refused = exported(suite, name)
        assert refused.files == ()
        assert "`data_policy: local`" in " ".join(told(refused, lost=True))
