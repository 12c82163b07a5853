"""Run folders: found by id, folder or `latest`, and written by one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.errors import ConfigError
from evalkit.runner.folder import create_run_folder, find_run, only_writer, point_latest


def run(results: Path, run_id: str) -> Path:
    folder = create_run_folder(results, "suite", run_id)
    (folder / "manifest.json").write_text("{}")
    return folder


def test_a_run_is_found_by_its_id_its_folder_and_as_the_latest(tmp_path: Path) -> None:
    first, second = run(tmp_path, "r1"), run(tmp_path, "r2")
    point_latest(first)
    point_latest(second)
    assert find_run(tmp_path, "suite", "r1") == first
    assert find_run(tmp_path, "suite", str(first)) == first
    assert find_run(tmp_path, "suite", "latest") == second


def test_a_run_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    run(tmp_path, "r1")
    with pytest.raises(ConfigError, match="r1"):
        find_run(tmp_path, "suite", "r9")


def test_latest_can_be_a_file_where_links_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    folder = run(tmp_path, "r1")
    monkeypatch.setattr(Path, "symlink_to", refuse)
    point_latest(folder)
    assert find_run(tmp_path, "suite", "latest") == folder


def test_a_second_writer_is_refused_until_the_first_has_left(tmp_path: Path) -> None:
    with only_writer(tmp_path), pytest.raises(ConfigError, match="another evalkit process"), only_writer(tmp_path):
        pass
    with only_writer(tmp_path):
        pass
