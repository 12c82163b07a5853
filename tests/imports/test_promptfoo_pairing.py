"""A promptfoo config imported as a suite and its results imported as a run have the same candidates and cases."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from promptfoo_config import imported, written

from evalkit.analysis.compare.side import question
from evalkit.imports.draft import DraftRun
from evalkit.imports.options import ImportOptions
from evalkit.imports.promptfoo.recorded import prompt_stem
from evalkit.imports.promptfoo_results import read
from evalkit.types import MISSING

CHAT = '[{"role": "system", "content": "Be {{tone}}"}, {"role": "user", "content": "{{name}}"}]'
CONFIG = """
prompts:
  - "Say hello to {{name}}"
  - file://chat.json
  - langfuse://elsewhere
  - {id: file://two.txt, label: pair}
  - "Greet {{name}}"
providers:
  - openai:gpt-5
  - {id: openai:chat:gpt-5-mini, label: small one}
  - {id: azure:chat:gpt-5, config: {apiHost: x.openai.azure.com}}
  - openai:gpt-5
  - python:own.py
defaultTest: {vars: {tone: kind}, metadata: {kind: odd}}
tests:
  - description: "greets: politely"
    vars: {name: [Ann, Bob]}
    assert: [{type: equals, value: "Hello {{name}}"}, {type: contains, value: Hello}]
  - {vars: {name: Cy, more: null, n: 2.0}, metadata: {tags: [x], expected: Hi}}
  - {vars: {name: "Di\\n"}, metadata: {id: my-di}, assert: [{type: similar, value: "{{tone}}"}]}
  - {vars: {name: Ed}, description: "???", assert: [{type: assert-set, assert: [{type: bleu, value: Hello you}]}]}
  - {vars: {name: Ed}, assert: [{type: equals, value: Hello Ed}]}
"""
FILES = {"chat.json": CHAT, "two.txt": "One {{name}}\n---\nTwo {{name}}\n"}
PROMPTS = (
    ("Say hello to {{name}}", "Say hello to {{name}}"),
    (CHAT, f"chat.json: {CHAT}"),
    ("Kept elsewhere", "langfuse://elsewhere"),
    ("One {{name}}", "pair: two.txt: One {{name}}"),
    ("Two {{name}}", "pair: two.txt: Two {{name}}"),
    ("Greet {{name}}", "Greet {{name}}"),
)
PROVIDERS: tuple[dict[str, Any], ...] = (
    {"id": "openai:gpt-5", "label": ""},
    {"id": "openai:chat:gpt-5-mini", "label": "small one"},
    {"id": "azure:chat:gpt-5", "label": "", "config": {"apiKey": "sk-of-nobody"}},
    {"id": "openai:gpt-5", "label": ""},
    {"id": "python:own.py", "label": ""},
)
EQUALS = [{"type": "equals", "value": "Hello {{name}}"}, {"type": "contains", "value": "Hello"}]
TESTS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"name": "Ann"}, {"description": "greets: politely", "assert": EQUALS}),
    ({"name": "Bob"}, {"description": "greets: politely", "assert": EQUALS}),
    ({"name": "Cy", "more": None, "n": 2}, {"metadata": {"tags": ["x"], "expected": "Hi"}}),
    ({"name": "Di"}, {"metadata": {"id": "my-di"}, "assert": [{"type": "similar", "value": "{{tone}}"}]}),
    (
        {"name": "Ed"},
        {"description": "???", "assert": [{"type": "assert-set", "assert": [{"type": "bleu", "value": "Hello you"}]}]},
    ),
    ({"name": "Ed"}, {"assert": [{"type": "equals", "value": "Hello Ed"}]}),
)
"""The vars of each test, and what it says beside them."""


def rows() -> list[dict[str, Any]]:
    """What promptfoo writes of this config; the first provider passes the first two tests, all others fail."""
    found = []
    for test, (own, more) in enumerate(TESTS):
        told = {"tone": "kind", **own}
        case = {"vars": told, **more, "metadata": {"kind": "odd", **more.get("metadata", {})}}
        for place, (provider, (raw, label)) in enumerate(itertools.product(PROVIDERS, PROMPTS)):
            passed = place < len(PROMPTS) and test < 2
            found.append({
                "testIdx": test,
                "promptIdx": place,
                "provider": provider,
                "prompt": {"raw": raw.replace("{{name}}", own["name"]), "label": label},
                "vars": told,
                "testCase": case,
                "response": {"output": f"Hello {own['name']}"},
                "success": passed,
                "failureReason": 0 if passed else 1,
                "score": float(passed),
            })  # fmt: skip
    return found


def as_document(folder: Path) -> Path:
    """The results as one document, with its list of prompts; rows in the order in which they were done."""
    heads = [
        {"raw": raw, "label": label, "provider": provider["label"] or provider["id"]}
        for provider, (raw, label) in itertools.product(PROVIDERS, PROMPTS)
    ]
    path = folder / "out.json"
    path.write_text(json.dumps({"results": {"version": 3, "prompts": heads, "results": rows()[::-1]}, "config": {}}))
    return path


def as_lines(folder: Path) -> Path:
    """The results as rows alone, in the order in which they were done."""
    path = folder / "out.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()[::-1]))
    return path


@pytest.fixture(params=[as_document, as_lines])
def results(request: pytest.FixtureRequest, tmp_path: Path) -> DraftRun:
    """Return the results as a run."""
    return read(request.param(tmp_path), ImportOptions())


def test_a_config_and_its_results_pair_up(results: DraftRun, tmp_path: Path) -> None:
    draft = imported(tmp_path, CONFIG, FILES)
    suite = written(draft, tmp_path)
    assert {case.id: question(case) for case in results.cases} == {case.id: question(case) for case in suite.cases}
    assert [case.tags for case in results.cases] == [case.tags for case in suite.cases]
    assert list(draft.models)[:4] == ["gpt-5", "small-one", "gpt-5-2", "gpt-5-3"]
    assert [model.name for model in results.models] == [*list(draft.models)[:4], "python:own.py"]
    assert [(model.provider, model.model) for model in results.models[:4]] == [
        (row["provider"], row["model"]) for row in list(draft.models.values())[:4]
    ]
    ours = [prompt.name for prompt in suite.prompts]
    assert ours == ["prompt-1", "chat", "pair", "pair-2", "prompt-6"]
    assert [prompt.name for prompt in results.prompts if prompt.name != "langfuse://elsewhere"] == ours


def test_verdicts_stay_with_those_who_answered(results: DraftRun) -> None:
    passed = {(one.model, one.case_id) for one in results.answers if one.passed}
    assert passed == {("gpt-5", "greets:-politely"), ("gpt-5", "greets:-politely-2")}


def test_a_file_that_a_test_names_is_read_only_beside_the_results(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("nobody's business")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "right.txt").write_text("right\n")
    found = []
    for name in ("right.txt", "../secret.txt", str(tmp_path / "secret.txt")):
        row = rows()[0]
        row["testCase"] = {"vars": {}, "assert": [{"type": "equals", "value": f"file://{name}"}]}
        path = folder / "out.jsonl"
        path.write_text(json.dumps(row))
        [case] = read(path, ImportOptions()).cases
        found.append(case.expected)
    assert found == ["right", MISSING, MISSING]


@pytest.mark.parametrize(
    ("label", "raw", "stem"),
    [
        ("Say {{n}}", "Say {{n}}", ""),
        ("Say {{n}}", "Say 1", ""),
        ("Hello", "Hello", ""),
        ("polite", "Say {{n}}", "polite"),
        ("a dir/ask.txt: Say {{n}}", "Say {{n}}", "ask"),
        ("mine: a/ask.txt: Say {{n}}", "Say {{n}}", "mine"),
        ("a/ask.md: # Long and lon...", "# Long and longer", "ask"),
        ("ask.json: [{}]", "", "ask"),
        ("ends like Say {{n}}", "Say {{n}}", ""),
        ("", "Say", ""),
        ("two\nlines", "Say", ""),
    ],
)
def test_a_prompt_is_called_by_its_label_or_its_file(label: str, raw: str, stem: str) -> None:
    assert prompt_stem(label, raw) == stem
