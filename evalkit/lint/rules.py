"""All checks, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from evalkit.lint import answers, leaks, outcomes, repeats, size, unused
from evalkit.lint.finding import Finding, Severity
from evalkit.lint.subject import Subject


@dataclass(frozen=True, slots=True)
class Rule:
    """A check: its name, what it looks for, and what finds it."""

    name: str
    words: str
    find: Callable[[Subject], Iterator[Finding]]


RULES: Final[Sequence[Rule]] = (
    Rule("contradiction", "cases that ask the same and expect different answers", repeats.contradictions),
    Rule("repeat", "cases that ask the same", repeats.repeats),
    Rule("near-repeat", "cases that ask nearly the same", repeats.near_repeats),
    Rule("one-label", "one label that is right in most cases", answers.one_label),
    Rule("leak", "expected answers that a prompt shows", leaks.leaks),
    Rule("shown-example", "cases that a prompt shows as examples", leaks.shown_examples),
    Rule("passes-empty", "cases that an empty answer passes", answers.passes_empty),
    Rule("passes-evasive", 'cases that "n/a" or "I don\'t know." passes', answers.passes_evasive),
    Rule("passes-echo", "cases that the question itself passes", answers.passes_echo),
    Rule("passes-swapped", "cases that what is right for another case passes", answers.passes_swapped),
    Rule("always-passed", "cases that every candidate of the stored runs passed", outcomes.always_passed),
    Rule("always-failed", "cases that every candidate of the stored runs failed", outcomes.always_failed),
    Rule("few-cases", "fewer than 30 cases", size.few_cases),
    Rule("small-margin", "margins that are smaller than what so many cases can show", size.small_margin),
    Rule("thin-tag", "tags with too few cases for a pass rate of their own", size.thin_tags),
    Rule("unused-var", "vars that neither a prompt nor a scorer uses", unused.unused_vars),
)

_MOST: Final = 10
"""Findings of one rule that are told one by one."""


def lint(subject: Subject, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Look for weaknesses, the worst first, else in the order of the rules."""
    found = [replace(finding, rule=rule.name) for rule in rules for finding in _capped(list(rule.find(subject)))]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def _capped(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Tell the first ones of a rule, and how many more there are."""
    yield from findings[:_MOST]
    if more := findings[_MOST:]:
        cases = tuple(case for finding in more for case in finding.cases)
        yield replace(more[0], message=f"{len(more):,} more of this kind", cases=cases)
