from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.gate.baseline import Baseline, as_kept, encode_baseline, flips, freeze, read_baseline
from evalkit.analysis.gate.measured import measure
from evalkit.errors import ConfigError
from evalkit.types import Usage


def baseline_of(folder: Path, verdicts: Mapping[Any, Any], **more: Any) -> Baseline:
    measured = measure(load_run(store_run(folder, verdicts, **more)))
    return freeze(measured, [one.candidate for one in measured.results.candidates], "1.0")


def through_the_file(baseline: Baseline, folder: Path) -> Baseline:
    (folder / "b.json").write_text(encode_baseline(baseline), encoding="utf-8")
    return read_baseline(folder / "b.json")


@pytest.mark.parametrize(
    ("verdicts", "trials", "texts"),
    [
        ({"b": True, "a": False}, 1, {"a": "0/1", "b": "1/1"}),
        ({"b": (True, False, True), "a": (False, None, None)}, 3, {"a": "0/1", "b": "2/3"}),
        ({"a": ("timeout", True), "b": (None, None)}, 2, {"a": "1/2, 1 error", "b": "0/0"}),
        ({"a": (0.25, 1.0), "b": (True, "timeout")}, 2, {"a": "1/2, score 0.625", "b": "1/2, score 0.5, 1 error"}),
        ({"a": ("timeout", "server")}, 2, {"a": "0/2, 2 errors"}),
    ],
)
def test_each_case_is_a_line_and_comes_back(
    verdicts: dict[str, Any], trials: int, texts: dict[str, str], tmp_path: Path
) -> None:
    baseline = baseline_of(tmp_path / "run", {"m": verdicts}, trials=trials)
    content = json.loads(encode_baseline(baseline))
    (frozen,) = content["candidates"]
    assert frozen["results"] == texts
    assert list(frozen["results"]) == sorted(verdicts) == list(content["cases"])
    assert through_the_file(baseline, tmp_path) == baseline


def test_the_file_is_the_same_whatever_the_order_of_the_cases_and_candidates(tmp_path: Path) -> None:
    one = {"a": True, "b": False}
    first = baseline_of(tmp_path / "1", {"m": one, "k": one})
    second = baseline_of(tmp_path / "2", {"k": dict(reversed(one.items())), "m": dict(reversed(one.items()))})
    assert encode_baseline(first) == encode_baseline(second)


def test_what_else_a_later_run_is_held_against_is_kept(tmp_path: Path) -> None:
    fields = {
        ("m", f"c{n}"): {
            "latency_ms": 100.0 * n,
            "cost_usd": 0.002,
            "served_model": "m-0613",
            "usage": Usage(10, output=5),
        }
        for n in range(1, 5)
    }
    verdicts = {"m": {"c1": True, "c2": True, "c3": False, "c4": True}}
    baseline = baseline_of(tmp_path / "run", verdicts, fields=fields, run_id="r1")
    content = json.loads(encode_baseline(baseline))
    (frozen,) = content.pop("candidates")
    frozen.pop("results")
    assert frozen == {
        "model": "m",
        "prompt": "p",
        "model_fingerprint": "m",
        "prompt_fingerprint": "pppppppp",
        "served_models": ["m-0613"],
        "pass_rate": 0.75,
        "latency_ms": {"p50": 250.0, "p90": 370.0, "p95": 385.0, "p99": 397.0},
        "cost_per_case_usd": 0.002,
    }
    assert {len(one) for one in content.pop("cases").values()} == {8}
    dataset = content.pop("dataset")
    assert content == {
        "format": 1,
        "suite": "tiny",
        "suite_fingerprint": "tinytinytinytiny",
        "run": "r1",
        "date": "2030-01-01",
        "evalkit": "1.0",
        "trials": 1,
    }
    other = baseline_of(tmp_path / "other", verdicts, expected={"c1": "no"})
    assert json.loads(encode_baseline(other))["dataset"] != dataset


@pytest.mark.parametrize("changed", [{"expected": {"a": "other"}}, {"case_vars": {"a": {"n": "other"}}}])
def test_a_case_that_asks_or_expects_something_else_has_another_fingerprint(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    verdicts = {"m": {"a": True, "b": True}}
    before = baseline_of(tmp_path / "1", verdicts)
    after = baseline_of(tmp_path / "2", verdicts, **changed)
    assert before.questions["a"] != after.questions["a"]
    assert before.questions["b"] == after.questions["b"]


def test_tags_are_no_part_of_a_question(tmp_path: Path) -> None:
    before = baseline_of(tmp_path / "1", {"m": {"a": True}})
    assert baseline_of(tmp_path / "2", {"m": {"a": True}}, tags={"a": ("x",)}).questions == before.questions


def test_a_chosen_candidate_alone_is_frozen(tmp_path: Path) -> None:
    run = store_run(tmp_path / "run", {"m": {"a": True}, "k": {"a": False}})
    assert [one.candidate for one in freeze(measure(load_run(run)), [("k", "p")], "1").candidates] == [("k", "p")]


def test_flips_are_told_per_candidate_the_largest_first(tmp_path: Path) -> None:
    before = baseline_of(tmp_path / "1", {"m": {"a": (True, True), "b": (True, True), "c": (False, False)}}, trials=2)
    after = baseline_of(
        tmp_path / "2",
        {"m": {"a": (True, False), "b": (False, False), "c": (True, False)}, "new": dict.fromkeys("abc", (True, True))},
        trials=2,
    )
    ((candidate, found),) = flips(before, after)
    assert candidate == ("m", "p")
    assert found == (("b", "a"), ("c",))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no baseline") as caught:
        read_baseline(tmp_path / "b.json")
    assert f"evalkit baseline RUN -o {tmp_path / 'b.json'}" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{\n<<<<<<< HEAD\n}", "2:1: is not JSON"),
        ("[]", "is no baseline"),
        ('{"format": 1, "suite": "s"}', "is no baseline"),
        (
            '{"format": 2, "evalkit": "9.0", "suite": "s", "candidates": [], "cases": {}}',
            "is a baseline of format 2, of evalkit 9.0; this release reads format 1",
        ),
        ('{"format": 1, "suite": "s", "candidates": [], "cases": {}}', "it has no cases, no candidates"),
        ('{"format": NaN}', "is damaged: NaN is no number"),
        ("[" * 100_000, "is damaged: maximum recursion"),
    ],
)
def test_what_is_no_baseline_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_baseline(tmp_path / "b.json")
    assert words in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is damaged: 'utf-8' codec"):
        read_baseline(tmp_path / "b.json")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_baseline(tmp_path)


@pytest.mark.parametrize(
    "result", ["2/1", "1/1, 1 error", "x", "1", "1/2, score 2.5e3", "1/1, score 1.1", "5000000000/5000000000"]
)
def test_an_impossible_result_is_refused(result: str, tmp_path: Path) -> None:
    content = json.loads(encode_baseline(baseline_of(tmp_path / "run", {"m": {"a": True}})))
    content["candidates"][0]["results"]["a"] = result
    (tmp_path / "b.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"is damaged: (Value|Overflow)Error"):
        read_baseline(tmp_path / "b.json")


@pytest.mark.parametrize("value", ["1", -1, True])
@pytest.mark.parametrize("key", ["latency_ms", "cost_per_case_usd"])
def test_an_impossible_quantity_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    content = json.loads(encode_baseline(baseline_of(tmp_path / "run", {"m": {"a": True}})))
    content["candidates"][0][key] = dict.fromkeys(("p50", "p90", "p95", "p99"), value) if key == "latency_ms" else value
    (tmp_path / "b.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match="is neither a time nor a cost"):
        read_baseline(tmp_path / "b.json")


def test_no_candidate_stands_in_a_baseline_twice(tmp_path: Path) -> None:
    content = json.loads(encode_baseline(baseline_of(tmp_path / "run", {"m": {"a": True}})))
    content["candidates"] *= 2
    (tmp_path / "b.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match="one of them twice"):
        read_baseline(tmp_path / "b.json")


@pytest.mark.parametrize("score", [1e-5, 1e-9, 1 / 3, 0.999999999])
def test_scores_come_back_as_a_gate_compares_them(score: float, tmp_path: Path) -> None:
    baseline = baseline_of(tmp_path / "run", {"m": {"a": (score, score, 0.25), "b": (None, None, None)}}, trials=3)
    (frozen,) = through_the_file(baseline, tmp_path).candidates
    assert frozen.results.score == as_kept(baseline.candidates[0].results).score
    assert frozen.results.score[0] == pytest.approx(2 * score + 0.25, abs=2e-6)
    assert (frozen.unfinished, frozen.faulty) == (1, 0)


def test_one_case_that_flips_changes_few_lines(tmp_path: Path) -> None:
    before, after = (
        encode_baseline(baseline_of(tmp_path / name, {"m": {f"c{n}": n != wrong for n in range(50)}})).splitlines()
        for name, wrong in (("old", 60), ("new", 7))
    )
    assert [(a.strip(), b.strip()) for a, b in zip(before, after, strict=True) if a != b] == [
        ('"pass_rate": 1.0,', '"pass_rate": 0.98,'),
        ('"c7": "1/1",', '"c7": "0/1",'),
    ]
