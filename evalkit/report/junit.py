"""junit.xml: what came of every call, in the form that the test pages of CI servers read.

One test suite per candidate, one test per call. Outputs are untrusted: they are clipped, and whatever XML cannot carry
is shown as a picture of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Final, Self

from evalkit.analysis import CallRow
from evalkit.analysis.rows import Outcome
from evalkit.analysis.run_data import Candidate
from evalkit.analysis.tidy import expected_text, telling_verdicts
from evalkit.report.format import compact
from evalkit.runner.manifest import Manifest
from evalkit.types import Record

_TEXT: Final = 2000
"""Characters shown of an expected value, an output or a reason."""
_MESSAGE: Final = 300
"""Characters of the one line that stands for a failure in lists."""
_IN_MEMORY: Final = 4 * 1024 * 1024
MOST_TESTS: Final = 100_000
"""Calls above which those that passed are counted and not listed: no test page opens so many."""

# What XML 1.0 has no place for, and what would steer a terminal or turn the reading direction of a page.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_TEXT_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_VALUE_ENTITIES: Final = _TEXT_ENTITIES | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})
_PICTURES: Final = 0x2400

_NOT_FINISHED: Final = {
    Outcome.MISSING: "the call was never finished",
    Outcome.NOT_ASKED: "a race did without this call",
}


@dataclass(slots=True)
class _Tests:
    """The tests of one candidate: how many, and where theirs end in the spool."""

    candidate: Candidate
    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    left_out: int = 0
    ms: float = 0.0
    end: int = 0

    def add(self, outcome: Outcome, ms: float | None) -> None:
        self.tests += 1
        self.failures += outcome is Outcome.FAILED
        self.errors += outcome is Outcome.ERROR
        self.skipped += outcome in _NOT_FINISHED
        self.ms += ms or 0.0


class JUnit:
    """Collects a run's tests while its rows go by for another purpose, and then writes them.

    A test suite begins with its counts, which are known at its end: until then its tests wait in a temporary file.

    Args:
        manifest: the run's.
        calls: how many rows there will be.
    """

    def __init__(self, manifest: Manifest, calls: int = 0) -> None:
        self._manifest = manifest
        self._lists_all = calls <= MOST_TESTS
        self._suites: list[_Tests] = []
        self._spool = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def watch(self, rows: Iterable[CallRow]) -> Iterator[CallRow]:
        """Hand on rows, those of a candidate together, as they are."""
        for row in rows:
            self._add(row)
            yield row

    def _add(self, row: CallRow) -> None:
        candidate = row.call.model, row.call.prompt
        if not self._suites or self._suites[-1].candidate != candidate:
            self._suites.append(_Tests(candidate))
        suite = self._suites[-1]
        suite.add(row.outcome, row.answer.latency_ms if row.answer else None)
        if self._lists_all or row.outcome is not Outcome.PASSED:
            self._spool.write(_test(row, self._class(candidate)).encode())
        else:
            suite.left_out += 1
        suite.end = self._spool.tell()

    def _class(self, candidate: Candidate) -> str:
        return ".".join((self._manifest.suite.name, *candidate))

    def xml(self) -> Iterator[str]:
        """The whole file, part by part, once all rows have gone by."""
        name = _value(self._manifest.suite.name)
        tests, failures, errors = (
            sum(getattr(suite, count) for suite in self._suites) for count in ("tests", "failures", "errors")
        )
        time = _seconds(sum(suite.ms for suite in self._suites))
        yield '<?xml version="1.0" encoding="UTF-8"?>\n'
        yield f'<testsuites name="{name}" tests="{tests}" failures="{failures}" errors="{errors}" time="{time}">\n'
        self._spool.seek(0)
        for suite in self._suites:
            yield from self._suite(suite)
        yield "</testsuites>\n"

    def _suite(self, suite: _Tests) -> Iterator[str]:
        yield (
            f'<testsuite name="{_value(self._class(suite.candidate))}" tests="{suite.tests}" '
            f'failures="{suite.failures}" errors="{suite.errors}" skipped="{suite.skipped}" '
            f'time="{_seconds(suite.ms)}" timestamp="{_value(self._manifest.created_at[:19])}">\n<properties>\n'
        )
        model, prompt = suite.candidate
        told = {"model": model, "prompt": prompt, "run": self._manifest.run_id, "evalkit": self._manifest.evalkit}
        if suite.left_out:
            told["left out"] = f"{suite.left_out} tests that passed are counted, not listed; cases.csv has every call"
        for key, value in told.items():
            yield f'<property name="{key}" value="{_value(value)}"/>\n'
        yield "</properties>\n"
        while self._spool.tell() < suite.end:
            yield self._spool.readline().decode()
        yield "</testsuite>\n"


def trial_name(case_id: str, trial: int) -> str:
    """What the test of a call is called: that of the first trial as ever, however many trials there come to be."""
    return case_id if trial == 1 else f"{case_id} [trial {trial}]"


def _test(row: CallRow, group: str) -> str:
    name = _value(trial_name(row.case.id, row.call.trial))
    ms = row.answer.latency_ms if row.answer else None
    time = "" if ms is None else f' time="{_seconds(ms)}"'
    result = _result(row)
    start = f'<testcase classname="{_value(group)}" name="{name}"{time}'
    return f"{start}>{result}</testcase>\n" if result else f"{start}/>\n"


def _result(row: CallRow) -> str:
    outcome = row.outcome
    if outcome is Outcome.PASSED:
        return ""
    if outcome in _NOT_FINISHED:
        return f'<skipped message="{_NOT_FINISHED[outcome]}"/>'
    if row.error:
        return _element("error", row.error.kind, row.error.message, _clipped(row.error.message))
    verdicts = telling_verdicts(row)
    reasons = "; ".join(verdict.score.reason for verdict in verdicts if verdict.score.reason)
    kind = ";".join(verdict.scorer for verdict in verdicts)
    return _element("failure", kind, reasons or "failed", failure_text(row))


def failure_text(row: CallRow) -> str:
    """Why a call failed, on lines: what each scorer says, what was expected, and what was got.

    The reason comes first: readers see the first line, or as much as there is room for.
    """
    expected = expected_text(row.case.expected)
    lines = [
        *(f"{one.scorer}: {_clipped(one.score.reason)}" for one in telling_verdicts(row) if one.score.reason),
        *([f"expected: {_clipped(expected)}"] if expected is not None else []),
        *([f"got: {_clipped(_got(row.answer))}"] if row.answer else []),
    ]
    return "\n".join(lines)


def _got(answer: Record) -> str:
    calls = f"tool calls: {compact(list(answer.tool_calls))}" if answer.tool_calls else ""
    return "\n".join(part for part in (answer.output or "", calls) if part)


def _element(tag: str, kind: str, message: str, text: str) -> str:
    return f'<{tag} message="{_value(message, _MESSAGE)}" type="{_value(kind)}">{_text(text)}</{tag}>'


def _clipped(text: str, limit: int = _TEXT) -> str:
    return text if len(text) <= limit else f"{text[:limit]} ... ({len(text):,} characters)"


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.3f}"


def _text(text: str) -> str:
    """Text between tags. A line end in it would end a row of the spool, which is no harm: rows are only copied."""
    return _UNPRINTABLE.sub(_visible, text).translate(_TEXT_ENTITIES)


def _value(text: str, limit: int = _TEXT) -> str:
    """Text as the value of an attribute."""
    return _UNPRINTABLE.sub(_visible, _clipped(text, limit)).translate(_VALUE_ENTITIES)


def _visible(match: re.Match[str]) -> str:
    """The picture of an ASCII control character, for others the replacement character."""
    char = match[0]
    return chr(_PICTURES + ord(char)) if char < " " else "\N{REPLACEMENT CHARACTER}"
