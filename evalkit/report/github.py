"""What a gate says on GitHub: marks on the lines of prompts and suites, and a page that fits where it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from evalkit.analysis.gate.result import CandidateGate, GateResult
from evalkit.analysis.rows import CallRow, Outcome
from evalkit.errors import ConfigError, EvalkitError, Location
from evalkit.report import gate as words
from evalkit.report.junit import failure_text
from evalkit.report.labels import Labels
from evalkit.report.markup import one_line
from evalkit.report.places import Places, places_of
from evalkit.structure import error_parts

MARKS: Final = 10
"""GitHub shows this many errors of a step, and this many warnings."""
COMMENT_CHARS: Final = 60_000
"""A comment takes 65,536 characters; some room is left to whoever posts it."""
SUMMARY_CHARS: Final = 250_000
"""A step's summary takes 1 MiB, and a character up to four bytes."""
_MESSAGE: Final = 600
_TITLE: Final = 200
"""GitHub takes no mark whose title has more than 255 characters."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A mark on a line of a file, or on none."""

    level: Literal["error", "warning"]
    title: str
    message: str
    where: Location | None = None


def marks(result: GateResult) -> list[Annotation]:
    """Mark what fails a gate, and the cases that newly fail: on their prompt if it has changed, else where they stand.

    At most `MARKS`, the verdicts of candidates that fail the gate first.
    """
    failing = [_newly_failing(one) for one in result.candidates]
    wanted = frozenset(list(dict.fromkeys(case for cases in failing for case in cases))[:MARKS])
    places = places_of(result.measured.run.manifest, wanted)
    labels = Labels(result.candidates)
    found = [_verdict(one, labels.of(one), places) for one in result.candidates if not one.passed]
    for one, cases in zip(result.candidates, failing, strict=True):
        shown = {case: how for case, how in cases.items() if case in wanted}
        if len(found) < MARKS and shown:
            found += _cases(one, shown, result, labels.of(one), places)
    return found[:MARKS]


def error_marks(error: EvalkitError) -> list[Annotation]:
    """Mark where in the user's files a command found a reason not to go on; at most `MARKS`."""
    errors = error_parts(error) if isinstance(error, ConfigError) else [error]
    return [
        Annotation("error", "evalkit", "\n-> ".join(filter(None, (one.message, one.remedy))), one.where)
        for one in errors[:MARKS]
    ]


def _newly_failing(one: CandidateGate) -> Mapping[str, str]:
    """The cases of a candidate that a reader should look at, each with what is wrong."""
    must = {case: f"{limit.rule} is broken" for limit in one.broken for case in limit.cases}
    shifts = one.comparison.worse if one.comparison else ()
    return must | {shift.case: words.shift_words(shift) for shift in shifts}


def _verdict(one: CandidateGate, name: str, places: Places) -> Annotation:
    where = _prompt(one, places) or places.suite
    return Annotation("error", f"evalkit gate: {one.verdict or 'failed'}", words.headline(one, name), where)


def _cases(
    one: CandidateGate, cases: Mapping[str, str], result: GateResult, name: str, places: Places
) -> Iterator[Annotation]:
    rows = _rows(one, frozenset(cases), result)
    prompt = _prompt(one, places)
    for case, how in cases.items():
        told = _told(rows[case]) if case in rows else ""
        where = prompt or places.cases.get(case) or places.suite
        yield Annotation(
            "warning" if one.passed else "error", f"{name}: {case}", "\n".join(filter(None, (how, told))), where
        )


def _prompt(one: CandidateGate, places: Places) -> Location | None:
    """Where a candidate's prompt stands, if the baseline was made with another text of it."""
    now = places.fingerprints.get(one.prompt)
    changed = one.comparison is not None and one.comparison.frozen.prompt_fingerprint != now
    return places.prompts.get(one.prompt) if changed else None


def _rows(one: CandidateGate, cases: frozenset[str], result: GateResult) -> Mapping[str, CallRow]:
    """One call of each case that did not pass."""
    rows = result.measured.run.rows.of((one.model, one.prompt))
    bad = (row for row in rows if row.case.id in cases and row.outcome in {Outcome.FAILED, Outcome.ERROR})
    return {row.case.id: row for row in bad}


def _told(row: CallRow) -> str:
    text = f"{row.error.kind}: {row.error.message}" if row.error else failure_text(row)
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]} ..."


def command(mark: Annotation, root: Path) -> str:
    """A mark as a workflow command, one line without its end.

    Nothing in it can begin another command, whatever a model said.

    Args:
        mark: what to say.
        root: the folder that GitHub sees files from; files elsewhere are not named.
    """
    properties = {"title": one_line(mark.title)[:_TITLE], **_place(mark.where, root)}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{mark.level} {listed}::{_data(mark.message)}"


def _place(where: Location | None, root: Path) -> dict[str, str]:
    if where is None:
        return {}
    path = Path(where.path).resolve()
    if not path.is_relative_to(root.resolve()):
        return {}
    return {"file": path.relative_to(root.resolve()).as_posix()} | ({"line": str(where.line)} if where.line else {})


def _data(text: str) -> str:
    """Text after a command: its line ends would end the command, and a percent sign stands for itself no more."""
    lines = (one_line(line) for line in text.splitlines())
    return "%0A".join(line.replace("%", "%25").replace("##[", "## [") for line in lines)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def marker(suite: str) -> str:
    """What a comment about this suite's gate is found by, to be brought up to date: markdown that nobody sees."""
    name = "".join(char if char.isalnum() or char in "._" else "-" for char in suite)
    return f"<!-- evalkit gate: {name} -->"


def as_comment(page: str, suite: str) -> str:
    """A gate's page as the body of a comment: short enough for one, and with its marker."""
    return f"{fitting(page, COMMENT_CHARS)}\n{marker(suite)}\n"


def fitting(page: str, limit: int) -> str:
    """A page of markdown, cut after a line where it is longer than `limit` characters; no folded part is left open."""
    if len(page) <= limit:
        return page
    kept = page[:limit].rpartition("\n")[0]
    end = "\n\n</details>" if kept.count("<details>") > kept.count("</details>") else ""
    return f"{kept}{end}\n\n... and more, in gate.json of the run's folder.\n"
