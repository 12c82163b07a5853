"""Another tool's results become a run folder, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.analysis import analyse, load_run
from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.imports.draft import DraftAnswer, DraftRun
from evalkit.imports.store import store
from evalkit.runner.manifest import Imported, ManifestModel, ManifestPrompt, read_manifest
from evalkit.types import Case, RecordError, Usage

CASES = tuple(Case(f"c{number}", {"n": number}, str(number)) for number in range(3))
PASSED = DraftAnswer("m", "p", "c0", output="0", passed=True, latency_ms=12.5, cost_usd=0.25, usage=Usage(3, output=1))
FAILED = DraftAnswer("m", "p", "c1", output="7", passed=False, value=0.25)
FAULTY = DraftAnswer("m", "p", "c2", error=RecordError("timeout", "too slow"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file that results might have come from."""
    path = tmp_path / "theirs.json"
    path.write_text("results")
    return path


def draft(source: Path, answers: Iterable[DraftAnswer] = (PASSED, FAILED, FAULTY), **more: object) -> DraftRun:
    """A run of one model and one prompt on three cases."""
    run = DraftRun(
        suite="sums",
        tool="other 1.2",
        source=str(source),
        created_at="2025-03-04T05:06:07+00:00",
        models=(ManifestModel("m", "acme", "f" * 16),),
        prompts=(ManifestPrompt("p", "e" * 16),),
        cases=CASES,
        answers=answers,
    )
    return replace(run, **more)


def test_a_stored_run_reads_like_any_other(source: Path, tmp_path: Path) -> None:
    folder = store(draft(source), tmp_path / "results")
    [figures] = analyse(load_run(folder)).models
    calls = figures.calls
    assert (calls.passed, calls.failed, calls.errors, calls.missing) == (1, 1, 1, 0)
    assert figures.latency.p50 == 12.5
    assert figures.errors_by_kind == {"timeout": 1}
    assert figures.score is not None
    assert figures.score.value == pytest.approx(1.25 / 3)


def test_the_manifest_tells_where_it_comes_from(source: Path, tmp_path: Path) -> None:
    folder = store(draft(source), tmp_path / "results")
    manifest = read_manifest(folder)
    assert manifest.imported == Imported("other 1.2", "theirs.json", hashlib.sha256(b"results").hexdigest())
    assert manifest.created_at == manifest.finished_at == "2025-03-04T05:06:07+00:00"
    assert folder.parent == tmp_path / "results" / "sums"
    assert folder.name.startswith("20250304-050607-")
    assert (folder.parent / "latest").resolve() == folder.resolve()


def test_latest_stays_with_the_newest_run(source: Path, tmp_path: Path) -> None:
    latest = tmp_path / "results" / "sums" / "latest"
    newer = store(draft(source, created_at="2026-01-01T00:00:00+00:00"), tmp_path / "results")
    store(draft(source), tmp_path / "results")
    assert latest.resolve() == newer.resolve()
    again = store(draft(source, created_at="2026-01-01T00:00:00+00:00"), tmp_path / "results")
    assert latest.resolve() == again.resolve()


def test_a_folder_is_called_by_its_name(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    imported = read_manifest(store(replace(draft(source), source=".", files=(source,)), tmp_path / "results")).imported
    assert imported is not None
    assert imported.source == tmp_path.name


def test_the_cost_is_what_the_tool_said(source: Path, tmp_path: Path) -> None:
    run = load_run(store(draft(source), tmp_path / "results"))
    assert [row.record.cost_usd for row in run.rows if row.record] == [0.25, None, None]


def test_several_files_have_one_digest_that_each_decides(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    digests = set()
    for content in ("a", "b"):
        other.write_text(content)
        folder = store(draft(source, files=(source, other)), tmp_path / "results")
        imported = read_manifest(folder).imported
        assert imported is not None
        digests.add(imported.sha256)
    assert len(digests) == 2


def test_the_same_cases_are_the_same_suite_whoever_answers(source: Path, tmp_path: Path) -> None:
    def fingerprint(**more: object) -> str:
        return read_manifest(store(draft(source, **more), tmp_path / "results")).suite.fingerprint

    other = (replace(PASSED, model="x"),)
    assert fingerprint() == fingerprint(models=(ManifestModel("x", "acme", "d" * 16),), answers=other)
    assert fingerprint() != fingerprint(cases=(*CASES[:2], replace(CASES[2], expected="other")))


def test_an_answer_without_a_verdict_is_missing(source: Path, tmp_path: Path) -> None:
    folder = store(draft(source, [replace(PASSED, passed=None)]), tmp_path / "results")
    assert analyse(load_run(folder)).models[0].calls.missing == 3


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"models": ()}, "names no model"),
        ({"prompts": ()}, "names no prompt"),
        ({"models": (ManifestModel("m", "a", "f"), ManifestModel("m", "b", "f"))}, "two models of the name 'm'"),
        ({"cases": ()}, "holds no results"),
        ({"cases": (*CASES, CASES[0])}, "two cases of one id"),
        ({"answers": [PASSED, PASSED]}, "two answers of m to the case 'c0', trial 1"),
        ({"answers": [replace(PASSED, trial=2)]}, "trial 2 of 1"),
        ({"answers": [replace(PASSED, case_id="c9")]}, "unknown model, prompt or case: 'c9'"),
        ({"trials": 10**9}, "combinations of model"),
        ({"source": "gone.json"}, "cannot be read any more"),
    ],
)
def test_what_is_no_run_leaves_nothing_behind(source: Path, tmp_path: Path, more: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        store(replace(draft(source), **more), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_reader_that_fails_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    def torn() -> Iterator[DraftAnswer]:
        yield PASSED
        raise OSError(28, "No space left on device")

    first = store(draft(source), tmp_path / "results")
    with pytest.raises(WriteError, match="No space left"):
        store(draft(source, torn()), tmp_path / "results")
    assert {path.name for path in first.parent.iterdir()} == {first.name, "latest"}


def test_answers_are_never_held_together(source: Path, tmp_path: Path) -> None:
    # The second is made only when the first is through, so a million need no room.
    alive: list[str] = []

    def one_by_one() -> Iterator[DraftAnswer]:
        for answer in (PASSED, FAILED, FAULTY):
            records = next((tmp_path / "results" / "sums").glob(".*.part/records.jsonl"))
            alive.append(str(len(records.read_bytes().splitlines())))
            yield answer

    store(draft(source, one_by_one()), tmp_path / "results")
    assert alive == ["1", "2", "3"]


def test_older_manifests_are_not_imported(source: Path, tmp_path: Path) -> None:
    folder = store(draft(source), tmp_path / "results")
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    del data["imported"]
    path.write_text(json.dumps(data))
    assert read_manifest(folder).imported is None
