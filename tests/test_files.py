"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evalkit.files import WriteError, write_atomically


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


@pytest.mark.skipif(os.name != "posix", reason="rights of a file as POSIX has them")
def test_who_may_read_it_stays_the_same(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(WriteError, match=r"a\.txt: no space left on device"):
        write_atomically(path, "new")
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


def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path):
    write_atomically(tmp_path / "a.txt", "x\ud800")
    assert (tmp_path / "a.txt").read_text() == "x\\ud800"


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(WriteError, match="No such file"):
        write_atomically(tmp_path / "no" / "a.txt", "x")
