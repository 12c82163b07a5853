"""What the tests of commands share."""

from __future__ import annotations

import pytest

from evalkit.cli import main


@pytest.fixture
def in_process(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder, in this process; returns its output, or its error where `code` is not 0."""
    monkeypatch.chdir(tmp_path)

    def run(command, *arguments, code=0, width=100):
        monkeypatch.setenv("COLUMNS", str(width))
        with pytest.raises(SystemExit) as ended:
            main([command, *map(str, arguments)])
        assert (ended.value.code or 0) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run
