"""What lm-eval logs becomes runs whose means are those of its metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foreign import lm_eval_choice, lm_eval_file, lm_eval_row

from evalkit.analysis import analyse, load_run
from evalkit.errors import ConfigError
from evalkit.imports.draft import DraftRun
from evalkit.imports.lm_eval import read
from evalkit.imports.options import ImportOptions
from evalkit.imports.store import store


def imported(tmp_path: Path, *rows: Any, options: ImportOptions = ImportOptions()) -> DraftRun:  # noqa: B008
    return read(lm_eval_file(tmp_path / "org__tiny", "sums", rows), options)


def test_a_file_is_a_task_of_one_model(tmp_path: Path) -> None:
    run = imported(tmp_path, lm_eval_row(1), lm_eval_row(2, right=False))
    assert (run.suite, run.models[0].name, run.prompts[0].name, run.tool) == ("sums", "org/tiny", "default", "lm-eval")
    assert run.created_at == "2025-01-02T03:04:05.678+00:00"
    assert [(case.id, case.vars, case.expected) for case in run.cases] == [
        ("1", {"question": "1+1?"}, "2"),
        ("2", {"question": "2+2?"}, "4"),
    ]
    assert [(one.output, one.passed) for one in run.answers] == [("It is 2.", True), ("It is 4.", False)]
    assert next(iter(run.answers)).verdicts[0].score.reason == "taken from it: 2"
    assert not run.notes
    figures = analyse(load_run(store(run, tmp_path / "results"))).models[0]
    assert (figures.calls.passed, figures.calls.failed, figures.latency.p50) == (1, 1, None)


def test_the_rows_of_several_filters_are_one_answer(tmp_path: Path) -> None:
    strict = [lm_eval_row(number, right=number > 0, filter="strict") for number in range(3)]
    flexible = [lm_eval_row(number, filter="flexible", filtered_resps=["9"]) for number in range(3)]
    run = imported(tmp_path, *strict, *flexible)
    assert [answer.passed for answer in run.answers] == [False, True, True]
    told = [(one.scorer, one.score.value, one.weight) for one in next(iter(run.answers)).verdicts]
    assert told == [("exact_match,strict", 0.0, 1.0), ("exact_match,flexible", 1.0, 0.0)]
    other = imported(tmp_path, *strict, *flexible, options=ImportOptions(scorer="exact_match,flexible"))
    assert all(answer.passed for answer in other.answers)
    with pytest.raises(ConfigError, match="unknown metric"):
        imported(tmp_path, *strict, options=ImportOptions(scorer="acc"))


def test_of_choices_the_likeliest_is_the_answer(tmp_path: Path) -> None:
    run = imported(tmp_path, lm_eval_choice(0, 1), lm_eval_choice(1, 2))
    assert [(one.output, one.passed, one.value) for one in run.answers] == [("no", True, 1.0), ("maybe", False, 0.0)]
    assert [case.expected for case in run.cases] == ["no", "no"]


@pytest.mark.parametrize(("greedy", "output"), [("True", "word"), (False, "")])
def test_of_one_text_it_counts_whether_the_model_would_say_it(tmp_path: Path, greedy: Any, output: str) -> None:
    row = lm_eval_row(arguments=[["The last", " word"]], resps=[[[-3.5, greedy]]], metrics=["acc"], acc=1)
    assert [one.output for one in imported(tmp_path, row).answers] == [output]


def test_what_was_asked_without_the_question_is_no_choice(tmp_path: Path) -> None:
    row = lm_eval_row(
        arguments=[["Q", " a"], ["Q", " b"], ["", " a"], ["", " b"]],
        resps=[[[-2.0, False]], [[-1.0, False]], [[-0.1, False]], [[-0.1, False]]],
    )
    assert [one.output for one in imported(tmp_path, row).answers] == ["b"]


def test_early_files_list_no_metrics(tmp_path: Path) -> None:
    row = lm_eval_row(acc=True, note="kept out")
    del row["metrics"], row["exact_match"], row["filter"]
    [answer] = imported(tmp_path, row).answers
    assert [(one.scorer, one.score.passed) for one in answer.verdicts] == [("acc", True)]


def test_a_metric_that_is_no_grade_gives_no_verdict(tmp_path: Path) -> None:
    rows = [lm_eval_row(0, metrics=["word_perplexity"], word_perplexity=[-31.5, 12]), lm_eval_row(1)]
    run = imported(tmp_path, *rows)
    assert [answer.passed for answer in run.answers] == [None, True]
    assert [note.lost for note in run.notes] == [True, False]


def test_grades_pass_from_the_middle_on(tmp_path: Path) -> None:
    run = imported(tmp_path, *(lm_eval_row(at, metrics=["f1"], f1=value) for at, value in enumerate((0.25, 0.5, 1))))
    assert [(one.value, one.passed) for one in run.answers] == [(0.25, False), (0.5, True), (1.0, True)]
    assert run.threshold == 0.5


def test_a_folder_holds_models_and_tasks_and_what_is_known_of_them(tmp_path: Path) -> None:
    date = "2025-01-02T03-04-05.678901"
    for model in ("one", "two"):
        folder = tmp_path / "out" / f"org__{model}"
        lm_eval_file(folder, "sums", [lm_eval_row(0, right=False)], "2024-12-31T00-00-00.000001")
        lm_eval_file(folder, "sums", [lm_eval_row(0), lm_eval_row(1)], date)
        lm_eval_file(folder, "choice", [lm_eval_choice(0, 1)], date)
    results = {
        "lm_eval_version": "0.4.9",
        "model_name": "org/one-hf",
        "config": {"model": "hf", "gen_kwargs": {"temperature": 0}},
        "n-shot": {"sums": 5, "choice": 5},
        "date": 1735787000.5,
    }
    (tmp_path / "out" / "org__one" / f"results_{date}.json").write_text(json.dumps(results))
    run = read(tmp_path / "out", ImportOptions())
    assert [case.id for case in run.cases] == ["choice/0", "sums/0", "sums/1"]
    assert [case.tags for case in run.cases] == [("choice",), ("sums",), ("sums",)]
    assert [(one.name, one.provider) for one in run.models] == [("org/one-hf", "hf"), ("org/two", "lm-eval")]
    assert run.models[0].params == {"temperature": 0}
    assert [prompt.name for prompt in run.prompts] == ["5-shot", "default"]
    assert (run.tool, run.suite) == ("lm-eval 0.4.9", "lm-eval")
    assert all(answer.passed for answer in run.answers)
    told = [note.message for note in run.notes if note.kind == "file"]
    assert told == ["the task was run again later: left out"]


def test_rows_that_cannot_be_read_cost_only_themselves(tmp_path: Path) -> None:
    no_id = lm_eval_row()
    del no_id["doc_id"]
    run = imported(tmp_path, "{torn", lm_eval_row(1), "3", no_id, lm_eval_row(1), lm_eval_row(2, resps=None))
    assert [case.id for case in run.cases] == ["1", "1-2", "2"]
    assert [note.where.line for note in run.notes if note.lost] == [1, 3, 4]


def test_a_limit_and_a_name(tmp_path: Path) -> None:
    options = ImportOptions(limit=2, name="Mine", models=("m",), prompt="plain", tags=("question",))
    run = imported(tmp_path, *map(lm_eval_row, range(5)), options=options)
    assert (len(run.cases), run.suite, run.models[0].name, run.prompts[0].name) == (2, "mine", "m", "plain")
    assert run.cases[0].tags == ("0+0?",)


@pytest.mark.parametrize("text", ["", "null\n", "{}\n{}\n", "\x00\x00"])
def test_what_holds_no_sample_is_refused(tmp_path: Path, text: str) -> None:
    path = lm_eval_file(tmp_path, "none", [])
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no sample"):
        read(path, ImportOptions())


def test_a_folder_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no file samples_\*\.jsonl"):
        read(tmp_path, ImportOptions())


def test_results_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = lm_eval_file(tmp_path / "org__tiny", "sums", [lm_eval_row(1)])
    (path.parent / "results_2025-01-02T03-04-05.678901.json").write_text('{"model_name": "gr')
    run = read(path.parent, ImportOptions())
    [note] = run.notes
    assert "not JSON" in note.message
    assert "called as its folder" in note.message
    assert (run.models[0].name, note.lost) == ("org/tiny", False)


def test_a_metric_of_which_less_is_better_is_no_grade(tmp_path: Path) -> None:
    row = lm_eval_row(1) | {"metrics": ["wer", "exact_match"], "wer": 1.0, "exact_match": 0.0}
    path = lm_eval_file(tmp_path / "org__tiny", "sums", [row])
    told = {"higher_is_better": {"sums": {"wer": False, "exact_match": True}}}
    (path.parent / "results_2025-01-02T03-04-05.678901.json").write_text(json.dumps(told))
    run = read(path, ImportOptions())
    [answer], [note] = run.answers, run.notes
    assert (answer.passed, [one.scorer for one in answer.verdicts]) == (False, ["exact_match"])
    assert "wer is better when lower" in note.message
