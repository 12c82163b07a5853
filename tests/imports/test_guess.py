"""What a source is, told from its name and its first lines; and nothing where it could be several things."""

from __future__ import annotations

import json

import pytest

from evalkit.imports.guess import guess
from evalkit.imports.kinds import KINDS


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("t.csv", "text,label\n", "table"),
        ("t.csv", "text,__expected\n", "promptfoo"),
        ("t.tsv", "a\tb\n", "table"),
        ("t.parquet", "", "table"),
        ("t.eval", "", "inspect"),
        ("promptfooconfig.yaml", "", "promptfoo"),
        ("c.yaml", "prompts: [x]\nproviders: [y]\n", "promptfoo"),
        ("c.yaml", "a.dev.v0:\n  class: evals.elsuite.basic.match:Match\n", "openai-evals"),
        ("c.yaml", "a: 1\n", None),
        ("r.jsonl", {"doc_id": 0, "resps": [], "doc": {}}, "lm-eval"),
        ("r.jsonl", {"input": [], "ideal": "x"}, "openai-evals"),
        ("r.jsonl", {"request": {}, "response": {}}, "logs"),
        ("r.jsonl", {"custom_id": "a", "body": {}}, "logs"),
        ("r.json", {"resourceSpans": []}, "logs"),
        ("r.jsonl", {"q": "x", "a": "y"}, "table"),
        ("r.jsonl", "[1]", None),
        ("r.jsonl", "nope", None),
        ("r.json", [{"q": "x"}], "table"),
        ("r.json", {"evalId": "e", "results": {}}, "promptfoo-results"),
        ("r.json", {"version": 2, "status": "success", "eval": {}, "results": {}, "stats": {}}, "inspect"),
        ("r.json", {"prompts": [], "providers": []}, "promptfoo"),
        ("r.json", {"x": 1}, None),
        ("r.json", "[" * 100_000, None),
        ("r.txt", "x", None),
    ],
)
def test_kinds(tmp_path, name, content, kind):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    assert guess(str(path)) == kind
    assert kind is None or kind in KINDS


def test_folders_and_addresses(tmp_path):
    assert guess(str(tmp_path)) is None
    (tmp_path / "promptfooconfig.yaml").write_text("")
    assert guess(str(tmp_path)) == "promptfoo"
    assert guess("hf://org/name?split=test") == "table"
    assert guess(str(tmp_path / "missing.csv")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_reader(kind):
    assert callable(KINDS[kind].load())
