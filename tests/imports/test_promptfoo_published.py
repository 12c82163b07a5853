"""promptfoo's own example configs: every one imports, or names exactly what it cannot."""

from __future__ import annotations

from pathlib import Path

from evalkit.imports.draft import DraftSuite
from evalkit.imports.promptfoo import read
from evalkit.imports.write import write_suite


def carried(draft: DraftSuite, *kinds: str) -> bool:
    """Whether all things of some kinds came along."""
    return all(share.carried == share.found for share in draft.shares if share.kind in kinds)


def test_the_published_configs_come_along(shared: Path, tmp_path: Path) -> None:
    """Assertions and tests of 3 in 4 come along whole; prompts and providers that are programs cannot."""
    paths = sorted((shared / "promptfoo").rglob("promptfooconfig*.yaml"))
    drafts = [read(path) for path in paths]
    for number, draft in enumerate(drafts):
        done = write_suite(draft, tmp_path / str(number))
        assert done.problems == (), (paths[number], list(map(str, done.problems)))
        told = "\n".join([*draft.todo, *(words for case in draft.cases for words in case.todo)])
        assert all(note.message in told for note in draft.notes if note.lost)
        for note in draft.notes:
            assert note.message
            assert note.where.line
            assert (shared / "promptfoo") in Path(note.where.path).parents
    whole = sum(carried(draft, "assertions", "tests") for draft in drafts)
    strict = sum(not any(note.lost for note in draft.notes) for draft in drafts)
    assertions = [share for draft in drafts for share in draft.shares if share.kind == "assertions"]
    found, there = sum(share.carried for share in assertions), sum(share.found for share in assertions)
    words = (
        f"{len(drafts)} configs: all assertions and tests of {whole}, all of {strict}; {found} of {there} assertions"
    )
    print(words)  # noqa: T201 - shown with -s
    assert whole / len(drafts) >= 0.75
    assert strict / len(drafts) >= 0.55
    assert found / there >= 0.9
