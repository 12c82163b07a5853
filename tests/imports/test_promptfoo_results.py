"""promptfoo's results become runs whose counts are its own."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from foreign import promptfoo_export, promptfoo_row

from evalkit.analysis import analyse, load_run
from evalkit.errors import ConfigError
from evalkit.imports.draft import DraftAnswer, DraftRun
from evalkit.imports.options import ImportOptions
from evalkit.imports.promptfoo_results import read
from evalkit.imports.store import store
from evalkit.types import MISSING


def answers(run: DraftRun) -> list[DraftAnswer]:
    return list(run.answers)


def imported(tmp_path: Path, *rows: Any, options: ImportOptions = ImportOptions(), **more: Any) -> DraftRun:  # noqa: B008
    return read(promptfoo_export(tmp_path / "out.json", rows, **more), options)


def only(tmp_path: Path, **more: Any) -> DraftAnswer:
    [answer] = answers(imported(tmp_path, promptfoo_row(**more)))
    return answer


@pytest.mark.parametrize("name", ["sample-export.json", "v4evalToShare.json"])
def test_the_counts_of_published_exports_are_their_own(shared: Path, tmp_path: Path, name: str) -> None:
    source = shared / "promptfoo_results" / name
    data = json.loads(source.read_text())
    shared_eval = isinstance(data["results"], list)
    prompts = data["prompts"] if shared_eval else data["results"]["prompts"]
    run = read(source, ImportOptions())
    assert not [note for note in run.notes if note.lost]
    summaries = analyse(load_run(store(run, tmp_path))).models
    asked = {model.name: f"{model.provider}:{model.model}" for model in run.models}
    templates = {prompt.name: re.sub(r"\{\{ (\w+) \}\}", r"{{\1}}", prompt.template[0][1]) for prompt in run.prompts}
    for prompt in prompts:
        wanted = (prompt["provider"], prompt["raw"])
        [figures] = [one for one in summaries if (asked[one.model], templates[one.prompt]) == wanted]
        metrics, calls = prompt["metrics"], figures.calls
        counts = (metrics["testPassCount"], metrics["testFailCount"], metrics.get("testErrorCount", 0))
        assert (calls.passed, calls.failed, calls.errors) == counts
        assert figures.score is not None
        assert figures.score.value * figures.cases == pytest.approx(metrics["score"])
        assert figures.used.cost_usd == pytest.approx(metrics["cost"])
    stats = data["results"].get("stats") if not shared_eval else None
    if stats:
        passed, failed = sum(one.calls.passed for one in summaries), sum(one.calls.failed for one in summaries)
        assert (passed, failed) == (stats["successes"], stats["failures"])


def test_an_answer_comes_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    answer = only(tmp_path, response={
        "output": {"a": 1},
        "finishReason": "max_tokens",
        "tokenUsage": {"prompt": 7, "completion": 5, "completionDetails": {"reasoning": 2, "cacheReadInputTokens": 3}},
        "cost": 0.125,
    })  # fmt: skip
    assert answer.output == '{"a": 1}'
    assert answer.finish_reason == "length"
    assert (answer.usage.input, answer.usage.output, answer.usage.reasoning, answer.usage.cached_input) == (7, 5, 2, 3)
    assert (answer.latency_ms, answer.cost_usd, answer.passed, answer.value) == (100, 0.125, True, 1.0)


def test_assertions_are_verdicts_with_their_names_and_weights(tmp_path: Path) -> None:
    parts = [
        {"pass": True, "score": 0.8, "reason": "near", "assertion": {"type": "similar", "weight": 2}},
        {"pass": False, "score": 0, "reason": "no", "assertion": {"type": "equals", "metric": "Tone", "weight": 0}},
        {"pass": True, "score": 1, "assertion": None},
        {"score": 1},
        "nonsense",
    ]
    run = imported(tmp_path, promptfoo_row(gradingResult={"pass": True, "score": 0.5, "componentResults": parts}))
    [answer] = answers(run)
    told = [(one.scorer, one.score.value, one.score.passed, one.weight, one.score.reason) for one in answer.verdicts]
    assert told == [
        ("similar", 0.8, True, 2.0, "near"),
        ("Tone", 0.0, False, 0.0, "no"),
        ("assertion", 1.0, True, 1.0, ""),
    ]
    assert [note.kind for note in run.notes] == ["assertion", "assertion"]


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"failureReason": 1, "success": False, "error": "Expected 3"}, "failed"),
        ({"failureReason": 2, "success": False, "error": "429 Too many requests"}, "rate_limit"),
        # Version 2 says why a row failed in `error` as well; only one without a verdict is an error.
        ({"failureReason": None, "success": False, "error": "Expected 3"}, "failed"),
        ({"failureReason": None, "success": False, "error": "timed out", "gradingResult": None}, "timeout"),
        ({"failureReason": None, "success": False, "response": {"error": "boom"}}, "internal"),
        ({"failureReason": None, "success": True, "gradingResult": None}, "passed"),
        ({"failureReason": 0, "success": None, "gradingResult": {"pass": True}}, "passed"),
    ],
)
def test_errors_are_told_from_failures(tmp_path: Path, more: dict[str, Any], outcome: str) -> None:
    answer = only(tmp_path, **more)
    got = str(answer.error.kind) if answer.error else "passed" if answer.passed else "failed"
    assert got == outcome


def test_what_the_cache_answered_has_no_latency_and_no_made_up_tokens(tmp_path: Path) -> None:
    cached = {"output": "x", "cached": True, "tokenUsage": {"cached": 19, "total": 19}, "cost": 0.5}
    answer = only(tmp_path, response=cached, latencyMs=3)
    assert answer.latency_ms is None
    assert (answer.usage.input, answer.usage.output) == (None, None)
    assert answer.cost_usd == 0.5


@pytest.mark.parametrize(
    ("answered", "row", "cost"), [(None, 0, None), (0, 0, 0), (None, 0.5, 0.5), (-1, 0, None), (1e308, 0, None)]
)
def test_a_cost_that_nobody_named_is_unknown(tmp_path: Path, answered: Any, row: float, cost: float | None) -> None:
    assert only(tmp_path, response={"output": "x", "cost": answered}, cost=row).cost_usd == cost


def test_version_2_has_no_numbers(tmp_path: Path) -> None:
    rows = []
    for test in range(2):
        for prompt in range(2):
            row = promptfoo_row(test, prompt, passed=prompt == 0)
            del row["testIdx"], row["promptIdx"], row["failureReason"], row["testCase"]
            rows.append(row | {"prompt": {"raw": f"Say {test}", "display": "Say {{n}}"}})
    head = {"prompts": [{"raw": "Say {{n}}", "display": "Say {{n}}", "provider": "acme:model-0"}], "vars": ["n"]}
    stats = {"successes": 2, "failures": 2, "tokenUsage": {"total": 20}}
    inner = {"version": 2, "results": rows, "stats": stats, "table": {"head": head, "body": []}}
    path = tmp_path / "v2.json"
    path.write_text(json.dumps({"results": inner, "config": {"description": "Old ones"}, "shareableUrl": None}))
    run = read(path, ImportOptions())
    assert (run.suite, run.notes, len(run.cases)) == ("old-ones", (), 2)
    assert [model.name for model in run.models] == ["acme:model-0", "acme:model-1"]
    assert [prompt.template for prompt in run.prompts] == [(("user", "Say {{n}}"),)]
    assert Counter(answer.passed for answer in run.answers) == {True: 2, False: 2}


def test_lines_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    lines = [json.dumps(promptfoo_row(test, passed=test > 0)) for test in range(3)]
    path.write_text("\n".join([lines[0], "{torn", "", lines[1], "[]", lines[2]]))
    run = read(path, ImportOptions())
    assert [answer.passed for answer in run.answers] == [False, True, True]
    assert [(note.where.line, note.lost) for note in run.notes] == [(2, True), (5, True)]
    assert run.shares[0].found == 5
    assert run.shares[0].carried == 3


def test_cases_keep_their_descriptions_as_ids_and_tests_that_are_alike_stay_two(tmp_path: Path) -> None:
    def row(test: int, **case: Any) -> dict[str, Any]:
        return promptfoo_row(test, vars={"n": 1}, testCase={"vars": {"n": 1}, **case})

    run = imported(
        tmp_path,
        row(0, description="greets: politely", metadata={"tags": ["hello", "hello"]}),
        row(1, description="greets: politely"),
        row(2, description="Row #3"),
        row(3),
        row(4, **{"assert": [{"type": "equals", "value": "one"}]}),
        row(5, **{"assert": [{"type": "equals", "value": "{{n}}"}]}),
    )
    ids = [case.id for case in run.cases]
    assert ids[:2] == ["greets:-politely", "greets:-politely-2"]
    assert len(set(ids)) == 6
    assert all(name.startswith("case-") for name in ids[2:])
    assert run.cases[0].tags == ("hello",)
    assert [case.expected for case in run.cases[3:]] == [MISSING, "one", "1"]
    assert len(answers(run)) == 6


@pytest.mark.parametrize("told", [{"config": {"evaluateOptions": {"repeat": 3}}}, {}])
def test_repetitions_are_trials(tmp_path: Path, told: dict[str, Any]) -> None:
    rows = [
        promptfoo_row(test, prompt, vars={"n": test // 3}, testCase={"vars": {"n": test // 3}})
        for test in range(6)
        for prompt in range(2)
    ]
    run = imported(tmp_path, *rows, **told)
    assert (run.trials, len(run.cases)) == (3, 2)
    assert Counter((one.model, one.trial) for one in run.answers) == {
        (f"acme:model-{prompt}", trial): 2 for prompt in range(2) for trial in (1, 2, 3)
    }
    assert [note.message for note in run.notes] == (
        [] if told else ["every test stands there 3 times: taken as that many trials of each"]
    )


def test_two_providers_of_one_name_are_two_models(tmp_path: Path) -> None:
    prompts = [{"raw": "Say {{n}}", "label": "Say {{n}}", "provider": "acme:model"} for _ in range(2)]
    rows = [promptfoo_row(0, prompt, provider="acme:model", passed=prompt == 1) for prompt in range(2)]
    path = tmp_path / "out.json"
    path.write_text(json.dumps({"results": rows, "prompts": prompts}))
    run = read(path, ImportOptions())
    assert [(one.model, one.passed) for one in run.answers] == [("acme:model", False), ("acme:model-2", True)]


def test_a_prompt_that_is_told_only_as_it_was_sent_is_one(tmp_path: Path) -> None:
    rows = [promptfoo_row(test, promptIdx=None) | {"prompt": {"raw": f"Say {test}"}} for test in range(3)]
    path = tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = read(path, ImportOptions())
    assert [(prompt.name, prompt.template) for prompt in run.prompts] == [("prompt-1", ())]
    assert (len(run.cases), run.notes) == (3, ())


def test_empty_cells_are_told_and_cost_nothing(tmp_path: Path) -> None:
    run = imported(tmp_path, promptfoo_row(0, 0), promptfoo_row(0, 1), promptfoo_row(1, 0))
    [note] = run.notes
    assert "no answer for 1 of 4" in note.message
    assert not note.lost
    calls = [one.calls for one in analyse(load_run(store(run, tmp_path / "results"))).models]
    assert [(one.passed, one.missing) for one in calls] == [(2, 0), (1, 1)]


def test_stats_that_are_not_those_of_the_rows_are_told(tmp_path: Path) -> None:
    path = promptfoo_export(tmp_path / "out.json", [promptfoo_row()])
    data = json.loads(path.read_text())
    data["results"]["stats"] = {"successes": 5, "failures": 0, "errors": 1}
    path.write_text(json.dumps(data))
    [note] = read(path, ImportOptions()).notes
    assert "its stats count 5 passed, 0 failed and 1 errors, its rows 1, 0 and 0" in note.message


def test_a_limit_and_names_for_what_has_none(tmp_path: Path) -> None:
    rows = [promptfoo_row(test, provider="", promptIdx=None) for test in range(4)]
    run = imported(tmp_path, *rows, options=ImportOptions(limit=2, models=("mine",), prompt="plain", name="Mine"))
    assert (len(run.cases), run.models[0].name, run.prompts[0].name, run.suite) == (2, "mine", "plain", "mine")
    assert not run.notes
    [note] = imported(tmp_path, *rows).notes
    assert (note.message, note.lost) == ("does not say which model answered", False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neither JSON nor a table"),
        ("{", "not JSON"),
        ("[" * 5000, "not JSON|nested"),
        ("[]", "has no `results`"),
        ('{"results": {"results": 3}}', "has no `results`"),
        ('{"results": []}', "holds no result"),
        ('{"results": [1, null, {"success": "yes"}]}', "holds no result"),
    ],
)
def test_what_is_no_export_is_refused_with_its_reason(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "out.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        read(path, ImportOptions())


def test_scores_beyond_one_are_brought_to_it(tmp_path: Path) -> None:
    run = imported(tmp_path, promptfoo_row(score=7), promptfoo_row(1, score=-2, passed=False))
    assert [answer.value for answer in run.answers] == [1.0, 0.0]
    assert [note.lost for note in run.notes] == [False]


TABLE = """Console output:

┌────────────┬────────────┬────────────┐
│ [acme:one] │ [acme:two] │ name       │
│  Greet {{n │  Greet {{n │            │
│ ame}}      │ ame}}      │            │
├────────────┼────────────┼────────────┤
│ [PASS] Hel │ [FAIL] no  │ Ann        │
│ lo, Ann    │ name       │            │
│            │ ---        │            │
│            │ Hello      │            │
├────────────┼────────────┼────────────┤
│ [PASS] Hi, │ [ERROR] 42 │ Bob        │
│  Bob       │ 9 Too many │            │
│            │  requests  │            │
└────────────┴────────────┴────────────┘
Evaluation complete: {
  "successes": 2,
  "failures": 1,
  "errors": 1
}
"""


def test_a_printed_table_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_text(TABLE)
    run = read(path, ImportOptions())
    assert not run.notes
    assert [case.vars for case in run.cases] == [{"name": "Ann"}, {"name": "Bob"}]
    assert [prompt.template for prompt in run.prompts] == [(("user", "Greet {{name}}"),)]
    told = [(one.model, one.output, one.passed, one.error and str(one.error.kind)) for one in run.answers]
    assert told == [
        ("acme:one", "Hello, Ann", True, None),
        ("acme:two", "Hello", False, None),
        ("acme:one", "Hi, Bob", True, None),
        ("acme:two", None, None, "rate_limit"),
    ]


@pytest.mark.parametrize(("failures", "lost"), [(0, 0), (1, 4)])
def test_a_table_without_marks_passed_if_its_counts_say_so(tmp_path: Path, failures: int, lost: int) -> None:
    text = re.sub(r"\[(PASS|FAIL|ERROR)\]", "[....]", TABLE).replace('"failures": 1', f'"failures": {failures}')
    path = tmp_path / "output.txt"
    path.write_text(text.replace('"errors": 1', '"errors": 0'))
    if lost:
        with pytest.raises(ConfigError, match="holds no result"):
            read(path, ImportOptions())
    else:
        assert [answer.passed for answer in read(path, ImportOptions()).answers] == [True] * 4


def test_the_counts_of_a_published_table_are_its_own(shared: Path, tmp_path: Path) -> None:
    run = read(shared / "promptfoo" / "assistant-cli" / "output.txt", ImportOptions(models=("openai:gpt-3.5-turbo",)))
    figures = analyse(load_run(store(run, tmp_path))).models
    assert [(one.model, one.calls.passed, one.calls.failed) for one in figures] == [("gpt-3.5-turbo", 10, 0)] * 2
    assert run.cases[0].vars == {
        "name": "Bob",
        "question": "Can you help me find a specific product on your website?",
    }


def test_a_table_of_uneven_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_text(TABLE.replace("│ lo, Ann    │ name       │            │", "│ lo, Ann    │"))
    with pytest.raises(ConfigError, match="another number of cells") as caught:
        read(path, ImportOptions())
    assert caught.value.where is not None
    assert caught.value.where.line == 9


def test_no_scorer_can_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tell themselves whether"):
        imported(tmp_path, promptfoo_row(), options=ImportOptions(scorer="cost"))
