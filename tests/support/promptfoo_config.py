"""promptfoo configs in a folder, imported, written as suites, and judged by them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.imports.draft import DraftSuite
from evalkit.imports.options import AS_THEY_ARE, ImportOptions
from evalkit.imports.promptfoo import read
from evalkit.imports.write import write_suite
from evalkit.scorers import ScorerContext, compile_scorer, verdict_of
from evalkit.suite.loader import load_suite
from evalkit.types import Case, Json, Record, ScorerEntry, Suite

HEAD = "prompts: ['{{q}}']\nproviders: [openai:gpt-4o-mini]\n"


def config(folder: Path, text: str, files: Mapping[str, str] | None = None) -> Path:
    """Write a config, and the files that it names."""
    for name, content in {"promptfooconfig.yaml": text, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder / "promptfooconfig.yaml"


def imported(
    folder: Path, text: str, files: Mapping[str, str] | None = None, options: ImportOptions = AS_THEY_ARE
) -> DraftSuite:
    """Import a config."""
    return read(config(folder, text, files), options)


def asserting(folder: Path, *assertions: Mapping[str, Any], **more: Any) -> DraftSuite:
    """Import a config of one test with some assertions; `more` are further keys of the config."""
    test = {"vars": {"q": "hi"}, "assert": list(assertions), **more.pop("test", {})}
    content = {"prompts": ["{{q}}"], "providers": ["openai:gpt-4o-mini"], "tests": [test], **more}
    return imported(folder, json.dumps(content))


def asserting_each(folder: Path, assertions: Sequence[Any], kind: str | None = None) -> DraftSuite:
    """Import a config of one test for each assertion; of a `kind`, they are the values alone."""
    asserts = [one if kind is None else {"type": kind, "value": one} for one in assertions]
    tests = [{"vars": {"q": "hi"}, "assert": [one]} for one in asserts]
    return imported(folder, json.dumps({"prompts": ["{{q}}"], "providers": ["openai:gpt-4o-mini"], "tests": tests}))


def scorers(draft: DraftSuite, case: int = 0) -> list[Json]:
    """All scorers of a case, those of the suite first."""
    return [*draft.scorers, *draft.cases[case].scorers]


def lost(draft: DraftSuite) -> list[str]:
    """What did not come along."""
    return [note.message for note in draft.notes if note.lost]


def remarks(draft: DraftSuite) -> list[str]:
    """What came along with a change."""
    return [note.message for note in draft.notes if not note.lost]


def written(draft: DraftSuite, folder: Path) -> Suite:
    """Write a suite and load it, with its models."""
    done = write_suite(draft, folder / "imported")
    assert not done.problems, list(map(str, done.problems))
    return load_suite(done.suite)


def passes(draft: DraftSuite, output: str, tool_calls: Sequence[Json] = (), case: int = 0) -> bool:
    """Whether an answer passes a case, the first unless told, without any file being written."""
    judged_case = Case(id="c", vars=draft.cases[case].vars, expected=draft.cases[case].expected)
    context = ScorerContext(Path(), judge="judge")
    entries = tuple(compile_scorer(spec, context=context) for spec in scorers(draft, case))
    return _passes(entries, judged_case, output, tool_calls)


def misjudged(draft: DraftSuite, answers: Sequence[tuple[Any, Sequence[str], Sequence[str]]]) -> list[tuple[Any, str]]:
    """What is judged otherwise than told: for each case something to name it by, answers that pass, and that fail."""
    assert len(draft.cases) == len(answers)
    return [
        (name, answer)
        for number, (name, good, bad) in enumerate(answers)
        for answer in (*good, *bad)
        if passes(draft, answer, case=number) != (answer in good)
    ]


def judged(suite: Suite, case: Case, output: str, tool_calls: Sequence[Json] = ()) -> bool:
    """Whether an answer passes a case, as a run without a threshold says."""
    return _passes((*suite.scorers, *case.scorers), case, output, tool_calls)


def _passes(entries: Sequence[ScorerEntry], case: Case, output: str, tool_calls: Sequence[Json]) -> bool:
    record = Record(
        call_id="1", model="m", prompt="p", case_id=case.id, trial=1, output=output, tool_calls=tuple(tool_calls)
    )
    return all(verdict_of(entry.scorer, record, case, ()).passed for entry in entries if entry.weight)
