"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evalkit.files import write_atomically


def test_text_is_written_as_it_is(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, "ü\r\n\n")
    assert path.read_bytes() == "ü\r\n\n".encode()


def test_what_was_there_is_replaced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a much longer text than the new one")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "write", "replace"])
def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises((OSError, UnicodeEncodeError)):
        write_atomically(path, "\ud800" if step == "write" else "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_content_stands_until_the_new_is_on_the_disk(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    seen = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (seen.append(path.read_text()), real(number)))
    write_atomically(path, "new")
    assert seen == ["old"]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "a.txt", "x")
