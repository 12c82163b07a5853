from array import array
from pathlib import Path

import pytest
from stored import store_run

from evalkit.analysis.compare.side import align, load_side, resolve_run, resolve_side, take
from evalkit.analysis.results import CaseResults
from evalkit.errors import ConfigError
from evalkit.runner.folder import point_latest

CASES = {"c1": True, "c2": False}


@pytest.fixture
def results(tmp_path):
    home = tmp_path / "results"
    store_run(home / "tiny" / "20300101-000000-aaaa", {"qwen2.5:7b": CASES, "org/big": CASES})
    both = {(model, prompt): CASES for model in ("a@b", "a") for prompt in ("p", "b")}
    store_run(home / "tiny" / "20300202-000000-bbbb", both)
    store_run(home / "other" / "20300101-000000-cccc", {"solo": CASES})
    return home


def named(text, results):
    side = resolve_side(text, results)
    return side.folder.name[-4:], side.candidates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20300101-000000-aaaa", ("aaaa", (("qwen2.5:7b", "p"), ("org/big", "p")))),
        ("20300101-000000-aaaa:qwen2.5:7b", ("aaaa", (("qwen2.5:7b", "p"),))),
        ("tiny/20300101-000000-aaaa:org/big", ("aaaa", (("org/big", "p"),))),
        ("20300101-000000-aaaa:org/big@p", ("aaaa", (("org/big", "p"),))),
        ("20300101-000000-aaaa@p", ("aaaa", (("qwen2.5:7b", "p"), ("org/big", "p")))),
        ("tiny:a@p", ("bbbb", (("a", "p"),))),
        ("tiny:a@b@b", ("bbbb", (("a@b", "b"),))),
        ("tiny/latest@b", ("bbbb", (("a@b", "b"), ("a", "b")))),
        ("other", ("cccc", (("solo", "p"),))),
    ],
)
def test_a_side_names_a_run_and_some_of_its_candidates(results, text, expected):
    assert named(text, results) == expected


@pytest.mark.parametrize("text", ["{0}/tiny/20300101-000000-aaaa", "{0}/tiny/20300101-000000-aaaa/"])
def test_a_folder_is_taken_as_it_is(results, text):
    assert named(text.format(results) + ":org/big", Path("elsewhere"))[1] == (("org/big", "p"),)
    assert resolve_run(text.format(results), Path("elsewhere")).name == "20300101-000000-aaaa"


def test_the_newest_run_is_the_one_that_latest_names(results):
    assert resolve_run("tiny", results).name == "20300202-000000-bbbb"
    point_latest(results / "tiny" / "20300101-000000-aaaa")
    assert resolve_run("tiny", results) == results / "tiny" / "20300101-000000-aaaa"
    assert resolve_run(f"{results}/tiny/latest", results) == results / "tiny" / "20300101-000000-aaaa"


def test_latest_may_be_a_file_that_holds_the_id(results):
    (results / "tiny" / "latest").write_text("20300101-000000-aaaa\n")
    assert resolve_run("tiny/latest", results).name == "20300101-000000-aaaa"


def test_a_name_that_several_suites_have_is_not_guessed(results):
    with pytest.raises(ConfigError, match=r"'latest' could be .*other.*cccc or .*tiny.*bbbb"):
        resolve_run("latest", results)


def test_an_unknown_run_lists_those_there_are_the_newest_first(results):
    for resolve in (resolve_run, resolve_side):
        with pytest.raises(ConfigError, match=r"no run 'nope'; the runs in .*: tiny/20300202-000000-bbbb, ") as raised:
            resolve("nope", results)
        assert "results/SUITE/RUN-ID" in raised.value.remedy
    with pytest.raises(ConfigError, match=r"there are no runs in nowhere"):
        resolve_run("nope", Path("nowhere"))
    with pytest.raises(ConfigError, match=r"cannot be looked for"):
        resolve_run("x" * 5000, results)


def test_an_unknown_candidate_lists_those_there_are(results):
    with pytest.raises(
        ConfigError, match=r"no candidate ':qwen2.5'; its models are: qwen2.5:7b, org/big; its pro"
    ) as e:
        resolve_side("20300101-000000-aaaa:qwen2.5", results)
    assert e.value.remedy == "did you mean ':qwen2.5:7b'?"
    with pytest.raises(ConfigError) as raised:
        resolve_side("other:zzz", results)
    assert "RUN:MODEL@PROMPT" in raised.value.remedy


def test_a_name_with_two_meanings_is_not_guessed(results):
    with pytest.raises(ConfigError, match=r"':a@b' could be 'a' with 'b' or 'a@b' with 'b' or 'a@b' with 'p' of") as e:
        resolve_side("tiny:a@b", results)
    assert "both" in e.value.remedy


def test_a_side_holds_its_own_candidates_and_what_its_cases_ask(tmp_path):
    store_run(
        tmp_path, {"m": {"c1": [True, False], "c2": ["timeout", None]}, "n": {"c1": [1, 1], "c2": [1, 1]}}, trials=2
    )
    side = load_side(resolve_side(f"{tmp_path}:m", tmp_path))
    (only,) = side.results.candidates
    assert (only.model, list(only.passed), list(only.finished), list(only.errors)) == ("m", [1, 0], [2, 1], [0, 1])
    assert list(side.questions) == ["c1", "c2"]


def test_what_a_case_asks_and_what_it_expects_are_told_apart(tmp_path):
    def questions(name, **more):
        store_run(tmp_path / name, {"m": CASES}, **more)
        return load_side(resolve_side(str(tmp_path / name), tmp_path)).questions

    before = questions("before")
    asked = questions("asked", case_vars={"c1": {"n": "other"}})
    expected = questions("expected", expected={"c2": "other"})
    assert asked["c1"].asked != before["c1"].asked
    assert asked["c1"].expected == before["c1"].expected
    assert asked["c2"] == before["c2"]
    assert expected["c2"] == before["c2"]._replace(expected=expected["c2"].expected) != before["c2"]


def counts(*passed):
    n = len(passed)
    return CaseResults(
        "m", "p", array("I", passed), array("I", [9] * n), array("I", range(n)), array("d", [x / 2 for x in passed])
    )


def test_common_cases_stand_in_the_order_of_the_first():
    aligned = align(["a", "b", "c", "d"], counts(1, 2, 3, 4), ["d", "x", "b", "a"], counts(40, 0, 20, 10), {"a"})
    assert aligned.case_ids == ("b", "d")
    assert list(aligned.places) == [1, 3]
    assert (list(aligned.first.passed), list(aligned.second.passed)) == ([2, 4], [20, 40])
    assert (list(aligned.first.errors), list(aligned.second.errors)) == ([1, 3], [2, 0])
    assert (list(aligned.first.score), list(aligned.second.score)) == ([1, 2], [10, 20])
    assert list(aligned.first.finished) == [9, 9]


def test_nothing_in_common_is_nothing():
    assert align(["a"], counts(1), ["b"], counts(2)).case_ids == ()
    assert list(take(counts(1, 2, 3), [2, 0]).passed) == [3, 1]
