"""Wire up `evalkit lint`: load a suite and its runs, look for weaknesses, and say them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from evalkit.cli.github import mark
from evalkit.cli.printed import Printed
from evalkit.cli.screen import Console
from evalkit.errors import ExitCode, Location
from evalkit.lint.finding import Finding, Severity
from evalkit.lint.history import read_history
from evalkit.lint.rules import RULES, Rule
from evalkit.lint.rules import lint as find
from evalkit.lint.subject import Subject
from evalkit.report.lint import finding_lines, lint_json, lint_marks, summary_lines
from evalkit.report.markup import one_line
from evalkit.scorers.options import unknown_name
from evalkit.suite import load_suite
from evalkit.suite.loader import LITERAL_KEYS
from evalkit.yaml12 import load_file

_STYLES: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.HINT: "cyan"}


def lint_suite(
    path: Path,
    results: Path,
    only: Sequence[str],
    ignored: Sequence[str],
    *,
    strict: bool,
    as_json: bool,
    allow_code: bool,
) -> ExitCode:
    """Look for what makes a suite weak, and print it.

    Raises:
        ConfigError: the suite cannot be run, or there is no such rule.
    """
    rules = _rules(only, ignored)
    suite = load_suite(path, allow_code=allow_code)
    subject = Subject(suite, _places(path), read_history(results / suite.name, suite.cases))
    findings = find(subject, rules)
    if as_json:
        printed = Printed()
        printed.write(json.dumps(lint_json(subject, rules, findings), indent=2, ensure_ascii=False) + "\n")
        printed.close()
    else:
        _print(subject, findings)
    mark(lint_marks(findings))
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return ExitCode.GATE_FAILED if any(one.severity in failing for one in findings) else ExitCode.OK


def _rules(only: Sequence[str], ignored: Sequence[str]) -> list[Rule]:
    names = [rule.name for rule in RULES]
    for name in (*only, *ignored):
        if name not in names:
            raise unknown_name("rule", name, names)
    return [rule for rule in RULES if (not only or rule.name in only) and rule.name not in ignored]


def _places(path: Path) -> Mapping[str, Location]:
    document = load_file(path, literal_keys=LITERAL_KEYS)
    return {
        f"{block}.{key}": document.where((block, key), key=True)
        for block in ("gate", "decide")
        for key in document.data.get(block, {})
    }


def _print(subject: Subject, findings: Sequence[Finding]) -> None:
    console = Console()
    for finding in findings:
        what, *rest = finding_lines(finding)
        text = Text(one_line(what))
        text.highlight_words([f"{finding.severity} [{finding.rule}]"], _STYLES[finding.severity])
        console.print(text, soft_wrap=True)
        for line in rest:
            console.print(Text(one_line(line)), soft_wrap=True)
    if findings:
        console.print()
    for line in summary_lines(subject, findings):
        console.print(Text(one_line(line)), soft_wrap=True)
