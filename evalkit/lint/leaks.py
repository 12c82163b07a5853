"""Expected answers that the model is shown.

In many tasks the answer stands in the input by their nature: reading, extracting, a message that names its topic. So
only what has no such explanation is told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.prompting import shared_text, texts_in
from evalkit.lint.subject import Subject
from evalkit.scorers.values import as_text
from evalkit.types import Case

_WHY: Final = "a model that copies it passes without doing the task"
_FEW: Final = 5
_MOST: Final = 0.5
_RARE: Final = 0.2
_LONG_CHARS: Final = 40
_LONG_WORDS: Final = 6
_EXAMPLE_CHARS: Final = 25
_MARKER: Final = (
    r"(?:expected|answer|label|category|correct|ground.?truth|solution)(?: answer| output| label)?\s*[:=]\s*"
)
_LONGEST_INPUT: Final = 200_000


def leaks(subject: Subject) -> Iterator[Finding]:
    """Find what is right in what a prompt shows."""
    yield from _vars_that_tell(subject)
    yield from _said_outright(subject)
    yield from _long_ones(subject)


def _vars_that_tell(subject: Subject) -> Iterator[Finding]:
    """Find vars that hold what is right in most cases."""
    held: defaultdict[str, int] = defaultdict(int)
    told: defaultdict[str, list[Case]] = defaultdict(list)
    for case, _, expected in subject.with_expected():
        for name, value in case.vars.items():
            if name in subject.shown:
                held[name] += 1
                if _plain(as_text(value)) == _plain(expected):
                    told[name].append(case)
    for name, cases in told.items():
        distinct = len({as_text(case.expected) for case in cases})
        if len(cases) >= max(_FEW, _MOST * held[name]) and distinct > 1:
            yield Finding(
                Severity.ERROR,
                f"the var `{name}`, which a prompt shows, is what is expected in {len(cases)} of {held[name]} cases",
                _WHY,
                f"leave `{name}` out of the prompt",
                cases[0].where,
                _ids(cases),
            )


def _said_outright(subject: Subject) -> Iterator[Finding]:
    """Find inputs that say `answer: ...` with what is right."""
    cases = [case for case, text, expected in subject.with_expected() if _says(text, expected)]
    if cases:
        yield Finding(
            Severity.WARNING,
            f"the input of {_counted(cases)} says what is expected, after a word such as `answer:`",
            _WHY,
            "take it out of the input, unless it is a trap that is meant",
            cases[0].where,
            _ids(cases),
        )


def _says(text: str, expected: str) -> bool:
    if not expected.strip():
        return False
    pattern = rf"(?i)\b{_MARKER}[\"'`*]*{re.escape(expected.strip())}(?!\w)"
    return re.search(pattern, text[:_LONGEST_INPUT]) is not None


def _long_ones(subject: Subject) -> Iterator[Finding]:
    """Find long expected answers that stand word for word in the input, where that is not what the task is about."""
    long = [
        (case, _plain(expected) in _plain(text))
        for case, text, expected in subject.with_expected()
        if len(expected) >= _LONG_CHARS and len(expected.split()) >= _LONG_WORDS
    ]
    cases = [case for case, stands in long if stands]
    if cases and len(cases) < _RARE * len(long):
        yield Finding(
            Severity.WARNING,
            f"the input of {_counted(cases)} holds the expected answer word for word; that of {len(long)} others not",
            _WHY,
            "see whether it should stand there",
            cases[0].where,
            _ids(cases),
        )


def shown_examples(subject: Subject) -> Iterator[Finding]:
    """Find cases that a prompt shows as examples to all."""
    shared = _plain(shared_text(subject.suite.prompts, subject.suite.vars))
    cases = [case for case in subject.cases if _is_example(case, shared, subject.shown)]
    if cases:
        yield Finding(
            Severity.WARNING,
            f"the input of {_counted(cases)} stands in a prompt, or in the suite's vars, too",
            "a case that is shown as an example, with its answer, tests memory and not the task",
            "take other examples than cases",
            cases[0].where,
            _ids(cases),
        )


def _is_example(case: Case, shared: str, shown: frozenset[str]) -> bool:
    texts = [_plain(text) for name, value in case.vars.items() if name in shown for text in texts_in(value)]
    longest = max(texts, key=len, default="")
    return len(longest) >= _EXAMPLE_CHARS and longest in shared


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _ids(cases: list[Case]) -> tuple[str, ...]:
    return tuple(case.id for case in cases)


def _counted(cases: list[Case]) -> str:
    return f'the case "{cases[0].id}"' if len(cases) == 1 else f"{len(cases)} cases"
