"""Journals survive what happens to processes and disks."""

from __future__ import annotations

import json
import shutil

import pytest

from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.labelling import journal as journals
from evalkit.labelling.journal import Journal, annotators, choices_before, journal_path, read_journal
from evalkit.labelling.marks import Act, Entry, Mark

ENTRIES = [Entry(Act.SET, name, "p", Mark(label=name), "2030") for name in "abc"]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("text\na\n")
    return path


def kept(source, entries=ENTRIES, name="anna"):
    with Journal(source, name) as journal:
        for entry in entries:
            journal.add(entry)
    return journal.path


def test_what_was_kept_is_there_next_time(source):
    kept(source)
    with Journal(source, "anna") as journal:
        assert journal.entries == ENTRIES
        journal.add(ENTRIES[0])
    assert read_journal(journal.path) == [*ENTRIES, ENTRIES[0]]
    assert json.loads(journal.path.read_text().splitlines()[0]) == {"labels": 1, "of": "cases.csv", "annotator": "anna"}
    assert [file.name for file in journal.path.parent.iterdir()] == ["anna.jsonl"]


def test_a_torn_last_row_costs_that_row_alone(source):
    path = kept(source)
    whole = path.read_bytes()
    for cut in range(1, 60):
        path.write_bytes(whole[:-cut])
        assert read_journal(path) == ENTRIES[:2]
    assert kept(source, ENTRIES[2:]) == path
    assert read_journal(path) == ENTRIES


@pytest.mark.parametrize(
    "row",
    [
        "{",
        "[]",
        "3",
        "{}",
        '{"act": "set", "case": 1, "print": "p"}',
        '{"act": "jump", "case": "a", "print": "p"}',
        '{"act": "set", "case": "a", "print": "p", "unsure": "yes"}',
        '{"act": "set", "case": "a", "print": "p", "unsure": []}',
        '{"act": "set", "case": "a", "print": "p", "label": NaN}',
        '{"act": "set", "case": "a", "case": "b", "print": "p"}',
        "\udcff",
    ],
)
def test_a_damaged_row_is_named(source, row):
    path = kept(source)
    path.write_bytes(path.read_bytes() + row.encode("utf-8", "surrogateescape") + b"\n" + path.read_bytes())
    with pytest.raises(ConfigError, match=r"anna\.jsonl:5: this row of a label journal is damaged"):
        read_journal(path)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a" * 65, "a\n", "nöe"])
def test_names_that_are_no_file_names(source, name):
    with pytest.raises(ConfigError, match="cannot name an annotator"):
        journal_path(source, name)


def test_nobody_labels_in_two_windows(source):
    with Journal(source, "anna"):
        with pytest.raises(ConfigError, match="in another window"):
            Journal(source, "anna")
        kept(source, name="ben")
    assert annotators(source) == ["anna", "ben"]
    kept(source)


@pytest.mark.parametrize("away", ["folder", "file", "replaced"])
def test_nothing_is_lost_when_somebody_takes_the_journal_away(source, away):
    kept(source, ENTRIES[:1])
    with Journal(source, "anna") as journal:
        journal.add(ENTRIES[1])
        if away == "folder":
            shutil.rmtree(journal.path.parent)
        else:
            journal.path.unlink()
        if away == "replaced":
            journal.path.write_text("")
        journal.add(ENTRIES[2])
        assert read_journal(journal.path) == ENTRIES


def test_what_is_read_is_what_whoever_had_it_before_has_left(source, monkeypatch):
    first = Journal(source, "anna")
    taken = journals._taken

    def late(path):
        first.add(ENTRIES[0])
        first.close()
        return taken(path)

    monkeypatch.setattr(journals, "_taken", late)
    with Journal(source, "anna") as second:
        assert second.entries == ENTRIES[:1]


def test_a_lock_that_was_taken_away_locks_nothing(source, monkeypatch):
    import fcntl

    lock, real = journal_path(source, "anna").with_suffix(".lock"), fcntl.flock
    calls = []

    def late(*arguments):
        calls.append(1)
        real(*arguments)
        if len(calls) == 1:
            lock.unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    with Journal(source, "anna"), pytest.raises(ConfigError, match="in another window"):
        Journal(source, "anna")
    assert len(calls) >= 2


def test_labels_named_once_are_there_for_everybody(source):
    kept(source)
    assert choices_before(source, "anna") == ()
    with Journal(source, "anna") as journal:
        journal.choose_from(["x"])
        journal.choose_from(["x", "y"])
    assert choices_before(source, "anna") == choices_before(source, "ben") == ["x", "y"]
    with Journal(source, "ben") as journal:
        journal.choose_from(["z"])
    assert choices_before(source, "ben") == ["z"]
    assert read_journal(journal_path(source, "anna")) == ENTRIES


def test_a_full_disk_is_said_and_keeps_what_was_there(source, monkeypatch):
    kept(source)
    with Journal(source, "anna") as journal:

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("evalkit.runner.journal.os.write", full)
        with pytest.raises(WriteError, match="No space left"):
            journal.add(ENTRIES[0])
    assert read_journal(journal.path) == ENTRIES


def test_a_folder_that_cannot_be_made(source):
    (source.parent / "cases.csv.labels").write_text("a file")
    with pytest.raises(WriteError, match="cannot write"):
        Journal(source, "anna")
