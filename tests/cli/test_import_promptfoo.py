"""A promptfoo config, imported and run: the verdicts are those that promptfoo gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptfoo_config import config

CONFIG = """
prompts: ['{{said}}']
providers: [echo]
defaultTest:
  assert: [{type: javascript, value: 'output.length < 40'}]
tests:
  - vars: {said: [It is Paris., IT IS PARIS]}
    assert: [{type: icontains, value: paris}, {type: not-contains, value: Sorry}]
  - vars: {said: '{"city": "Paris"}'}
    assert: [{type: is-json}, {type: javascript, value: "JSON.parse(output).city === 'Paris'"}]
  - vars: {said: Sorry.}
    assert: [{type: equals, value: Paris}]
  - vars: {said: This answer is longer than all of the others are.}
"""


def test_the_imported_suite_runs(tmp_path: Path, in_process: Any) -> None:
    """`echo` says the prompt again, so that each case brings the answer that is judged."""
    in_process("import", "promptfoo", config(tmp_path, CONFIG), "-o", "suite")
    in_process("run", "suite/suite.yaml")
    [report] = tmp_path.rglob("report.json")
    [line] = json.loads(report.read_text())["models"]
    assert (line["passed"], line["failed"]) == (3, 2)


def test_what_is_lost_is_told_once(tmp_path: Path, in_process: Any) -> None:
    text = "prompts: [file://p.js, '{{q}}']\nproviders: [echo]\ntests: [{vars: {q: a}}]\n"
    said = in_process("import", "promptfoo", config(tmp_path, text), "-o", "suite", "--allow-partial")
    assert said.count("file://p.js is a program") == 1
    assert "To do:\n  no assertion in promptfoo" in said
