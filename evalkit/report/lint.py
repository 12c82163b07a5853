"""What a look at a suite found: lines for people, figures for programs, marks for GitHub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.rules import Rule
from evalkit.lint.subject import Subject
from evalkit.report.format import count, counted, percent
from evalkit.report.github import MARKS, Annotation
from evalkit.types import Json

_CASES: Final = 8


def finding_lines(finding: Finding) -> tuple[str, str, str]:
    """A finding in three lines: what and where, why it matters with the cases, and what to do."""
    where = f"{finding.where}: " if finding.where else ""
    return (
        f"{where}{finding.severity} [{finding.rule}]: {finding.message}",
        f"  {finding.why}{_cases(finding)}",
        f"  -> {finding.remedy}",
    )


def _cases(finding: Finding) -> str:
    if len(finding.cases) < 2:
        return ""
    more = len(finding.cases) - _CASES
    return f": {', '.join(finding.cases[:_CASES])}" + (f" and {count(more)} more" if more > 0 else "")


def summary_lines(subject: Subject, findings: Sequence[Finding]) -> Iterator[str]:
    """What was looked at, and what could not be."""
    counts = Counter(finding.severity for finding in findings)
    numbers = ", ".join(counted(counts[severity], severity) for severity in Severity)
    yield f"{subject.suite.name}: {numbers} in {counted(len(subject.cases), 'case')}"
    history = subject.history
    if history.runs:
        models = len({model for model, _ in history.candidates})
        runs = f"{counted(history.runs, 'stored run')} of {counted(len(history.candidates), 'candidate')}"
        yield f"looked at {runs}" + (": the cases' outcomes are compared from two models on" if models == 1 else "")
    if history.unread:
        yield f"{counted(len(history.unread), 'stored run')} could not be read, such as {history.unread[-1]}"
    if subject.majority:
        label, share = subject.majority
        yield f"always answering `{label}`, the commonest label, would be right in {percent(share)} of the cases"
    if left_out := list(subject.probes.left_out):
        yield (
            "not asked about made-up answers, as they ask a model or run programs: "
            f"{', '.join(left_out[:_CASES])}; the cases on which they have a say were left out"
        )


def lint_json(subject: Subject, rules: Sequence[Rule], findings: Sequence[Finding]) -> Json:
    """All of it, for programs."""
    return {
        "suite": subject.suite.name,
        "cases": len(subject.cases),
        "runs": subject.history.runs,
        "unread_runs": list(subject.history.unread),
        "candidates": [{"model": model, "prompt": prompt} for model, prompt in subject.history.candidates],
        "majority": subject.majority and {"label": subject.majority[0], "share": subject.majority[1]},
        "scorers_left_out": list(subject.probes.left_out),
        "looked_for": {rule.name: rule.words for rule in rules},
        "findings": [_finding(finding) for finding in findings],
    }


def _finding(finding: Finding) -> Json:
    where = finding.where
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "file": str(where.path) if where else None,
        "line": where.line if where else None,
        "message": finding.message,
        "why": finding.why,
        "remedy": finding.remedy,
        "cases": list(finding.cases),
    }


def lint_marks(findings: Sequence[Finding]) -> list[Annotation]:
    """Marks on the suite's lines, of errors and warnings; at most as many as are shown."""
    return [
        Annotation(
            "error" if finding.severity is Severity.ERROR else "warning",
            f"evalkit lint: {finding.rule}",
            "\n".join((finding.message, f"{finding.why}{_cases(finding)}", f"-> {finding.remedy}")),
            finding.where,
        )
        for finding in findings
        if finding.severity is not Severity.HINT
    ][:MARKS]
