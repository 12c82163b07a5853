"""What of two sides belongs together: candidates to compare, and cases that were asked alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from evalkit.analysis.compare.side import Side, SideResults
from evalkit.analysis.run_data import Candidate
from evalkit.errors import ConfigError


class Cases(NamedTuple):
    """Which cases two sides share, by their ids. Only `common` ones are compared.

    `asked_otherwise` have other vars, turns or pictures now, `expected_otherwise` another expected value: the same id
    stands for another question.
    """

    common: Sequence[str]
    only_old: Sequence[str]
    only_new: Sequence[str]
    asked_otherwise: Sequence[str]
    expected_otherwise: Sequence[str]


def halves(side: Side) -> tuple[Side, Side]:
    """Split the side of two candidates into an old and a new one.

    Raises:
        ConfigError: there is one, or there are more; lists them.
    """
    if len(side.candidates) != 2:
        many = "s" * (len(side.candidates) != 1)
        raise ConfigError(
            f"{side.folder} has {len(side.candidates)} candidate{many} to compare: {spelled(side.candidates)}",
            remedy="name two sides, such as RUN:MODEL RUN:OTHER-MODEL, or two runs",
        )
    first, second = side.candidates
    return Side(side.folder, (first,)), Side(side.folder, (second,))


def pair_up(old: Side, new: Side) -> list[tuple[Candidate, Candidate]]:
    """Find the candidates to compare: the same in both runs, or the one of the same model, or of the same prompt.

    A single candidate is compared with every one of the other side, unless that side has its like.

    Raises:
        ConfigError: none belong together; lists both sides.
    """
    same_run = old.folder.resolve() == new.folder.resolve()
    same = [] if same_run else [(one, one) for one in new.candidates if one in old.candidates]
    every = list(product(old.candidates, new.candidates)) if 1 in {len(old.candidates), len(new.candidates)} else []
    for pairs in (same, _alike(old, new, 0), _alike(old, new, 1), every):
        if proper := [(first, second) for first, second in pairs if not (same_run and first == second)]:
            return proper
    raise ConfigError(
        f"nothing to compare: A is {spelled(old.candidates)} of {old.folder}, "
        f"B is {spelled(new.candidates)} of {new.folder}",
        remedy="name one candidate on each side: RUN:MODEL, RUN@PROMPT or RUN:MODEL@PROMPT",
    )


def _alike(old: Side, new: Side, part: int) -> list[tuple[Candidate, Candidate]]:
    """Pairs of the same model (part 0) or prompt (part 1), where just one candidate of each side has it."""

    def only(side: Side) -> dict[str, Candidate]:
        names = [one[part] for one in side.candidates]
        return {one[part]: one for one in side.candidates if names.count(one[part]) == 1}

    before, now = only(old), only(new)
    return [(before[name], now[name]) for name in now if name in before]


def common_cases(old: SideResults, new: SideResults) -> Cases:
    """Find the cases that both sides were asked alike, in the new one's order, and those that they were not."""
    shared = [case_id for case_id in new.questions if case_id in old.questions]
    asked = [one for one in shared if old.questions[one].asked != new.questions[one].asked]
    expected = [
        one for one in shared if one not in set(asked) and old.questions[one].expected != new.questions[one].expected
    ]
    changed = {*asked, *expected}
    return Cases(
        common=[one for one in shared if one not in changed],
        only_old=[one for one in old.questions if one not in new.questions],
        only_new=[one for one in new.questions if one not in old.questions],
        asked_otherwise=asked,
        expected_otherwise=expected,
    )


def spelled(candidates: Iterable[Candidate]) -> str:
    """Name candidates as a side does."""
    return ", ".join(f":{model}@{prompt}" for model, prompt in candidates)
