"""The sections of report.md that show single calls: errors by kind, and failed cases with what was got instead."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.analysis import CallRow, ModelSummary, RunSummary
from evalkit.analysis.tidy import expected_text, telling_verdicts
from evalkit.report import format as fmt
from evalkit.report.alerts import example
from evalkit.report.labels import Labels
from evalkit.report.markup import code, folded, html, plain
from evalkit.types import Completion, Record

_TEXT = 400
"""Characters shown of an input, an expected value, an output or a reason."""


def error_section(run: RunSummary, labels: Labels) -> list[str]:
    """Calls without a verdict by candidate and kind, with one message of each. Nothing when there is none."""
    groups = [
        f"- {plain(labels.of(one))}: {fmt.count(group.count)} x {plain(group.kind)}, "
        f"e.g. on {code(group.case_id)}: {example(group.message)}"
        for one in run.models
        for group in one.error_groups
    ]
    if not groups:
        return []
    return ["## Errors", "", "Calls without an answer, or with one that a scorer could not judge.", "", *groups, ""]


def failed_section(run: RunSummary, labels: Labels) -> list[str]:
    """The first failed calls of every candidate, folded away. Nothing when there is none."""
    blocks = [line for one in run.models for line in _block(one, labels)]
    return ["## Failed cases", "", *blocks] if blocks else []


def _block(summary: ModelSummary, labels: Labels) -> list[str]:
    failed = summary.calls.failed
    if not failed:
        return []
    more = failed - len(summary.first_failed)
    shown = [(row, row.answer) for row in summary.first_failed]
    lines = [line for row, answer in shown if answer for line in _call(row, answer, summary.trials)]
    rest = [f"... and {fmt.count(more)} more in cases.csv."] if more > 0 else []
    return folded(f"<b>{html(labels.of(summary))}</b>: {fmt.count(failed)} failed", [*lines, *rest])


def _call(row: CallRow, answer: Record, trials: int) -> Iterator[str]:
    tags = f" ({', '.join(map(plain, row.case.tags))})" if row.case.tags else ""
    trial = f", trial {row.call.trial} of {trials}" if trials > 1 else ""
    yield f"- **{code(row.case.id)}**{tags}{trial}"
    yield f"  - input: {code(_input(row), _TEXT)}"
    yield from _earlier(row, answer)
    expected = expected_text(row.case.expected)
    if expected is not None:
        yield f"  - expected: {code(expected, _TEXT)}"
    yield from _got(answer)
    for verdict in telling_verdicts(row):
        if verdict.score.reason:
            yield f"  - {plain(verdict.scorer)}: {code(verdict.score.reason, _TEXT)}"
    yield ""


def _input(row: CallRow) -> str:
    """The case's only value as it is, several as JSON."""
    values = list(row.case.vars.values())
    return fmt.compact(values[0] if len(values) == 1 else row.case.vars)


def _earlier(row: CallRow, answer: Record) -> Iterator[str]:
    """What was said in a scripted conversation before its last reply."""
    replies, turns = answer.turns, row.case.turns
    said = [f"  - turn {number}: {code(turn.user, _TEXT)}" for number, turn in enumerate(turns, 1)]
    got = [list(_got(reply)) for reply in replies[:-1]]
    if len(replies) > len(turns):  # the prompt asks first, and the turns follow
        yield from got[0] if got else ()
        got = got[1:]
    for number, line in enumerate(said):
        yield line
        yield from got[number] if number < len(got) else ()


def _got(answer: Record | Completion) -> Iterator[str]:
    """What the model said, and the tools it called if it called any: each in full sight, however long the other is."""
    if answer.output or not answer.tool_calls:
        yield f"  - got: {code(answer.output or '', _TEXT)}"
    if answer.tool_calls:
        yield f"  - got: {code(f'tool calls: {fmt.compact(list(answer.tool_calls))}', _TEXT)}"
