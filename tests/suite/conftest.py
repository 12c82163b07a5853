from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.suite import check_suite


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into the test's folder, which is the working folder too."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str | bytes) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def check(write):
    """Write a suite and check it: the suite or None, and the problems as text."""

    def check(text: str, **options):
        suite, errors = check_suite(write("s.yaml", text), **options)
        assert (suite is None) == bool(errors)
        return suite, [str(error) for error in errors]

    return check
