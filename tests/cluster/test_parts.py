"""Parts get into the journals once, whole, and in order; whatever dies in the middle."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.cluster import parts as module
from evalkit.cluster.book import FileBook
from evalkit.cluster.parts import ELSEWHERE, LocalParts, Merger, absorb, make_parts, parts_of, without_secrets
from evalkit.errors import ConfigError
from evalkit.runner.journal import RECORDS, Journal, JournalError, read_judgements, read_records, read_scores
from evalkit.types import CallScore, Record


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUIET_S", 0.0)


def record(number: int) -> Record:
    return Record(f"{number:016x}", "m", "p", f"c{number}", 1, output=f"n{number}", cost_usd=1.0)


def book(folder: Path, worker: str) -> FileBook:
    return FileBook(folder / "parts" / worker, {"worker": worker})


def write(one: FileBook, numbers: range) -> None:
    for number in numbers:
        one.add_record(record(number))
        one.add_score(CallScore(f"{number:016x}", passed=True, value=1.0))


def numbers(folder: Path) -> list[int]:
    return [int(row.call_id, 16) for row in read_records(folder)]


def test_rows_are_taken_over_as_they_come(tmp_path: Path) -> None:
    merger = Merger(tmp_path, LocalParts(tmp_path / "parts"))
    assert not merger.take()
    one, two = book(tmp_path, "a"), book(tmp_path, "b")
    write(one, range(3))
    write(two, range(10, 12))
    taken = merger.take()
    assert [row.case_id for row in taken.records] == ["c0", "c1", "c2", "c10", "c11"]
    assert len(taken.scores) == 5
    assert not merger.take()
    write(one, range(3, 5))
    one.add_judgement(record(99))
    assert len(merger.take().records) == 2
    merger.close()
    assert numbers(tmp_path) == [0, 1, 2, 10, 11, 3, 4]
    assert len(list(read_scores(tmp_path))) == 7
    assert [row.case_id for row in read_judgements(tmp_path)] == ["c99"]


def test_a_torn_row_is_left_until_it_is_whole(tmp_path: Path) -> None:
    one = book(tmp_path, "a")
    write(one, range(2))
    one.close()
    path = tmp_path / "parts/a" / RECORDS
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with Merger(tmp_path, LocalParts(tmp_path / "parts")) as merger:
        assert len(merger.take().records) == 1
        path.write_bytes(whole)
        assert len(merger.take().records) == 1
    assert numbers(tmp_path) == [0, 1]


def test_a_damaged_row_is_named_by_file_and_line(tmp_path: Path) -> None:
    one = book(tmp_path, "a")
    write(one, range(2))
    path = tmp_path / "parts/a" / RECORDS
    path.write_bytes(path.read_bytes() + b'{"call_id":"1"}\n')
    with Merger(tmp_path, LocalParts(tmp_path / "parts")) as merger, pytest.raises(ConfigError) as error:
        merger.take()
    assert str(error.value).startswith(f"{path}:4: is not a journal row")


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_whatever_dies_whenever_every_row_is_there_once(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Drivers die with a row half written, or after the rows and before they noted anything; others go on."""
    draw = random.Random(seed)
    folder = tmp_path_factory.mktemp("run")
    books = [book(folder, name) for name in "abc"]
    at = [0, 1000, 2000]
    for _ in range(draw.randint(1, 6)):
        merger = Merger(folder, LocalParts(folder / "parts"))
        for _ in range(draw.randint(0, 4)):
            place = draw.randrange(3)
            more = draw.randint(0, 5)
            write(books[place], range(at[place], at[place] + more))
            at[place] += more
            merger.take()
        merger.close()
        journal = folder / RECORDS
        if draw.random() < 0.7 and journal.exists():  # a kill in the middle of what was written last
            rows = journal.read_bytes()
            header = rows.rfind(b'{"session":{"part"')
            journal.write_bytes(rows[: draw.randint(header, len(rows))])
        if draw.random() < 0.3:  # a run on this machine goes on in between
            absorbed = Merger(folder, LocalParts(folder / "parts"))
            absorbed.take()
            absorbed.close()
            with Journal(folder, {"started_at": "now"}) as own:
                own.add_record(record(5000))
    for one in books:
        one.close()
    absorb(folder)
    rows = Counter(number for number in numbers(folder) if number != 5000)
    assert set(rows) == {number for place, end in enumerate(at) for number in range(place * 1000, end)}
    assert set(rows.values()) <= {1}
    assert not (folder / "parts").exists()


def test_what_is_left_of_a_crash_is_absorbed_and_removed(tmp_path: Path) -> None:
    assert absorb(tmp_path) == 0
    make_parts(tmp_path, None)
    write(book(tmp_path, "a"), range(4))
    assert absorb(tmp_path) == 4
    assert numbers(tmp_path) == [0, 1, 2, 3]
    assert parts_of(tmp_path) is None


def test_a_full_disk_loses_nothing_that_is_in_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_parts(tmp_path, None)
    write(book(tmp_path, "a"), range(4))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("evalkit.runner.journal.os.write", full)
        with pytest.raises(JournalError, match="No space left"):
            absorb(tmp_path)
    assert absorb(tmp_path) == 4


def test_parts_elsewhere_are_noted_in_the_folder(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    folder = tmp_path / "run-1"
    folder.mkdir()
    make_parts(folder, f"file://{tmp_path}/store")
    assert json.loads((folder / "parts" / ELSEWHERE).read_text()) == {"url": f"file://{tmp_path}/store/run-1"}
    (folder / "parts" / ELSEWHERE).write_text("[]")
    with pytest.raises(ConfigError, match=ELSEWHERE):
        parts_of(folder)


def test_a_url_is_shown_without_what_it_may_hold() -> None:
    assert without_secrets("s3://key:secret@bucket/runs?token=x#y") == "s3://bucket/runs"
