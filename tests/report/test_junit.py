"""junit.xml, held against the schema that Jenkins' xUnit plugin reads by.

junit-10.xsd is that plugin's, as pytest distributes it; its licence (MIT) stands in it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from stored import store_run

from evalkit.analysis import CallRow, load_run
from evalkit.report import write_reports
from evalkit.report.junit import JUnit, trial_name
from evalkit.runner.manifest import Manifest, ManifestSuite, Selection
from evalkit.types import Call, CallScore, Case, Record, RecordError, Score, ScorerVerdict

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit-10.xsd")))
MANIFEST = Manifest("r", "2030-01-01T00:00:00Z", "0", ManifestSuite("s", "s.yaml", "", ""), (), (), Selection(1))
MARKUP = "</failure><script>alert(1)</script> & \"' ]]>"
HOSTILE = f"{MARKUP} \x00\x1b[31m\x08\x85\u202e\ud800\ufffe\uffff \U0001f600\r\n\ttail"


def written(folder: Path) -> etree._Element:
    write_reports(load_run(folder))
    root = etree.fromstring((folder / "junit.xml").read_bytes())
    SCHEMA.assertValid(root)
    return root


def counts(element: etree._Element) -> dict[str, int]:
    return {
        name: int(element.get(name)) for name in ("tests", "failures", "errors", "skipped") if name in element.attrib
    }


def test_of_very_many_calls_those_that_passed_are_counted_and_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store_run(tmp_path, {"m": {"good": True, "bad": False, "late": "timeout", "better": True}})
    monkeypatch.setattr("evalkit.report.junit.MOST_TESTS", 4)
    assert len(written(folder)[0].findall("testcase")) == 4
    monkeypatch.setattr("evalkit.report.junit.MOST_TESTS", 3)
    (suite,) = written(folder)
    assert [test.get("name") for test in suite.findall("testcase")] == ["bad", "late"]
    assert counts(suite) == {"tests": 4, "failures": 1, "errors": 1, "skipped": 0}
    told = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert told["left out"] == "2 tests that passed are counted, not listed; cases.csv has every call"


def test_every_candidate_is_a_suite_and_every_call_a_test(tmp_path: Path) -> None:
    verdicts = {"good": True, "bad": False, "late": "timeout", "never": None}
    run = {
        ("m", "short"): verdicts,
        ("m", "long"): verdicts | {"bad": True},
        ("k", "short"): verdicts,
        ("k", "long"): verdicts,
    }
    root = written(store_run(tmp_path, run, suite="triage"))
    assert root.tag == "testsuites"
    assert counts(root) == {"tests": 16, "failures": 3, "errors": 4}
    assert [suite.get("name") for suite in root] == [
        "triage.m.short",
        "triage.m.long",
        "triage.k.short",
        "triage.k.long",
    ]
    assert counts(root[0]) == {"tests": 4, "failures": 1, "errors": 1, "skipped": 1}
    assert counts(root[1]) == {"tests": 4, "failures": 0, "errors": 1, "skipped": 1}
    assert root[0].get("timestamp") == "2030-01-01T00:00:00"
    assert {one.get("name"): one.get("value") for one in root[0].find("properties")} == {
        "model": "m",
        "prompt": "short",
        "run": "20300101-000000-aaaa",
        "evalkit": "0.1.0",
    }
    tests = {test.get("name"): test for test in root[0].iter("testcase")}
    assert {test.get("classname") for test in tests.values()} == {"triage.m.short"}
    assert [*tests] == ["good", "bad", "late", "never"]
    assert len(tests["good"]) == 0
    assert tests["good"].get("time") == "0.100"
    assert tests["late"].get("time") is None


def test_a_failure_tells_reason_expected_and_output(tmp_path: Path) -> None:
    root = written(store_run(tmp_path, {"m": {"bad": False, "late": "timeout", "never": None}}))
    (failure,) = root.iter("failure")
    assert (failure.get("type"), failure.get("message")) == ("exact", "expected yes, got no")
    assert failure.text == "exact: expected yes, got no\nexpected: yes\ngot: no"
    (error,) = root.iter("error")
    assert (error.get("type"), error.get("message"), error.text) == ("timeout", "timeout!", "timeout!")
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "the call was never finished"


def test_a_message_keeps_its_lines(tmp_path: Path) -> None:
    row = CallRow(
        Call("1", "m", "p", "a", 1),
        Case("a", {}),
        Record("1", "m", "p", "a", 1, "no"),
        CallScore("1", False, 0.0, (ScorerVerdict("judge", Score(0.0, False, "one\n\ttwo\r\n" + "x" * 400)),)),
    )
    with JUnit(MANIFEST) as junit:
        list(junit.watch([row]))
        root = etree.fromstring("".join(junit.xml()).encode())
    message = next(root.iter("failure")).get("message")
    assert message.startswith("one\n\ttwo\r\nxxx")
    assert message.endswith("xxx ... (410 characters)")


def test_the_first_trial_keeps_its_name_when_there_come_to_be_more(tmp_path: Path) -> None:
    root = written(store_run(tmp_path, {"m": {"a": [True, False, True]}}, trials=3))
    assert [test.get("name") for test in root.iter("testcase")] == ["a", "a [trial 2]", "a [trial 3]"]
    assert trial_name("a", 1) == "a"


def test_tool_calls_are_shown(tmp_path: Path) -> None:
    call = {"output": "", "tool_calls": ({"id": "1", "name": "refund", "arguments": {"order": "é"}},)}
    root = written(store_run(tmp_path, {"m": {"a": False}}, fields={("m", "a"): call}))
    (failure,) = root.iter("failure")
    assert 'got: tool calls: [{"id": "1", "name": "refund", "arguments": {"order": "é"}}]' in failure.text


@pytest.mark.parametrize("late", [False, True])
def test_long_outputs_and_errors_are_clipped(late: bool) -> None:
    long = "word " * 10_000
    record = Record("1", "m", "p", "a", 1, long, error=RecordError("server", long) if late else None)
    with JUnit(MANIFEST) as junit:
        list(junit.watch([CallRow(Call("1", "m", "p", "a", 1), Case("a", {}), record, CallScore("1", False, 0.0, ()))]))
        root = etree.fromstring("".join(junit.xml()).encode())
    (result,) = (*root.iter("failure"), *root.iter("error"))
    assert "... (50,000 characters)" in result.text
    assert len(result.text) < 2_200


def test_outputs_cannot_break_out(tmp_path: Path) -> None:
    run = {"m": {"a": False, HOSTILE.replace("\ud800", ""): False}}
    root = written(store_run(tmp_path, run, fields={("m", "a"): {"output": HOSTILE}}))
    assert [failure.getparent().get("classname") for failure in root.iter("failure")] == ["tiny.m.p"] * 2
    assert not [*root.iter("script")]
    text = next(root.iter("failure")).text
    assert f"got: {MARKUP} \u2400\u241b[31m\u2408" in text
    assert text.count("\N{REPLACEMENT CHARACTER}") == 5
    assert "\U0001f600\r\n\ttail" in text


def test_a_run_without_any_call_is_valid(tmp_path: Path) -> None:
    with JUnit(load_run(store_run(tmp_path, {"m": {"a": True}})).manifest) as junit:
        root = etree.fromstring("".join(junit.xml()).encode())
    SCHEMA.assertValid(root)
    assert counts(root) == {"tests": 0, "failures": 0, "errors": 0}


def test_old_tests_do_not_stay_when_a_run_is_judged_anew(tmp_path: Path) -> None:
    folder = store_run(tmp_path, {"m": {"a": True}})
    (folder / "junit.xml").write_text("old")
    assert counts(written(folder))["tests"] == 1


@given(texts=st.lists(st.text(st.characters()), min_size=5, max_size=5), late=st.booleans())
def test_any_text_makes_a_valid_file_and_comes_back(texts: list[str], late: bool) -> None:
    case, expected, output, reason, kind = texts
    record = Record("1", "m", "p", case, 1, output, error=RecordError(kind, reason) if late else None)
    verdicts = (ScorerVerdict(kind, Score(0.0, False, reason)),)
    row = CallRow(Call("1", "m", "p", case, 1), Case(case, {}, expected), record, CallScore("1", False, 0.0, verdicts))
    with JUnit(MANIFEST) as junit:
        assert list(junit.watch([row])) == [row]
        root = etree.fromstring("".join(junit.xml()).encode())
    SCHEMA.assertValid(root)
    (test,) = root.iter("testcase")
    if case.isascii() and case.isprintable():
        assert test.get("name") == case
    assert len(test) == 1
