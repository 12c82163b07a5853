"""Journals survive what happens to processes and disks."""

from __future__ import annotations

import json

import pytest

from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.labelling.journal import Journal, annotators, journal_path, read_journal
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
