"""What stands in cases and is never used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.subject import Subject


def unused_vars(subject: Subject) -> Iterator[Finding]:
    """Find vars of cases that neither a prompt shows nor a scorer names."""
    suite = subject.suite
    if not suite.prompts:
        return
    counts = Counter(name for case in subject.cases for name in case.vars)
    spelled = " ".join(
        {entry.spelling for case in subject.cases for entry in suite.scorers_for(case)}
        | {entry.spelling for case in subject.cases for turn in case.turns for entry in turn.scorers}
    )
    asks = suite.judges or '"python"' in spelled  # these see all vars of a case
    for name in sorted(counts):
        if name not in subject.shown and name != suite.cluster and not asks and not _names(spelled, name):
            yield Finding(
                Severity.HINT,
                f"no prompt shows the var `{name}`, which {counts[name]:,} cases have",
                "the model is asked without it, which may not be what is meant",
                "put it into a prompt, or leave it out of the cases",
                next((case.where for case in subject.cases if name in case.vars), None),
            )


def _names(spelled: str, name: str) -> bool:
    """Whether a var is named: as a word of its own, as `max` is not in `max_chars`."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", spelled) is not None
