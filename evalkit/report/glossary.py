"""What the words of a report mean, for a person who is not a statistician."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class Term(NamedTuple):
    """A word of a report: how it is found in one, and what it means."""

    name: str
    pattern: re.Pattern[str]
    meaning: str


def _term(name: str, pattern: str, meaning: str) -> Term:
    return Term(name, re.compile(pattern, re.IGNORECASE), " ".join(meaning.split()))


TERMS: Final = (
    _term(
        "95 % interval",
        r"95 % (?:\w+ )?interval|\| *95 %|\[95 %\]|[0-9]\.[0-9]-[0-9]+\.[0-9]|\([-+][0-9.]+ to |% to [0-9]",
        """Your cases are a sample of what will come. Had you picked other cases of the same kind, the figure would be
        another; intervals made in this way hold the true one 19 times in 20. The more cases, the narrower: four times
        as many make it half as wide. It does not cover wrong `expected` answers, a judge's errors, or cases unlike
        those you will meet.""",
    ),
    _term(
        "points",
        r"\bpoints\b",
        """The difference of two percentages: from 90 % to 87 % are 3 points down.""",
    ),
    _term(
        "better on, worse on",
        r"better on|worse on",
        """Two candidates are compared on the same cases, so only those count on which they differ: on so many the one
        passed and the other did not, on so many it was the other way round.""",
    ),
    _term(
        "p",
        r"\|\s+p\s+\||\bp = |\bp <",
        """How often a difference at least this large would come up by chance if both were equally good. It is not the
        probability that they are. Small means hard to explain by luck; adjusted (Holm) means that the number of
        comparisons made has been allowed for.""",
    ),
    _term(
        "cannot be told apart",
        r"cannot be told apart",
        """So few cases differ that it may be luck. That does not say the two are equally good: more cases could show a
        difference.""",
    ),
    _term(
        "margin",
        r"\bmargin\b|by more than",
        """How much worse still counts as as good: what you would give up for a lower price, say. `auto` is what an
        unchanged candidate stays within in nine of ten runs of so many cases.""",
    ),
    _term(
        "NOT WORSE",
        r"NOT WORSE",
        """Even the bad end of the interval is within the margin: no more than that was lost, and that is shown.""",
    ),
    _term(
        "REGRESSED",
        r"REGRESSED",
        """Even the good end of the interval is a loss, and the bad one is beyond the margin; or a fixed limit was
        broken. This is hardly luck.""",
    ),
    _term(
        "INCONCLUSIVE",
        r"INCONCLUSIVE|\bundecided\b",
        """Neither: the interval holds both a harmless change and one beyond the margin. More cases, or more trials of
        each, make it narrower.""",
    ),
    _term(
        "p50, p95, p99",
        r"\bp(?:50|90|95|99)\b",
        """Half of the answers came faster than p50, 95 of 100 faster than p95: the slow ones that people notice. Ends
        of its interval that are n/a would take more answers (p95: 72).""",
    ),
    _term(
        "trials, pass@k, pass^k",
        r"pass[@^]|\btrials each\b",
        """Each case was asked several times. pass@k: at least one of k answers is right. pass^k: all k are, which is
        what a user meets who relies on it each time.""",
    ),
    _term(
        "flaky",
        r"\bflaky\b",
        """A case that passed in some trials and failed in others: its verdict is partly luck.""",
    ),
    _term(
        "kappa",
        r"\bkappa\b",
        """How far two judges agree beyond what they would by chance: 1 is always, 0 is no better than guessing.""",
    ),
    _term(
        "precision, recall, F1",
        r"\bprecision\b|\brecall\b",
        """Precision: of the answers with a label, how many were right. Recall: of the cases with it, how many were
        found. F1 lies between the two and is low if either is.""",
    ),
    _term(
        "front",
        r"\bfront: |\| +front +\||\bpareto\b",
        """The candidates to choose from whatever you care for most: no other one is at least as good in every figure
        and better in one. Who is not on it is beaten all round by somebody who is.""",
    ),
    _term(
        "n/a",
        r"\bn/a\b",
        """Nobody knows: no price is configured, nothing was counted, or there were too few answers. It is never 0.""",
    ),
)


def terms_in(text: str) -> Iterator[Term]:
    """Find the terms that a report uses, in the order of the glossary."""
    return (term for term in TERMS if term.pattern.search(text))
