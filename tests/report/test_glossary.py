"""The glossary explains what a report says, and nothing else."""

from __future__ import annotations

import pytest

from evalkit.report.glossary import TERMS, terms_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nothing of the kind", []),
        ("| model | 95 % interval |", ["95 % interval"]),
        ("-1.3 points (-6.5 to +3.6), better on 5", ["95 % interval", "points", "better on, worse on"]),
        ("NOT WORSE at a margin of 0.02", ["margin", "NOT WORSE"]),
        ("INCONCLUSIVE", ["INCONCLUSIVE"]),
        ("| p50 | $ |\n| n/a |", ["p50, p95, p99", "n/a"]),
        ("20 trials of each case would find 3 %", []),
        ("12 cases, 3 trials each", ["trials, pass@k, pass^k"]),
        ("| candidate | front |", ["front"]),
        ("who works in front of the house", []),
        ("pass^2 falls; 3 flaky cases", ["trials, pass@k, pass^k", "flaky"]),
    ],
)
def test_the_terms_of_a_text_are_found(text, names):
    assert [term.name for term in terms_in(text)] == names


def test_meanings_are_whole_sentences_on_one_line():
    assert all("\n" not in term.meaning and term.meaning.endswith(".") for term in TERMS)
    assert len({term.name for term in TERMS}) == len(TERMS)
