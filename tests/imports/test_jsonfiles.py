"""JSON of other tools is read with patience and within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.errors import ConfigError, Location
from evalkit.imports import jsonfiles
from evalkit.imports.jsonfiles import parse, read_document, read_lines

HERE = Location("x.json")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": NaN, "b": -Infinity, "c": 1e999}', {"a": None, "b": None, "c": None}),
        (b"1" + b"0" * 5000, None),
        (b"\xef\xbb\xbf[1]", [1]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'["\xff"]', ["\ufffd"]),
        (b'["\\ud83d", {"\\uD83D": "\\ud83d\\ude00"}]', ["\ufffd", {"\ufffd": "\U0001f600"}]),
    ],
)
def test_what_others_could_not_read_back_is_mended(raw: bytes, value: object) -> None:
    assert parse(raw, HERE) == value


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"{", "not JSON"), (b"[" * 100_000, "nested"), (b"[" * 200 + b"]" * 200, "nested more than 100 levels")],
)
def test_what_cannot_be_read_says_why(raw: bytes, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(raw, HERE)


def test_a_fault_has_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(b'{"a": 1,\n "b" 2}', Location("x.json", 7))
    assert str(caught.value.where) == "x.json:8:6"


def test_lines_come_one_by_one_and_long_ones_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonfiles, "MAX_LINE", 20)
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n\n"' + "x" * 100 + '"\n{torn\n[2]')
    told = [(where.line, row if not isinstance(row, ConfigError) else "error") for where, row in read_lines(path)]
    assert told == [(1, {"a": 1}), (3, "error"), (4, "error"), (5, [2])]


def test_a_document_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonfiles, "MAX_DOCUMENT", 20)
    path = tmp_path / "x.json"
    path.write_text('"' + "x" * 100 + '"')
    with pytest.raises(ConfigError, match="is larger than"):
        read_document(path)


def test_what_is_not_there_is_an_error_of_the_users(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_document(tmp_path / "x.json")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        list(read_lines(tmp_path / "x.jsonl"))
