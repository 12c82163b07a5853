"""The first lines of a report: who leads and how sure that is, and what is missing from the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.analysis import CallRow, ModelSummary, RunData
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.markup import code, plain

_NAMED = 3
"""How many overlapping candidates a headline names."""
_MESSAGE = 200
"""Characters shown of an error's message."""


def headline(summaries: Sequence[ModelSummary], labels: Labels) -> str:
    """One or two sentences. An order is only stated as far as the intervals carry it.

    Candidates without a single verdict (a dead server) are left to the warning: they were not measured.
    """
    judged = [one for one in summaries if one.calls.passed or one.calls.failed]
    if not judged:
        return "**No answer was judged: there is nothing to compare.**"
    ranked = sorted(judged, key=_rate, reverse=True)
    best = [one for one in ranked if _rate(one) == _rate(ranked[0])]
    if len(ranked) == 1:
        return f"**Pass rate: {_figures(best[0], labels)}.**"
    if not best[0].calls.passed:
        return f"**Nothing passed: none of the {len(ranked)} candidates got a single case right.**"
    leaders = " and ".join(_figures(one, labels) for one in best[:_NAMED])
    return f"**Highest pass rate: {leaders}.** {_order(best, ranked[len(best) :], labels)}"


def warning(run: RunData, summaries: Sequence[ModelSummary], labels: Labels) -> list[str]:
    """Say loudly what the run lacks, per candidate, and how to get it. Nothing when it is complete."""
    if not run.incomplete:
        return []
    errors = sum(one.calls.errors for one in summaries)
    missing = sum(one.calls.missing for one in summaries)
    share = f"{fmt.count(errors + missing)} of {fmt.counted(len(run.rows), 'call')}"
    lines = [
        f"**Incomplete: {share} without a verdict.** An error counts as not passed; a missing call counts as nothing.",
        "",
        *(f"- {_lack(one, run, labels)}" for one in summaries if one.calls.errors or one.calls.missing),
        "",
        f"Ask only these again: {code(f'evalkit run {run.manifest.suite.path} --resume {run.manifest.run_id}')}",
    ]
    return ["> [!WARNING]", *(f"> {line}".rstrip() for line in lines), ""]


def error_groups(rows: Sequence[CallRow]) -> Iterator[tuple[str, list[CallRow]]]:
    """The rows that ended in an error by kind, most frequent first."""
    kinds: dict[str, list[CallRow]] = {}
    for row in rows:
        if row.error:
            kinds.setdefault(row.error.kind, []).append(row)
    yield from sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))


def example(row: CallRow) -> str:
    """An error's message, safe to print."""
    return code(row.error.message, _MESSAGE) if row.error else ""


def _rate(summary: ModelSummary) -> float:
    return summary.calls.rate or 0.0


def _figures(summary: ModelSummary, labels: Labels) -> str:
    calls = summary.calls
    return (
        f"{plain(labels.of(summary))}, {fmt.count(calls.passed)}/{fmt.count(calls.finished)} "
        f"({fmt.percent(calls.rate)}, 95 % interval {fmt.interval(calls.interval)})"
    )


def _order(best: Sequence[ModelSummary], others: Sequence[ModelSummary], labels: Labels) -> str:
    near = [one for one in others if any(_overlap(leader, one) for leader in best)]
    if near:
        names = ", ".join(plain(labels.of(one)) for one in near[:_NAMED])
        more = f" and {len(near) - _NAMED} more" if len(near) > _NAMED else ""
        return f"The interval of {names}{more} overlaps: this run does not settle their order."
    if len(best) > 1:
        return "This run does not settle their order."
    return "No other candidate's interval reaches up to this one's."


def _overlap(one: ModelSummary, other: ModelSummary) -> bool:
    first, second = one.calls.interval, other.calls.interval
    return first is None or second is None or first.overlaps(second)


def _lack(summary: ModelSummary, run: RunData, labels: Labels) -> str:
    rows = run.groups[summary.model, summary.prompt]
    calls = summary.calls
    parts = [
        "**no call was answered**" if not any(row.answer for row in rows) else "",
        _errors(summary) if calls.errors else "",
        f"{fmt.counted(calls.missing, 'call')} never finished" if calls.missing else "",
    ]
    cause = next((f": {example(group[0])}" for _, group in error_groups(rows)), "")
    return f"{plain(labels.of(summary))}: {', '.join(part for part in parts if part)}{cause}"


def _errors(summary: ModelSummary) -> str:
    kinds = ", ".join(f"{fmt.count(n)} {plain(kind)}" for kind, n in summary.errors_by_kind.items())
    return f"{fmt.counted(summary.calls.errors, 'error')} ({kinds})"
