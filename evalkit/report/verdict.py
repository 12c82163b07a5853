"""The first line of a report: who leads, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.analysis import ModelSummary, RunSummary
from evalkit.analysis.differences import Comparison, Standing
from evalkit.report import format as fmt
from evalkit.report.comparison import among
from evalkit.report.labels import Labels
from evalkit.report.markup import plain

_NAMED = 3
"""How many candidates of a kind a headline names."""
_KINDS = (Standing.EVEN, Standing.BETTER, Standing.WORSE)
_MORE = {Standing.EVEN: "nor can {n} more", Standing.BETTER: "so are {n} more", Standing.WORSE: "so are {n} more"}


def headline(run: RunSummary, labels: Labels) -> str:
    """One or two sentences. An order is only stated as far as the paired differences carry it.

    Candidates without a single verdict (a dead server) are left to the warning: they were not measured.
    """
    ranked = run.ranked()
    if not ranked:
        return "**No answer was judged: there is nothing to compare.**"
    if len(ranked) == 1:
        return f"**Pass rate: {_figures(ranked[0], labels)}.**"
    if not ranked[0].calls.passed:
        return f"**Nothing passed: none of the {len(ranked)} candidates got a single case right.**"
    left = [one for one in ranked if one.candidate not in run.stops] or ranked
    best = [one for one in left if one.calls.rate == left[0].calls.rate]
    leaders = " and ".join(_figures(one, labels) for one in best[:_NAMED])
    more = f" and {fmt.count(len(best) - _NAMED)} more" if len(best) > _NAMED else ""
    of = " of those that the race left" if len(left) < len(ranked) else ""
    return f"**Highest pass rate{of}: {leaders}{more}.** {_order(run, labels, 'it' if len(best) == 1 else 'the first')}"


def _figures(summary: ModelSummary, labels: Labels) -> str:
    calls = summary.calls
    return (
        f"{plain(labels.of(summary))}, {fmt.count(calls.passed)}/{fmt.count(calls.finished)} "
        f"({fmt.percent(calls.rate)}, 95 % interval {fmt.interval(calls.interval)})"
    )


def _order(run: RunSummary, labels: Labels, leader: str) -> str:
    """How all others stand to the leader, by the paired differences."""
    found = run.comparisons
    pairs = found.against_best() if found else ()
    if not found or not pairs:
        return "No other candidate has a verdict on a case in common with it."
    to_the_end = [pair for pair in pairs if pair.first not in run.stops]
    parts = [part for kind in _KINDS for part in _of_kind(kind, to_the_end, len(found.pairs), labels, leader)]
    return " ".join(filter(None, [f"{'; '.join(parts)}." if parts else "", _stopped(run, labels)]))


def _stopped(run: RunSummary, labels: Labels) -> str:
    """Who left a race early: its own test decided that, which is another one than that of the pairs."""
    names = [plain(labels.of(one)) for one in run.models if one.candidate in run.stops]
    more = f" and {fmt.count(len(names) - _NAMED)} more" if len(names) > _NAMED else ""
    return f"Out of the race before its end: {', '.join(names[:_NAMED])}{more}." if names else ""


def _of_kind(kind: Standing, pairs: Sequence[Comparison], tests: int, labels: Labels, leader: str) -> Iterator[str]:
    """One part for each of the first candidates that stand like this, and one for all others.

    Args:
        kind: how they stand.
        pairs: all others against the leader.
        tests: so many pairs were compared.
        labels: of the run.
        leader: how to call it.
    """
    alike = [pair for pair in pairs if pair.passes.standing is kind]
    for pair in alike[:_NAMED]:
        name, ends = plain(labels.named(pair.first)), fmt.points_interval(pair.passes.interval)
        if kind is Standing.EVEN:
            size = fmt.points(pair.passes.difference)
            chance = among(tests) if pair.passes.chance_among_many else ""
            yield f"{name} cannot be told apart from {leader}{chance} ({size} points, {ends})"
        else:
            size = fmt.points(abs(pair.passes.difference)).lstrip("+")
            yield f"{name} is {kind} by {size} points ({ends})"
    if len(alike) > _NAMED:
        yield _MORE[kind].format(n=fmt.count(len(alike) - _NAMED))
