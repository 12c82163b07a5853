"""One person's way through the cases, without a terminal."""

from __future__ import annotations

import itertools
import json

import pytest

from evalkit.files import WriteError
from evalkit.labelling.marks import Act, Entry, History, Mark, from_json, to_json
from evalkit.labelling.session import Clock, Session, in_order
from evalkit.labelling.source import open_source
from evalkit.labelling.task import Kind, Task
from evalkit.types import MISSING

TASK = Task(Kind.LABEL, ("billing", "bug"), closed=True)
CASES = [
    {"id": "a", "text": "The invoice is wrong", "tags": ["email"]},
    {"id": "b", "text": "It crashes", "tags": ["chat"]},
    {"id": "c", "text": "Refund, please", "tags": ["email"], "expected": "billing"},
    {"id": "d", "text": "Hello"},
]


class Desk:
    """A session, and what it has put on the disk."""

    def __init__(self, items, entries=(), *, task=TASK, blind=False, all_items=None):
        self.kept = list(entries)
        self.clock = itertools.count(0, 10)
        clock = Clock(lambda: float(next(self.clock)), lambda: "2030-01-01T00:00:00Z")
        self.session = Session(items, task, History(all_items or items, entries), self.kept.append, clock, blind=blind)


@pytest.fixture
def items(tmp_path):
    file = tmp_path / "cases.jsonl"
    file.write_text("".join(json.dumps(case) + "\n" for case in CASES))
    return open_source(file).items


def case(session):
    return session.item.case.id


def test_a_label_is_kept_and_the_next_case_without_one_comes(items):
    desk = Desk(items)
    desk.session.set_label("bug")
    assert [(one.act, one.case, one.mark.label) for one in desk.kept] == [(Act.SET, "a", "bug")]
    assert case(desk.session) == "b"
    desk.session.set_label("bug")
    assert case(desk.session) == "d"  # c has what its file expects
    desk.session.set_label("billing")
    assert desk.session.progress().labelled == 4
    assert case(desk.session) == "d"


def test_nothing_is_said_where_it_cannot_be_kept(items):
    desk = Desk(items)

    def full(_):
        raise WriteError("the disk is full")

    desk.session._keep = full
    with pytest.raises(WriteError, match="disk is full"):
        desk.session.set_label("bug")
    assert case(desk.session) == "a"
    assert desk.session.label is MISSING


def test_undo_goes_back_act_by_act_and_beyond_a_restart(items):
    desk = Desk(items)
    for label in ("bug", "billing"):
        desk.session.set_label(label)
    desk.session.flag()  # of d
    later = Desk(items, desk.kept)
    assert later.session.marks.of("d").unsure
    seen = []
    while later.session.undo() and len(seen) < 9:
        seen.append((case(later.session), later.session.label, later.session.mark.unsure))
    assert seen == [("d", MISSING, False), ("b", MISSING, False), ("a", MISSING, False)]
    assert not later.session.undo()
    again = Desk(items, later.kept)
    assert not again.session.undo()
    assert again.session.progress().labelled == 1


def test_undo_after_an_undo_takes_what_came_before(items):
    desk = Desk(items)
    desk.session.set_label("bug")
    desk.session.set_label("bug")
    desk.session.undo()
    desk.session.set_label("billing")
    assert [desk.session.undo(), desk.session.undo(), desk.session.undo()] == [True, True, False]
    assert not any(mark.labelled for mark in desk.session.marks.marks.values())


def test_undo_of_a_relabelling_brings_the_first_label_back(items):
    desk = Desk(items)
    desk.session.set_label("bug")
    desk.session.go_to("a")
    desk.session.set_label("billing")
    desk.session.undo()
    assert (case(desk.session), desk.session.label) == ("a", "bug")


def test_skipped_cases_come_last(items):
    desk = Desk(items)
    desk.session.skip()
    assert case(desk.session) == "b"
    desk.session.go_to("d")
    desk.session.to_unlabelled()
    assert case(desk.session) == "b"  # and not a, which is nearer
    desk.session.set_label("bug")
    assert case(desk.session) == "d"
    desk.session.set_label("bug")
    assert case(desk.session) == "a"
    assert desk.session.progress().skipped == 1
    desk.session.set_label("bug")
    assert desk.session.progress().skipped == 0


def test_a_look_is_kept_and_does_not_go_away(items):
    desk = Desk(items)
    desk.session.set_label("bug")
    desk.session.go_to("a")
    desk.session.look()
    desk.session.look()
    desk.session.set_label("billing")
    mark = desk.session.marks.of("a")
    assert (mark.looked, mark.after_look, mark.before_look) == (True, True, "bug")
    assert [one.act for one in desk.kept] == [Act.SET, Act.LOOK, Act.SET]
    desk.session.undo()
    assert (desk.session.mark.label, desk.session.mark.looked, desk.session.mark.after_look) == ("bug", True, False)
    desk.session.undo()
    assert (desk.session.mark.label, desk.session.mark.looked) == (MISSING, True)
    desk.session.set_label("bug")
    assert desk.session.marks.of("a").after_look


def test_a_blind_session_does_not_know_what_the_file_expects(items):
    desk = Desk(items, blind=True)
    desk.session.go_to("c")
    assert desk.session.label is MISSING
    assert desk.session.is_blind
    assert desk.session.progress().labelled == 0
    assert not Desk(items).session.is_blind


def test_the_session_starts_at_the_first_case_without_a_label(items):
    assert case(Desk(items[2:]).session) == "d"


def test_notes_and_flags(items):
    desk = Desk(items)
    desk.session.note("  asks for two things ")
    desk.session.note("asks for two things")
    desk.session.flag()
    assert len(desk.kept) == 2
    assert desk.session.mark == Mark(unsure=True, note="asks for two things")
    assert desk.session.progress().unsure == 1
    desk.session.flag()
    assert not desk.session.mark.unsure


def test_clear(items):
    desk = Desk(items)
    assert not desk.session.clear()
    desk.session.set_label("bug")
    desk.session.go_to("a")
    assert desk.session.clear()
    assert desk.session.label is MISSING


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", "abcd"),
        ("tag:email", "ac"),
        ("tag:EMAIL refund", "c"),
        ("IT", "b"),
        ("billing", "c"),
        ("is:labelled", "c"),
        ("is:unlabelled", "abd"),
        ("is:unsure", "a"),
        ("is:skipped", "b"),
        ("strange", "a"),
    ],
)
def test_filters(items, words, found):
    entries = [
        Entry(Act.SET, "a", items[0].print, Mark(unsure=True, note="strange")),
        Entry(Act.SET, "b", items[1].print, Mark(skipped=True)),
    ]
    session = Desk(items, entries).session
    assert session.set_filter(words)
    assert "".join(items[at].case.id for at in session._visible) == found
    assert case(session) in found


def test_a_filter_that_fits_nothing_changes_nothing(items):
    session = Desk(items).session
    session.set_filter("tag:email")
    assert not session.set_filter("is:nonsense")
    assert session.filter == "tag:email"
    session.step(1)
    assert (case(session), session.place) == ("c", (2, 2))
    session.step(1)
    assert case(session) == "c"
    assert session.go_to("b")  # outside of the filter, which therefore goes
    assert session.place == (2, 4)


@pytest.mark.parametrize(
    ("typed", "found"), [("3", "c"), ("d", "d"), (" b ", "b"), ("9", None), ("", None), ("zz", None)]
)
def test_go_to(items, typed, found):
    session = Desk(items).session
    assert session.go_to(typed) is (found is not None)
    assert case(session) == (found or "a")


def test_the_time_left_is_the_latest_pace_times_what_is_left(items):
    many = [items[0]] * 3 + list(items)
    session = Desk(many, task=TASK).session
    session._paces = [10.0, 10.0]
    assert session.progress().left_s is None
    session._paces = [10.0, 12.0, 500.0]
    left = session.progress()
    assert left.left_s == 12.0 * (left.total - left.labelled)


def test_a_break_is_no_pace(items):
    desk = Desk(items)
    desk.clock = itertools.count(10_000)
    desk.session.set_label("bug")
    assert desk.session._paces == []


def test_order_is_stable(items):
    orders = {tuple(item.case.id for item in in_order(items, shuffle=True, seed=seed)) for seed in [3, 3, 3]}
    assert len(orders) == 1
    assert len({tuple(item.case.id for item in in_order(items, shuffle=True, seed=seed)) for seed in range(9)}) > 1
    assert in_order(items, shuffle=False, seed=3) is items


def test_labels_of_cases_that_have_changed_are_left_out(items):
    entries = [
        Entry(Act.SET, "a", "somethingold", Mark(label="bug")),
        Entry(Act.SET, "gone", "x", Mark(label="bug")),
        Entry(Act.SET, "b", items[1].print, Mark(label="bug")),
    ]
    history = History(items, entries)
    assert list(history.marks) == ["b"]
    assert list(history.stale) == ["a", "gone"]


def test_a_new_label_joins_the_others_only_where_labels_are_open(items):
    desk = Desk(items, task=Task(Kind.LABEL, ("bug",)))
    desk.session.set_label("praise")
    assert desk.session.task.labels == ("bug", "praise")
    assert Desk(items, desk.kept, task=Task(Kind.LABEL, ("bug",))).session.task.labels == ("bug", "praise")
    closed = Desk(items)
    closed.session.set_label("praise")
    assert closed.session.task.labels == TASK.labels


@pytest.mark.parametrize(
    "mark",
    [
        Mark(),
        Mark(label=""),
        Mark(label=None, unsure=True, note="n\u2028\x1b", skipped=True),
        Mark(label={"a": [1, 2.5, None]}, looked=True, after_look=True, before_look=False),
    ],
)
def test_entries_survive_the_disk(mark):
    entry = Entry(Act.LOOK, "a", "p", mark, "2030")
    assert from_json(json.loads(json.dumps(to_json(entry)))) == entry
