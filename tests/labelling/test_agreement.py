"""Two people, and what stands of what they said."""

from __future__ import annotations

import json

import pytest

from evalkit.labelling.agreement import agreements, changes, settle
from evalkit.labelling.marks import Mark
from evalkit.labelling.source import open_source
from evalkit.types import MISSING


@pytest.fixture
def items(tmp_path):
    file = tmp_path / "c.jsonl"
    file.write_text("".join(json.dumps({"id": name, "text": name}) + "\n" for name in "abcdefghij"))
    return open_source(file).items


def said(labels, **marks):
    """One letter per case; `.` for none."""
    return {
        name: Mark(label=label, after_look=name in marks.get("looked", ""))
        for name, label in zip("abcdefghij", labels, strict=True)
        if label != "."
    }


def test_two_people(items):
    people = {"anna": said("xxxxyyyyx."), "ben": said("xxxyyyyx.x", looked="dh")}
    one = next(iter(agreements(items, people)))
    assert (one.first, one.second, one.only_first, one.only_second) == ("anna", "ben", 1, 1)
    assert one.kappa.n == 8
    assert one.kappa.agreement == 6 / 8
    assert one.kappa.value == pytest.approx((6 / 8 - 1 / 2) / (1 / 2))
    assert one.kappa.interval.low < 0.5 < one.kappa.interval.high
    assert one.confusion == [("x", "y", 1), ("y", "x", 1)]
    assert [dispute.item.case.id for dispute in one.disputes] == ["d", "h"]
    assert (one.blind, one.looked) == ((6, 6), (0, 2))


def test_three_people_are_three_pairs_and_nobody_shares_nothing(items):
    people = {"a": said("x" * 10), "b": said("." * 10), "c": said("x" * 10)}
    found = {(one.first, one.second): one for one in agreements(items, people)}
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found["a", "b"].kappa.n == 0
    assert found["a", "c"].kappa.value is None  # all alike: chance leaves nothing to measure
    assert found["a", "c"].kappa.agreement == 1


def test_labels_of_any_kind_are_compared_by_what_they_say(items):
    people = {"a": {"a": Mark(label=["x", 1])}, "b": {"a": Mark(label=["x", 1])}}
    assert next(iter(agreements(items, people))).kappa.agreement == 1


def test_what_stands(items):
    people = {"anna": said("xxx......."), "ben": said("xy.y......")}
    settled = settle(items, people, {})
    assert settled.labels == {"a": "x", "c": "x", "d": "y"}
    assert [dispute.item.case.id for dispute in settled.disputes] == ["b"]
    assert settle(items, people, {"b": Mark(label="z"), "a": Mark(unsure=True)}).labels == {
        "a": "x",
        "b": "z",
        "c": "x",
        "d": "y",
    }


def test_what_a_look_changed():
    marks = [
        Mark(label="x"),
        Mark(label="x", looked=True, after_look=True),
        Mark(label="x", looked=True, after_look=True, before_look="y"),
        Mark(label="x", looked=True, after_look=False, before_look="x"),
        Mark(label=MISSING, looked=True, before_look="y"),
    ]
    assert changes(marks) == (1, 2, 2, 4)
