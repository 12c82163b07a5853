"""Parts as objects: written once, listed and read by the driver, and nothing done before they are there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("fsspec")

from evalkit.cluster import parts as module
from evalkit.cluster.book import open_book
from evalkit.cluster.parts import Merger, absorb, make_parts
from evalkit.cluster.storage import StorageError, StoredBook, StoredParts
from evalkit.errors import ConfigError
from evalkit.runner.journal import read_judgements, read_records, read_scores
from evalkit.types import CallScore, Record


def record(number: int) -> Record:
    return Record(f"{number:016x}", "m", "p", f"c{number}", 1, output="x")


def test_rows_are_there_when_a_book_is_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUIET_S", 0.0)
    run = tmp_path / "run"
    run.mkdir()
    parts = make_parts(run, f"file://{tmp_path}/store")

    async def main() -> None:
        book = open_book(f"file://{tmp_path}/store/run", "w1", {"worker": "w1"})
        book.add_record(record(1))
        assert parts.sizes() == {}
        await book.settle()
        with Merger(run, parts) as merger:
            assert [row.case_id for row in merger.take().records] == ["c1"]
            book.add_record(record(2))
            book.add_judgement(record(3))
            book.add_score(CallScore(record(2).call_id, passed=True, value=1.0))
            keeping = asyncio.create_task(book.keep())
            await asyncio.sleep(0.8)
            keeping.cancel()
            assert [row.case_id for row in merger.take().records] == ["c2"]
            assert not merger.take()
        book.add_record(record(4))
        book.close()

    (tmp_path / "store/run/w1").mkdir(parents=True)
    asyncio.run(main())
    names = set(parts.sizes())
    assert "w1/records-000001.jsonl" in names
    assert absorb(run) == 1
    assert [row.case_id for row in read_records(run)] == ["c1", "c2", "c4"]
    assert len(list(read_scores(run))) == len(list(read_judgements(run))) == 1
    assert not (run / "parts").exists()
    assert parts.sizes() == {}


def test_many_rows_do_not_wait_half_a_second(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()

    def book_files() -> list[Path]:
        return list(tmp_path.glob("w/*.jsonl"))

    async def main() -> int:
        book = StoredBook(f"file://{tmp_path}", "w", {"worker": "w"})
        keeping = asyncio.create_task(book.keep())
        for number in range(250):
            book.add_record(record(number))
        for _ in range(20):
            await asyncio.sleep(0.01)
        keeping.cancel()
        return len(book_files())

    assert asyncio.run(main()) == 1


def test_a_storage_that_cannot_be_used_is_named_without_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nonsense://host/x cannot be used"):
        StoredParts("nonsense://key:secret@host/x", tmp_path).sizes()
    (tmp_path / "file").write_text("")
    book = StoredBook(f"file://{tmp_path}/file", "w", {})
    with pytest.raises(StorageError, match="cannot be written"):
        book.close()
