"""The installed command in a real pseudo-terminal: keys in, screens out, and a kill in the middle."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("textual")
pytest.importorskip("pyte")
pytest.importorskip("pty")

from terminal import Terminal

pytestmark = [pytest.mark.e2e]

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31m[red]stop[/red] \x9b6n \u202egnp.exe"
SUITE = """\
# what came in on Monday
suite: tickets
scorers:
  - label: [billing, bug, other]
cases:
  - id: first
    vars: {message: "The invoice is wrong"}
  - file: more.jsonl
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "tickets.yaml").write_text(SUITE)
    rows = [
        {"id": "second", "message": HOSTILE},
        {"id": "third", "message": "Hello"},
        {"id": "fourth", "message": "Bye"},
    ]
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_keys_that_come_at_once_are_taken_in_their_order(suite):
    with Terminal("label", "more.jsonl", cwd=suite) as terminal:
        terminal.wait_for("enter: write what is expected")
        terminal.press("\ra whole sentence, typed ahead\x13")
        terminal.wait_for("1 of 3 labelled")
    journal = suite / "more.jsonl.labels" / "me.jsonl"
    assert json.loads(journal.read_text().splitlines()[-1])["label"] == "a whole sentence, typed ahead"


def test_a_kill_in_the_middle_loses_nothing(suite):
    with Terminal("label", "tickets.yaml", cwd=suite, size=(60, 20)) as terminal:
        terminal.wait_for("The invoice is wrong", "0 of 4 labelled", "1 billing", "3 other")
        terminal.answer("1", "second", "1 of 4 labelled")
        terminal.answer("2", "third", "2 of 4 labelled")
        terminal.answer("f", "1 unsure")
        terminal.kill()
    assert b"owned" in terminal.raw
    for drives in (b"\x1b]0;owned", b"\x1b[2J\x1b[31m", b"\x9b6n", "\u202e".encode()):
        assert drives not in terminal.raw
    with Terminal("label", "tickets.yaml", cwd=suite) as terminal:
        terminal.wait_for("2 of 4 labelled", "third", "UNSURE")
        terminal.answer("3", "fourth", "3 of 4 labelled")
        terminal.answer("u", "third", "2 of 4 labelled")
        terminal.answer("u", "taken back")
        terminal.answer("1", "fourth", "3 of 4 labelled")
        terminal.answer("1", "4 of 4 labelled", "done")
        terminal.answer("q", "Write 4 labels into tickets.yaml?")
        terminal.press("y")
        code, said = terminal.finished()
    assert code == 0
    assert bytes(terminal.raw).rindex(b"\x1b[?1049l") > bytes(terminal.raw).rindex(b"\x1b[?1049h")  # it is back
    assert b"\x1b[?1000h" not in terminal.raw  # the mouse stays the terminal's
    assert "more.jsonl: 3 labels written" in said
    assert (suite / "tickets.yaml").read_text() == SUITE.replace('wrong"}\n', 'wrong"}\n    expected: billing\n')
    labels = [json.loads(line)["expected"] for line in (suite / "more.jsonl").read_text().splitlines()]
    assert labels == ["bug", "billing", "billing"]
    assert list((suite / "tickets.yaml.labels").iterdir()) == [suite / "tickets.yaml.labels" / "me.jsonl"]


@pytest.mark.parametrize("opened", ["", "t"], ids=["case", "dialog"])
def test_without_its_terminal_it_ends_and_keeps_the_labels(suite, opened):
    with Terminal("label", "tickets.yaml", cwd=suite) as terminal:
        terminal.wait_for("0 of 4 labelled")
        terminal.answer("2", "1 of 4 labelled")
        if opened:
            terminal.answer(opened, "A note on this case")
        assert terminal.vanish() == 130
    (journal,) = (suite / "tickets.yaml.labels").iterdir()
    assert json.loads(journal.read_text().splitlines()[-1])["label"] == "bug"
