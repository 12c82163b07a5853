from dataclasses import replace

import pytest

from evalkit.analysis.calibration.human_labels import LabelMatcher, PeopleSay, read_labels, votes
from evalkit.analysis.rows import CallRow
from evalkit.errors import ConfigError, ConfigErrors
from evalkit.types import Call, Case

CASES = ("c1", "c2", "c3")


def calls(models=("m",), prompts=("p",), trials=1):
    for model in models:
        for prompt in prompts:
            for trial in range(1, trials + 1):
                for case in CASES:
                    yield CallRow(Call(f"{model}{prompt}{trial}{case}", model, prompt, case, trial), Case(case, {}))


@pytest.fixture
def labels(tmp_path):
    def read(text, name="labels.csv", **options):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_labels(path, **options)

    return read


def matched(file, rows=None, unwanted=()):
    matcher = LabelMatcher(file)
    for row in rows or calls():
        matcher.add(row, wanted=row.call.model not in unwanted)
    return matcher.result()


@pytest.mark.parametrize("word", ["pass", "Passed", "YES", "true", "1", " 1.0 "])
def test_words_that_pass(labels, word):
    assert matched(labels(f"case_id,label\nc1,{word}\n")) == {"mp1c1": PeopleSay((True,))}


@pytest.mark.parametrize("word", ["fail", "Failed", "no", "FALSE", "0"])
def test_words_that_fail(labels, word):
    assert matched(labels(f"case_id,label\nc1,{word}\n")) == {"mp1c1": PeopleSay((False,))}


@pytest.mark.parametrize(
    ("label", "passed"), [("true", True), ("false", False), ("1", True), ("0", False), ('"no"', False)]
)
def test_json_lines_hold_labels_as_they_are(labels, label, passed):
    file = labels(f'{{"case_id": "c1", "label": {label}}}\n\n{{"case_id": "c2", "label": null}}\n', "l.jsonl")
    assert matched(file) == {"mp1c1": PeopleSay((passed,))}
    assert file.blank == 1


def test_scores_need_a_threshold(labels):
    with pytest.raises(ConfigError, match=r"labels\.csv:2: 0\.7 is a score") as refused:
        labels("case_id,label\nc1,0.7\n")
    assert "--threshold" in refused.value.remedy
    file = labels("case_id,label\nc1,0.7\nc2,0.69\nc3,pass\n", threshold=0.7)
    assert [row.passed for row in file.rows] == [True, False, True]


@pytest.mark.parametrize("label", ["maybe", "2", "-0.1", "nan", "1e999"])
def test_other_words_are_no_labels(labels, label):
    with pytest.raises(ConfigError, match=r"labels\.csv:3: .*no label"):
        labels(f"case_id,label\nc1,pass\nc2,{label}\n", threshold=0.5)


def test_every_bad_row_is_told_of_at_once(labels):
    with pytest.raises(ConfigErrors) as refused:
        labels("case_id,label\nc1,maybe\n,pass\nc2,pass,what\n")
    assert [error.where.line for error in refused.value.errors] == [2, 3, 4]
    assert "names no answer" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "labels.csv", "holds no row"),
        ("case_id,label\n", "labels.csv", "holds no row"),
        ("case_id,label\nc1,\nc2,\n", "labels.csv", "none of its 2 rows"),
        ("", "labels.jsonl", "holds no row"),
        ("case_id,verdict\nc1,pass\n", "labels.csv", "no column `label`"),
        ('{"case_id": "c1"}\n', "labels.jsonl", "no column `label`"),
        ("[1]\n", "labels.jsonl", "an object"),
        ('{"case_id": ["c1"], "label": 1}\n', "labels.jsonl", "neither text nor a number"),
        ("c1: pass\n", "labels.yaml", r"\.csv or \.jsonl"),
    ],
)
def test_files_without_labels_are_errors(labels, text, name, words):
    with pytest.raises(ConfigError, match=words):
        labels(text, name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_labels(tmp_path / "none.csv")


def test_names_that_the_run_does_not_have(labels):
    file = labels("case_id,model,label\nc9,m,pass\nc1,mm,pass\n")
    with pytest.raises(ConfigErrors) as refused:
        matched(file)
    first, second = refused.value.errors
    assert "labels.csv:2: unknown case_id" in str(first)
    assert "labels.csv:3: unknown model" in str(second)
    assert "did you mean `m`" in str(second)


def test_among_many_names_only_the_nearest_is_told(labels):
    rows = [
        replace(row, call=replace(row.call, case_id=f"case-{n}", call_id=str(n)))
        for n, row in enumerate([next(calls())] * 40)
    ]
    with pytest.raises(ConfigError, match="did you mean `case-3") as refused:
        matched(labels("case_id,label\ncase-3x,pass\n"), rows)
    assert refused.value.remedy == "take the names from the run's cases.csv"


def test_a_call_that_is_another_cases_is_no_call(labels):
    with pytest.raises(ConfigError, match='no call with call_id "mp1c1", case_id "c2"'):
        matched(labels("call_id,case_id,label\nmp1c1,c2,pass\n"))


def test_a_label_of_several_answers_says_which_columns_tell_them_apart(labels):
    rows = list(calls(models=("a", "b"), trials=2))
    with pytest.raises(ConfigError, match=r'labels\.csv:2: 2 answers have case_id "c1", trial "1"') as refused:
        matched(labels("case_id,trial,label\nc1,1,pass\n"), rows)
    assert "add the columns model," in refused.value.remedy
    assert matched(labels("case_id,model,trial,label\nc1,b,2,pass\n"), rows) == {"bp2c1": PeopleSay((True,))}
    assert matched(labels("call_id,label\nap2c3,0\n"), rows) == {"ap2c3": PeopleSay((False,))}


def test_labels_of_candidates_that_are_left_out_are_passed_over(labels):
    rows = list(calls(models=("a", "b")))
    file = labels("case_id,model,label\nc1,a,pass\nc1,b,fail\n")
    assert matched(file, rows, unwanted={"b"}) == {"ap1c1": PeopleSay((True,))}
    assert matched(labels("case_id,label\nc1,pass\n"), rows, unwanted={"b"}) == {"ap1c1": PeopleSay((True,))}


def test_a_label_given_twice_counts_once_unless_it_contradicts(labels):
    assert matched(labels("case_id,label\nc1,pass\nc1,yes\n")) == {"mp1c1": PeopleSay((True,))}
    with pytest.raises(ConfigError, match=r"labels\.csv:3: two rows say both .*line 2") as refused:
        matched(labels("case_id,label\nc1,pass\nc1,fail\n"))
    assert "`annotator`" in refused.value.remedy
    with pytest.raises(ConfigError, match='"ann" says both'):
        matched(labels("case_id,label,annotator\nc1,pass,ann\nc1,fail,ann\n"))


def test_most_of_several_people_decide(labels):
    file = labels("case_id,label,annotator\nc1,pass,a\nc1,fail,b\nc1,pass,c\nc2,pass,a\nc2,fail,b\nc3,fail,a\n")
    said = matched(file)
    assert [one.passed for one in said.values()] == [True, None, False]
    assert file.annotators == 3
    assert votes(said.values()) == [(2, 1), (1, 1)]
