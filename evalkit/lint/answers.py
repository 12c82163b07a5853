"""Answers that pass and should not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.probes import Outcome
from evalkit.lint.subject import Subject

_MOST: Final = 0.5
_SOME: Final = 0.2
_COMMON: Final = 0.6
_ABOVE_CHANCE: Final = 0.25
_FEW: Final = 10
_EMPTY: Final = ("", " ")
_EVASIVE: Final = ("n/a", "I don't know.")


def passes_empty(subject: Subject) -> Iterator[Finding]:
    """Give an empty answer to every case."""
    yield from _told(
        subject.probes.say(*_EMPTY),
        "an empty answer",
        "a model that says nothing would look right there",
        "add a scorer that asks for content, such as `length: {min_chars: 1}`, or an expected answer",
        Severity.WARNING,
    )


def passes_evasive(subject: Subject) -> Iterator[Finding]:
    """Give an answer that answers nothing to every case."""
    outcome = subject.probes.say(*_EVASIVE)
    yield from _told(
        outcome,
        '"n/a" or "I don\'t know."',
        "a model that never commits itself would look right there",
        "add a scorer for what a good answer holds, unless not to know is right there",
        Severity.WARNING if outcome.share >= _SOME else Severity.HINT,
    )


def passes_echo(subject: Subject) -> Iterator[Finding]:
    """Give every case its own question back."""
    yield from _told(
        subject.probes.echo(),
        "the last message of the prompt, given back as the answer,",
        "a model that parrots the question would look right there",
        "compare with more than what the question holds already, or limit the length",
        Severity.WARNING,
    )


def passes_swapped(subject: Subject) -> Iterator[Finding]:
    """Give every case what is right for another one."""
    outcome = subject.probes.swap()
    if outcome.share >= _MOST:
        yield from _told(
            outcome,
            "what is expected in another case, given as the answer,",
            "no scorer holds the answers against what is expected there",
            "add a scorer that compares with `expected`, such as `exact` or `contains`",
            Severity.WARNING,
        )


def _told(outcome: Outcome, what: str, why: str, remedy: str, severity: Severity) -> Iterator[Finding]:
    cases = outcome.passed
    if cases:
        yield Finding(
            Severity.ERROR if outcome.share >= _MOST and outcome.tried >= _FEW else severity,
            f"{what} passes {len(cases):,} of {outcome.tried:,} cases",
            why,
            remedy,
            cases[0].where,
            tuple(case.id for case in cases),
        )


def one_label(subject: Subject) -> Iterator[Finding]:
    """Give the commonest label to every case."""
    labels = subject.labels
    if subject.majority is None or sum(labels.values()) < _FEW:
        return
    label, share = subject.majority
    if len(labels) == 1:
        yield Finding(
            Severity.WARNING,
            f"every case expects `{label}`",
            "a model that always says so passes them all",
            "add cases where something else is right",
            subject.file,
        )
        return
    if share >= max(_COMMON, 1 / len(labels) + _ABOVE_CHANCE):
        yield Finding(
            Severity.WARNING,
            f"always answering `{label}` passes {100 * share:.0f} % of the cases",
            "a model that is no better than that looks good, and what it gets wrong are the few other cases",
            "add cases of the other labels, or look at the pass rates by tag",
            subject.file,
        )
