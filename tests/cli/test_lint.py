"""`evalkit lint`: what it prints, and how it ends."""

import json

import pytest
import yaml
from stored import store_run

from evalkit.cli import main
from evalkit.suite import load_suite

_TOPICS = ("parcel", "invoice", "password", "lamp", "refund", "coupon", "hub", "voucher", "ticket", "receipt")
_ASKS = ("Where is my {} from last week?", "I want to cancel the {}, please", "{} broken, what now", "Sell me a {}!")


@pytest.fixture
def suite(tmp_path):
    """Write a suite; `twice` is what the last case expects, which asks the same as the first."""

    def write(twice=None, **more):
        cases = [
            {"id": f"c{number}", "vars": {"message": text}, "expected": ("bug", "sales")[number % 2]}
            for number, text in enumerate(ask.format(topic) for ask in _ASKS for topic in _TOPICS)
        ]
        if twice:
            cases.append({"id": "again", "vars": cases[0]["vars"], "expected": twice})
        prompts = [{"name": "p", "messages": [{"user": "{{ message }}"}]}]
        data = {"suite": "tiny", "prompts": prompts, "scorers": ["exact"], "models": ["m"], "cases": cases, **more}
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
        return "tiny.yaml"

    return write


def test_a_sound_suite(in_process, suite) -> None:
    assert "tiny: 0 errors, 0 warnings, 0 hints in 40 cases" in in_process("lint", suite())


@pytest.fixture
def failing(tmp_path, monkeypatch, capsys):
    """Look at a suite that has errors; returns what is printed, and what is said on the side."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["lint", *arguments])
        assert ended.value.code == 1
        return capsys.readouterr()

    return run


def test_an_error_fails_with_its_place(failing, suite) -> None:
    out, _ = failing(suite("sales"))
    assert "error [contradiction]" in out
    assert out.startswith("tiny.yaml:")


def test_warnings_fail_if_asked(in_process, suite) -> None:
    path = suite("bug")
    assert "warning [repeat]" in in_process("lint", path)
    in_process("lint", path, "--strict", code=1)
    assert "0 warnings" in in_process("lint", path, "--strict", "--ignore", "repeat")
    assert "0 warnings" in in_process("lint", path, "--strict", "--rule", "leak")


def test_the_place_of_a_rule_is_told(in_process, suite, tmp_path) -> None:
    out = in_process("lint", suite(gate={"max_drop": 0.01}), width=200)
    number = next(line for line in out.splitlines() if "small-margin" in line).split(":")[1]
    assert "max_drop" in (tmp_path / "tiny.yaml").read_text().splitlines()[int(number) - 1]


def test_json_holds_all_of_it(in_process, suite) -> None:
    found = json.loads(in_process("lint", suite("bug"), "--json"))
    assert found["cases"] == 41
    assert found["majority"]["label"] == "bug"
    (finding,) = found["findings"]
    assert finding["rule"] == "repeat"
    assert finding["cases"] == ["c0", "again"]
    assert finding["line"]


def test_stored_runs_are_looked_at(in_process, suite, tmp_path) -> None:
    path = suite()
    cases = load_suite(tmp_path / path).cases
    everywhere = {case.id: case.id != "c3" for case in cases}
    store_run(
        tmp_path / "results" / "tiny" / "20260101-000000-aaaa",
        {"a": everywhere, "b": {**everywhere, "c0": False, "c1": "timeout"}},
        case_vars={case.id: case.vars for case in cases},
        expected={case.id: case.expected for case in cases},
    )
    damaged = tmp_path / "results" / "tiny" / "20260102-000000-bbbb"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{")
    out = in_process("lint", path, width=300)
    assert "1 of 39 cases were failed by all 2 candidates of 1 run" in out
    assert "38 of" not in out or "37 of 39 cases were passed" in out
    assert "1 stored run could not be read" in out


def test_errors_are_no_answers(in_process, suite, tmp_path) -> None:
    path = suite()
    cases = load_suite(tmp_path / path).cases
    everywhere = {case.id: [True, "timeout"] for case in cases}
    store_run(
        tmp_path / "results" / "tiny" / "20260101-000000-aaaa",
        {"a": everywhere, "b": everywhere},
        trials=2,
        case_vars={case.id: case.vars for case in cases},
        expected={case.id: case.expected for case in cases},
    )
    assert "40 of 40 cases were passed by all 2 candidates" in in_process("lint", path, width=200)


def test_scorers_that_ask_a_model_are_named(in_process, suite) -> None:
    out = in_process("lint", suite(judge="j", scorers=[{"judge": {"rubric": "It is kind.", "name": "kind"}}]))
    assert "not asked about made-up answers" in out
    assert ": kind;" in out


def test_what_has_changed_since_is_not_looked_at(in_process, suite, tmp_path) -> None:
    path = suite()
    everywhere = {f"c{number}": True for number in range(40)}
    store_run(tmp_path / "results" / "tiny" / "20260101-000000-aaaa", {"a": everywhere, "b": everywhere})
    assert "always-passed" not in in_process("lint", path)


def test_github_gets_marks(failing, suite, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    _, marks = failing(suite("sales"))
    assert "::error title=evalkit lint%3A contradiction,file=tiny.yaml,line=" in marks


def test_an_unknown_rule_is_refused(in_process, suite) -> None:
    assert "did you mean" in in_process("lint", suite(), "--rule", "repeats", code=2)


def test_a_broken_suite_is_refused(in_process, tmp_path) -> None:
    (tmp_path / "bad.yaml").write_text("suite: x\ncases: 3\n")
    assert "bad.yaml" in in_process("lint", "bad.yaml", code=2)
