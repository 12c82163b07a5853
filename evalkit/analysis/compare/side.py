"""What the two sides of a comparison name, RUN, RUN:model, RUN@prompt or RUN:model@prompt, and their common cases."""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from evalkit.analysis.results import CaseResults, ResultsCount, RunResults
from evalkit.analysis.run_data import Candidate, RunData, load_run
from evalkit.errors import ConfigError, Location
from evalkit.runner.folder import LATEST
from evalkit.runner.manifest import MANIFEST, Manifest, read_cases, read_manifest
from evalkit.runner.plan import case_fingerprint, fingerprint
from evalkit.types import MISSING, Case

_SHOWN = 12
"""How many names an error lists."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: some candidates of a run, in the run's order; at least one."""

    folder: Path
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class SideResults:
    """The results of a side's candidates, and what its cases asked.

    Attributes:
        run: the whole run.
        results: of the candidates that the side names, no others.
        questions: each case's id with what it asked, and expected.
    """

    run: RunData
    results: RunResults
    questions: Mapping[str, Question]


class Question(NamedTuple):
    """What a case asks and expects, as fingerprints; `expected` is None where nothing is."""

    asked: str
    expected: str | None


class Aligned(NamedTuple):
    """Two candidates' results on their common cases, in one order.

    Attributes:
        case_ids: the common cases, in the first one's order.
        first, second: the results, a number per common case.
        places: where each case stands among the first one's.
    """

    case_ids: tuple[str, ...]
    first: CaseResults
    second: CaseResults
    places: Sequence[int]


def resolve_side(text: str, results: Path) -> Side:
    """Find what RUN, RUN:model, RUN@prompt or RUN:model@prompt names.

    Names of models and prompts may hold any character: they are looked for among those that the run has.

    Args:
        text: RUN is a run's folder, results/SUITE or results/SUITE/latest for its newest one, or what `results` holds:
            RUN-ID, SUITE, SUITE/RUN-ID or SUITE/latest.
        results: the folder for results.

    Raises:
        ConfigError: there is no such run or candidate, or several that could be meant; lists those there are.
    """
    ends = [len(text), *(at for at in range(len(text) - 1, 0, -1) if text[at] in ":@")]
    for end in ends:  # the longest name first: a folder's may hold such signs too
        if folder := _find(text[:end], results):
            return Side(folder, _named(read_manifest(folder), text[end:], folder))
    raise ConfigError(
        f"no run {text!r}; {_runs_there_are(results)}",
        remedy="name a folder such as results/SUITE/RUN-ID, or the id of a run; then :MODEL, @PROMPT or both",
    )


def resolve_run(text: str, results: Path) -> Path:
    """Find the folder of a run by what `resolve_side` takes for RUN.

    Raises:
        ConfigError: there is no such run, or there are several; lists those there are.
    """
    if folder := _find(text, results):
        return folder
    raise ConfigError(
        f"no run {text!r}; {_runs_there_are(results)}",
        remedy="name a folder such as results/SUITE/RUN-ID, or the id of a run",
    )


def load_side(side: Side) -> SideResults:
    """Read the results of a side's candidates.

    Raises:
        ConfigError: a file of the run is damaged.
    """
    run = load_run(side.folder)
    count = ResultsCount(side.candidates, run.rows.cases, run.manifest.cluster)
    for candidate in side.candidates:
        for row in run.rows.of(candidate):
            count.add(row)
    questions = {case.id: question(case) for case in read_cases(side.folder)}
    return SideResults(run, count.results(), questions)


def question(case: Case) -> Question:
    """Identify what a case asks and expects, its tags and scorers left aside."""
    expected = None if case.expected is MISSING else fingerprint(case.expected)
    return Question(case_fingerprint(case), expected)


def align(
    first_ids: Sequence[str],
    first: CaseResults,
    second_ids: Sequence[str],
    second: CaseResults,
    without: AbstractSet[str] = frozenset(),
) -> Aligned:
    """Bring two candidates' results into one order, as far as they have cases in common.

    Args:
        first_ids: the cases of the first, in its results' order.
        first: its results.
        second_ids: the cases of the second, in its results' order.
        second: its results.
        without: cases to leave out.
    """
    there = {case_id: place for place, case_id in enumerate(second_ids)}
    places = [
        (here, there[case_id]) for here, case_id in enumerate(first_ids) if case_id in there and case_id not in without
    ]
    own = [here for here, _ in places]
    ids = tuple(first_ids[here] for here in own)
    return Aligned(ids, take(first, own), take(second, [other for _, other in places]), own)


def take(results: CaseResults, places: Sequence[int]) -> CaseResults:
    """Results on some of the cases, in the order of these places."""
    return replace(
        results,
        passed=array("I", (results.passed[at] for at in places)),
        finished=array("I", (results.finished[at] for at in places)),
        errors=array("I", (results.errors[at] for at in places)),
        score=array("d", (results.score[at] for at in places)),
    )


def _find(text: str, results: Path) -> Path | None:
    """The run that this names, if there is one."""
    try:
        found = _runs_called(text, results)
    except OSError as error:
        raise ConfigError(f"cannot be looked for: {error.strerror or error}", where=Location(text)) from None
    if len(found) > 1:
        raise ConfigError(f"{text!r} could be {' or '.join(map(str, found))}", remedy="name its folder")
    return found[0] if found else None


def _runs_called(text: str, results: Path) -> list[Path]:
    given = Path(text)
    for path in (given, results / given):
        if folder := _run_at(path):
            return [folder]
    if len(given.parts) != 1:
        return []
    return [folder for suite in _suites(results) if (folder := _run_at(results / suite / text))]


def _run_at(path: Path) -> Path | None:
    """The run in this folder; the newest where it is a suite's, or its `latest`."""
    if path.name == LATEST:
        return _newest(path.parent)
    if (path / MANIFEST).is_file():
        return path
    return _newest(path)


def _newest(home: Path) -> Path | None:
    """The run that a suite's `latest` names; without one the last by its id, which begins with the time."""
    latest = home / LATEST
    name = latest.read_text(encoding="utf-8").strip() if latest.is_file() else latest.resolve().name
    if name != LATEST and (home / name / MANIFEST).is_file():
        return home / name
    runs = _runs(home)
    return home / runs[0] if runs else None


def _runs(home: Path) -> list[str]:
    """The ids of a suite's runs, the newest first."""
    names = (path.parent.name for path in home.glob(f"*/{MANIFEST}"))
    return sorted((name for name in names if name != LATEST), reverse=True)


def _suites(results: Path) -> list[str]:
    return sorted(path.name for path in results.iterdir() if path.is_dir()) if results.is_dir() else []


def _runs_there_are(results: Path) -> str:
    runs = [f"{suite}/{run}" for suite in _suites(results) for run in _runs(results / suite)]
    if not runs:
        return f"there are no runs in {results}"
    return f"the runs in {results} are: {_some(sorted(runs, key=lambda run: Path(run).name, reverse=True))}"


def _named(manifest: Manifest, rest: str, folder: Path) -> tuple[Candidate, ...]:
    """The candidates that the rest of a side names: all where nothing is left."""
    candidates = [(model.name, prompt.name) for model in manifest.models for prompt in manifest.prompts]
    if not rest:
        return tuple(candidates)
    meant = {tuple(one for one in candidates if rest == spelled.format(*one)) for spelled in _SPELLED} - {()}
    if not meant:
        raise _unknown(rest, candidates, folder)
    if len(meant) > 1:
        each = sorted(f"{model!r} with {prompt!r}" for reading in meant for model, prompt in reading)
        raise ConfigError(f"{rest!r} could be {' or '.join(each)} of {folder}", remedy="write both: RUN:MODEL@PROMPT")
    return meant.pop()


_SPELLED = (":{0}", "@{1}", ":{0}@{1}")
"""How a candidate is named after its run, by model, by prompt, by both."""


def _unknown(rest: str, candidates: Sequence[Candidate], folder: Path) -> ConfigError:
    models, prompts = (list(dict.fromkeys(names)) for names in zip(*candidates, strict=True))
    spellings = [f":{model}" for model in models] + [f"@{prompt}" for prompt in prompts]
    close = difflib.get_close_matches(rest, spellings, n=1)
    return ConfigError(
        f"the run {folder} has no candidate {rest!r}; its models are: {_some(models)}; its prompts: {_some(prompts)}",
        remedy=f"did you mean {close[0]!r}?" if close else "write RUN:MODEL, RUN@PROMPT or RUN:MODEL@PROMPT",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
