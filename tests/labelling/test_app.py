"""The terminal interface, driven by Textual's own pilot."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

pytest.importorskip("textual")

from textual.widgets import OptionList, TextArea

from evalkit.files import WriteError
from evalkit.labelling.app import LabelApp, Left, View
from evalkit.labelling.dialogs import Choose, Confirm, Edit, Read
from evalkit.labelling.marks import Act, Entry, History, Mark
from evalkit.labelling.session import Clock, Session
from evalkit.labelling.source import open_source
from evalkit.labelling.task import Kind, Task
from evalkit.types import MISSING

HOSTILE = "\x1b[2J\x1b]0;t\x07[red]stop[/red] [@click=app.quit]x[/] \u202egnp.exe\u202c \x9b31m {{ x }}"
CASES = [
    {"id": "one", "text": "The invoice is wrong", "tags": ["email"]},
    {"id": "two", "text": HOSTILE, "expected": "bug"},
    {"id": "three", "text": "word " * 200_000},
]
LABELS = Task(Kind.LABEL, ("billing", "bug", "other"))
CARDS = ("arrival", "linking", "swallowed", "lost", "stolen", *"abcdef")
SIZES = [(60, 20), (120, 40)]


@pytest.fixture
def desk(tmp_path):
    file = tmp_path / "cases.jsonl"
    file.write_text("".join(json.dumps(case) + "\n" for case in CASES))
    source = open_source(file)

    class Desk:
        kept = []  # noqa: RUF012 - one desk per test
        left = None
        history = ()
        prints = {item.case.id: item.print for item in source.items}  # noqa: RUF012

        def drive(self, *steps, task=LABELS, size=(80, 24), blind=False, keep=None, items=None, **view):
            """Press keys (a text), call functions with the app; returns what stands on the screen in the end."""
            clock = Clock(itertools.count().__next__, lambda: "2030")
            history = History(source.items, self.history)
            chosen = [item for item in source.items if items is None or item.case.id in items]
            session = Session(chosen, task, history, keep or self.kept.append, clock, blind=blind)
            options = {"messages": source.messages, **view}
            self.app = LabelApp(session, View("cases.jsonl", "anna", **options))
            return asyncio.run(self._drive(steps, size))

        async def _drive(self, steps, size):
            async with self.app.run_test(size=size) as pilot:
                await pilot.pause()
                for step in steps:
                    if callable(step):
                        step(self.app)
                        await pilot.pause()
                    else:
                        await pilot.press(step)
                shown = screen(self.app)
            self.left = self.app.return_value
            return shown

        @property
        def labels(self):
            return {one.case: one.mark.label for one in self.kept if one.act is not Act.LOOK}

    return Desk()


def screen(app):
    """What a person sees, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def is_open(kind):
    def check(app):
        assert isinstance(app.screen, kind)

    return check


def typed(text):
    def put(app):
        focused = app.screen.focused
        (focused.insert if isinstance(focused, TextArea) else focused.insert_text_at_cursor)(text)

    return put


def shows(*words):
    def check(app):
        for word in words:
            assert word in screen(app)

    return check


@pytest.mark.parametrize("size", SIZES)
def test_one_key_labels_a_case_and_the_next_one_comes(desk, size):
    shown = desk.drive(shows("The invoice is wrong", "#email", "1 billing", "no label yet"), "2", size=size)
    assert desk.labels == {"one": "bug"}
    assert "2 of 3 labelled" in shown
    assert "one: bug; u takes it back" in shown
    assert "three" in shown


@pytest.mark.parametrize("size", SIZES)
def test_hostile_texts_are_shown_as_they_are(desk, size):
    def inert(app):
        shown = screen(app)
        assert not any(ord(char) < 32 and char != "\n" for char in shown)
        assert not set("\x9b\u202e\u202c\x1b") & set(shown)

    shown = desk.drive("n", inert, size=size)
    assert "[red]stop[/red] [@click=app.quit]x[/]" in shown.replace("\n", " ")
    assert "label: bug (in the file)" in shown
    assert desk.app.return_value is None or desk.left is not Left.WRITE


def test_a_megabyte_is_cut_until_more_is_asked_for(desk, monkeypatch):
    monkeypatch.setattr("evalkit.labelling.app.SHOWN_CHARS", 2_000)
    shown = desk.drive("n", "n", "end", shows("998,000 characters more: m shows them"), "m", "end")
    assert "980,000 characters more" in shown


def test_undo_skip_flag_clear(desk):
    shown = desk.drive(
        *("1", "u", shows("taken back", "1 of 3 labelled", "press its number"), "f", shows("UNSURE", "1 unsure")),
        *("u", "u", shows("there is nothing to take back"), "s", shows("left for later")),
        *("b", "b", "x", shows("it has no label of yours"), "3", "b", "b", "x"),
    )
    assert "label taken away" in shown
    assert desk.labels["one"] is MISSING


def test_undo_says_so_when_the_last_act_is_on_a_case_left_out(desk):
    desk.history = [Entry(Act.SET, "two", desk.prints["two"], Mark(label="bug"))]
    shown = desk.drive("u", items=["one"])
    assert "there is nothing to take back" in shown
    assert desk.kept == []


def test_many_labels_are_found_by_typing(desk):
    many = Task(Kind.LABEL, tuple(f"card_{word}" for word in CARDS))

    def nearest(app):
        assert screen(app).index("card_linking") < screen(app).index("card_swallowed")

    desk.drive(
        *(shows("choose one of 11 labels"), "enter", is_open(Choose), typed("card l"), nearest, "down", "enter"),
        *("enter", typed("2n"), "enter"),  # no label has that in it, and digits are no keys here
        *("enter", lambda app: app.screen.query_one(OptionList), "up", "pagedown", "pageup", "escape"),
        task=many,
    )
    assert desk.labels == {"one": "card_lost", "three": "2n"}


def test_closed_labels_are_not_added_to(desk):
    closed = Task(Kind.LABEL, CARDS, closed=True)
    desk.drive("enter", typed("zz"), "enter", is_open(Choose), "escape", task=closed)
    assert desk.labels == {}


def test_texts_are_written_in_an_editor(desk):
    desk.drive(
        *("enter", "ctrl+s", shows("there is nothing in it"), typed("a b"), "enter", typed("1q"), "ctrl+s"),
        *("enter", is_open(Edit), "escape"),
        task=Task(Kind.TEXT),
    )
    assert desk.labels == {"one": "a b\n1q"}


def test_json_is_checked_before_it_is_kept(desk):
    steps = ["enter", typed('{"a":'), "ctrl+s", is_open(Edit), shows("this is not JSON"), typed("1}"), "f2"]
    desk.drive(*steps, task=Task(Kind.JSON))
    assert desk.labels == {"one": {"a": 1}}


def test_pasting_into_the_editor_does_not_drive_the_terminal(desk):
    def paste(app):
        app.screen.query_one(TextArea).text = HOSTILE

    shown = desk.drive("enter", paste, task=Task(Kind.TEXT))
    assert not set("\x9b\u202e\x1b\x07") & set(shown)
    assert "[red]stop[/red]" in shown


def test_answers_are_shown_only_when_asked_for_twice_and_that_is_kept(desk):
    answers = {"one": [("gpt", "SECRET \x1b[31m answer")]}

    def hidden(app):
        assert "SECRET" not in screen(app)
        assert desk.kept == []

    shown = desk.drive(
        *(hidden, "a", is_open(Confirm), hidden, "1", "x", is_open(Confirm), "escape", hidden),
        *("a", "a", is_open(Read), shows("SECRET"), "escape", "2"),
        *("b", "b", "a", is_open(Read), "escape", "n", "a", shows("there are no answers to show"), "b"),
        answers=answers,
    )
    assert "seen" in shown
    assert "SECRET" not in shown
    assert [(one.act, one.mark.looked, one.mark.after_look) for one in desk.kept] == [
        (Act.LOOK, True, False),
        (Act.SET, True, True),
    ]


def test_what_the_file_expects_is_hidden_from_an_annotator(desk):
    shown = desk.drive("n", shows("no label yet"), "a", "a", blind=True)
    assert "expected in the file" in shown
    assert desk.kept[-1].mark.looked


def test_who_adjudicates_sees_what_both_said_and_needs_one_key(desk):
    said = {"one": {"anna": Mark(label="other", note="odd"), "ben": Mark(label="bug")}}
    desk.drive(shows("anna says", "other | note: odd", "1 other", "2 bug"), "1", said=said)
    assert desk.labels == {"one": "other"}


def test_going_filtering_noting(desk):
    shown = desk.drive(
        *("slash", typed("tag:email"), "enter", shows("filter: tag:email", "case 1 of 1")),
        *("slash", typed(" zzz"), "enter", shows("nothing fits tag:email zzz")),
        *("g", typed("three"), "enter", shows("case 3 of 3")),
        *("g", typed("77"), "enter", shows("there is no case 77")),
        *("t", typed("two things"), "enter", shows("note: two things")),
        *("t", typed("xyz"), "escape", "slash", typed("xyz"), "escape", "g", typed("1"), "escape"),
    )
    assert "case 3 of 3" in shown
    assert [one.mark.note for one in desk.kept] == ["two things"]


def test_the_prompt_and_the_keys(desk):
    parts = {"one": [("triage - user", "Sort: this")]}
    desk.drive(
        *("p", shows("Sort: this"), "escape", "n", "p", shows("Name a suite that has one."), "escape"),
        *("question_mark", is_open(Read), shows("take the label away"), "escape", shows("case 2 of 3")),
        messages=lambda item: parts.get(item.case.id, []),
        size=(60, 20),
    )


@pytest.mark.parametrize(
    ("keys", "left"),
    [("Y", Left.WRITE), ("n", Left.KEEP)],
)
def test_leaving_asks_whether_to_write(desk, keys, left):
    desk.drive(
        "1",
        "q",
        is_open(Confirm),
        "z",
        is_open(Confirm),
        shows("Write 1 label into cases.jsonl?"),
        keys,
        offers_writing=True,
    )
    assert desk.left is left


@pytest.mark.parametrize("keys", ["q", "1 q escape enter ctrl+q"])
def test_leaving_without_writing(desk, keys):
    desk.drive(*keys.split(), offers_writing=True)
    assert desk.left is Left.KEEP


def test_a_full_disk_ends_it_with_the_error(desk):
    def full(_):
        raise WriteError("the disk is full")

    desk.drive("1", keep=full)
    assert str(desk.app.fault) == "the disk is full"


def test_the_last_label_says_that_all_are_done(desk):
    shown = desk.drive("1", "1", blind=False)
    assert "all have a label: q to leave" in shown
    assert "3 of 3 labelled  done" in shown


def test_without_colour_the_chosen_label_is_marked(desk, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    shown = desk.drive("n")
    assert "2*bug" in shown
    assert "1 billing" in shown


@pytest.mark.parametrize("name", ["a label with rather a long name, {}", "\u8bf7\u6c42" * 12 + "{}"])
def test_every_key_is_seen_however_long_the_names(desk, name):
    task = Task(Kind.LABEL, tuple(name.format(number) for number in range(10)))
    lines = desk.drive(task=task, size=(60, 20)).splitlines()
    keys = [line.split()[0] for line in lines[-6:-1]]
    assert keys == list("13579")


def test_texts_say_that_there_could_be_keys(desk):
    shown = desk.drive(task=Task(Kind.TEXT), size=(60, 20))
    assert "enter: write what is expected\n one key per label instead: q, then --labels A,B,C" in shown


def test_the_window_may_shrink_to_nothing(desk):
    desk.drive("1", "enter", "escape", size=(10, 5))
    assert desk.labels == {"one": "billing"}
    assert desk.app.screen_stack is not None
