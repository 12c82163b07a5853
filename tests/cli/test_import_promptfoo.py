"""A promptfoo config, imported and run: the verdicts are those that promptfoo gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptfoo_config import config, imported, written

CONFIG = """
prompts: ['{{q}}']
providers: [file://provider.py]
defaultTest:
  assert: [{type: javascript, value: 'output.length < 40'}]
tests:
  - vars: {q: [capital of France, CAPITAL OF FRANCE]}
    assert: [{type: icontains, value: paris}, {type: not-contains, value: sorry}]
  - vars: {q: json}
    assert: [{type: is-json}, {type: javascript, value: "JSON.parse(output).city === 'Paris'"}]
  - vars: {q: unknown}
    assert: [{type: equals, value: Paris}]
  - vars: {q: long}
"""

CANDIDATE = """
def answer(messages):
    said = messages[-1]["content"]
    if said == "long":
        return "x" * 50
    if said == "json":
        return '{"city": "Paris"}'
    return "It is Paris." if said.lower().startswith("capital") else "Sorry."
"""


def test_the_imported_suite_runs(tmp_path: Path, in_process: Any) -> None:
    written(imported(tmp_path, CONFIG), tmp_path)
    folder = tmp_path / "imported"
    (folder / "candidate.py").write_text(CANDIDATE)
    (folder / "models.yaml").write_text("models:\n  mine: {provider: python, function: 'candidate.py:answer'}\n")
    in_process("run", folder / "suite.yaml", "-m", "mine", "--allow-code")
    [report] = tmp_path.rglob("report.json")
    [line] = json.loads(report.read_text())["models"]
    assert (line["passed"], line["failed"]) == (3, 2)


def test_an_echo_says_the_prompt_again(tmp_path: Path, in_process: Any) -> None:
    tests = "tests: [{vars: {q: hi}, assert: [{type: equals, value: Say hi}]}]\n"
    config(tmp_path, f"prompts: ['Say {{{{q}}}}']\nproviders: [echo]\n{tests}")
    in_process("import", "promptfoo", tmp_path / "promptfooconfig.yaml", "-o", "suite")
    in_process("run", "suite/suite.yaml")
    [report] = tmp_path.rglob("report.json")
    assert '"passed": 1' in report.read_text()
