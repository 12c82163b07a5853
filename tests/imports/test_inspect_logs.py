"""Inspect's logs become runs whose scores are theirs."""

from __future__ import annotations

import builtins
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from foreign import inspect_eval, inspect_header, inspect_json, inspect_sample, zstd_archive

from evalkit.analysis import analyse, load_run
from evalkit.errors import ConfigError
from evalkit.imports import inspect_files
from evalkit.imports.draft import DraftAnswer, DraftRun
from evalkit.imports.inspect_logs import read
from evalkit.imports.options import ImportOptions
from evalkit.imports.store import store
from evalkit.types import MISSING

LOGS = [
    "2025-02-11T15-18-04-05-00_popularity_mj7khqpMM4GBCfVQozKgzB.eval",
    "2025-05-12T20-28-13-04-00_popularity.json",
    "log_formats.eval",
    "log_formats.json",
    "log_read_sample.eval",
    "log_read_sample.json",
    "mmlu-summary-choices.eval",
]


def imported(tmp_path: Path, *samples: Any, options: ImportOptions = ImportOptions(), **header: Any) -> DraftRun:  # noqa: B008
    return read(inspect_json(tmp_path / "log.json", samples, inspect_header(**header)), options)


def only(tmp_path: Path, **more: Any) -> DraftAnswer:
    [answer] = imported(tmp_path, inspect_sample(**more)).answers
    return answer


@pytest.mark.parametrize("name", LOGS)
def test_the_scores_of_published_logs_are_their_own(shared: Path, tmp_path: Path, name: str) -> None:
    source = shared / "inspect_logs" / name
    if zipfile.is_zipfile(source):
        header = json.loads(zipfile.ZipFile(source).read("header.json"))
    else:
        header = json.loads(source.read_text())
    run = read(source, ImportOptions())
    assert not [note for note in run.notes if note.lost]
    summary = analyse(load_run(store(run, tmp_path)))
    means = {one.scorer: one.mean_value for one in summary.scorers}
    told = {one["name"]: one["metrics"]["accuracy"]["value"] for one in header["results"]["scores"]}
    assert means == pytest.approx(told)
    [figures] = summary.models
    assert figures.calls.rate == pytest.approx(next(iter(told.values())))
    assert figures.answers == header["results"]["completed_samples"]
    usage = header["stats"]["model_usage"][header["eval"]["model"]]
    assert (figures.used.input_tokens, figures.used.output_tokens) == (usage["input_tokens"], usage["output_tokens"])


@pytest.mark.parametrize("form", ["json", "deflated", "zstd"])
def test_every_form_of_a_log_reads_alike(tmp_path: Path, form: str) -> None:
    samples = [inspect_sample(name, epoch, "C" if epoch < 3 else "I") for epoch in (1, 2, 3) for name in ("a", "b")]
    header = inspect_header(epochs=3)
    path = tmp_path / ("log.json" if form == "json" else "log.eval")
    if form == "json":
        inspect_json(path, samples, header)
    else:
        inspect_eval(path, samples, header, zstd=form == "zstd")
    run = read(path, ImportOptions())
    assert (run.suite, run.trials, [case.id for case in run.cases]) == ("yes", 3, ["a", "b"])
    assert [(one.case_id, one.trial, one.passed) for one in run.answers] == [
        (name, epoch, epoch < 3) for epoch in (1, 2, 3) for name in ("a", "b")
    ]
    assert run.tool == "inspect_ai 0.3.100"
    assert run.created_at == "2025-07-05T13:59:48.000+00:00"
    assert run.notes == ()


def test_without_the_package_zstandard_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = inspect_eval(tmp_path / "log.eval", [inspect_sample()], zstd=True)
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "zstandard":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="packed by Zstandard") as caught:
        read(path, ImportOptions())
    assert caught.value.remedy == "pip install 'evalkit[import]'"


@pytest.mark.parametrize(
    ("value", "grade", "passed"),
    [
        ("C", 1.0, True),
        ("I", 0.0, False),
        ("P", 0.5, False),
        ("N", 0.0, False),
        (True, 1.0, True),
        (0, 0.0, False),
        (0.75, 0.75, True),
        (0.25, 0.25, False),
        ("0.75", 0.75, True),
        ("yes", 1.0, True),
        ("False", 0.0, False),
    ],
)
def test_scores_are_grades(tmp_path: Path, value: Any, grade: float, passed: bool) -> None:
    answer = only(tmp_path, value=value)
    assert (answer.value, answer.passed) == (grade, passed)


@pytest.mark.parametrize(("value", "lost"), [(7, True), ("maybe", True), (-1, True), ({}, False), (None, False)])
def test_what_is_no_grade_is_no_verdict(tmp_path: Path, value: Any, lost: bool) -> None:
    run = imported(tmp_path, inspect_sample(value=value), inspect_sample(2))
    first, _ = run.answers
    assert (first.passed, first.verdicts) == (None, ())
    assert any(note.lost for note in run.notes) is lost
    assert any("answers without a verdict: 1 of 2" in note.message for note in run.notes)


def test_the_first_scorer_decides_and_the_others_are_reported(tmp_path: Path) -> None:
    scores = {"length": {"value": 0.25}, "match": {"value": "C"}, "parts": {"value": {"form": 1, "tone": 0.5}}}
    run = imported(tmp_path, inspect_sample(scores=scores))
    [answer] = run.answers
    told = [(one.scorer, one.score.value, one.weight) for one in answer.verdicts]
    assert told == [("match", 1.0, 1.0), ("length", 0.25, 0.0), ("parts.form", 1.0, 0.0), ("parts.tone", 0.5, 0.0)]
    assert (answer.passed, run.threshold) == (True, None)
    assert [(note.kind, note.lost) for note in run.notes] == [("scorer", False)]


@pytest.mark.parametrize(("wanted", "value", "passed"), [("parts.tone", 0.5, True), ("length", 0.25, False)])
def test_another_scorer_can_decide(tmp_path: Path, wanted: str, value: float, passed: bool) -> None:
    scores = {"match": {"value": "C"}, "length": {"value": 0.25}, "parts": {"value": {"form": 1, "tone": 0.5}}}
    run = imported(tmp_path, inspect_sample(scores=scores), options=ImportOptions(scorer=wanted))
    [answer] = run.answers
    assert (answer.value, answer.passed) == (value, passed)
    assert run.threshold == 0.5


def test_a_scorer_that_is_not_there_cannot_decide(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown scorer"):
        imported(tmp_path, inspect_sample(), options=ImportOptions(scorer="x"))


def test_errors_are_errors_and_limits_are_told(tmp_path: Path) -> None:
    run = imported(
        tmp_path,
        inspect_sample("a", error={"message": "APITimeoutError('Request timed out.')", "traceback": "..."}),
        inspect_sample("b", limit={"type": "token", "limit": 100}),
        status="error",
    )
    first, second = run.answers
    assert (str(first.error.kind) if first.error else "", second.passed) == ("timeout", True)
    assert [note.message for note in run.notes] == [
        "its status is 'error': what was not finished is not in it",
        "samples that the token limit ended, and that were judged as they stood: 1",
    ]


def test_what_was_not_run_is_missing(tmp_path: Path) -> None:
    run = imported(tmp_path, inspect_sample("a"), inspect_sample("b"), epochs=2)
    calls = analyse(load_run(store(run, tmp_path / "results"))).models[0].calls
    assert (calls.passed, calls.missing) == (2, 2)


EVENT = {"event": "model", "model": "acme/tiny", "output": {"time": 0.25}, "timestamp": "2025-07-05T09:59:50+00:00"}


@pytest.mark.parametrize(
    ("more", "latency_ms"),
    [
        ({}, 500),
        ({"events": [EVENT, EVENT]}, 500),  # an agent's two calls
        ({"events": [EVENT, EVENT | {"role": "grader"}, EVENT | {"model": "acme/judge"}]}, 250),
        ({"events": [EVENT, EVENT | {"error": "503"}]}, 250),
        ({"events": [EVENT | {"cache": "read"}]}, None),
        ({"transcript": {"events": [EVENT]}}, 250),
        ({"events": [{"event": "model", "model": "acme/tiny"}] * 2, "working_time": 3}, 3000),
        ({"output": {}, "working_time": 2, "total_time": 9}, 2000),
        ({"output": {}, "total_time": 9}, None),
    ],
)
def test_the_time_is_that_of_the_model(tmp_path: Path, more: dict[str, Any], latency_ms: float | None) -> None:
    assert only(tmp_path, **more).latency_ms == latency_ms


@pytest.mark.parametrize(
    ("used", "sent", "cached"),
    [
        ({"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}, 10, None),
        ({"input_tokens": 10, "output_tokens": 2, "total_tokens": 12, "input_tokens_cache_read": 4}, 10, 4),
        ({"input_tokens": 10, "output_tokens": 2, "total_tokens": 16, "input_tokens_cache_read": 4}, 14, 4),
        ({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_tokens_cache_read": 9}, 12, 9),
    ],
)
def test_tokens_are_the_models_own_and_hold_those_of_the_cache(
    tmp_path: Path, used: dict[str, int], sent: int, cached: int | None
) -> None:
    usage = {"acme/tiny": used, "acme/judge": {"input_tokens": 999, "output_tokens": 999}}
    answer = only(tmp_path, model_usage=usage)
    assert (answer.usage.input, answer.usage.cached_input) == (sent, cached)


def test_a_case_keeps_what_was_asked(tmp_path: Path) -> None:
    told = inspect_sample(
        "m",
        input=[
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "attachment://x"}, {"type": "image", "image": "..."}],
            },
        ],
        attachments={"x": "What is this?"},
        choices=["a cat", "a dog"],
        target=["A"],
        metadata={"kind": "picture", "none": None},
    )
    run = imported(tmp_path, told, inspect_sample(2, target=""), options=ImportOptions(tags=("kind", "none")))
    first, second = run.cases
    assert first.vars["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?[image]"},
    ]
    assert (first.expected, first.tags, first.vars["choices"]) == ("A", ("picture",), ["a cat", "a dog"])
    assert second.expected is MISSING


def test_a_model_says_how_it_was_asked_and_who_else_took_part(tmp_path: Path) -> None:
    header = inspect_header(plan={"steps": [{"solver": "system_message", "params": {"template": "Be brief."}}],
                                  "config": {"temperature": 0.5, "max_connections": 10}})  # fmt: skip
    header["eval"] |= {
        "model_roles": {"grader": {"model": "acme/judge"}},
        "model_base_url": "http://localhost:1/v1",
        "model_generate_config": {"max_tokens": 5, "seed": None},
    }
    run = read(inspect_json(tmp_path / "log.json", [inspect_sample()], header), ImportOptions())
    [model], [prompt] = run.models, run.prompts
    assert (model.name, model.provider, model.model) == ("acme/tiny", "acme", "tiny")
    assert model.params == {"temperature": 0.5, "max_tokens": 5}
    assert (model.base_url, model.notes) == ("http://localhost:1/v1", ("grader: acme/judge",))
    assert prompt.template == (("system", "Be brief."), ("user", "{{ input }}"))
    assert next(iter(run.answers)).served_model == "tiny-1"


def test_a_folder_of_logs_is_one_run(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    inspect_json(folder / "1.json", [inspect_sample("a")], inspect_header("acme/one"))
    inspect_eval(folder / "2.eval", [inspect_sample("a", value="I")], inspect_header("acme/two"), zstd=False)
    inspect_json(folder / "3.json", [inspect_sample("a"), inspect_sample("b")], inspect_header("acme/one"))
    (folder / "logs.json").write_text('{"not": "a log"}')
    (folder / "torn.eval").write_bytes(b"PK\x03\x04 torn")
    (folder / "outside.json").symlink_to(inspect_json(tmp_path / "outside.json", [inspect_sample("z")]))
    run = read(folder, ImportOptions())
    assert [model.name for model in run.models] == ["acme/one", "acme/two", "acme/one-2"]
    assert [case.id for case in run.cases] == ["a", "b"]
    assert [file.name for file in run.files] == ["1.json", "2.eval", "3.json"]
    assert [note.where.path.name for note in run.notes if note.lost] == ["torn.eval"]


def test_tasks_of_a_folder_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for task in ("one", "two"):
        header = inspect_header()
        header["eval"]["task"] = task
        inspect_json(folder / f"{task}.json", [inspect_sample(1)], header)
    run = read(folder, ImportOptions())
    assert [(case.id, case.tags) for case in run.cases] == [("one/1", ("one",)), ("two/1", ("two",))]
    assert len(run.models) == 1
    assert not run.notes


def test_a_sample_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    members = {
        "header.json": json.dumps(inspect_header()).encode(),
        "samples/1_epoch_1.json": json.dumps(inspect_sample()).encode(),
        "samples/2_epoch_1.json": b"{torn",
        "samples/3_epoch_1.json": json.dumps(inspect_sample(3, epoch=10**9)).encode(),
        "samples/4_epoch_1.json": b"[]",
        "samples/5_epoch_1.json": json.dumps(inspect_sample(None)).encode(),  # type: ignore[arg-type]
        "samples/6_epoch_1.json": b"",
    }
    path = tmp_path / "log.eval"
    path.write_bytes(zstd_archive(members))
    run = read(path, ImportOptions())
    assert len(list(run.answers)) == 1
    assert [str(note.where.path).partition(" ")[2] for note in run.notes] == [
        f"(samples/{number}_epoch_1.json)" for number in (2, 3, 4, 5, 6)
    ]
    assert all(note.lost for note in run.notes)


@pytest.mark.parametrize("zstd", [False, True])
def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zstd: bool) -> None:
    monkeypatch.setattr(inspect_files, "MAX_MEMBER", 100_000)
    samples = [inspect_sample(), inspect_sample(2, filler="x" * 1_000_000)]
    path = inspect_eval(tmp_path / "log.eval", samples, zstd=zstd)
    run = read(path, ImportOptions())
    assert [case.id for case in run.cases] == ["1"]
    assert ["is larger than" in note.message for note in run.notes] == [True]


def test_a_log_begun_and_not_ended_has_what_was_done(tmp_path: Path) -> None:
    members = {
        "_journal/start.json": json.dumps(inspect_header()).encode(),
        "samples/1_epoch_1.json": json.dumps(inspect_sample()).encode(),
    }
    path = tmp_path / "log.eval"
    path.write_bytes(zstd_archive(members))
    assert len(list(read(path, ImportOptions()).answers)) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{}", "is not a log of Inspect"),
        (b"[1]", "is not a log of Inspect"),
        (b"nothing", "not JSON"),
        (b"PK\x03\x04", "no whole .eval file"),
        (b'{"eval": {}, "samples": null}', "holds no sample"),
        (b'{"eval": {}, "samples": [3]}', "holds no sample that can be read: .*must be a mapping"),
    ],
)
def test_what_is_no_log_is_refused_with_its_reason(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "log.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        read(path, ImportOptions())


def test_a_damaged_log_in_a_folder_is_told_and_other_json_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    whole = inspect_json(folder / "1.json", [inspect_sample("a")])
    (folder / "2.json").write_bytes(whole.read_bytes()[:-9])
    (folder / "settings.json").write_text("[]")
    assert [note.where.path.name for note in read(folder, ImportOptions()).notes if note.lost] == ["2.json"]


def test_no_key_is_copied(tmp_path: Path) -> None:
    header = inspect_header(plan={"config": {"temperature": 0.5, "extra_headers": {"authorization": "sk-of-nobody"}}})
    header["eval"] |= {
        "model_base_url": "https://me:sk-of-nobody@localhost/v1",
        "model_args": {"api_key": "sk-of-nobody"},
    }
    run = read(inspect_json(tmp_path / "log.json", [inspect_sample()], header), ImportOptions())
    folder = store(run, tmp_path / "results")
    assert run.models[0].params == {"temperature": 0.5}
    assert not any("sk-of-nobody" in path.read_text() for path in folder.iterdir())
