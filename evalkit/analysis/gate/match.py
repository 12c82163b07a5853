"""What of a run can be held against what of a baseline: candidates by their names, cases by what they ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from evalkit.analysis.gate.baseline import Baseline
from evalkit.analysis.gate.measured import candidate_name
from evalkit.analysis.run_data import Candidate
from evalkit.errors import ConfigError


class CaseChanges(NamedTuple):
    """How the cases of a run differ from those of its baseline; `changed` ask or expect something else."""

    compared: int
    new: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether they differ at all."""
        return bool(self.new or self.removed or self.changed)


class Named(Protocol):
    """A model or a prompt, as far as its name goes."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


def candidates_of(models: Iterable[Named], prompts: Sequence[Named]) -> list[Candidate]:
    """All candidates, in a run's order."""
    return [(model.name, prompt.name) for model in models for prompt in prompts]


def check_comparable(baseline: Baseline, path: Path, suite: str, asked: Mapping[str, str]) -> CaseChanges:
    """Tell how the cases of a run differ from a baseline's.

    Args:
        baseline: the baseline.
        path: its file.
        suite: the name of the run's suite.
        asked: `questions` of the run's cases.

    Raises:
        ConfigError: it belongs to another suite, or no case is the same.
    """
    if baseline.suite != suite:
        raise ConfigError(
            f"the baseline {path} belongs to the suite {baseline.suite!r}, not to {suite!r}",
            remedy="name the baseline of this suite, or make one: evalkit baseline RUN",
        )
    before = baseline.questions
    common = [case for case in asked if case in before]
    differing = tuple(case for case in common if asked[case] != before[case])
    changes = CaseChanges(
        len(common) - len(differing),
        tuple(case for case in asked if case not in before),
        tuple(case for case in before if case not in asked),
        differing,
    )
    if not changes.compared:
        raise ConfigError(
            f"the baseline {path} has no case in common with the run: {len(changes.new)} are new, "
            f"{len(changes.changed)} ask or expect something else",
            remedy="make a new baseline: evalkit baseline RUN",
        )
    return changes


def entries(run: Collection[Candidate], frozen: Collection[Candidate]) -> dict[Candidate, Candidate | None]:
    """Find the entry of a baseline that each candidate is held against; None where there is none.

    That is the one of the same names; else the one of the same model, where that has one prompt on either side (a
    prompt under a new name); else the only one, where there is one candidate on either side.
    """
    if len(run) == len(frozen) == 1:
        return dict(zip(run, frozen, strict=True))
    prompts_now, prompts_then = (Counter(model for model, _ in side) for side in (run, frozen))
    by_model = {model: (model, prompt) for model, prompt in frozen if prompts_then[model] == 1}
    return {one: one if one in frozen else by_model.get(one[0]) if prompts_now[one[0]] == 1 else None for one in run}


def check_entries(run: Collection[Candidate], baseline: Baseline, path: Path) -> dict[Candidate, Candidate | None]:
    """Find the entry of each candidate, as `entries` does.

    Raises:
        ConfigError: there is none for any of them.
    """
    found = entries(run, [one.candidate for one in baseline.candidates])
    if not any(found.values()):
        there = ", ".join(candidate_name(one.candidate) for one in baseline.candidates)
        raise ConfigError(
            f"the baseline {path} has no entry for {', '.join(map(candidate_name, run))}; it has: {there}",
            remedy="make a new baseline: evalkit baseline RUN",
        )
    return found
