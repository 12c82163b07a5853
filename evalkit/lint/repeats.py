"""Cases that ask the same."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.subject import Subject
from evalkit.sampling.duplicates import find_repeats, is_slip
from evalkit.sampling.texts import plain
from evalkit.types import MISSING, Case

_NEAR = 0.9
"""Cases are few and chosen: a word more or less may be what the second one is there for."""

_SHORT = 80


def contradictions(subject: Subject) -> Iterator[Finding]:
    """Find inputs that are there several times, with different values that are right."""
    for cases in _same(subject):
        if len({repr(case.expected) for case in cases if case.expected is not MISSING}) > 1:
            yield Finding(
                Severity.ERROR,
                f"{_quoted(cases)} ask the same and expect different answers",
                "whoever passes the one fails the other, so no model can pass both",
                "decide what is right, and remove the other; or show the prompt what tells them apart",
                cases[1].where,
                _ids(cases),
            )


def repeats(subject: Subject) -> Iterator[Finding]:
    """Find inputs that are there several times, with the same value that is right."""
    for cases in _same(subject):
        if len({repr((case.expected, _judges(case))) for case in cases}) == 1:
            yield Finding(
                Severity.WARNING,
                f"{_quoted(cases)} ask the same",
                "a case that stands twice counts twice, and makes intervals look narrower than they are",
                "keep one of them; to ask a case several times, use `trials`",
                cases[1].where,
                _ids(cases),
            )


def near_repeats(subject: Subject) -> Iterator[Finding]:
    """Find inputs that are nearly the same, with the same value that is right."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for repeat in find_repeats(subject.inputs, _NEAR):
        first, second = subject.cases[repeat.first], subject.cases[repeat.place]
        same_answer = repr((first.expected, _judges(first))) == repr((second.expected, _judges(second)))
        texts = subject.inputs[repeat.first], subject.inputs[repeat.place]
        if same_answer and _key(texts[0]) != _key(texts[1]) and _same_words(*texts):
            groups[repeat.first].append(repeat.place)
    for first_place, others in sorted(groups.items()):
        cases = [subject.cases[place] for place in (first_place, *others)]
        yield Finding(
            Severity.HINT,
            f"{_quoted(cases)} ask nearly the same: {_short(subject.inputs[first_place])} / "
            f"{_short(subject.inputs[others[0]])}",
            "what passes the one passes the other, so they tell less than as many different cases",
            "keep both only if the small difference is what is tested",
            cases[1].where,
            _ids(cases),
        )


def _same(subject: Subject) -> Iterator[list[Case]]:
    groups: defaultdict[str, list[Case]] = defaultdict(list)
    for case, text in zip(subject.cases, subject.inputs, strict=True):
        groups[_key(text) + "\0".join(file.sha256 for file in case.files.values())].append(case)
    return (cases for key, cases in groups.items() if len(cases) > 1 and key)


def _same_words(first: str, second: str) -> bool:
    """Whether no word of one text stands in the place of another word of the other: but for slips, and words more."""
    words, others = Counter(plain(first).split()), Counter(plain(second).split())
    mine, theirs = list((words - others).elements()), list((others - words).elements())
    fewer, more = sorted((mine, theirs), key=len)
    return all(any(_is_slip(word, other) for other in more) for word in fewer)


def _is_slip(word: str, other: str) -> bool:
    digits = any(letter.isdigit() for letter in word + other)
    return not digits and is_slip(word, other)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line if len(line) <= _SHORT else line[: _SHORT - 3] + "..."}"'


def _key(text: str) -> str:
    """What makes two inputs the same to a model, but for white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _judges(case: Case) -> tuple[object, ...]:
    turns = tuple((repr(turn.expected), tuple(entry.spelling for entry in turn.scorers)) for turn in case.turns)
    return (*(entry.spelling for entry in case.scorers), *turns)


def _ids(cases: list[Case]) -> tuple[str, ...]:
    return tuple(case.id for case in cases)


def _quoted(cases: list[Case]) -> str:
    names = [f'"{case.id}"' for case in cases]
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more cases"
    return f"the cases {', '.join(names[:-1])} and {names[-1]}"
