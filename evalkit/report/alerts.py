"""What a reader must know before believing the table: what is missing from the run, and what may be wrong with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.analysis import ModelSummary, RunSummary
from evalkit.report import format as fmt
from evalkit.report.imported import imported_line
from evalkit.report.judges import judge_line
from evalkit.report.labels import Labels
from evalkit.report.markup import code, plain
from evalkit.runner.manifest import ManifestModel

_MESSAGE = 200
"""Characters shown of an error's message."""
_QUIETER = "Lower `--concurrency`, set it to `auto`, or free the CPU, and measure again."
_QUIETER_LOAD = "Lower `--rate`, or free the CPU, and measure again."
_SENT_IN_TIME = (
    "Lower `--rate`, raise the model's `concurrency`, `rpm` or `tpm` where these hold calls back, "
    "or see why the server takes no more connections."
)


def alerts(run: RunSummary, labels: Labels) -> list[str]:
    """Boxes that nobody overlooks, as markdown lines. Nothing when all is well."""
    boxes = (_incomplete(run, labels), _load(run, labels), _client(run, labels), _partial(run), _unverified(run))
    return [line for box in boxes if box for line in ("> [!WARNING]", *(f"> {text}".rstrip() for text in box), "")]


def terminal_lines(run: RunSummary) -> Iterator[str]:
    """The same for a terminal: what the run lacks and why, an example of each kind of error, and what to doubt."""
    labels = Labels(run.models)
    if line := imported_line(run.manifest):
        yield line
    for one in run.models:
        name = labels.of(one)
        for group in one.error_groups:
            errors = fmt.counted(group.count, "error")
            yield f"{name}: {errors} ({group.kind}), e.g. case {group.case_id}: {group.message}"
        if one.calls.missing:
            yield f"{name}: {fmt.counted(one.calls.missing, 'call')} never finished"
    if late := [line for one in run.models for line in _late(one, labels.of(one))]:
        yield from late
        yield _SENT_IN_TIME.replace("`", "")
    doubtful = [client_part(one, labels.of(one)) for one in run.models if one.latency.client_matters]
    if doubtful:
        yield f"evalkit itself, on this machine, may have lengthened latencies: {'; '.join(doubtful)}"
        yield quieter(run).replace("`", "")
    yield from _judging_themselves(run)
    if line := judge_line(run):
        yield line


def quieter(run: RunSummary) -> str:
    """Say how to keep this machine out of a run's latencies; in a load run, calls in flight are no choice."""
    return _QUIETER_LOAD if run.manifest.load else _QUIETER


def path_from_here(folder: Path) -> str:
    """A folder as a command that is typed here would name it: relative where it is below this one, else in full."""
    full, here = folder.resolve(), Path.cwd().resolve()
    return str(full.relative_to(here) if full.is_relative_to(here) else full)


def client_part(summary: ModelSummary, name: str) -> str:
    """Say how much of a candidate's latency may be this machine's own; nothing where that is unknown.

    Args:
        summary: the candidate's.
        name: the candidate's, ready to print.
    """
    latency, shares = summary.latency, summary.latency.client_shares
    if shares is None:
        return ""
    return (
        f"{name}: at most {fmt.duration(latency.client_p50)} of p50 ({fmt.percent(shares[0])}) "
        f"and {fmt.duration(latency.client_p95)} of p95 ({fmt.percent(shares[1])})"
    )


def example(message: str) -> str:
    """An error's message, safe to print."""
    return code(message, _MESSAGE)


def _incomplete(run: RunSummary, labels: Labels) -> Sequence[str]:
    """What the run lacks, per candidate, and how to get it."""
    if not run.incomplete:
        return ()
    share = f"{fmt.count(run.errors + run.missing)} of {fmt.counted(run.planned, 'call')}"
    early = _stopped(run)
    return (
        f"**Incomplete: {share} without a verdict.** An error counts as not passed; a missing call counts as nothing.",
        *(["", f"**{plain(early)}**"] if early else []),
        "",
        *(f"- {_lack(one, labels)}" for one in run.models if one.calls.errors or one.calls.missing),
        "",
        "They cannot be asked again here, as another tool asked them."
        if run.manifest.imported
        else f"Ask only these again: {code(_resume(run))}",
    )


def _stopped(run: RunSummary) -> str:
    """Say why a run ended before it was through, and how much remains; nothing where it was, or nobody knows why."""
    if not (run.manifest.stopped and run.missing):
        return ""
    remain = "remains" if run.missing == 1 else "remain"
    return f"Stopped early: {run.manifest.stopped.rstrip('.')}; {fmt.counted(run.missing, 'call')} {remain}."


def _resume(run: RunSummary) -> str:
    """The command that goes on with this run."""
    return shlex.join(["evalkit", "run", run.manifest.suite.path, "--resume", path_from_here(run.folder)])


def _lack(summary: ModelSummary, labels: Labels) -> str:
    calls = summary.calls
    parts = [
        "**no call was answered**" if not summary.answers else "",
        _errors(summary) if calls.errors else "",
        f"{fmt.counted(calls.missing, 'call')} never finished" if calls.missing else "",
    ]
    cause = next((f": {example(group.message)}" for group in summary.error_groups), "")
    return f"{plain(labels.of(summary))}: {', '.join(part for part in parts if part)}{cause}"


def _errors(summary: ModelSummary) -> str:
    kinds = ", ".join(f"{fmt.count(n)} {plain(kind)}" for kind, n in summary.errors_by_kind.items())
    return f"{fmt.counted(summary.calls.errors, 'error')} ({kinds})"


def _load(run: RunSummary, labels: Labels) -> Sequence[str]:
    """Whose calls in a load run were not sent when they were due, so that the figures are not the server's alone."""
    late = [line for one in run.models for line in _late(one, plain(labels.of(one)))]
    if not late:
        return ()
    return ("**Calls were not sent when they were due:**", "", *(f"- {line}" for line in late), "", _SENT_IN_TIME)


def _late(summary: ModelSummary, name: str) -> Iterator[str]:
    load = summary.load
    if load is None:
        return
    if load.behind:
        rates = f"{fmt.rate(load.sent_per_s)} of {fmt.rate(load.due_per_s)} per second"
        yield f"{name}: the calls could not be sent at the rate asked for: {rates}"
    if load.waiting_matters:
        yield (
            f"{name}: up to {fmt.duration(load.waited_p95)} of the p95 of {fmt.duration(load.p95)} was waiting here "
            f"before sending (median {fmt.duration(load.waited_p50)})"
        )


def _client(run: RunSummary, labels: Labels) -> Sequence[str]:
    """Whose latencies may be longer than the model's own because this machine was busy."""
    doubtful = [one for one in run.models if one.latency.client_matters]
    if not doubtful:
        return ()
    return (
        "**evalkit itself, on this machine, may have lengthened latencies:**",
        "",
        *(f"- {client_part(one, plain(labels.of(one)))}" for one in doubtful),
        "",
        quieter(run),
    )


def _partial(run: RunSummary) -> Sequence[str]:
    """Which judges are candidates themselves."""
    lines = [f"- {plain(line)}" for line in _judging_themselves(run)]
    return ("**A judge is also a candidate:**", "", *lines) if lines else ()


def _judging_themselves(run: RunSummary) -> Iterator[str]:
    for judge in run.manifest.judges:
        for model in run.manifest.models:
            if model.name == judge.name:
                yield f"{judge.name} judges its own answers too, and may favour them"
            elif _same(model, judge):
                yield f"{judge.name} judges {model.name}, which is the same model, and may favour its answers"


def _same(one: ManifestModel, other: ManifestModel) -> bool:
    """Whether two names stand for one model at one place."""
    asked, asked_too = ((each.model, each.weights, each.function, each.base_url) for each in (one, other))
    return asked == asked_too and any(asked[:3])


def _unverified(run: RunSummary) -> Sequence[str]:
    asked = dict.fromkeys(model.name for model in (*run.manifest.models, *run.manifest.judges) if not model.verify)
    names = ", ".join(map(plain, asked))
    if not names:
        return ()
    return (f"**TLS certificate not verified: {names}.** Whoever is on the way could read and change these calls.",)
